"""Examples added up by pair: what is shown and looked at is a pair, not each of its examples."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import TableError
from conceptstats.table_files import conform
from conceptstats.tables import EXAMPLES, numbers

from ..statistics.columns import Floats

PAIRS = pa.schema(
    [
        pa.field("pair", pa.string(), nullable=False),
        pa.field("key", pa.string()),
        pa.field("accessory", pa.string()),
        pa.field("n", pa.int64(), nullable=False),  # examples
        pa.field("accuracy", pa.float64(), nullable=False),  # mean outcome
        # Mean of outcome times 1 - outcome: 0 where each is right or wrong.
        pa.field("between", pa.float64(), nullable=False),
        pa.field("predictor", pa.float64(), nullable=False),  # mean; -inf: never seen together
        pa.field("predictor_low", pa.float64()),
        pa.field("predictor_high", pa.float64()),
        pa.field("n_pair", pa.int64()),
        pa.field("n_key", pa.int64()),
        pa.field("n_accessory", pa.int64()),
    ]
)
_COUNTS = ("n_pair", "n_key", "n_accessory")


def pairs_of(examples: pa.Table, predictor: str) -> pa.Table:
    """One row a pair whose predictor is known, with the columns of `PAIRS`, by name of the pair.

    Parameters
    ----------
    examples : Table
        As `conceptstats.tables.EXAMPLES`, with a column ``pair`` and the predictor. The columns
        class (or key), accessory, the interval of the predictor and the counts can be missing.
    predictor : str

    Raises
    ------
    TableError
        When a column is missing, is no number, or no pair is left.
    """
    table = conform(examples, EXAMPLES, "examples")
    for name in ("pair", predictor):
        if name not in table.column_names:
            raise TableError(f"the examples have no column {name!r}.")
    key = "key" if "key" in table.column_names else "class"
    columns = {
        "pair": _cast(table, "pair", pa.string()),
        "key": _cast(table, key, pa.string()),
        "accessory": _cast(table, "accessory", pa.string()),
        "accuracy": table.column("outcome"),
        "between": pc.multiply(table["outcome"], pc.subtract(1.0, table["outcome"])),
        "predictor": _cast(table, predictor, pa.float64()),
        "predictor_low": _cast(table, f"{predictor}_low", pa.float64()),
        "predictor_high": _cast(table, f"{predictor}_high", pa.float64()),
    } | {name: _cast(table, name, pa.float64()) for name in _COUNTS}
    rows = pa.table(columns)
    known = pc.and_(pc.is_valid(rows["pair"]), pc.is_valid(rows["predictor"]))
    rows = rows.filter(pc.and_(known, pc.invert(pc.is_nan(rows["predictor"].fill_null(0)))))
    if not rows.num_rows:
        raise TableError(f"no example has both a pair and a known {predictor}.")
    texts = [(name, "min") for name in ("key", "accessory")]
    means = [(name, "mean") for name in columns if name not in ("pair", "key", "accessory")]
    added = (
        rows.group_by("pair", use_threads=False)
        .aggregate([([], "count_all"), *texts, *means])
        .sort_by("pair")
    )
    names = {f"{name}_{how}": name for name, how in (*texts, *means)} | {"count_all": "n"}
    added = added.rename_columns([names.get(name, name) for name in added.column_names])
    for name in _COUNTS:
        place = added.column_names.index(name)
        added = added.set_column(place, name, pc.round(added.column(name)))
    return conform(added, PAIRS, "pairs").select(PAIRS.names)


def _cast(table: pa.Table, name: str, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    try:
        return table.column(name).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(f"examples: column {name!r} is no {kind}: {error}.") from error


def column(pairs: pa.Table, name: str) -> Floats:
    """A column without nulls as an array."""
    return np.asarray(numbers(pairs.column(name)), np.float64)
