"""Prompts for images of probes, from templates or a chat model."""
