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
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from conceptstats import __version__, tables
from conceptstats.errors import (
    BuildInProgressError,
    ConceptStatsError,
    OutputError,
    OutputExistsError,
    ParameterError,
)
from conceptstats.index.layout import LOCK, PLAN
from conceptstats.runs import dump_json

DEFAULT_MEMORY = 4 << 30
LEAST_MEMORY = 64 << 20
_WORTH_KEEPING = 60.0  # seconds of work; a build that fails earlier leaves nothing behind


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_resources(workers: int | None, memory: int) -> tuple[int, int]:
    """Workers (all cores by default) and memory in bytes.

    Raises
    ------
    ParameterError
        When there is no worker or too little memory.
    """
    if workers is None:
        workers = usable_cores()
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
    OutputError
        When the place is inside another index.
    OutputExistsError
        When something is there and overwriting was not asked for, or it is no index.
    """
    for parent in output.absolute().parents:
        if (parent / "index.json").exists() and (parent / "vocabulary.arrow").exists():
            raise OutputError(f"{output} is inside the index {parent}.", "choose another place")
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
def unfinished(output: Path, plan: dict[str, Any], settings: dict[str, Any]) -> Iterator[Path]:
    """The folder in which the index is made, locked; kept or removed when the build fails.

    Parameters
    ----------
    output : Path
    plan : dict
        Everything that decides the parts. An unfinished folder with another plan is emptied.
    settings : dict
        Everything else that decides the index. Where only this differs, finished parts are kept.

    Raises
    ------
    BuildInProgressError
        When another process is at it.
    """
    folder = output.with_name(f".{output.name}.partial")
    began = time.monotonic()
    with tables.output_errors(output):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:
            raise OutputError(f"{output} cannot be written: {error.strerror}.") from error
        lock = _lock(folder)
        resumes = False
        try:
            made_by = {"conceptstats": __version__, "unicode": unicodedata.unidata_version}
            plans = {"parts": {**plan, "made_by": made_by}, "settings": settings}
            resumes = _resume_or_empty(folder, json.loads(json.dumps(plans)))
            yield folder
        except Exception as error:
            if not resumes and time.monotonic() - began < _WORTH_KEEPING:
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


def _resume_or_empty(folder: Path, plan: dict[str, Any]) -> bool:
    """Make the folder ready; whether there is work of an earlier build with this plan in it."""
    path = folder / PLAN
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        same = bool(earlier["parts"] == plan["parts"])
    except (OSError, ValueError, KeyError, TypeError):
        earlier, same = None, False
    kept = {LOCK}
    if same:
        kept |= {PLAN, "parts"}
    if earlier == plan:
        kept.add("work")
    for entry in folder.iterdir():
        if entry.name not in kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    if earlier != plan:
        partial = folder / f"{PLAN}.partial"
        dump_json(partial, plan)
        partial.replace(path)
    for name in ("parts", "work"):
        (folder / name).mkdir(exist_ok=True)
        for entry in (folder / name).glob(".*.partial"):
            shutil.rmtree(entry)
    return same


def _aside(output: Path) -> Path:
    """Where an index is while its replacement takes its place."""
    return output.with_name(f".{output.name}.old")


def publish(folder: Path, output: Path, *, overwrite: bool) -> None:
    """Make the finished folder the index."""
    check_output(output, overwrite=overwrite)
    (folder / PLAN).unlink()
    (folder / LOCK).unlink()
    if output.exists():
        old = _aside(output)
        shutil.rmtree(old, ignore_errors=True)
        output.rename(old)
        folder.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    else:
        folder.rename(output)
