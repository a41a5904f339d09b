"""Models as they are loaded: what goes wrong as errors that help, and no chatter of libraries."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any

import transformers

from conceptstats.errors import ConceptStatsError, DownloadError, ModelError
from conceptstats.manifests.hub import check_reachable

from .devices import is_full

_HUB_NAME = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?")
_UNREACHED = (
    "there is no folder of that name, it is not in the cache, and the hub cannot be reached."
)
_WITHOUT = "without a network: get its files elsewhere, and name their folder"
_LIBRARIES = ("diffusers", "transformers", "huggingface_hub")


@contextmanager
def loading(model: str, *, quiet: bool) -> Iterator[list[str]]:
    """Turn what goes wrong as a model is loaded into errors; yields what libraries have logged.

    Libraries must be imported before: they begin to log on import.

    Raises
    ------
    ModelError
    """
    _check_place(model)
    shown = not quiet and sys.stderr.isatty()
    with model_errors(model), _bars(shown=shown), quiet_libraries() as messages:
        yield messages


@contextmanager
def model_errors(model: str) -> Iterator[None]:
    """Turn what goes wrong with a model, or a library, into errors that help.

    Raises
    ------
    ModelError
    """
    try:
        yield
    except ConceptStatsError:
        raise
    except Exception as error:  # of the libraries, torch, safetensors, the hub, the network
        reason = shorten(" ".join(str(error).split()) or type(error).__name__, 300)
        if "LocalEntryNotFoundError" in _kinds(error) and not Path(model).is_dir():
            reason = _UNREACHED
        raise ModelError(f"{model} cannot be loaded: {reason}", _hint(model, error)) from error


def _check_place(model: str) -> None:
    """Raise where a model can be nowhere, before libraries try for most of a minute."""
    if Path(model).is_dir():
        return
    if Path(model).exists() or not _HUB_NAME.fullmatch(model):
        raise ModelError(
            f"{model} cannot be loaded: it is no folder, and no name of the hub.",
            "a folder with its weights and configs, or ORG/NAME",
        )
    hub: Any = import_module("huggingface_hub.constants")
    is_cached = Path(hub.HF_HUB_CACHE, f"models--{model.replace('/', '--')}").is_dir()
    if is_cached or hub.HF_HUB_OFFLINE:
        return
    try:
        check_reachable()
    except DownloadError as error:
        raise ModelError(f"{model} cannot be loaded: {_UNREACHED}", _WITHOUT) from error


def _kinds(error: BaseException | None) -> set[str]:
    """Names of the classes of an error, and of those that led to it."""
    names: set[str] = set()
    while error is not None:
        names |= {kind.__name__ for kind in type(error).__mro__}
        error = error.__cause__ or error.__context__
    return names


def _hint(model: str, error: Exception) -> str:
    kinds = _kinds(error)
    if is_full(error):
        return "--precision bf16, --device cpu, or a smaller model"
    if "ImportError" in kinds:
        return "pip install 'conceptstats[models]'"
    if Path(model).is_dir():
        return "are its files all there, and whole? weights, configs, processor or tokeniser"
    if "GatedRepoError" in kinds or "gated repo" in str(error):
        return "accept the model's terms on the hub, and log in with `hf auth login`"
    if "RevisionNotFoundError" in kinds:
        return "--revision: a branch, a tag or a commit that the hub has"
    if kinds & {"RepositoryNotFoundError", "HFValidationError"}:
        return "a model is named as on the hub, ORG/NAME, or by its folder"
    return _WITHOUT


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
def _bars(*, shown: bool) -> Iterator[None]:
    """Progress bars of downloads and of loading, or none."""
    if shown:
        yield
        return
    log: Any = transformers.utils.logging
    of_hub: Any = import_module("huggingface_hub.utils")
    of_diffusers: Any = sys.modules.get("diffusers.utils.logging")
    were = log.is_progress_bar_enabled(), not of_hub.are_progress_bars_disabled()
    log.disable_progress_bar()
    of_hub.disable_progress_bars()
    if of_diffusers:
        of_diffusers.disable_progress_bar()
    try:
        yield
    finally:
        if were[0]:
            log.enable_progress_bar()
        if were[1]:
            of_hub.enable_progress_bars()
        if of_diffusers:
            of_diffusers.enable_progress_bar()


def refuse_wordless(tokenizer: Any, model: str) -> None:
    """Raise where a tokeniser knows no word, as transformers makes one whose files are missing.

    Raises
    ------
    ModelError
    """
    special = {*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens}
    if len(set(tokenizer.get_vocab()) - special) < 2:  # T5's has a blank
        raise ModelError(
            f"{model}: the vocabulary of its {type(tokenizer).__name__} is missing.",
            "is it whole? beside its tokenizer_config.json is tokenizer.json or spiece.model",
        )
