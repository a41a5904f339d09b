"""The folder of a run that makes pictures, alone or in shares: begun, gone on with, gathered.

Every picture is in its place as soon as it is made, so a run that is killed loses nothing. What the
pictures depend on, and the locks of those who are at work, are in a hidden folder inside, which
goes when the images table is written. A lock is a file's, so that it ends with its process.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from os.path import samestat
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from conceptstats.errors import ConceptStatsError, OutputError, OutputExistsError, TableError
from conceptstats.parts import take_lock
from conceptstats.progress import Progress
from conceptstats.runs import dump_json
from conceptstats.shards import Shard
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import IMAGES, check_folder, output_errors, writing

TABLE = "images.parquet"
MARK = f"{TABLE}.run.json"  # a folder that has it was made here, and is complete
FAILURES_TABLE = "failures.parquet"
_HIDDEN = ".unfinished"
_PLAN = "plan.json"
_LOCK = "lock"

MADE = pa.schema([*IMAGES, pa.field("prompt", pa.string())])
FAILURES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("probe_id", pa.string()),
        pa.field("prompt", pa.string()),
        pa.field("seed", pa.int64()),  # of the first attempt
        pa.field("attempts", pa.int32()),
        pa.field("kind", pa.string()),  # of the last: error, or refused
        pa.field("reason", pa.string(), nullable=False),
    ]
)


class Rows(NamedTuple):
    """What became of some pictures."""

    images: pa.Table  # `MADE`
    failures: pa.Table  # `FAILURES`


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """A folder in which one share of a run is at work."""

    path: Path
    shard: Shard
    record: Mapping[str, Any]  # of the run; the same for all shares

    def finish(self, rows: Rows, order: Sequence[str]) -> tuple[Rows, bool]:
        """Write the tables of this share, and those of all where it is the last.

        Parameters
        ----------
        rows : Rows
            Of this share.
        order : sequence of str
            Identities of all pictures of all shares, in the order of the table.

        Returns
        -------
        Rows
            Of all shares, where they are all there, else of this one.
        bool
            Whether they are.
        """
        with _locked(self.path):
            if self.shard.n > 1:
                self._save(rows, self.shard)
                shards = [Shard(index, self.shard.n) for index in range(self.shard.n)]
                if not all((self.path / _name(TABLE, shard)).exists() for shard in shards):
                    return rows, False
                rows = self._read(shards)
            rows = _in_order(rows, order, self.path)
            self._save(rows, None)
            with output_errors(self.path):
                for kind in (TABLE, FAILURES_TABLE):
                    for path in self.path.glob(_name(kind, "*-of-*")):
                        path.unlink()
                shutil.rmtree(self.path / _HIDDEN)
        return rows, True

    def table(self, *, complete: bool) -> Path:
        """Where the images table of all is, or of this share."""
        return self.path / _name(TABLE, None if complete else self.shard)

    def _save(self, rows: Rows, shard: Shard | None) -> None:
        """The images table comes last, since it says that all is there."""
        failures = self.path / _name(FAILURES_TABLE, shard)
        if rows.failures.num_rows:
            save_table(failures, rows.failures, FAILURES, overwrite=True)
        else:
            with output_errors(failures):
                failures.unlink(missing_ok=True)
        record = None
        if shard is None:
            record = {**self.record, "n_failed": rows.failures.num_rows}
        images = self.path / _name(TABLE, shard)
        save_table(images, rows.images, MADE, record=record, overwrite=True)

    def _read(self, shards: Sequence[Shard]) -> Rows:
        tables = [load_table(self.path / _name(TABLE, shard), MADE) for shard in shards]
        failed = [FAILURES.empty_table()]
        for shard in shards:
            path = self.path / _name(FAILURES_TABLE, shard)
            if path.exists():
                failed.append(load_table(path, FAILURES))
        return Rows(pa.concat_tables(tables), pa.concat_tables(failed))


@contextmanager
def picture_folder(
    output: Path,
    record: Mapping[str, Any],
    shard: Shard,
    *,
    overwrite: bool,
    progress: Progress,
) -> Iterator[PictureFolder]:
    """Begin a folder, or go on with one whose run had the same record.

    A finished run is gone on with where pictures failed, which are tried again; for those that were
    refused more retries may be asked for.

    Parameters
    ----------
    output : Path
    record : mapping
        Of the run, as `conceptstats.runs.run_record` makes it: all that the pictures depend on.
    shard : Shard
    overwrite : bool
        Replace a finished run, or an unfinished one with another record.
    progress : Progress
        Is told what becomes of an earlier run.

    Raises
    ------
    OutputExistsError
        When the folder holds something else.
    OutputError
        When another process does this share, or one of another number of shares.
    """
    _is_same(output, record, overwrite)  # before anything is written
    with ExitStack() as stack:
        with _locked(output):
            busy = _at_work(output)
            _refuse_busy(output, busy, shard)
            if _is_same(output, record, overwrite):
                progress.say(f"going on with what {output} holds")
            elif busy:
                raise OutputError(f"another process is writing {output}.", "wait for it")
            else:
                _clear(output)
            with writing(output / _HIDDEN / _PLAN, overwrite=True) as partial:
                dump_json(partial, record)
            with output_errors(output):
                lock = (output / _HIDDEN / f"{_label(shard)}.lock").open("w")
            take_lock(stack.enter_context(lock), output)
        try:
            yield PictureFolder(output, shard, record)
        except ConceptStatsError:
            lock.close()
            _drop_empty(output)
            raise


def check_output(output: Path, *, overwrite: bool) -> None:
    """Raise unless a run may begin or go on there, as far as can be told without its record.

    Raises
    ------
    OutputExistsError, OutputError
    """
    with output_errors(output):
        if not output.exists():
            return
        others = [path for path in output.iterdir() if path.name != _HIDDEN]
    if others and not _read_json(output / _HIDDEN / _PLAN) and not _failed_before(output):
        check_folder(output, MARK, overwrite=overwrite)


def _is_same(output: Path, record: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether a folder can be gone on with; else it may be cleared, or this raises."""
    check_output(output, overwrite=overwrite)
    new = json.loads(json.dumps(record))
    if old := _read_json(output / _HIDDEN / _PLAN):
        same, state = _plan(old) == _plan(new), "an unfinished run"
    elif old := _failed_before(output):
        same = not overwrite and _tries_again(_plan(old), _plan(new))
        state = f"a run of which {old['n_failed']:,} pictures failed"
    else:
        return False
    if same or overwrite or {path.name for path in output.iterdir()} == {_HIDDEN}:
        return same
    raise OutputExistsError(
        f"{output} holds {state}, which differs in: {', '.join(_changed(_plan(old), _plan(new)))}.",
        "choose another name, or --overwrite",
    )


