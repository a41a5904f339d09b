"""Pipelines of diffusers, loaded with all their weights or not at all."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import torch
import transformers

from conceptstats.errors import ModelError
from conceptstats.models.loading import loading, model_errors, quiet_libraries, refuse_wordless
from conceptstats.table_files import fingerprint_files

_INDEX = "model_index.json"
_RANDOM = "newly initialized"  # as diffusers and transformers warn of weights that are missing


class Loaded(NamedTuple):
    """A pipeline, and what it was loaded from."""

    pipeline: Any
    revision: str | None  # commit on the hub; SHA-256 of the files of a folder


def load_pipeline(
    model: str | Path, revision: str | None, dtype: torch.dtype, *, quiet: bool
) -> Loaded:
    """Load a text-to-image pipeline to the memory of the CPU.

    Where diffusers has one for text to image with the components of ``model``, it is that one; else
    the class that the folder names.

    Parameters
    ----------
    model : str or Path
        Name on the Hugging Face hub, or a folder with ``model_index.json``.
    revision : str, optional
        On the hub: a branch, a tag or a commit.
    dtype : torch.dtype
    quiet : bool
        Show no progress of downloads.

    Raises
    ------
    ModelError
        When it cannot be had, or lacks weights.
    """
    folder = Path(model)
    if folder.is_dir() and revision is not None:
        raise ModelError(f"{model} is a folder, which has no revisions.", "leave out --revision")
    with model_errors("diffusers"), quiet_libraries():
        diffusers: Any = import_module("diffusers")
    with loading(str(model), quiet=quiet) as messages:
        settings = {"dtype": dtype, "revision": revision}
        try:
            found = diffusers.AutoPipelineForText2Image.from_pretrained(str(model), **settings)
        except ValueError:  # it knows no such class; another error comes again
            found = diffusers.DiffusionPipeline.from_pretrained(str(model), **settings)
        if random := [message for message in messages if _RANDOM in message]:
            reason = shorten(re.sub(r"\x1b\[\d*m|\s+", " ", random[0]), 200)
            raise ModelError(
                f"{model} lacks weights, which would be drawn at random: {reason}", "is it whole?"
            )
        for tokenizer in tokenizers(found):
            refuse_wordless(tokenizer, str(model))
        commit = _digest(folder) if folder.is_dir() else _commit(str(model), revision)
    return Loaded(found, commit)


def tokenizers(pipeline: Any) -> list[Any]:
    """The tokenisers of a pipeline, of which some have several."""
    parts = pipeline.components.values()
    return [part for part in parts if isinstance(part, transformers.PreTrainedTokenizerBase)]


def _digest(folder: Path) -> str:
    """SHA-256 of the files that a pipeline is loaded from: its index, and those of components."""
    found = sorted([folder / _INDEX, *folder.glob("*/*")])
    return fingerprint_files(folder, filter(Path.is_file, found))


def _commit(model: str, revision: str | None) -> str | None:
    """The commit that was loaded, which the cache of the hub has as the name of a folder."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, _INDEX, revision=revision)
    return Path(found).parent.name if isinstance(found, str) else revision
