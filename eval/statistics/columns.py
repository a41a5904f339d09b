"""Columns of an examples table as arrays: outcome, predictors and clusters, each checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, StatisticsError, TableError
from conceptstats.table_files import conform
from conceptstats.tables import EXAMPLES, numbers, one_array

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PREDICTORS = ("pmi", "log_n_pair", "log_n_key", "log_n_accessory", "log_n_concept", "length")
CONTROLS = (  # kept in this order
    "log_n_key", "log_n_accessory", "log_n_concept", "length", "log_n_pair"
)  # fmt: skip
CLUSTERS = ("class", "pair", "accessory", "image")
MIN_CLUSTERS = 10  # with fewer, no interval can be trusted far

_BY_ITSELF = ("class", "pair", "image")  # columns that are chosen without being named


@dataclass(frozen=True, slots=True)
class Examples:
    """An examples table, ready for arithmetic.

    Parameters
    ----------
    outcome : array of float64
        In [0, 1].
    predictors : mapping
        Numbers by name; nan: unknown, -inf: never seen together.
    controls : tuple of str
        Predictors held fixed, in the order in which the model takes them up.
    clusters : mapping
        Codes 0, 1, ... of each cluster column; -1 where it is null.
    cluster : tuple of str
        The columns to use, the one that is resampled first; empty: examples are independent.
    notes : tuple of str
    """

    outcome: Floats
    predictors: Mapping[str, Floats]
    controls: tuple[str, ...]
    clusters: Mapping[str, Ints]
    cluster: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_graded(self) -> bool:
        """Whether an outcome is neither 0 nor 1, so that their mean is no share of right ones."""
        return bool(((self.outcome > 0) & (self.outcome < 1)).any())

    def codes(self, rows: Flags) -> list[Ints]:
        """Codes of the cluster columns in use over some rows, without gaps; one at least."""
        if not self.cluster:
            return [np.arange(int(rows.sum()), dtype=np.int64)]
        return [
            np.unique(self.clusters[name][rows], return_inverse=True)[1] for name in self.cluster
        ]


def read_examples(
    table: pa.Table,
    predictor: str,
    controls: Sequence[str] | None = None,
    cluster: str | Sequence[str] | None = None,
) -> Examples:
    """Take what `correlate` needs out of an examples table.

    Parameters
    ----------
    table : Table
        With the columns of `conceptstats.tables.EXAMPLES`, predictors and clusters.
    predictor : str
    controls : sequence of str, optional
        None: those of `CONTROLS` that there are.
    cluster : str or sequence of str, optional
        Up to two columns; empty: examples are independent. None: the coarsest of class, pair and
        image that has ten values.

    Raises
    ------
    TableError
        When a column is missing or of another type, or an outcome is outside [0, 1].
    ParameterError
        When no cluster column is given or found, or more than two.
    StatisticsError
        When there are no examples.
    """
    table = conform(table, EXAMPLES, "examples")
    if not table.num_rows:
        raise StatisticsError("the table has no examples.")
    outcome = _outcome(table)
    if controls is None:
        controls = [name for name in CONTROLS if name in table.column_names and name != predictor]
    elif predictor in controls:
        raise ParameterError(f"{predictor} is the predictor, and cannot be its own control.")
    names = [predictor, *controls, *(name for name in PREDICTORS if name in table.column_names)]
    predictors = {name: _numbers(table, name) for name in dict.fromkeys(names)}
    named = (cluster,) if isinstance(cluster, str) else tuple(cluster or ())
    clusters = {
        name: _codes(table, name)
        for name in dict.fromkeys((*CLUSTERS, *named))
        if name in named or (name in table.column_names and _is_label(table, name))
    }
    notes: tuple[str, ...] = ()
    if cluster is None:
        named, notes = _coarsest(clusters, table.column_names)
    _check_clusters(clusters, named)
    in_order = sorted(dict.fromkeys(controls), key=lambda name: name == "log_n_pair")
    return Examples(outcome, predictors, tuple(in_order), clusters, named, notes)


def _outcome(table: pa.Table) -> Floats:
    outcome = np.asarray(numbers(table.column("outcome")), np.float64)
    outside = ~((outcome >= 0) & (outcome <= 1))
    if outside.any():
        raise TableError(
            f"examples: {outside.sum():,} outcomes are outside [0, 1], the first of them "
            f"{outcome[outside][0]} in row {int(np.argmax(outside))}.",
            "an outcome is an accuracy: 0 wrong, 1 right, or a share between them",
        )
    return outcome


def _numbers(table: pa.Table, name: str) -> Floats:
    column = _column(table, name)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        raise TableError(f"examples: column {name!r} is {column.type}, expected numbers.")
    try:
        values = pc.fill_null(column.cast(pa.float64()), float("nan"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(
            f"examples: column {name!r} is {column.type}, expected numbers: {error}."
        ) from error
    array = np.asarray(numbers(values), np.float64)
    if np.isposinf(array).any():
        raise TableError(
            f"examples: column {name!r} has {np.isposinf(array).sum():,} values of inf."
        )
    return array


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names or name in EXAMPLES.names:
        others = [column for column in table.column_names if column not in EXAMPLES.names]
        raise TableError(
            f"examples: no column {name!r} of predictors or clusters "
            f"(columns: {', '.join(others) or 'none'})."
        )
    return table.column(name)


def _is_label(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
    )


def _codes(table: pa.Table, name: str) -> Ints:
    column = one_array(_column(table, name))
    if not _is_label(table, name):
        raise TableError(
            f"examples: column {name!r} is {column.type}; clusters are strings or whole numbers."
        )
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    indices = pc.fill_null(column.dictionary_encode().indices, -1)
    return np.asarray(numbers(indices), np.int64)


def _coarsest(
    clusters: Mapping[str, Ints], columns: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    sizes = {n: count(clusters[n]) for n in _BY_ITSELF if n in clusters and clusters[n].min() >= 0}
    if not sizes:
        raise ParameterError(
            "examples cannot be taken as independent without being told so, and there is no "
            f"complete column class, pair or image (columns: {', '.join(columns)}).",
            "--cluster COLUMN, or --cluster none where examples are independent",
        )
    enough = [name for name in sizes if sizes[name] >= MIN_CLUSTERS]
    if enough:
        chosen = min(enough, key=lambda name: sizes[name])
        why = f"the coarsest of class, pair and image with {MIN_CLUSTERS} values or more"
    else:
        chosen = max(sizes, key=lambda name: sizes[name])
        why = f"the finest of class, pair and image, none of which has {MIN_CLUSTERS} values"
    return (chosen,), (f"Clusters: {chosen} ({sizes[chosen]:,} in all), {why}.",)


def _check_clusters(clusters: Mapping[str, Ints], named: tuple[str, ...]) -> None:
    if len(named) > 2:
        raise ParameterError(f"{len(named)} cluster columns are given, expected two at most.")
    for name in named:
        nulls = int((clusters[name] < 0).sum())
        if nulls:
            raise TableError(
                f"examples: cluster column {name!r} has {nulls:,} nulls.",
                "fill them, or choose another with --cluster COLUMN",
            )


def of_pairs(values: Floats, pair: Ints, name: str) -> Floats:
    """The value of each pair.

    Raises
    ------
    ParameterError
        When it is not constant within pairs.
    """
    first = np.unique(pair, return_index=True)[1]
    of_pair = values[first]
    if not np.array_equal(of_pair[pair], values, equal_nan=True):
        raise ParameterError(f"{name} is not constant within pairs.")
    return of_pair


def count(codes: Ints) -> int:
    """Distinct clusters, nulls left out."""
    return len(np.unique(codes[codes >= 0]))


def codes_of(values: Floats | Ints) -> Ints:
    """Codes 0, 1, ... of equal values, in their order."""
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64)


def sum_by(codes: Ints, values: Floats, size: int = 0) -> Floats:
    """Sum of values for each code from 0 to the greatest, or to ``size`` at least."""
    return np.asarray(np.bincount(codes, values, size), np.float64)
