"""Wilson's interval of a share, which stays within 0 and 1 (JASA 22, 1927)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .columns import Floats
from .results import Estimate

_Z95 = 1.959963984540054  # normal quantile of a 95% interval


def wilson(share: npt.ArrayLike, n: npt.ArrayLike, quantile: float = _Z95) -> tuple[Floats, Floats]:
    """Both ends of the interval.

    Parameters
    ----------
    share : array of float64
        In [0, 1].
    n : array of float64
        Independent examples behind each share; above 0.
    quantile : float
        Of the normal distribution, or of t.
    """
    share, reach = np.asarray(share, np.float64), quantile**2 / np.asarray(n, np.float64)
    centre = (share + reach / 2) / (1 + reach)
    half = np.sqrt(reach * (share * (1 - share) + reach / 4)) / (1 + reach)
    return np.clip(centre - half, 0.0, share), np.clip(centre + half, share, 1.0)


def share_estimate(k: int, n: int, quantile: float = _Z95) -> Estimate:
    """The share of k in n independent examples, with its interval."""
    low, high = wilson(k / n, n, quantile)
    return Estimate(k / n, float(low), float(high))
