"""Controlled concept-pair images: prompts, generators, edited photographs. Nothing yet."""
