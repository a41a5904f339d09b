"""Weights: that they are all there, and what tells them from others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
import xxhash

from conceptstats.errors import ModelError


def refuse_random(module: Any, loaded: Mapping[str, Any], model: str, what: str) -> None:
    """Raise where weights are missing, which transformers would draw at random and only warn of.

    Raises
    ------
    ModelError
    """
    trained = dict(module.named_parameters())
    missing = sorted(name for name in loaded["missing_keys"] if name in trained)
    missing += [str(key[0]) for key in loaded["mismatched_keys"]]  # name, shape, shape
    if missing:
        raise ModelError(
            f"{model} lacks {len(missing):,} weights of {type(module).__name__}, or has them in "
            f"other shapes, such as {missing[0]}.",
            f"is it {what}, and whole?",
        )


def fingerprint_of(module: Any, *settings: str) -> str:
    """A digest of the weights, of the architecture and of settings; fast, for they may be large."""
    digest = xxhash.xxh3_128("\n".join([str(module), *settings, ""]).encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy())
    return f"xxh3:{digest.hexdigest()}"
