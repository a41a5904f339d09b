"""Results in numbered parts beside an output, so that a run that is killed goes on."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats.errors import ConceptStatsError, OutputError
from conceptstats.progress import Progress
from conceptstats.runs import dump_json
from conceptstats.tables import output_errors, read_table, write_table

_PLAN = "plan.json"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Parts:
    """Finished parts of a run: tables 0, 1, ... without a gap, and an array that all need."""

    folder: Path
    schema: pa.Schema

    @property
    def n_done(self) -> int:
        """How many parts there are."""
        number = 0
        while self._path(number).exists():
            number += 1
        return number

    def write(self, number: int, table: pa.Table) -> None:
        """Keep a part."""
        write_table(self._path(number), table, self.schema, overwrite=True)

    def read(self) -> pa.Table:
        """All parts, in order."""
        tables = [
            read_table(self._path(number), self.schema, in_memory=True)
            for number in range(self.n_done)
        ]
        return pa.concat_tables(tables) if tables else self.schema.empty_table()

    def array(
        self, name: str, make: Callable[[], npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
        """An array that is made once."""
        path = self.folder / f"{name}.npy"
        if not path.exists():
            partial = path.with_name(f".{path.name}")
            with output_errors(path), partial.open("wb") as file:
                np.save(file, make())
            partial.replace(path)
        found: npt.NDArray[np.float32] = np.load(path)
        return found

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.arrow"


@contextmanager
def unfinished(
    output: Path, plan: Mapping[str, Any], schema: pa.Schema, progress: Progress
) -> Iterator[Parts]:
    """Yield the parts of a run, which stay until one with the same plan has come to its end.

    Parameters
    ----------
    output : Path
        The parts are in a hidden folder beside it.
    plan : mapping
        Of JSON types: all that the parts depend on.
    schema : Schema
        Of a part.
    progress : Progress
        Is told what becomes of an earlier run.

    Raises
    ------
    OutputError
        When another process writes the same output, or the place cannot be written.
    """
    folder = output.with_name(f".{output.name}.parts")
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    parts = Parts(folder, schema)
    with lock:
        take_lock(lock, output)
        with output_errors(folder):
            _begin(parts, plan, progress)
        try:
            yield parts
        except ConceptStatsError:
            if not parts.n_done:  # the user's mistake, and nothing is lost
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def take_lock(lock: IO[str], output: Path) -> None:
    """Take the lock of an output until its file is closed.

    Raises
    ------
    OutputError
        When another process has it.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(f"another process is writing {output}.", "wait for it") from error


def _begin(parts: Parts, plan: Mapping[str, Any], progress: Progress) -> None:
    """Keep the parts of an earlier run with the same plan, and remove those of another."""
    plan = json.loads(json.dumps(plan))  # as it is read back: tuples are lists
    old: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        old = json.loads((parts.folder / _PLAN).read_text(encoding="ascii"))
    if old == plan:
        if parts.n_done:
            done = "1 part is done" if parts.n_done == 1 else f"{parts.n_done:,} parts are done"
            progress.say(f"going on with an unfinished run: {done}")
        return
    if parts.n_done:
        changed = [name for name in {**old, **plan} if plan.get(name) != old.get(name)]
        progress.say(f"an unfinished run is dropped, as these have changed: {', '.join(changed)}")
    for file in parts.folder.iterdir():
        if file.name != _LOCK:
            file.unlink()
    dump_json(parts.folder / _PLAN, plan)
