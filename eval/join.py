"""Predictions, images, probes and counts, joined into examples; every row is accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats import pmi as measures
from conceptstats.errors import ParameterError, TableError, UnknownConceptError
from conceptstats.index import CaptionIndex
from conceptstats.runs import run_record
from conceptstats.table_files import fingerprint, load_table, save_table
from conceptstats.tables import EXAMPLES, IMAGES, PREDICTIONS, PROBES

Outcome = Literal["correct", "probability"]
_COUNTS = ("n", "n_key", "n_accessory", "n_pair")
_VALUES = ("pmi", "pmi_low", "pmi_high")
_NAMED = 3  # ids that an error shows
_VERIFIED = ("key_found", "accessory_found", "key_score", "accessory_score")  # by a detector


@dataclass(frozen=True, slots=True)
class Joined:
    """Examples, and what did not find its other half."""

    table: pa.Table  # `EXAMPLES`, with predictors and clusters
    n_unmatched_predictions: int  # no image, or no probe
    n_unmatched_images: int  # no prediction, or no probe
    n_other_target: int  # the image shows another class than was predicted against
    n_unknown: int  # examples without PMI: a concept is unknown to the index
    n_unseen: int  # examples whose pair was never seen

    def to_json(self) -> dict[str, Any]:
        """Its numbers."""
        names = [name for name in self.__slots__ if name != "table"]
        return {"n": self.table.num_rows, **{name: getattr(self, name) for name in names}}


def join_files(
    predictions: str | Path,
    output: str | Path,
    *,
    images: str | Path,
    probes: str | Path,
    index: str | Path | None = None,
    outcome: Outcome = "correct",
    max_unmatched: float = 0.0,
    overwrite: bool = False,
) -> Joined:
    """`join_examples` of files, written as a table with its run record.

    Parameters
    ----------
    predictions, images, probes : path
        Tables of `conceptstats.tables`.
    output : path
    index : path, optional
        Counts and PMI are taken from it; without, from the probes.
    outcome, max_unmatched
        As for `join_examples`.
    overwrite : bool

    Raises
    ------
    ParameterError, TableError, IndexFormatError, OutputExistsError, OutputError
    """
    joined = join_examples(
        load_table(predictions, PREDICTIONS),
        load_table(images, IMAGES),
        load_table(probes, PROBES),
        CaptionIndex.open(index) if index else None,
        outcome=outcome,
        max_unmatched=max_unmatched,
    )
    inputs = [Path(path) for path in (predictions, images, probes, index) if path]
    record = run_record(
        "eval join",
        {"outcome": outcome, "max_unmatched": max_unmatched, "index": str(index or "")},
        {str(path): fingerprint(path) for path in inputs},
    )
    save_table(output, joined.table, EXAMPLES, record=record, overwrite=overwrite)
    return joined


def join_examples(
    predictions: pa.Table,
    images: pa.Table,
    probes: pa.Table,
    index: CaptionIndex | None = None,
    *,
    outcome: Outcome = "correct",
    max_unmatched: float = 0.0,
) -> Joined:
    """Set predictions beside the statistics of the pair that each image shows.

    Parameters
    ----------
    predictions, images, probes : Table
        An image is the example of its ``image_id``, and shows the pair of its ``probe_id``.
    index : CaptionIndex, optional
        Where counts and PMI come from; without, from the probes.
    outcome : {"correct", "probability"}
        1 where the target has rank 1, else 0; or the probability of the target.
    max_unmatched : float
        Largest share of predictions without image and probe.

    Returns
    -------
    Joined
        Columns: example_id, outcome, pmi (nats; -inf: never seen, null: unknown), pmi_low,
        pmi_high, n, n_key, n_accessory, n_pair, log_n_key, log_n_accessory, log_n_pair, class,
        accessory, pair, image, target_probability; in the order of the predictions. Where the
        images are verified, key_found, accessory_found, key_score and accessory_score too.

    Raises
    ------
    TableError
        When an id stands twice, too many predictions are unmatched, or no row is left.
    ParameterError
        When a setting is outside its range, or a probe is a concept with itself.
    """
    if outcome not in get_args(Outcome):
        raise ParameterError(f"outcome is {outcome!r}, expected {' or '.join(get_args(Outcome))}.")
    verified = [
        name
        for name in _VERIFIED
        if name in images.column_names and images[name].null_count < images.num_rows
    ]
    shown = _unique(images, "image_id", "images")
    shown = shown.select(["image_id", "probe_id", "target", *verified])
    _unique(probes, "probe_id", "probes")
    shown = shown.join(probes.select(["probe_id", "accessory"]), "probe_id", join_type="inner")
    _unique(predictions, "example_id", "predictions")
    place = pc.index_in(predictions["example_id"], shown["image_id"].combine_chunks())
    matched = pc.is_valid(place)
    n_unmatched = predictions.num_rows - pc.sum(matched).as_py() if predictions.num_rows else 0
    _check_unmatched(predictions, matched, n_unmatched, max_unmatched)
    found = predictions.filter(matched)
    if not found.num_rows:
        raise TableError("no prediction has an image and a probe.", "are the tables of one run?")
    shown = shown.take(place.drop_null())
    statistics = _statistics(probes, index)
    rows = pc.index_in(shown["probe_id"], statistics["probe_id"].combine_chunks())
    table = pa.table(
        {
            "example_id": found["example_id"],
            "outcome": _right(found) if outcome == "correct" else _probability(found),
            **{
                name: statistics[name].take(rows)
                for name in statistics.column_names
                if name != "probe_id"
            },
            "class": found["target"],
            "accessory": shown["accessory"],
            "pair": shown["probe_id"],
            "image": shown["image_id"],
            "target_probability": found["target_probability"].cast(pa.float64()),
            **{name: shown[name] for name in verified},
        }
    )
    pmi = table["pmi"]
    return Joined(
        table,
        n_unmatched_predictions=n_unmatched,
        n_unmatched_images=images.num_rows - found.num_rows,
        n_other_target=_count(pc.not_equal(found["target"], shown["target"])),
        n_unknown=pmi.null_count,
        n_unseen=_count(pc.equal(pmi, -np.inf)),
    )


def _right(predictions: pa.Table) -> pa.ChunkedArray:
    """1 where the target has rank 1. A target without a rank is wrong: it is none of the labels."""
    beyond = predictions.filter(pc.is_null(predictions["target_rank"]))
    columns = (beyond[name].to_pylist() for name in ("example_id", "target", "labels"))
    for name, target, labels in zip(*columns, strict=True):
        if target in labels or not labels:
            raise TableError(
                f"predictions: {name!r} has no target_rank, and its target {target!r} is not known "
                f"to be beyond its labels ({', '.join(labels[:_NAMED])}).",
                "target_rank may be null only where the target is none of the labels",
            )
    return pc.fill_null(pc.equal(predictions["target_rank"], 1), False).cast(pa.float64())


def _probability(predictions: pa.Table) -> pa.ChunkedArray:
    """The probability of the target among all classes, where all predictions have it."""
    column = predictions["target_probability"]
    if column.null_count:
        raise TableError(
            f"the probability of the target is unknown in {column.null_count:,} of "
            f"{len(column):,} predictions.",
            "--outcome correct",
        )
    return column.cast(pa.float64())


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _unique(table: pa.Table, column: str, name: str) -> pa.Table:
    counts = pc.value_counts(table[column].combine_chunks())
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(twice):
        raise TableError(
            f"{name}: {len(twice):,} values of {column} stand more than once, such as "
            f"{', '.join(map(repr, twice[:_NAMED].to_pylist()))}."
        )
    return table


def _check_unmatched(
    predictions: pa.Table, matched: pa.ChunkedArray, n_unmatched: int, limit: float
) -> None:
    if not 0 <= limit <= 1:
        raise ParameterError(f"max_unmatched is {limit}, expected a share from 0 to 1.")
    if n_unmatched > limit * predictions.num_rows:
        lost = predictions["example_id"].filter(pc.invert(matched))
        raise TableError(
            f"{n_unmatched:,} of {predictions.num_rows:,} predictions have no image with a probe, "
            f"such as {', '.join(map(repr, lost[:_NAMED].to_pylist()))}; at most {limit:.0%} may.",
            "give the images and probes they were made from, or a larger --max-unmatched",
        )


def _statistics(probes: pa.Table, index: CaptionIndex | None) -> pa.Table:
    """Counts and PMI of each probe: from the index, or those that the probes have."""
    columns = _of_probes(probes) if index is None else _of_index(probes, index)
    table = pa.table({"probe_id": probes["probe_id"], **columns})
    for name in ("n_key", "n_accessory", "n_pair"):
        # A count of 0 has the logarithm -inf.
        table = table.append_column(f"log_{name}", pc.ln(table[name].cast(pa.float64())))
    return table


def _of_probes(probes: pa.Table) -> dict[str, pa.ChunkedArray | pa.Array]:
    have = {name: probes[name] for name in probes.column_names}
    unknown = pa.nulls(probes.num_rows, pa.float64())
    values = {name: _known(have.get(name, unknown), name) for name in _VALUES}
    have["n"] = have.get("n", pa.nulls(probes.num_rows, pa.int64()))
    return values | {name: have[name] for name in _COUNTS}


def _of_index(probes: pa.Table, index: CaptionIndex) -> dict[str, pa.ChunkedArray | pa.Array]:
    pairs = zip(probes["key"].to_pylist(), probes["accessory"].to_pylist(), strict=True)
    rows = zip(*(_count_pair(index, key, accessory) for key, accessory in pairs), strict=True)
    counts = {name: pa.array(row, pa.int64()) for name, row in zip(_COUNTS, rows, strict=True)}
    numbers = [np.array(counts[name].to_pylist(), np.float64) for name in _COUNTS]  # null: nan
    known = ~np.isnan(numbers[-1])
    safe = [np.where(known, column, 1) for column in numbers]
    found = measures.pmi(*safe), *measures.pmi_interval(*safe)
    values = {
        name: pa.array(np.where(known, value, np.nan), from_pandas=True)
        for name, value in zip(_VALUES, found, strict=True)
    }
    return values | counts


def _known(column: pa.ChunkedArray | pa.Array, name: str) -> pa.ChunkedArray | pa.Array:
    """Numbers, of which nan is unknown too: null."""
    try:
        values = column.cast(pa.float64())
    except pa.ArrowException as error:
        raise TableError(f"probes: column {name!r} is {column.type}, expected numbers.") from error
    return pc.if_else(pc.is_nan(values), None, values)


def _count_pair(index: CaptionIndex, key: str, accessory: str) -> tuple[int | None, ...]:
    """n, n_key, n_accessory, n_pair; None where a concept is unknown, or in no caption."""
    try:
        pair = index.pmi(key, accessory)
    except UnknownConceptError:
        return index.n, None, None, None
    return pair.n, pair.n_a, pair.n_b, pair.n_ab
