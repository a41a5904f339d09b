"""The folder in which an index is made, and how it becomes the index.

Everything is made in a hidden folder beside the index, which is renamed at the end. What is
complete there outlives a build that is killed, and the next build with the same plan goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from conceptstats import __version__, tables
from conceptstats.errors import (
    BuildInProgressError,
    ConceptStatsError,
    OutputExistsError,
    ParameterError,
)
from conceptstats.index.layout import LOCK
from conceptstats.runs import dump_json

DEFAULT_MEMORY = 4 << 30
LEAST_MEMORY = 64 << 20
_WORTH_KEEPING = 60.0  # seconds of work; a build that fails earlier leaves nothing behind


def check_resources(workers: int | None, memory: int) -> tuple[int, int]:
    """Workers (all cores by default) and memory in bytes.

    Raises
    ------
    ParameterError
        When there is no worker or too little memory.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0))
    if workers < 1:
        raise ParameterError(f"workers is {workers}, expected 1 or more.")
    if memory < LEAST_MEMORY:
        raise ParameterError(
            f"memory is {memory:,} bytes, expected at least {LEAST_MEMORY:,}.", "--memory 64MiB"
        )
    return workers, memory


def check_output(output: Path, *, overwrite: bool) -> None:
    """Raise unless an index may be written there.

    An index that a killed overwrite has left aside is put back first.

    Raises
    ------
    OutputExistsError
        When something is there and overwriting was not asked for, or it is no index.
    """
    old = _aside(output)
    if old.exists() and not output.exists():
        old.rename(output)
    if not output.exists():
        return
    is_folder = output.is_dir()
    if overwrite and is_folder and ((output / "index.json").exists() or not any(output.iterdir())):
        return
    if overwrite:
        raise OutputExistsError(f"{output} exists and is not an index.", "choose another name")
    raise OutputExistsError(f"{output} exists.", "choose another name, or --overwrite")


@contextmanager
def unfinished(output: Path, plan: dict[str, Any]) -> Iterator[Path]:
    """The folder in which the index is made, locked; kept or removed when the build fails.

    Parameters
    ----------
    output : Path
    plan : dict
        Everything that decides the index. An unfinished folder with another plan is emptied.

    Raises
    ------
    BuildInProgressError
        When another process is at it.
    """
    folder = output.with_name(f".{output.name}.partial")
    began = time.monotonic()
    with tables.output_errors(output):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
        try:
            _resume_or_empty(folder, json.loads(json.dumps({**plan, "made_by": __version__})))
            yield folder
        except (ConceptStatsError, OSError) as error:
            if time.monotonic() - began < _WORTH_KEEPING:
                shutil.rmtree(folder, ignore_errors=True)
            elif isinstance(error, ConceptStatsError):
                kept = f"the same command goes on with the work done so far, kept in {folder}"
                error.hint = f"{error.hint}; {kept}" if error.hint else kept
            raise
        finally:
            lock.close()


def _lock(folder: Path) -> IO[bytes]:
    lock = (folder / LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BuildInProgressError(
            f"another process is building in {folder}.", "wait for it, or choose another name"
        ) from None
    return lock


def _resume_or_empty(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / "plan.json"
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == plan
    except (OSError, ValueError):
        same = False
    if not same:
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != LOCK:
                entry.unlink()
        partial = folder / "plan.json.partial"
        dump_json(partial, plan)
        partial.replace(path)
    for name in ("parts", "work"):
        (folder / name).mkdir(exist_ok=True)
        for entry in (folder / name).glob(".*.partial"):
            shutil.rmtree(entry)


def _aside(output: Path) -> Path:
    """Where an index is while its replacement takes its place."""
    return output.with_name(f".{output.name}.old")


def publish(folder: Path, output: Path, *, overwrite: bool) -> None:
    """Make the finished folder the index."""
    check_output(output, overwrite=overwrite)
    (folder / LOCK).unlink()
    if output.exists():
        old = _aside(output)
        shutil.rmtree(old, ignore_errors=True)
        output.rename(old)
        folder.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    else:
        folder.rename(output)
