"""Two models on the same images: whether the difference of accuracy follows that of PMI.

What is the same in both (how hard a picture is, how common its concepts are) falls out of the
difference. So where two models were trained in worlds that differ in association alone, this is
the effect of association, pair by pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from conceptstats.errors import StatisticsError, TableError

from .bins import Sums, bin_starts, bin_sums, pearson, r_of_means, varies
from .columns import Floats, Ints, codes_of, of_pairs, read_examples, sum_by
from .estimates import Settings
from .on_files import compute_on_files
from .resampling import MIN_REPLICATES, Units, bootstrap, expanded_interval, permutation_p
from .results import Estimate, plain


@dataclass(frozen=True, slots=True)
class DifferenceBin:
    """Pairs whose difference of the predictor is between ``low`` and ``high``."""

    low: float
    high: float
    mean_predictor: float
    n: int  # pairs
    mean_outcome: float
    outcome_low: float | None
    outcome_high: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences of outcome against differences of predictor, over pairs. `compare` makes it.

    Parameters
    ----------
    predictor : str
    n_pairs : int
        With finite predictors in both.
    n_left_out : int
        Pairs that were never seen together in one of the two, or are unknown.
    n_images : int
        Examples of those pairs that are in both tables.
    n_unmatched : int
        Examples that are in one table only.
    n_classes : int
        The clusters of intervals.
    n_bootstrap, n_permutations, seed : int
    level : float
    is_graded : bool
        Whether an outcome is neither 0 nor 1, in one of the two.
    r_delta_binned, r_delta_unbinned : Estimate
        Pearson's r over quantile bins of pairs, and over pairs.
    n_bins : int
    bin_table : tuple of DifferenceBin
    permutation_p : float or None
        Of the unbinned r, pairs permuted.
    notes : tuple of str
    """

    predictor: str
    n_pairs: int
    n_left_out: int
    n_images: int
    n_unmatched: int
    n_classes: int
    n_bootstrap: int
    n_permutations: int
    seed: int
    level: float
    is_graded: bool
    r_delta_binned: Estimate
    r_delta_unbinned: Estimate
    n_bins: int
    bin_table: tuple[DifferenceBin, ...]
    permutation_p: float | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {"kind": "compare", **plain(self)}

    def facts(self) -> dict[str, object]:
        """The figures under names that people read."""
        facts: dict[str, object] = {
            "pairs": f"{self.n_pairs:,}, {self.n_left_out:,} left out",
            f"r of differences over {self.n_bins} quantile bins": self.r_delta_binned,
            "r of differences over pairs": self.r_delta_unbinned,
            "p, permuting pairs": self.permutation_p,
        }
        return facts | {f"note {k}": note for k, note in enumerate(self.notes, 1)}


class _Pairs(NamedTuple):
    x: Floats  # difference of the predictor
    y: Floats  # difference of the mean outcome
    cluster: Ints  # class
    is_graded: bool


