"""Set an outcome against a predictor, with intervals that respect clusters.

A correlation of bins removes noise *and hides confounders*, so it never stands alone here: beside
it are the unbinned r, r against the number of bins, and the effect with controls held fixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from conceptstats.errors import StatisticsError

from .adjusted import adjust, slope_alone
from .associations import finite_sums, tails, weigh
from .bins import BinKind, bin_starts
from .caveats import caveats
from .columns import PREDICTORS, Examples, Ints, codes_of, count, read_examples
from .estimates import Estimates, Settings, Used, estimate, use
from .on_files import compute_on_files
from .resampling import Units, mean_estimate, permutation_p
from .results import Bin, Correlation, Estimate, PredictorRow, Unseen
from .verified import looked_at, of_verified


def correlate(
    examples: pa.Table,
    *,
    predictor: str = "pmi",
    controls: Sequence[str] | None = None,
    cluster: str | Sequence[str] | None = None,
    n_bins: int = 20,
    bins: BinKind = "quantile",
    n_bootstrap: int = 1000,
    n_permutations: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Correlation:
    """Set outcomes in [0, 1] against a predictor.

    Parameters
    ----------
    examples : Table
        With example_id, outcome, predictors (numbers) and clusters (labels). A predictor of -inf
        means "never seen together": it ranks lowest, and what is linear leaves it out. Null or nan
        means unknown, and is left out of everything but the mean outcome. Where key_found and
        accessory_found say what a detector found in the picture, the figures of examples with both
        stand beside those of all.
    predictor : str
    controls : sequence of str, optional
        Columns held fixed in the model. None: those of log_n_key, log_n_accessory,
        log_n_concept, length and log_n_pair that there are; of those that make each other up, the
        last is dropped.
    cluster : str or sequence of str, optional
        Columns within which examples are alike; the bootstrap resamples the first, the models
        allow for both. None: the coarsest of class, pair and image with ten values. Empty:
        examples are independent.
    n_bins : int
    bins : {"quantile", "width"}
        As `bins.bin_starts` says.
    n_bootstrap, n_permutations : int
        0: none, and no interval of r, or no p.
    seed : int
        The same seed and data give the same numbers.
    level : float
        Of all intervals.

    Returns
    -------
    Correlation

    Raises
    ------
    TableError
        When a column is missing or of another type, or an outcome is outside [0, 1].
    ParameterError
        When a setting is outside its range, or clusters cannot be told.
    StatisticsError
        When there are fewer than 20 examples with a finite predictor or fewer than two clusters,
        or when predictor or outcome is constant.

    Notes
    -----
    Intervals: of r, rank r, gap and auc, `resampling.expanded_interval`; of coefficients,
    `regression.fit_logit`; of accuracies, `resampling.mean_estimate`. On simulated data of 24
    classes with random intercepts they hold the true value in 94% to 96% of cases;
    tests/test_coverage.py has the simulation. That of r_binned is for the mean r of data of this
    size and so many bins, not for what it would be of endless data, which is near 1 or -1.
    """
    settings = Settings(n_bins, bins, n_bootstrap, n_permutations, seed, level)
    data = read_examples(examples, predictor, controls, cluster)
    found, gaps = _find(data, use(data, predictor), settings)
    looked = looked_at(examples)
    verified, told = of_verified(data, looked, predictor, settings) if looked else (None, [])
    return replace(found, verified=verified, notes=(*data.notes, *caveats(found), *gaps, *told))


def _find(data: Examples, used: Used, settings: Settings) -> tuple[Correlation, list[str]]:
    """All figures, and why some are not given."""
    level = settings.level
    adjusted = adjust(data, used, level)
    figures = estimate(used, settings, adjusted.moments, by_bins=True)
    alone, problem = slope_alone(data, used, level)
    without = [f"The slope without controls is not given: {problem}."] if problem else []
    rows, skipped = _compare(data, settings, used, figures, alone)
    p, unit = _permute(data, used, settings)
    table = _bin_table(data, used, settings)
    n_bottom, n_top = _in_tails(used)
    found = Correlation(
        predictor=used.name,
        n=len(data.outcome),
        n_used=int(used.finite.sum()),
        unknown=int((~used.known).sum()),
        level=level,
        outcome=mean_estimate(data.outcome, data.codes(np.ones_like(used.known))[0], level),
        is_graded=data.is_graded,
        clusters={name: count(codes) for name, codes in data.clusters.items()},
        cluster=data.cluster,
        n_clusters=used.n_clusters,
        r_binned=figures.r_binned,
        n_bins=len(table),
        n_bins_asked=settings.n_bins,
        bins=settings.bins,
        bin_table=table,
        r_unbinned=figures.r_unbinned,
        spearman=figures.spearman,
        r_by_bins=figures.r_by_bins,
        gap_5pct=figures.gap_5pct,
        n_top=n_top,
        n_bottom=n_bottom,
        slope=adjusted.slope,
        slope_alone=alone,
        model=adjusted.model,
        partial_r=figures.partial_r,
        permutation_p=p,
        permutation_unit=unit,
        n_bootstrap=settings.n_bootstrap,
        n_permutations=settings.n_permutations,
        seed=settings.seed,
        unseen=_unseen(data, used, level),
        verified=None,
        predictors=rows,
        notes=(),
    )
    return found, [*adjusted.notes, *without, *skipped]


def correlate_file(
    path: Path, output: Path | None = None, *, overwrite: bool = False, **options: Any
) -> Correlation:
    """`correlate` the examples of a file, and write the result as JSON with its run record.

    Parameters
    ----------
    path : Path
        ``.parquet``, ``.csv`` or ``.arrow``.
    output : Path, optional
    overwrite : bool
    **options
        Of `correlate`.

    Raises
    ------
    OutputExistsError, OutputError
        And what `correlate` and `conceptstats.table_files.load_table` raise.
    """
    return compute_on_files(
        "eval correlate", correlate, [path], output, options, overwrite=overwrite
    )


def _compare(
    data: Examples, settings: Settings, used: Used, figures: Estimates, alone: Estimate
) -> tuple[tuple[PredictorRow, ...], list[str]]:
    """Every predictor under the same settings, the main one first."""
    rows = [_row(data, used, figures, alone)]
    notes = []
    for name in PREDICTORS:
        if name in data.predictors and name != used.name:
            try:
                other = use(data, name)
            except StatisticsError as error:
                notes.append(f"Predictor {name} is not compared: {error.message}")
                continue
            slope, _ = slope_alone(data, other, settings.level)
            rows.append(_row(data, other, estimate(other, settings), slope))
    return tuple(rows), notes


def _row(data: Examples, used: Used, figures: Estimates, slope: Estimate) -> PredictorRow:
    spread = float(data.predictors[used.name][used.finite].std())
    per_sd = [x if x is None else x * spread for x in (slope.value, slope.low, slope.high)]
    return PredictorRow(
        name=used.name,
        n_used=int(used.finite.sum()),
        r_binned=figures.r_binned,
        r_unbinned=figures.r_unbinned,
        spearman=figures.spearman,
        gap_5pct=figures.gap_5pct,
        auc=figures.auc,
        slope_per_sd=Estimate(*per_sd),
    )


def _permute(data: Examples, used: Used, settings: Settings) -> tuple[float | None, str]:
    """The p by permutation of the finite predictors, and what was permuted."""
    codes, unit = _exchangeable(data, used)
    counted = Units.of(
        data.predictors[used.name][used.finite],
        data.outcome[used.finite],
        codes,
        data.codes(used.finite)[0],
    )
    rng = np.random.default_rng([settings.seed, 2])
    p = permutation_p(counted, settings.n_permutations, rng)
    return (None if math.isnan(p) else p), unit


def _exchangeable(data: Examples, used: Used) -> tuple[Ints, str]:
    """The coarsest groups within which the predictor is constant: clusters, pairs, or its ties."""
    values = codes_of(data.predictors[used.name][used.finite])
    cluster = data.codes(used.finite)[0]
    if not data.cluster:
        return cluster, "example"
    if _constant_within(values, cluster):
        return cluster, data.cluster[0]
    if "pair" in data.clusters:
        pair = data.clusters["pair"][used.finite]
        pair = codes_of(pair)
        if _constant_within(values, pair):
            return pair, "pair"
    tied = np.unique(cluster * (int(values.max()) + 1) + values, return_inverse=True)[1]
    return tied, f"examples of equal {used.name} within {data.cluster[0]}"


def _constant_within(values: Ints, codes: Ints) -> bool:
    """Whether each group has one value."""
    return len(np.unique(codes * (int(values.max()) + 1) + values)) == int(codes.max()) + 1


def _bin_table(data: Examples, used: Used, settings: Settings) -> tuple[Bin, ...]:
    values, sums = finite_sums(used.sample, weigh(used.sample, np.ones(used.sample.n_clusters)))
    starts = bin_starts(values, sums.n, settings.n_bins, settings.bins)
    x, outcome = data.predictors[used.name][used.finite], data.outcome[used.finite]
    cluster = data.codes(used.finite)[0]
    inside = np.searchsorted(values[starts], x, side="right") - 1
    table = []
    for k in np.unique(inside):
        here = inside == k
        table.append(
            Bin(
                low=float(x[here].min()),
                high=float(x[here].max()),
                mean_predictor=float(x[here].mean()),
                n=int(here.sum()),
                n_clusters=len(np.unique(cluster[here])),
                accuracy=mean_estimate(outcome[here], cluster[here], settings.level),
            )
        )
    return tuple(table)


def _in_tails(used: Used) -> tuple[int, int]:
    """Examples that bear on the bottom and on the top of the gap."""
    n = weigh(used.sample, np.ones(used.sample.n_clusters)).n
    bottom, top = tails(n)
    return int(n[bottom > 0].sum()), int(n[top > 0].sum())


def _unseen(data: Examples, used: Used, level: float) -> Unseen | None:
    rows = used.known & ~used.finite
    if not rows.any():
        return None
    cluster = data.codes(rows)[0]
    accuracy = mean_estimate(data.outcome[rows], cluster, level)
    return Unseen(int(rows.sum()), len(np.unique(cluster)), accuracy)
