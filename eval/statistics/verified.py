"""The figures of those examples alone whose picture shows what it should, as a detector says."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import StatisticsError, TableError

from .adjusted import adjust, slope_alone
from .associations import finite_sums, weigh
from .bins import bin_starts, bin_sums
from .columns import Examples, Flags
from .estimates import Settings, Used, estimate, use
from .resampling import mean_estimate
from .results import Verified

FOUND = ("key_found", "accessory_found")  # columns; null: nobody looked


class Looked(NamedTuple):
    """What a detector found in the pictures of examples."""

    both: Flags  # key and accessory are found
    missed: Flags  # one of them is not; the rest was not looked at


def looked_at(examples: pa.Table) -> Looked | None:
    """What was found in the pictures; None where no examples say so.

    Raises
    ------
    TableError
        When the columns hold no flags.
    """
    if any(name not in examples.column_names for name in FOUND):
        return None
    columns = [_flags(examples.column(name), name) for name in FOUND]
    if all(column.null_count == len(column) for column in columns):
        return None
    both = np.logical_and(*(pc.fill_null(column, False).to_numpy() for column in columns))
    missed = np.logical_or(*(~pc.fill_null(column, True).to_numpy() for column in columns))
    return Looked(both, missed)


def _flags(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    try:
        return column.cast(pa.bool_())
    except pa.ArrowException as error:
        raise TableError(
            f"examples: column {name!r} is {column.type}, expected true or false."
        ) from error


def of_verified(
    data: Examples, looked: Looked, predictor: str, settings: Settings
) -> tuple[Verified | None, list[str]]:
    """Figures of the examples in which both were found, under the settings of the whole.

    None, with the reason, where these examples do not hold what the figures need.
    """
    n, n_found, n_missed = len(looked.both), int(looked.both.sum()), int(looked.missed.sum())
    counted = f"{n_found:,} of {n:,} examples show both key and accessory, as a detector sees them"
    if n > n_found + n_missed:
        counted += f" ({n - n_found - n_missed:,} were not looked at)"
    kept = _keep(data, looked.both)
    try:
        used = use(kept, predictor)
    except StatisticsError as error:
        return None, [f"{counted}. Figures of these alone are not given: {error.message}"]
    adjusted = adjust(kept, used, settings.level)
    figures = estimate(used, settings)
    alone, problem = slope_alone(kept, used, settings.level)
    all_clusters = kept.codes(np.ones_like(used.known))[0]
    verified = Verified(
        n=n_found,
        n_missed=n_missed,
        n_not_looked_at=n - n_found - n_missed,
        n_used=int(used.finite.sum()),
        n_clusters=used.n_clusters,
        outcome=mean_estimate(kept.outcome, all_clusters, settings.level),
        r_binned=figures.r_binned,
        n_bins=_bins(used, settings),
        r_unbinned=figures.r_unbinned,
        spearman=figures.spearman,
        gap_5pct=figures.gap_5pct,
        slope=adjusted.slope,
        slope_alone=alone,
    )
    notes = [f"{counted}. Being found may itself go with the predictor: compare both figures."]
    notes += [f"Of these alone: {note}" for note in adjusted.notes]
    if problem:
        notes.append(f"Of these alone: The slope without controls is not given: {problem}.")
    return verified, notes


def _keep(data: Examples, rows: Flags) -> Examples:
    """Some of the examples, with the same controls and clusters."""
    return replace(
        data,
        outcome=data.outcome[rows],
        predictors={name: values[rows] for name, values in data.predictors.items()},
        clusters={name: codes[rows] for name, codes in data.clusters.items()},
    )


def _bins(used: Used, settings: Settings) -> int:
    """How many bins exist."""
    values, sums = finite_sums(used.sample, weigh(used.sample, np.ones(used.sample.n_clusters)))
    starts = bin_starts(values, sums.n, settings.n_bins, settings.bins)
    return len(bin_sums(sums, starts).n)
