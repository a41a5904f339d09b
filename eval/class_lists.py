"""Lists of classes that the core takes by name, as entry points ``conceptstats.class_lists``."""

from __future__ import annotations

from .zeroshot.classes import read_classes


def imagenet() -> tuple[str, ...]:
    """The 1,000 names of ImageNet's classes by OpenAI, as open_clip has them, in their order."""
    return read_classes("imagenet", None)
