"""PMI and its relatives: pure functions of counts, for scalars and arrays alike.

The unit of every count is the caption: ``n`` captions in all, ``n_a`` and ``n_b`` with one concept,
``n_ab`` with both. Logarithms are natural. `conceptstats.reference` has the same definitions in
plain Python.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from conceptstats.errors import ParameterError

Counts = npt.ArrayLike
Floats = npt.NDArray[np.float64]

# The published code's constants: f + 1000 for singles, f + 1 for pairs, and K, which is almost 1.
_PAPER_SINGLE, _PAPER_PAIR, _PAPER_TOTAL = 1000.0, 1.0, 3.2e9
_PAPER_LOG_K = math.log((1 / (_PAPER_TOTAL * (_PAPER_TOTAL - 1))) * _PAPER_TOTAL**2)


class Interval(NamedTuple):
    """Lower and upper bound."""

    low: Floats
    high: Floats


def _log(x: Any) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.asarray(x, np.float64))


def pmi(
    n: Counts, n_a: Counts, n_b: Counts, n_ab: Counts, *, alpha: float = 0.0, n_concepts: int = 0
) -> Floats:
    r"""Pointwise mutual information in nats, over captions.

    .. math:: \ln \frac{(n_{ab} + \alpha)\,(n + \alpha V^2)}{(n_a + \alpha V)(n_b + \alpha V)}

    The smoothing adds alpha to each cell of the V x V table of ordered pairs, and to the marginals
    what that adds to them, so that singles and pairs stay matched and the value symmetric.

    Parameters
    ----------
    n, n_a, n_b, n_ab : int or array
        Captions: all, with a, with b, with both. Broadcast against each other.
    alpha : float
        Smoothing; 0 gives -inf at ``n_ab == 0``.
    n_concepts : int
        V; needed with alpha.

    Returns
    -------
    array of float64
        -inf where the pair was never seen and alpha is 0; nan where a concept was never seen.

    Raises
    ------
    ParameterError
        When alpha is negative, or given without V.
    """
    if alpha < 0 or (alpha > 0 and n_concepts < 1):
        raise ParameterError(
            f"alpha is {alpha} with {n_concepts} concepts; expected alpha >= 0, and V with it."
        )
    singles = _log(np.asarray(n_a, np.float64) + alpha * n_concepts) + _log(
        np.asarray(n_b, np.float64) + alpha * n_concepts
    )
    pair = _log(np.asarray(n_ab, np.float64) + alpha)
    total = _log(np.asarray(n, np.float64) + alpha * float(n_concepts) ** 2)
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(singles), np.nan, pair + total - singles)


def npmi(n: Counts, n_a: Counts, n_b: Counts, n_ab: Counts) -> Floats:
    """PMI over -ln p(a,b), in [-1, 1] (Bouma, GSCL 2009).

    Parameters
    ----------
    n, n_a, n_b, n_ab : int or array
        As for `pmi`.

    Returns
    -------
    array of float64
        Without unit. -1: never together; 0: independent; 1: only together (also where every caption
        has both); nan where a concept was never seen.
    """
    n, n_ab = np.asarray(n, np.float64), np.asarray(n_ab, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = pmi(n, n_a, n_b, n_ab) / (_log(n) - _log(n_ab))
    value = np.where(n_ab >= n, 1.0, np.where(n_ab == 0, -1.0, value))
    seen = (np.asarray(n_a) > 0) & (np.asarray(n_b) > 0)
    return np.where(seen, np.clip(value, -1.0, 1.0), np.nan)


def llr(n: Counts, n_a: Counts, n_b: Counts, n_ab: Counts) -> Floats:
    """Log-likelihood ratio G^2 of the 2 x 2 table of captions with a, with b (Dunning, 1993).

    Parameters
    ----------
    n, n_a, n_b, n_ab : int or array
        As for `pmi`; of a possible table, so ``n_ab`` is at most ``n_a`` and ``n_b``.

    Returns
    -------
    array of float64
        Not negative; about chi-squared with one degree of freedom where a and b are independent. It
        has no sign: compare ``n_ab`` with ``n_a * n_b / n`` to tell attraction from avoidance.
    """
    n, a, b, ab = (np.asarray(x, np.float64) for x in (n, n_a, n_b, n_ab))

    def cell(k: Floats, row: Floats, column: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(k > 0, k * np.log(k * n / (row * column)), 0.0)

    total = cell(ab, a, b) + cell(a - ab, a, n - b) + cell(b - ab, n - a, b)
    return np.maximum(2 * (total + cell(n - a - b + ab, n - a, n - b)), 0.0)


def pmi_interval(
    n: Counts, n_a: Counts, n_b: Counts, n_ab: Counts, *, level: float = 0.95
) -> Interval:
    """Exact interval of PMI when the pair count is Poisson (Garwood, 1936); singles are held fixed.

    Parameters
    ----------
    n, n_a, n_b, n_ab : int or array
        As for `pmi`.
    level : float
        Coverage, at least.

    Returns
    -------
    Interval
        Of float64, in nats. Where the pair was never seen ``low`` is -inf and ``high`` finite.
    """
    low, high = poisson_interval(n_ab, level=level)
    return Interval(pmi(n, n_a, n_b, low), pmi(n, n_a, n_b, high))


def poisson_interval(count: Counts, *, level: float = 0.95) -> Interval:
    """Exact interval for the mean of a Poisson count (Garwood, 1936).

    Parameters
    ----------
    count : int or array
        0 or more; 0 gives a lower bound of 0.
    level : float
        Coverage, at least.

    Returns
    -------
    Interval
        Of float64, in counts.

    Raises
    ------
    ParameterError
        When the level is not between 0 and 1, or a count is negative.
    """
    from scipy.special import gammaincinv

    if not 0 < level < 1:
        raise ParameterError(f"level is {level}, expected a number between 0 and 1.")
    tail = (1 - level) / 2
    count = np.asarray(count, np.float64)
    if (count < 0).any():
        raise ParameterError(f"a count is {count.min()}, expected 0 or more.")
    low = np.where(count > 0, gammaincinv(np.maximum(count, 1), tail), 0.0)
    return Interval(low, gammaincinv(count + 1, 1 - tail))


def paper_pmi(f_a: Counts, f_b: Counts, f_ab: Counts) -> Floats:
    r"""PMI as the released code of Qu & Xie (arXiv 2507.08000) computes it.

    .. math:: \ln\left(K \frac{f_{ab} + 1}{(f_a + 1000)(f_b + 1000)}\right)

    Parameters
    ----------
    f_a, f_b : int or array
        Marginals of the *pair table*: sum over all b of the captions with a and b. So a caption
        weighs as much as it has pairs.
    f_ab : int or array
        Captions with both.

    Notes
    -----
    K is 1.0000000003, so only the order of the values means something. Two words that were never
    seen score -13.82, above a strongly associated pair of common ones.
    """
    pair = _log(np.asarray(f_ab, np.float64) + _PAPER_PAIR)
    a = _log(np.asarray(f_a, np.float64) + _PAPER_SINGLE)
    b = _log(np.asarray(f_b, np.float64) + _PAPER_SINGLE)
    return np.asarray(_PAPER_LOG_K + pair - (a + b), np.float64)
