"""Bootstrap intervals need replicates: where there are too few, none is made up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from example_tables import make_examples

from conceptstats.eval.statistics.correlate import correlate
from conceptstats.eval.statistics.resampling import MIN_REPLICATES, expanded_interval


@pytest.mark.parametrize("n", [0, 1, MIN_REPLICATES - 1])
def test_too_few_replicates_give_no_interval(n: int) -> None:
    """One replicate would be both ends of it."""
    assert all(map(math.isnan, expanded_interval(np.arange(float(n)), 12, 0.95)))


def test_few_replicates_give_the_range_of_them() -> None:
    """Tails of 0.7% of twenty: between the two outermost on each side.

    12 clusters: sqrt(12 / 10) t(.975, 10) = 1.0954 * 2.2281 = 2.4408, whose normal tail is .00733;
    of 0, 1, ..., 19 the quantile at that share is 19 * .00733 = .139.
    """
    low, high = expanded_interval(np.arange(20.0), 12, 0.95)
    assert (low, high) == pytest.approx((0.139, 18.861), abs=1e-3)


def test_replicates_without_the_statistic_count_as_such() -> None:
    """With half of them the interval is of the others; with fewer there is none."""
    replicates = np.append(np.arange(20.0), [math.nan] * 20)
    assert expanded_interval(replicates, 12, 0.95) == expanded_interval(np.arange(20.0), 12, 0.95)
    assert math.isnan(expanded_interval(np.append(replicates, math.nan), 12, 0.95)[0])


@pytest.mark.parametrize(("n", "has_interval"), [(1, False), (20, True)])
def test_correlate_says_why_there_is_no_interval(n: int, has_interval: bool) -> None:
    """In a note; the model of coefficients needs no replicates."""
    found = correlate(make_examples(), n_bins=8, n_bootstrap=n, n_permutations=0)
    for r in (found.r_binned, found.r_unbinned, found.spearman, found.gap_5pct):
        assert r.value is not None
        assert (r.low is not None) == has_interval
    assert found.slope.low is not None
    said = any("1 bootstrap replicates are too few" in note for note in found.notes)
    assert said != has_interval
