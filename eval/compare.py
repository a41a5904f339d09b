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

from conceptstats.errors import ParameterError, StatisticsError, TableError
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import fingerprint, load_table
from conceptstats.tables import EXAMPLES, writing

from .bins import Sums, bin_starts, bin_sums, pearson, r_of_means
from .columns import Floats, Ints, codes_of, read_examples, sum_by
from .resampling import Units, bootstrap, expanded_interval, permutation_p
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
    level : float
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
    level: float
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
        return {
            "pairs": f"{self.n_pairs:,}, {self.n_left_out:,} left out",
            f"r of differences over {self.n_bins} quantile bins": self.r_delta_binned,
            "r of differences over pairs": self.r_delta_unbinned,
            "p, permuting pairs": self.permutation_p,
        }


class _Pairs(NamedTuple):
    x: Floats  # difference of the predictor
    y: Floats  # difference of the mean outcome
    cluster: Ints  # class


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
    TableError, StatisticsError, ParameterError
    """
    common, n_unmatched = _common(a, b)
    pairs, n_left_out, n_images = _differences(*common, predictor)
    if len(pairs.x) < 2 * n_bins:
        raise StatisticsError(
            f"{len(pairs.x)} pairs have a finite {predictor} in both, expected {2 * n_bins} or "
            f"more for {n_bins} bins.",
            "fewer --bins",
        )
    n_classes = int(pairs.cluster.max()) + 1
    binned, unbinned = _estimates(pairs, n_bins, n_bootstrap, seed, level)
    ones = np.ones(len(pairs.x))
    units = Units.of(pairs.x, pairs.y, np.arange(len(pairs.x)), pairs.cluster)
    p = permutation_p(units, n_permutations, np.random.default_rng([seed, 2]))
    table = _bin_table(pairs, ones, n_bins, level)
    notes = [f"Intervals resample {n_classes} classes."]
    if n_left_out:
        notes.append(f"{n_left_out:,} pairs never seen together in one of the two are left out.")
    if n_unmatched:
        notes.append(f"{n_unmatched:,} examples are in one of the two tables only.")
    return Comparison(
        predictor=predictor,
        n_pairs=len(pairs.x),
        n_left_out=n_left_out,
        n_images=n_images,
        n_unmatched=n_unmatched,
        n_classes=n_classes,
        level=level,
        r_delta_binned=binned,
        r_delta_unbinned=unbinned,
        n_bins=len(table),
        bin_table=table,
        permutation_p=None if math.isnan(p) else p,
        notes=tuple(notes),
    )


def compare_files(
    a: Path, b: Path, output: Path | None = None, *, overwrite: bool = False, **options: Any
) -> Comparison:
    """`compare` the examples of two files, and write the result as JSON with its run record."""
    tables = load_table(a, EXAMPLES), load_table(b, EXAMPLES)
    if output is None:
        return compare(*tables, **options)
    with writing(output, overwrite=overwrite) as partial:
        found = compare(*tables, **options)
        inputs = {str(path): fingerprint(path) for path in (a, b)}
        record = run_record("eval compare", options, inputs, options.get("seed", 0))
        dump_json(partial, {**found.to_json(), "run": record})
    return found


def _common(a: pa.Table, b: pa.Table) -> tuple[tuple[pa.Table, pa.Table], int]:
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
    if not taken[0]["pair"].equals(taken[1]["pair"]):
        raise TableError(
            "an example belongs to one pair in the first table, another in the second."
        )
    return taken, len(ids[0]) + len(ids[1]) - 2 * len(rows)


def _differences(a: pa.Table, b: pa.Table, predictor: str) -> tuple[_Pairs, int, int]:
    """Differences of each pair; pairs left out; images of the pairs that are kept."""
    both = [read_examples(table, predictor, [], "pair") for table in (a, b)]
    pair = both[0].clusters["pair"]
    size = np.bincount(pair)
    with np.errstate(invalid="ignore"):  # -inf - -inf: never seen in either
        x, y = (
            _mean(values, pair) - _mean(other, pair)
            for values, other in (
                (both[0].predictors[predictor], both[1].predictors[predictor]),
                (both[0].outcome, both[1].outcome),
            )
        )
    known = np.isfinite(x)
    for data in both:
        values = data.predictors[predictor][known[pair]]
        if np.ptp(values - _mean(data.predictors[predictor], pair)[pair][known[pair]]) > 1e-9:
            raise ParameterError(f"{predictor} is not constant within pairs.")
    first = np.unique(pair, return_index=True)[1]
    classes = both[0].clusters["class"][first]
    return (
        _Pairs(x[known], y[known], codes_of(classes[known])),
        int((~known).sum()),
        int(size[known].sum()),
    )


def _mean(values: Floats, pair: Ints) -> Floats:
    return sum_by(pair, values) / np.bincount(pair)


def _estimates(
    pairs: _Pairs, n_bins: int, n_bootstrap: int, seed: int, level: float
) -> tuple[Estimate, Estimate]:
    n_classes = int(pairs.cluster.max()) + 1

    def statistics(weights: Floats) -> Floats:
        w = weights[pairs.cluster]
        return np.array([_binned_r(pairs, w, n_bins), _weighted_r(pairs, w)])

    values = statistics(np.ones(n_classes))
    rng = np.random.default_rng([seed, 1])
    replicates = bootstrap(statistics, 2, n_classes, n_bootstrap, rng)
    return tuple(  # type: ignore[return-value]
        Estimate.of(value, *expanded_interval(column, n_classes, level))
        for value, column in zip(values, replicates.T, strict=True)
    )


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


def _bin_table(
    pairs: _Pairs, weights: Floats, n_bins: int, level: float
) -> tuple[DifferenceBin, ...]:
    from scipy.stats import t

    values, sums = _sums(pairs, weights)
    starts = bin_starts(values, sums.n, n_bins, "quantile")
    inside = np.searchsorted(values[starts], pairs.x, side="right") - 1
    table = []
    for k in range(len(starts)):
        here = inside == k
        y, n = pairs.y[here], int(here.sum())
        clusters = codes_of(pairs.cluster[here])
        n_clusters = int(clusters.max()) + 1
        half = math.nan
        if n_clusters > 1:
            # Jackknife over classes, as elsewhere.
            counts, totals = np.bincount(clusters), sum_by(clusters, y - y.mean())
            shifts = totals / np.maximum(n - counts, 1)
            error = math.sqrt((n_clusters - 1) / n_clusters * float(shifts @ shifts))
            half = float(t.ppf((1 + level) / 2, n_clusters - 1)) * error
        interval = Estimate.of(float(y.mean()), float(y.mean()) - half, float(y.mean()) + half)
        table.append(
            DifferenceBin(
                low=float(pairs.x[here].min()),
                high=float(pairs.x[here].max()),
                mean_predictor=float(pairs.x[here].mean()),
                n=n,
                mean_outcome=float(y.mean()),
                outcome_low=interval.low,
                outcome_high=interval.high,
            )
        )
    return tuple(table)
