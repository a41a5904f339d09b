"""Bins of a predictor, under weights: their sums, and Pearson's r of their means.

Everything here works on sums at the *distinct* values of the predictor, in rising order, so that
tied examples cannot be torn apart and a bootstrap replicate costs one pass.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from .columns import Floats, Ints

BinKind = Literal["quantile", "width"]
MIN_BINS = 3  # of two bins, r is always 1 or -1


class Sums(NamedTuple):
    """Weighted sums at each distinct value of the predictor, or in each bin."""

    n: Floats  # examples
    x: Floats  # predictor
    y: Floats  # outcome


def bin_starts(values: Floats, n: Floats, n_bins: int, kind: BinKind) -> Ints:
    """Index of the first value of each bin; bins can be empty, or without weight.

    Parameters
    ----------
    values : array of float64
        Distinct, finite, rising.
    n : array of float64
        Examples at each.
    n_bins : int
    kind : {"quantile", "width"}
        quantile: bin k holds the values v with q[k-1] < v <= q[k], where q[k] is the least value
        that at least k/n_bins of the examples do not exceed (``inverted_cdf`` of
        `numpy.quantile`). So tied examples share a bin, and bins merge where ties span several.
        width: equal steps from the least to the greatest value; the last bin holds both its ends.

    Returns
    -------
    array of int64
        Rising, of distinct indices.
    """
    if kind == "quantile":
        below = np.concatenate([[0.0], np.cumsum(n[:-1])])
        total = below[-1] + n[-1]
        # Whole numbers on both sides, so that a border is met exactly.
        starts = np.searchsorted(below * n_bins, np.arange(n_bins) * total, side="left")
    else:
        present = np.flatnonzero(n > 0)
        edges = np.linspace(values[present[0]], values[present[-1]], n_bins + 1)
        starts = np.searchsorted(values, edges[:-1], side="left")
        starts[0] = 0
    starts = starts[starts < len(values)]
    return np.unique(starts).astype(np.int64)


def bin_sums(sums: Sums, starts: Ints) -> Sums:
    """Sums in each bin that holds examples."""
    parts = [np.add.reduceat(column, starts) for column in sums]
    filled = parts[0] > 0
    return Sums(*(part[filled] for part in parts))


def r_of_means(bins: Sums) -> float:
    """Pearson's r between mean predictor and mean outcome of bins, each bin counted alike.

    Returns
    -------
    float
        nan with fewer than three bins, or where a mean does not vary.
    """
    if len(bins.n) < MIN_BINS:
        return float("nan")
    return pearson(bins.x / bins.n, bins.y / bins.n)


def pearson(x: Floats, y: Floats) -> float:
    """Pearson's r; nan where one of them does not vary."""
    if not (varies(x) and varies(y)):
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def varies(x: Floats) -> bool:
    """Whether numbers differ by more than their rounding."""
    return bool(len(x) and np.ptp(x) > 1e-12 * np.abs(x).max())
