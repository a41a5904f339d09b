"""Pipelines of diffusers, loaded with all their weights or not at all."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import torch

from conceptstats.errors import ModelError
from conceptstats.table_files import fingerprint

_INDEX = "model_index.json"
_LIBRARIES = ("diffusers", "transformers", "huggingface_hub")
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
    with _loading(str(model), quiet=quiet) as messages:
        diffusers: Any = import_module("diffusers")
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
        commit = _digest(folder) if folder.is_dir() else _commit(str(model), revision)
    return Loaded(found, commit)


def _digest(folder: Path) -> str:
    """SHA-256 of the files that a pipeline is loaded from: its index, and those of components."""
    digest = hashlib.sha256()
    for path in sorted([folder / _INDEX, *folder.glob("*/*")]):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\t{fingerprint(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _commit(model: str, revision: str | None) -> str | None:
    """The commit that was loaded, which the cache of the hub has as the name of a folder."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, _INDEX, revision=revision)
    return Path(found).parent.name if isinstance(found, str) else revision


@contextmanager
def quiet_libraries() -> Iterator[list[str]]:
    """Show no warning and no log of the libraries; yields the list of what they have logged."""
    messages: list[str] = []
    keeper = logging.Handler(logging.WARNING)
    keeper.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in _LIBRARIES:
            logger = logging.getLogger(name)
            stack.callback(_restore, logger, logger.handlers, logger.level, logger.propagate)
            logger.handlers, logger.propagate = [keeper], False
            logger.setLevel(logging.WARNING)
        yield messages


def _restore(
    logger: logging.Logger, handlers: list[logging.Handler], level: int, propagate: bool
) -> None:
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@contextmanager
def _loading(model: str, *, quiet: bool) -> Iterator[list[str]]:
    """Turn what goes wrong in loading into errors; yields what libraries have logged."""
    try:
        with quiet_libraries() as messages, _bars(shown=not quiet and sys.stderr.isatty()):
            yield messages
    except ImportError as error:
        raise ModelError(
            f"{model} cannot be loaded: {error}", "pip install 'conceptstats[models]'"
        ) from error
    except ModelError:
        raise
    except Exception as error:  # of diffusers and what it rests on, the hub, the network
        kinds = _kinds(error)
        reason = shorten(" ".join(str(error).split()) or type(error).__name__, 300)
        if "LocalEntryNotFoundError" in kinds:
            reason = "it is not in the cache, and the hub cannot be reached."
        raise ModelError(f"{model} cannot be loaded: {reason}", _hint(model, kinds)) from error


def _kinds(error: BaseException | None) -> set[str]:
    """Names of the classes of an error, and of those that led to it."""
    names: set[str] = set()
    while error is not None:
        names |= {kind.__name__ for kind in type(error).__mro__}
        error = error.__cause__ or error.__context__
    return names


def _hint(model: str, kinds: set[str]) -> str:
    if Path(model).is_dir():
        return "a pipeline of diffusers is a folder with model_index.json and its components"
    if "GatedRepoError" in kinds:
        return "accept the model's terms on the hub, and log in with `hf auth login`"
    if "RevisionNotFoundError" in kinds:
        return "--revision: a branch, a tag or a commit that the hub has"
    if kinds & {"RepositoryNotFoundError", "HFValidationError"}:
        return "--model: a name as the hub has it, org/name, or a folder"
    return "without a network: get its files elsewhere, and name their folder"


@contextmanager
def _bars(*, shown: bool) -> Iterator[None]:
    """Progress bars of downloads and of loading, or none."""
    of_diffusers: Any = import_module("diffusers.utils.logging")
    of_transformers: Any = import_module("transformers.utils.logging")
    of_hub: Any = import_module("huggingface_hub.utils")
    if shown:
        yield
        return
    were = of_transformers.is_progress_bar_enabled(), not of_hub.are_progress_bars_disabled()
    for switch in (of_diffusers, of_transformers):
        switch.disable_progress_bar()
    of_hub.disable_progress_bars()
    try:
        yield
    finally:
        of_diffusers.enable_progress_bar()
        if were[0]:
            of_transformers.enable_progress_bar()
        if were[1]:
            of_hub.enable_progress_bars()