def compare(
    a: pa.Table,
    b: pa.Table,
    *,
    predictor: str = "pmi",
    n_bins: int = 20,
    n_bootstrap: int = 1000,
    n_permutations: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Set the difference of outcomes, a minus b, against the difference of the predictor.

    Parameters
    ----------
    a, b : Table
        Examples of the same images, with the columns ``pair`` and ``class``.
    predictor : str
        Constant within a pair.
    n_bins : int
        Quantile bins of pairs.
    n_bootstrap, n_permutations, seed, level
        As for `correlate`; classes are resampled.

    Returns
    -------
    Comparison

    Raises
    ------
    TableError
        When a column is missing or of another type, or the tables do not go together.
    StatisticsError
        When there are too few pairs or classes, or the predictor differs by the same everywhere.
    ParameterError
        When a setting is outside its range, or the predictor is not constant within pairs.
    """
    settings = Settings(n_bins, "quantile", n_bootstrap, n_permutations, seed, level)
    common, n_unmatched = common_examples(a, b)
    pairs, n_left_out, n_images = _differences(*common, predictor)
    n_classes = _check_size(pairs, predictor, n_bins)
    binned, unbinned = _estimates(pairs, n_classes, settings)
    units = Units.of(pairs.x, pairs.y, np.arange(len(pairs.x)), pairs.cluster)
    p = permutation_p(units, n_permutations, np.random.default_rng([seed, 2]))
    table = _bin_table(pairs, n_bins, level)
    notes = [_of_intervals(n_classes, n_bootstrap)]
    if n_left_out:
        notes.append(
            f"{n_left_out:,} pairs are left out: never seen together or unknown in one of the two."
        )
    if n_unmatched:
        notes.append(f"{n_unmatched:,} examples are in one of the two tables only.")
    return Comparison(
        predictor=predictor,
        n_pairs=len(pairs.x),
        n_left_out=n_left_out,
        n_images=n_images,
        n_unmatched=n_unmatched,
        n_classes=n_classes,
        n_bootstrap=n_bootstrap,
        n_permutations=n_permutations,
        seed=seed,
        level=level,
        is_graded=pairs.is_graded,
        r_delta_binned=binned,
        r_delta_unbinned=unbinned,
        n_bins=len(table),
        bin_table=table,
        permutation_p=None if math.isnan(p) else p,
        notes=tuple(notes),
    )


def _of_intervals(n_classes: int, n_bootstrap: int) -> str:
    if n_classes > 2 and n_bootstrap >= MIN_REPLICATES:
        return f"Intervals resample {n_classes} classes."
    return (
        f"No r has an interval: there are {n_bootstrap:,} replicates of {n_classes} classes, and "
        f"{MIN_REPLICATES} of 3 are needed."
    )


def compare_files(
    a: Path, b: Path, output: Path | None = None, *, overwrite: bool = False, **options: Any
) -> Comparison:
    """`compare` the examples of two files, and write the result as JSON with its run record."""
    return compute_on_files("eval compare", compare, [a, b], output, options, overwrite=overwrite)


def common_examples(a: pa.Table, b: pa.Table) -> tuple[tuple[pa.Table, pa.Table], int]:
    """Both tables at the examples that they share, in one order, and how many others there are."""
    for name, table in (("first", a), ("second", b)):
        for column in ("pair", "class"):
            if column not in table.column_names:
                raise TableError(f"the {name} table has no column {column!r}.")
    ids = [table["example_id"].to_pylist() for table in (a, b)]
    for name, names in zip(("first", "second"), ids, strict=True):
        if len(set(names)) < len(names):
            raise TableError(f"the {name} table has an example_id more than once.")
    place = {name: row for row, name in enumerate(ids[1])}
    rows = [(row, place[name]) for row, name in enumerate(ids[0]) if name in place]
    if not rows:
        raise TableError("the two tables share no example_id.", "are they of the same images?")
    taken = a.take([row for row, _ in rows]), b.take([row for _, row in rows])
    for column in ("pair", "class"):
        if taken[0][column].to_pylist() != taken[1][column].to_pylist():
            raise TableError(
                f"an example belongs to one {column} in the first table, another in the second."
            )
    return taken, len(ids[0]) + len(ids[1]) - 2 * len(rows)


def _differences(a: pa.Table, b: pa.Table, predictor: str) -> tuple[_Pairs, int, int]:
    """Differences of each pair; pairs left out; images of the pairs that are kept."""
    both = [read_examples(table, predictor, [], ("pair", "class")) for table in (a, b)]
    pair, label = (both[0].clusters[name] for name in ("pair", "class"))
    first, size = np.unique(pair, return_index=True, return_counts=True)[1:]
    if not np.array_equal(label[first][pair], label):
        raise TableError("a pair has examples of several classes.")
    of_pair = [of_pairs(data.predictors[predictor], pair, predictor) for data in both]
    with np.errstate(invalid="ignore"):  # -inf - -inf: never seen in either
        x = of_pair[0] - of_pair[1]
    y = sum_by(pair, both[0].outcome - both[1].outcome) / size
    known = np.isfinite(x)
    is_graded = any(data.is_graded for data in both)
    pairs = _Pairs(x[known], y[known], codes_of(label[first][known]), is_graded)
    return pairs, int((~known).sum()), int(size[known].sum())


def _check_size(pairs: _Pairs, predictor: str, n_bins: int) -> int:
    """Raise unless there is enough to compare; how many classes there are."""
    if len(pairs.x) < 2 * n_bins:
        raise StatisticsError(
            f"{len(pairs.x)} pairs have a finite {predictor} in both, expected {2 * n_bins} or "
            f"more for {n_bins} bins.",
            "fewer --bins",
        )
    if not varies(pairs.x):
        raise StatisticsError(
            f"the two tables differ in {predictor} by {pairs.x[0]:g} for every pair.",
            "compare models that were trained on different captions, each with its own index; "
            "--slopes compares those of the same",
        )
    n_classes = int(pairs.cluster.max()) + 1
    if n_classes < 2:
        raise StatisticsError("all pairs are of one class, expected two or more.")
    return n_classes


def _estimates(pairs: _Pairs, n_classes: int, settings: Settings) -> tuple[Estimate, Estimate]:
    """Pearson's r over bins of pairs, and over pairs; an interval is stretched to hold its r."""

    def statistics(weights: Floats) -> Floats:
        w = weights[pairs.cluster]
        return np.array([_binned_r(pairs, w, settings.n_bins), _weighted_r(pairs, w)])

    rng = np.random.default_rng([settings.seed, 1])
    replicates = bootstrap(statistics, 2, n_classes, settings.n_bootstrap, rng)
    estimates = []
    for value, column in zip(statistics(np.ones(n_classes)), replicates.T, strict=True):
        low, high = expanded_interval(column, n_classes, settings.level)
        estimates.append(Estimate.of(value, min(low, value), max(high, value)))
    return estimates[0], estimates[1]


def _sums(pairs: _Pairs, weights: Floats) -> tuple[Floats, Sums]:
    values, code = np.unique(pairs.x, return_inverse=True)
    parts = (weights, weights * pairs.x, weights * pairs.y)
    return values, Sums(*(sum_by(code, part, len(values)) for part in parts))


def _binned_r(pairs: _Pairs, weights: Floats, n_bins: int) -> float:
    values, sums = _sums(pairs, weights)
    return r_of_means(bin_sums(sums, bin_starts(values, sums.n, n_bins, "quantile")))


def _weighted_r(pairs: _Pairs, weights: Floats) -> float:
    """Pearson's r with whole weights, as if each pair stood there so often."""
    times = weights.astype(np.int64)
    return pearson(np.repeat(pairs.x, times), np.repeat(pairs.y, times))


def _bin_table(pairs: _Pairs, n_bins: int, level: float) -> tuple[DifferenceBin, ...]:
    values, sums = _sums(pairs, np.ones(len(pairs.x)))
    starts = bin_starts(values, sums.n, n_bins, "quantile")
    inside = np.searchsorted(values[starts], pairs.x, side="right") - 1
    table = []
    for k in range(len(starts)):
        x, y = pairs.x[inside == k], pairs.y[inside == k]
        mean = mean_difference(y, codes_of(pairs.cluster[inside == k]), level)
        table.append(
            DifferenceBin(
                low=float(x.min()),
                high=float(x.max()),
                mean_predictor=float(x.mean()),
                n=len(x),
                mean_outcome=float(y.mean()),
                outcome_low=mean.low,
                outcome_high=mean.high,
            )
        )
    return tuple(table)


def mean_difference(y: Floats, cluster: Ints, level: float) -> Estimate:
    """Mean of differences, with a t interval by a jackknife over classes; none of one class."""
    from scipy.stats import t

    mean = float(y.mean())
    counts = np.bincount(cluster)
    if len(counts) < 2:
        return Estimate.of(mean)
    shifts = sum_by(cluster, y - mean) / (len(y) - counts)  # of the mean, as each is left out
    error = math.sqrt((len(counts) - 1) / len(counts) * float(shifts @ shifts))
    half = float(t.ppf((1 + level) / 2, len(counts) - 1)) * error
    return Estimate.of(mean, mean - half, mean + half)
