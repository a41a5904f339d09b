"""How often concepts occur in data sets: tables, published counts and indexes, read alike.

Concepts of different sources are joined on their names, levelled as `join.level_name` does; what
that puts together is counted and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, StatisticsError, TableError
from conceptstats.index import CaptionIndex
from conceptstats.table_files import ENDINGS, conform, load_table
from conceptstats.tables import COUNTS, numbers

from ..importers.udandarao import read_counts
from ..statistics.columns import Ints
from .join import level_name

Part = Literal["pretraining", "search", "dataset"]
_SHOWN = 8  # values that an error names


class Concepts(NamedTuple):
    """Concepts of one data set, each name once, in the order of the names."""

    names: tuple[str, ...]
    n: Ints  # samples that hold each
    n_rows: int
    n_repeated: int  # rows whose name stood before; with equal counts, or the largest is taken
    n_disagreeing: int  # of these, rows whose count was another


def read_concept_counts(
    path: str | Path, *, pretraining: str | None = None, search: str | None = None
) -> pa.Table:
    """Counts of concepts as `conceptstats.tables.COUNTS`.

    Parameters
    ----------
    path : path
        A table (.parquet, .csv, .arrow), an index (its whole vocabulary), or a folder or file of
        published counts, as `conceptstats.eval.importers.udandarao` reads them.
    pretraining, search : str, optional
        Only counts of these, of tables and published counts, whatever their case. An index is taken
        whole: its own name is its pretraining, and it has no search.

    Raises
    ------
    TableError, IndexFormatError
        When it is missing or damaged, or a count is negative.
    StatisticsError
        When nothing is left.
    """
    path = Path(path)
    if is_index(path):
        table = _of_index(path)
    elif path.suffix not in ENDINGS:
        table = read_counts(path, pretraining=pretraining, search=search)
    else:
        table = load_table(path, COUNTS)
        for name, wanted in (("pretraining", pretraining), ("search", search)):
            if wanted is not None:
                table = _only(table, name, wanted, path)
    return check_counts(table, path)


def is_index(path: Path) -> bool:
    """Whether a folder is an index."""
    return (path / "index.json").is_file()


def index_notes(paths: Iterable[Path]) -> tuple[str, ...]:
    """What counts that are whole vocabularies of indexes leave out."""
    indexes = {path.resolve().name: CaptionIndex.open(path) for path in paths if is_index(path)}
    notes = []
    if indexes:
        notes.append(
            "An index does not know concepts that occur in no caption, so none of its concepts has "
            "count 0."
        )
    if cut := [name for name, index in indexes.items() if not index.is_complete]:
        notes.append(
            f"The vocabulary of {', '.join(cut)} was cut: rare concepts are missing, so shares "
            "under n and inequality come out too low."
        )
    return tuple(notes)


def check_counts(table: pa.Table, where: object) -> pa.Table:
    """The columns of `conceptstats.tables.COUNTS`, checked.

    Raises
    ------
    TableError
        When a column is missing or of another type, or a count is negative.
    StatisticsError
        When there are no rows.
    """
    table = conform(table, COUNTS, where).select(COUNTS.names)
    if not table.num_rows:
        raise StatisticsError(f"{where}: there are no counts of concepts.")
    if (lowest := pc.min(table["n_captions"]).as_py()) < 0:
        raise TableError(f"{where}: a count is {lowest}, expected 0 or more.")
    return table.combine_chunks()


def _of_index(path: Path) -> pa.Table:
    index = CaptionIndex.open(path)
    n, name = index.n_concepts, path.resolve().name
    columns = {
        "dataset": pa.repeat(pa.scalar("vocabulary"), n),
        "concept": index.vocabulary["concept"],
        "n_captions": index.vocabulary["n_captions"],
        "pretraining": pa.repeat(pa.scalar(name), n),
    }
    return conform(pa.table(columns), COUNTS, path)


def _only(table: pa.Table, name: str, wanted: str, path: Path) -> pa.Table:
    found = table.filter(pc.equal(pc.utf8_lower(table[name]), wanted.lower()))
    if not found.num_rows:
        raise StatisticsError(
            f"{path} has no counts of {name} {wanted!r}.",
            f"it has: {', '.join(values_of(table, name)[:_SHOWN]) or 'none'}",
        )
    return found


def values_of(table: pa.Table, name: str) -> list[str]:
    """Values of a column in order, "" for null."""
    return sorted({value or "" for value in pc.unique(table[name]).to_pylist()})


def split_by(table: pa.Table, names: Sequence[Part]) -> list[tuple[tuple[str, ...], pa.Table]]:
    """Parts of a table that have equal values in some columns, in order of these; null is ""."""
    parts: list[tuple[tuple[str, ...], pa.Table]] = [((), table)]
    for name in names:
        parts = [
            ((*key, value), part.filter(pc.equal(part[name].fill_null(""), value)))
            for key, part in parts
            for value in values_of(part, name)
        ]
    return parts


def check_one(table: pa.Table, names: Sequence[Part], where: object) -> None:
    """Raise unless columns have one value each: counts of different kinds are not put together.

    Raises
    ------
    ParameterError
    """
    for name in names:
        values = values_of(table, name)
        if len(values) > 1:
            raise ParameterError(
                f"{where} has counts of {len(values)} values of {name}: "
                f"{', '.join(map(repr, values[:_SHOWN]))}.",
                f"--{name} VALUE takes one" if name != "dataset" else "give them as tables",
            )


def name_concepts(table: pa.Table) -> Concepts:
    """Concepts of a counts table by levelled name; of counts that disagree, the largest.

    Different spellings of a name ("Dunlin", "dunlin") can have different published counts, because
    the search told them apart.
    """
    rows = numbers(table["n_captions"])
    given = [level_name(name) for name in table["concept"].to_pylist()]
    names, code = np.unique(np.array(given, dtype=object).astype(str), return_inverse=True)
    n = np.zeros(len(names), np.int64)
    np.maximum.at(n, code, rows)
    return Concepts(
        tuple(names.tolist()),
        n,
        n_rows=len(rows),
        n_repeated=len(rows) - len(names),
        n_disagreeing=int((rows != n[code]).sum()),
    )