def _read_json(path: Path) -> dict[str, Any]:
    """Empty where there is none that can be read."""
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        return found
    return {}


def _failed_before(output: Path) -> dict[str, Any]:
    """The record of a finished run of which pictures failed; empty where there is none."""
    record = _read_json(output / MARK)
    ours = record.get("command") == "synth generate" and record.get("n_failed")
    return record if ours else {}


def _plan(record: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same, and what it is called: not how the paths of the inputs are written."""
    plan: dict[str, Any] = {"seed": record["seed"], "inputs": sorted(record["inputs"].values())}
    for name, value in {**record["arguments"], "versions": record["versions"]}.items():
        inner = value if isinstance(value, dict) else {"": value}
        plan |= {f"{name} {key}".strip(): of_it for key, of_it in inner.items()}
    return plan


def _tries_again(finished: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a run is one that is finished, with as many attempts or more."""
    more = new["retries"] >= finished["retries"]
    return more and new == {**finished, "retries": new["retries"]}


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _clear(output: Path) -> None:
    with output_errors(output):
        for path in output.iterdir():
            if path.name == _HIDDEN:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _drop_empty(output: Path) -> None:
    """Remove a folder in which nothing was made: there is nothing to go on with."""
    with _locked(output):
        tables = output.glob(_name(TABLE, "*-of-*"))
        if not (_at_work(output) or any(tables) or any(output.rglob("*.png"))):
            shutil.rmtree(output, ignore_errors=True)


def _at_work(output: Path) -> list[str]:
    """Shares that other processes do, such as 0-of-4."""
    busy = []
    for path in sorted((output / _HIDDEN).glob("*.lock")):
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                busy.append(path.stem)
    return busy


def _refuse_busy(output: Path, busy: Sequence[str], shard: Shard) -> None:
    other = [label for label in busy if not label.endswith(f"-of-{shard.n}")]
    if other or _label(shard) in busy:
        label = other[0] if other else _label(shard)
        raise OutputError(
            f"another process is writing {output}: share {label.replace('-of-', '/')}.",
            "wait for it",
        )


@contextmanager
def _locked(output: Path) -> Iterator[None]:
    """Wait until no other process begins or finishes in this folder."""
    path = output / _HIDDEN / _LOCK
    with ExitStack() as stack:
        while True:
            with output_errors(output):
                path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = stack.enter_context(path.open("w"))
                fcntl.flock(file, fcntl.LOCK_EX)
                if samestat(os.fstat(file.fileno()), path.stat()):
                    break
            except FileNotFoundError:  # another process has finished in between
                continue
        yield


def _in_order(rows: Rows, order: Sequence[str], where: Path) -> Rows:
    """Rows in the order of the identities, each of which must be there once."""
    place = {identity: number for number, identity in enumerate(order)}
    found = rows.images["image_id"].to_pylist() + rows.failures["image_id"].to_pylist()
    if len(found) != len(place) or set(found) != place.keys():
        raise TableError(
            f"{where}: the tables of its shares hold {len(set(found)):,} pictures, expected "
            f"{len(place):,}.",
            "run once more without --shard, which makes what is missing",
        )
    return Rows(*(_sorted(table, place) for table in rows))


def _sorted(table: pa.Table, place: Mapping[str, int]) -> pa.Table:
    ids = table["image_id"].to_pylist()
    rows = sorted(range(len(ids)), key=lambda row: place[ids[row]])
    return table.take(pa.array(rows, pa.int64())).combine_chunks()


def _label(shard: Shard) -> str:
    return f"{shard.index}-of-{shard.n}"


def _name(table: str, shard: Shard | str | None) -> str:
    """Name of a table of a share, or of all."""
    if shard is None or (isinstance(shard, Shard) and shard.n == 1):
        return table
    label = shard if isinstance(shard, str) else _label(shard)
    return f"{Path(table).stem}-{label}{Path(table).suffix}"
