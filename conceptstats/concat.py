"""Tables put together: the shares of one run, or several runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.accessories import ACCESSORIES
from conceptstats.errors import ConceptStatsError, ParameterError, TableError
from conceptstats.runs import run_record
from conceptstats.shards import PLACE, Shard, parse_shard
from conceptstats.table_files import (
    check_output,
    fingerprint,
    load_table,
    record_path,
    relocated,
    save_table,
)
from conceptstats.tables import (
    ACCURACIES,
    ANSWERS,
    COUNTS,
    EXAMPLES,
    IMAGES,
    PREDICTIONS,
    PROBES,
    PROMPTS,
    QUESTIONS,
)


class _Kind(NamedTuple):
    """A kind of table."""

    name: str
    schema: pa.Schema
    id_columns: tuple[str, ...]  # no two rows have the same values here; those that there are


# By the columns that must be there; the first that fits.
_KINDS = (
    _Kind("images", IMAGES, ("image_id",)),
    _Kind("predictions", PREDICTIONS, ("example_id", "model", "pretrained")),
    _Kind("prompts", PROMPTS, ("probe_id", "number")),
    _Kind("probes", PROBES, ("probe_id",)),
    _Kind("answers", ANSWERS, ("question_id", "model", "metric")),
    _Kind("questions", QUESTIONS, ("question_id",)),
    _Kind("accessories", ACCESSORIES, ("accessory",)),
    _Kind("counts", COUNTS, ("dataset", "concept", "pretraining", "search")),
    _Kind("accuracies", ACCURACIES, ("dataset", "concept", "metric", "model", "pretrained")),
    _Kind("examples", EXAMPLES, ("example_id", "model", "pretrained")),
)


@dataclass(frozen=True, slots=True)
class Concatenated:
    """What `concat` wrote."""

    output: Path
    kind: str
    n: int
    order: str  # place, given
    missing: tuple[str, ...]  # shares that are not among the tables

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "output": str(self.output),
            "kind": self.kind,
            "n": self.n,
            "order": self.order,
            "missing_shards": list(self.missing),
        }


class _Input(NamedTuple):
    path: Path
    table: pa.Table
    record: dict[str, Any] | None
    shard: Shard | None


def concat(
    tables: Sequence[str | Path], output: str | Path, *, overwrite: bool = False
) -> Concatenated:
    """Put tables of one kind into one.

    Rows come in the order of the items that the shares were taken from, by the column ``place``
    where the tables have it and no two the same; else table after table, as given. Paths of
    pictures are made relative to the new table. Probes of several shares stand once.

    Parameters
    ----------
    tables : sequence of paths
        Of one kind, and with the same columns.
    output : path
    overwrite : bool

    Raises
    ------
    TableError
        When they differ in their columns, are of no kind known here, or have an id twice.
    ParameterError
        When no table is given, or shares are of runs with different settings.
    OutputExistsError, OutputError
    """
    output = Path(output)
    check_output(output, overwrite=overwrite)
    if not tables:
        raise ParameterError("no table is given.")
    paths = [Path(path) for path in tables]
    kind = _kind_of(load_table(paths[0], pa.schema([])), paths[0])
    inputs = [_read(path, kind, output) for path in paths]
    _check_columns(inputs)
    missing = _check_shares(inputs)
    joined = pa.concat_tables([one.table for one in inputs], promote_options="default")
    if kind.schema is PROBES:
        joined = _once(joined)  # shares of edited photographs may show the same pair
    _check_ids(joined, kind, inputs)
    joined, order = _in_order(joined, inputs)
    record = run_record(
        "concat",
        {"kind": kind.name, "order": order, "missing_shards": missing},
        {str(path): fingerprint(path) for path in paths},
    )
    record["records"] = [one.record for one in inputs]  # what made each of them
    save_table(output, joined, kind.schema, record=record, overwrite=overwrite)
    return Concatenated(output, kind.name, joined.num_rows, order, tuple(missing))


def _kind_of(table: pa.Table, path: Path) -> _Kind:
    names = set(table.column_names)
    for kind in _KINDS:
        if {field.name for field in kind.schema if not field.nullable} <= names:
            return kind
    raise TableError(
        f"{path} is no table of conceptstats (columns: {', '.join(table.column_names)}).",
        f"expected {', '.join(kind.name for kind in _KINDS)}",
    )


def _read(path: Path, kind: _Kind, output: Path) -> _Input:
    table = load_table(path, kind.schema)
    if kind.schema is IMAGES:
        table = relocated(table, path.parent, output.parent)
    record = None
    with suppress(OSError, ValueError):
        record = json.loads(record_path(path).read_text(encoding="utf-8"))
    shard = None
    with suppress(ConceptStatsError, TypeError, KeyError):
        shard = parse_shard(str(record["arguments"]["shard"])) if record else None
    return _Input(path, table, record, shard)


def _check_columns(inputs: list[_Input]) -> None:
    """Raise unless all tables have the columns of the first; one without values has any type."""
    first = inputs[0]
    for other in inputs[1:]:
        theirs, ours = set(other.table.column_names), set(first.table.column_names)
        if theirs != ours:
            raise TableError(
                f"{other.path} and {first.path} differ in their columns: "
                f"{', '.join(sorted(theirs ^ ours))}."
            )
        for field in other.table.schema:
            expected = first.table.schema.field(field.name).type
            if field.type != expected and pa.null() not in (field.type, expected):
                raise TableError(
                    f"{other.path}: column {field.name!r} is {field.type}, expected {expected} as "
                    f"in {first.path}."
                )


def _check_shares(inputs: list[_Input]) -> list[str]:
    """The shares that are missing; raises where shares are of different runs."""
    shards = [one.shard for one in inputs if one.shard is not None and one.shard.n > 1]
    if not shards:
        return []
    if len({shard.n for shard in shards}) > 1 or len(shards) < len(inputs):
        raise ParameterError(
            "the tables are not shares of one run: "
            + ", ".join(f"{one.path} is {one.shard or 'none'}" for one in inputs)
            + ".",
            "put the shares of one run together first",
        )
    settings = [_settings(one) for one in inputs]
    for one, its in zip(inputs, settings, strict=True):
        if its != settings[0]:
            names = sorted(n for n in {*its, *settings[0]} if its.get(n) != settings[0].get(n))
            raise ParameterError(
                f"{one.path} was made with other settings than {inputs[0].path}: "
                f"{', '.join(names)}."
            )
    given = {shard.index for shard in shards}
    n = shards[0].n
    return [str(Shard(index, n)) for index in range(n) if index not in given]


def _settings(one: _Input) -> dict[str, Any]:
    """All that shares of one run have in common: inputs by what they hold, not where.

    Each share has read images of its own.
    """
    record = one.record or {}
    arguments = {
        k: v for k, v in record.get("arguments", {}).items() if k not in ("shard", "device")
    }
    rest = {name: record.get(name) for name in ("command", "seed")}
    shared = (digest for name, digest in record.get("inputs", {}).items() if name != "images")
    return {**arguments, **rest, "inputs": sorted(shared)}


def _once(table: pa.Table) -> pa.Table:
    """The table without rows that are the same as an earlier one in every column."""
    first = {repr(row): at for at, row in reversed(list(enumerate(table.to_pylist())))}
    return table.take(pa.array(sorted(first.values()), pa.int64()))


def _check_ids(table: pa.Table, kind: _Kind, inputs: list[_Input]) -> None:
    columns = [name for name in kind.id_columns if name in table.column_names]
    if kind.schema is PROMPTS and len(columns) == 1:
        columns.append("prompt")  # of a table that does not number them
    counts = table.group_by(columns).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if not twice.num_rows:
        return
    row = twice.slice(0, 1).to_pylist()[0]
    shown = ", ".join(str(row[name]) for name in columns if row[name] is not None)
    places = [
        str(one.path)
        for one in inputs
        if pc.any(pc.equal(one.table[columns[0]], row[columns[0]])).as_py()
    ]
    raise TableError(
        f"{twice.num_rows:,} {' and '.join(columns)} stand more than once, such as {shown} "
        f"(in {', '.join(places)})."
    )


def _in_order(table: pa.Table, inputs: list[_Input]) -> tuple[pa.Table, str]:
    """The rows by the places of their items, and how these were found."""
    if PLACE not in table.column_names or table[PLACE].null_count:
        return table, "given"
    if len(pc.unique(table[PLACE])) < sum(len(pc.unique(one.table[PLACE])) for one in inputs):
        return table, "given"  # tables of several runs, whose places are not of the same items
    places = table[PLACE].to_numpy()  # an item can have several rows
    return table.take(pa.array(np.argsort(places, kind="stable"))), "place"
