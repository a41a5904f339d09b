"""Where the data and models of the papers lie, and whether a copy is what was published.

A manifest is a TOML file: files with their size, hash and rows where these are published and the
word "unknown" where they are not, columns, licence, citation, and where each fact is from. Those
that come with the package are in ``data_manifests/``; a user's own is given by its path.
"""
