"""Wilson's interval of a share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from conceptstats.eval.statistics.wilson import share_estimate, wilson


def test_eight_of_ten_by_hand() -> None:
    """As in Newcombe (Stat. Med. 17, 1998) and many tables: 0.490 to 0.943."""
    found = share_estimate(8, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (1, 3), (37, 1000)])
def test_scipy_has_the_same(k: int, n: int, level: float) -> None:
    """At any level, also where none or all are counted."""
    found = share_estimate(k, n, float(norm.ppf((1 + level) / 2)))
    expected = binomtest(k, n).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_many_shares_at_once() -> None:
    """Each as if it were alone."""
    low, high = wilson(np.array([0.8, 1.0]), np.array([10.0, 4.0]))
    for k, (part, n) in enumerate([(8, 10), (4, 4)]):
        one = share_estimate(part, n)
        assert (low[k], high[k]) == (one.low, one.high)
