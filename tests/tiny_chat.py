"""Chat models that are small enough for tests: those of the package, with a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from conceptstats.synth.tiny_chat import TEMPLATE, write_chat

__all__ = ["TEMPLATE", "write_tiny_chat"]


def write_tiny_chat(
    folder: Path,
    answers: Mapping[str, str] | None = None,
    *,
    words: Sequence[str] = (),
    template: str | None = TEMPLATE,
    seed: int = 0,
) -> Path:
    """Write a model that has learned to answer prompts, or has random weights; gives the folder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        write_chat(folder, answers or {}, words=words, template=template)
    return folder
