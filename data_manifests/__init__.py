"""Manifests of the papers' data sets and models, one TOML file each."""
