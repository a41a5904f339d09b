"""The figures of one predictor with their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np

from conceptstats.errors import ParameterError, StatisticsError

from .associations import Sample, Weighted, auc, finite_sums, gap, rank_r, unbinned_r, weigh
from .bins import MIN_BINS, BinKind, bin_starts, bin_sums, r_of_means, varies
from .columns import Examples, Flags, Floats, Ints
from .regression import partial_r_of_moments
from .resampling import bootstrap, expanded_interval
from .results import BinnedR, Estimate

MIN_EXAMPLES = 20
_BY_BINS = (5, 10, 15, 20, 30, 50, 100)


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every figure of a report; see `correlate.correlate`."""

    n_bins: int
    bins: BinKind
    n_bootstrap: int
    n_permutations: int
    seed: int
    level: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.n_bins < MIN_BINS:
            raise ParameterError(
                f"{self.n_bins} bins are asked for, expected {MIN_BINS} or more: of two, r is "
                "always 1 or -1."
            )
        if self.bins not in get_args(BinKind):
            raise ParameterError(f"bins is {self.bins!r}, expected quantile or width.")
        if min(self.n_bootstrap, self.n_permutations, self.seed) < 0:
            raise ParameterError(
                f"bootstrap is {self.n_bootstrap}, permutations {self.n_permutations} and seed "
                f"{self.seed}; expected 0 or more."
            )
        if not 0 < self.level < 1:
            raise ParameterError(f"level is {self.level}, expected a number between 0 and 1.")


@dataclass(frozen=True, slots=True)
class Used:
    """The examples on which one predictor is judged.

    Parameters
    ----------
    name : str
    known, finite : array of bool
        Of all examples: whose predictor is known, and whose is finite too.
    cluster : array of int64
        Codes of the first cluster column, of the known ones.
    sample : Sample
        The known ones.
    """

    name: str
    known: Flags
    finite: Flags
    cluster: Ints
    sample: Sample

    @property
    def n_clusters(self) -> int:
        """How many clusters the finite ones are of."""
        return len(np.unique(self.cluster[self.finite[self.known]]))


def use(data: Examples, name: str) -> Used:
    """Choose the examples for one predictor.

    Raises
    ------
    StatisticsError
        When they are too few, of fewer than two clusters, or constant.
    """
    values = data.predictors[name]
    known, finite = ~np.isnan(values), np.isfinite(values)
    n = int(finite.sum())
    if n < MIN_EXAMPLES:
        raise StatisticsError(
            f"{n:,} of {len(values):,} examples have a finite {name}, expected {MIN_EXAMPLES} or "
            "more."
        )
    if not varies(values[finite]):
        raise StatisticsError(f"{name} is {values[finite][0]:g} wherever it is finite.")
    outcome = data.outcome[finite]
    if not varies(outcome):
        raise StatisticsError(
            f"the outcome is {outcome[0]:g} for all {n:,} examples with a finite {name}.",
            "nothing can go with an outcome that is constant; instead of right or wrong, eval join "
            "--outcome probability gives the probability of the target",
        )
    if len(np.unique(data.codes(finite)[0])) < 2:
        raise StatisticsError(
            f"all {n:,} examples with a finite {name} are of one {data.cluster[0]}, expected two "
            "clusters or more.",
            "--cluster COLUMN",
        )
    cluster = data.codes(known)[0]
    return Used(
        name, known, finite, cluster, Sample.of(values[known], data.outcome[known], cluster)
    )


class Estimates(NamedTuple):
    """Figures of one predictor, without controls but for the last."""

    r_binned: Estimate
    r_unbinned: Estimate
    spearman: Estimate
    gap_5pct: Estimate
    auc: Estimate
    r_by_bins: tuple[BinnedR, ...]
    partial_r: Estimate


class Moments(NamedTuple):
    """What a bootstrap of the partial r needs, and its value."""

    value: float
    by_cluster: Floats


def estimate(
    used: Used, settings: Settings, moments: Moments | None = None, *, by_bins: bool = False
) -> Estimates:
    """Estimate the figures of one predictor, all from the same bootstrap replicates.

    Parameters
    ----------
    used : Used
    settings : Settings
    moments : Moments, optional
        For the partial r.
    by_bins : bool
        Whether to give r for other numbers of bins too.
    """
    others = _numbers_of_bins(used.sample) if by_bins else ()

    def statistics(weights: Floats) -> Floats:
        partial = np.nan
        if moments is not None:
            partial = partial_r_of_moments(moments.by_cluster, weights)
        weighted = weigh(used.sample, weights)
        binned = _binned(used.sample, weighted, (settings.n_bins, *others), settings.bins)
        return np.array([partial, *_unbinned(used.sample, weighted), *binned])

    size = used.sample.n_clusters
    point = statistics(np.ones(size))
    if moments is not None:
        point[0] = moments.value
    rng = np.random.default_rng([settings.seed, 1])
    replicates = bootstrap(statistics, len(point), size, settings.n_bootstrap, rng)
    partial, r, rank, tails, right, binned, *rest = [
        _with_interval(value, replicates[:, k], size, settings.level)
        for k, value in enumerate(point)
    ]
    return Estimates(
        binned, r, rank, tails, right, _r_by_bins(used.sample, others, rest, settings.bins), partial
    )


def _with_interval(value: float, replicates: Floats, n_clusters: int, level: float) -> Estimate:
    """An estimate with its interval, which is stretched where the estimate is outside."""
    low, high = expanded_interval(replicates, n_clusters, level)
    return Estimate.of(value, min(low, value), max(high, value))


def _unbinned(sample: Sample, weighted: Weighted) -> list[float]:
    return [
        unbinned_r(sample, weighted),
        rank_r(sample, weighted),
        gap(weighted),
        auc(weighted),
    ]


def _binned(
    sample: Sample, weighted: Weighted, numbers: Sequence[int], kind: BinKind
) -> list[float]:
    values, sums = finite_sums(sample, weighted)
    if not sums.n.any():
        return [float("nan")] * len(numbers)
    return [r_of_means(bin_sums(sums, bin_starts(values, sums.n, n, kind))) for n in numbers]


def _numbers_of_bins(sample: Sample) -> tuple[int, ...]:
    distinct = len(sample.values) - sample.first_finite
    return tuple(n for n in _BY_BINS if n <= distinct)


def _r_by_bins(
    sample: Sample, numbers: Sequence[int], found: Sequence[Estimate], kind: BinKind
) -> tuple[BinnedR, ...]:
    """One entry for each number of bins that exist, which ties can make fewer than asked."""
    values, sums = finite_sums(sample, weigh(sample, np.ones(sample.n_clusters)))
    by_number: dict[int, BinnedR] = {}
    for asked, r in zip(numbers, found, strict=True):
        exist = len(bin_sums(sums, bin_starts(values, sums.n, asked, kind)).n)
        if r.value is not None:
            by_number.setdefault(exist, BinnedR(exist, r.value, r.low, r.high))
    return tuple(by_number.values())
