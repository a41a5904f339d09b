"""How an outcome goes with one predictor, under weights of clusters: r, rank r, gap and AUC.

A `Sample` is made once. A bootstrap replicate is a vector of weights, one a cluster; with all
weights 1 it is the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .bins import Sums, varies
from .columns import Floats, Ints, sum_by

TAIL = 0.05  # of examples, in the top and in the bottom of the gap


@dataclass(frozen=True, slots=True)
class Sample:
    """Examples counted by (predictor, cluster, outcome).

    Parameters
    ----------
    values : array of float64
        Distinct values of the predictor, rising; the first can be -inf.
    outcomes : array of float64
        Distinct outcomes, rising.
    value_at, outcome_at, cluster : array of int64
        Of each row of counts: index of its value and outcome, code of its cluster.
    n : array of float64
        Examples in each row.
    n_clusters : int
    """

    values: Floats
    outcomes: Floats
    value_at: Ints
    outcome_at: Ints
    cluster: Ints
    n: Floats
    n_clusters: int

    @classmethod
    def of(cls, predictor: Floats, outcome: Floats, cluster: Ints) -> Sample:
        """Count examples, whose predictors are known."""
        values, value_at = np.unique(predictor, return_inverse=True)
        outcomes, outcome_at = np.unique(outcome, return_inverse=True)
        n_clusters = int(cluster.max()) + 1
        key = (value_at * n_clusters + cluster) * len(outcomes) + outcome_at
        key, n = np.unique(key, return_counts=True)
        key, outcome_at = np.divmod(key, len(outcomes))
        value_at, cluster = np.divmod(key, n_clusters)
        return cls(
            values, outcomes, value_at, outcome_at, cluster, n.astype(np.float64), n_clusters
        )

    @property
    def first_finite(self) -> int:
        """Index of the least finite value."""
        return int(np.isneginf(self.values[0]))


class Weighted(NamedTuple):
    """A sample under weights."""

    n_row: Floats  # examples in each row of counts
    n: Floats  # examples at each value
    y: Floats  # sum of their outcomes
    yy: Floats  # sum of the squares of their outcomes


def weigh(sample: Sample, weights: Floats) -> Weighted:
    """Sums at each distinct value, with a weight for each cluster."""
    n_row = sample.n * weights[sample.cluster]
    y = sample.outcomes[sample.outcome_at]
    size = len(sample.values)
    return Weighted(
        n_row,
        sum_by(sample.value_at, n_row, size),
        sum_by(sample.value_at, n_row * y, size),
        sum_by(sample.value_at, n_row * y * y, size),
    )


def finite_sums(sample: Sample, weighted: Weighted) -> tuple[Floats, Sums]:
    """Finite values of the predictor, and sums at each."""
    first = sample.first_finite
    values, n = sample.values[first:], weighted.n[first:]
    return values, Sums(n, n * values, weighted.y[first:])


def unbinned_r(sample: Sample, weighted: Weighted) -> float:
    """Pearson's r over examples; a predictor of -inf is left out.

    Returns
    -------
    float
        nan where predictor or outcome does not vary.
    """
    first = sample.first_finite
    n, y, yy = weighted.n[first:], weighted.y[first:], float(weighted.yy[first:].sum())
    total, values = float(n.sum()), sample.values[first:]
    if not varies(values[n > 0]):
        return float("nan")
    x = values - n @ values / total
    mean = float(y.sum()) / total
    spread = yy - total * mean * mean
    if not spread > 1e-12 * total:
        return float("nan")
    return float(np.clip(x @ y / np.sqrt((n @ (x * x)) * spread), -1.0, 1.0))


def rank_r(sample: Sample, weighted: Weighted) -> float:
    """Spearman's r over examples, ties at their mean rank; -inf ranks lowest.

    Returns
    -------
    float
        nan where predictor or outcome does not vary.
    """
    n_outcome = sum_by(sample.outcome_at, weighted.n_row, len(sample.outcomes))
    total = float(n_outcome.sum())
    x = _mid_ranks(weighted.n) - total / 2
    y = _mid_ranks(n_outcome) - total / 2
    scale = np.sqrt((weighted.n @ (x * x)) * (n_outcome @ (y * y)))
    if not scale > 1e-12 * total**3:
        return float("nan")
    products = weighted.n_row @ (x[sample.value_at] * y[sample.outcome_at])
    return float(np.clip(products / scale, -1.0, 1.0))


def _mid_ranks(n: Floats) -> Floats:
    return np.asarray(np.cumsum(n) - n / 2, np.float64)


def tails(n: Floats) -> tuple[Floats, Floats]:
    """How many examples at each value count to the bottom and to the top 5%.

    Parameters
    ----------
    n : array of float64
        Examples at each value, values rising.

    Returns
    -------
    bottom, top : array of float64
        Each sums to 5% of all. Of tied examples across the border all count, with equal parts of
        what is left: the mean over all orders that they could have stood in.
    """
    reached = np.cumsum(n)
    total, parts = reached[-1], round(1 / TAIL)  # whole numbers, so that borders are met exactly
    bottom = np.clip((total - parts * (reached - n)) / parts, 0.0, n)
    top = np.clip((parts * reached - (parts - 1) * total) / parts, 0.0, n)
    return bottom, top


def gap(weighted: Weighted) -> float:
    """Mean outcome of the top 5% of examples by predictor minus that of the bottom 5%."""
    bottom, top = tails(weighted.n)
    mean = np.divide(weighted.y, weighted.n, out=np.zeros_like(weighted.y), where=weighted.n > 0)
    return float(top @ mean / top.sum() - bottom @ mean / bottom.sum())


def auc(weighted: Weighted) -> float:
    """Chance that a right example has a higher predictor than a wrong one, ties counting half.

    An example with outcome y counts as y right ones and 1 - y wrong ones.

    Returns
    -------
    float
        nan where every example is right, or wrong.
    """
    wrong = weighted.n - weighted.y
    pairs = float(weighted.y.sum() * wrong.sum())
    if not pairs > 0:
        return float("nan")
    return float(np.clip(weighted.y @ _mid_ranks(wrong) / pairs, 0.0, 1.0))
