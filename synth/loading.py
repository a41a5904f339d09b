"""Models of transformers: what goes wrong as they are loaded or run, as errors that help."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import transformers

from conceptstats.errors import ConceptStatsError, ModelError


@contextmanager
def loading(model: str, *, quiet: bool) -> Iterator[None]:
    """Turn what goes wrong as a model is loaded into errors; the log is not shown.

    Raises
    ------
    ModelError
    """
    log: Any = transformers.utils.logging
    bars = log.is_progress_bar_enabled()
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    if quiet or not sys.stderr.isatty():
        log.disable_progress_bar()
    try:
        yield
    except ConceptStatsError:
        raise
    except Exception as error:  # of transformers, torch, safetensors, the hub, the network
        reason = shorten(" ".join(str(error).split()) or type(error).__name__, 300)
        raise ModelError(f"{model} cannot be loaded: {reason}", _hint(model, error)) from error
    finally:
        logging.disable(before)
        if bars:
            log.enable_progress_bar()


def _hint(model: str, error: Exception) -> str:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "--precision bf16, --device cpu, or a smaller model"
    if Path(model).is_dir():
        return "are the weights, the config and the processor or tokeniser there, and whole?"
    if "gated" in str(error).lower():
        return "accept the model's terms on the hub, and log in with `hf auth login`"
    return "ORG/NAME on the hub, or a folder; without a network, get its files elsewhere"


def refuse_random(module: Any, loaded: Mapping[str, Any], model: str, what: str) -> None:
    """Raise where weights are missing, which transformers would draw at random and only warn of.

    Raises
    ------
    ModelError
    """
    trained = dict(module.named_parameters())
    missing = sorted(name for name in loaded["missing_keys"] if name in trained)
    n = len(missing) + len(loaded["mismatched_keys"])
    if n:
        raise ModelError(
            f"{model} lacks {n:,} weights of {type(module).__name__}, or has them in other shapes.",
            f"is it {what}, and whole?",
        )


@contextmanager
def enough_memory(name: str, device: torch.device) -> Iterator[None]:
    """Say what can be done where a model runs out of memory.

    Raises
    ------
    ModelError
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"too little memory for {name} on {device}.",
            "--precision bf16, or --device cpu; a run goes on where it stopped only with the same",
        ) from error


def fingerprint_of(module: Any, *settings: str) -> str:
    """SHA-256 of the weights, of the architecture and of settings."""
    digest = hashlib.sha256("\n".join([str(module), *settings, ""]).encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy())
    return f"sha256:{digest.hexdigest()}"
