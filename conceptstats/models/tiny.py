"""Folders for small models with random weights, made to try a chain of commands with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import fingerprint
from conceptstats.tables import writing_folder

MARK = "run.json"  # a folder that has it was made here


@contextmanager
def tiny_model_folder(
    command: str, kind: str, output: Path, given: str | Path | None, seed: int, *, overwrite: bool
) -> Iterator[Path]:
    """A folder to save a model of a kind in, which becomes `output` with its run record.

    Random numbers of torch are drawn by the seed meanwhile. `given` is the file that the model is
    made from, if there is one.

    Raises
    ------
    OutputExistsError, OutputError
    """
    inputs = {} if given is None else {str(given): fingerprint(Path(given))}
    record = run_record(command, {"kind": kind}, inputs, seed, packages=("torch",))
    with (
        writing_folder(output, MARK, overwrite=overwrite) as folder,
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
        _without_bars(),
    ):
        warnings.simplefilter("ignore", DeprecationWarning)  # of libraries about each other
        torch.manual_seed(seed)
        yield folder
        dump_json(folder / MARK, record)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Show no progress of saving some kilobytes."""
    log: Any = import_module("transformers.utils.logging")
    shown = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            log.enable_progress_bar()
