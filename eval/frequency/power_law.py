"""Discrete power laws of counts: exponent, lower cut, and whether a log-normal fits better.

Clauset, Shalizi & Newman, "Power-law distributions in empirical data", SIAM Review 51 (2009). All
works on distinct counts with a weight for each, so that a bootstrap replicate costs little.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, log_ndtr, zeta
from scipy.stats import norm

from ..statistics.columns import Floats, Ints

MIN_TAIL = 50  # counts at and above the lower cut: with fewer, exponents mean little
MOST_CUTS = 50  # of which a bootstrap replicate chooses the lower cut
_LEAST, _MOST = 1.01, 20.0  # exponents
_STEPS = 12  # of Newton's method
_STEP = 1e-4  # of numerical derivatives
_SERIES_FROM = 20.0  # where the series of the tail is exact to 1e-9
_DENSE_FROM = 1e6  # where the chance of a whole number is the density to 1e-12


class Fit(NamedTuple):
    """A power law of the counts x >= x_min: p(x) = x**-alpha / zeta(alpha, x_min)."""

    alpha: float  # nan: there is none
    x_min: float
    distance: float  # of Kolmogorov and Smirnov
    n_tail: float
    rank_exponent: float  # by regression of ranks


class Versus(NamedTuple):
    """A log-normal beside the power law, over the same tail."""

    mu: float
    sigma: float
    log_ratio: float  # log-likelihood of the power law minus that of the log-normal
    z: float  # Vuong's statistic
    p: float  # two-sided


_NONE = Fit(*[math.nan] * 5)


def fit_power_law(values: Floats, weights: Floats, cuts: Floats) -> Fit:
    r"""Fit a discrete power law to the tail of counts.

    For each lower cut the exponent is that of greatest likelihood; the cut is the one whose law
    lies closest to the counts by the distance of Kolmogorov and Smirnov (section 3.3 there).

    Parameters
    ----------
    values : array of float64
        Distinct positive counts, rising.
    weights : array of float64
        Concepts with each count; 0 is allowed.
    cuts : array of float64
        Counts to try as lower cuts, out of ``values``; see `lower_cuts`.

    Returns
    -------
    Fit
        All nan where no cut leaves `MIN_TAIL` counts that differ. ``rank_exponent`` is one over
        the slope of ln(rank - 1/2) on ln(count) in the tail (Gabaix & Ibragimov, 2011, eq. 2).
    """
    logs = np.log(values)
    above = _sums_from_here_up(weights)
    start = np.searchsorted(values, cuts)
    n = above[start]
    excess = _sums_from_here_up(weights * logs)[start] / np.maximum(n, 1.0)
    usable = (n >= MIN_TAIL) & (excess - np.log(cuts) > 1e-9)
    if not usable.any():
        return _NONE
    start, n, excess, cuts = start[usable], n[usable], excess[usable], cuts[usable]
    alpha = _exponents(excess, cuts)
    distance = _distances(values, above, start, n, alpha)
    distance[(alpha <= _LEAST) | (alpha >= _MOST)] = np.inf
    best = int(np.argmin(distance))
    if not np.isfinite(distance[best]):
        return _NONE
    tail = slice(int(start[best]), None)
    slope = _rank_slope(logs[tail], weights[tail])
    return Fit(
        float(alpha[best]),
        float(cuts[best]),
        float(distance[best]),
        float(n[best]),
        -1 / slope if slope < 0 else math.nan,
    )


def lower_cuts(values: Floats, weights: Floats, most: int | None = None) -> Floats:
    """Counts that leave `MIN_TAIL` concepts at and above them; of too many, some.

    Parameters
    ----------
    values, weights : array of float64
        As for `fit_power_law`.
    most : int, optional
        The cuts then lie evenly over the logarithm of how many concepts they leave.
    """
    above = _sums_from_here_up(weights)
    cuts = values[above >= MIN_TAIL]
    if most is None or len(cuts) <= most:
        return cuts
    n = np.log(above[: len(cuts)])[::-1]
    places = np.searchsorted(n, np.linspace(n[0], n[-1], most))
    return cuts[::-1][np.unique(places)][::-1]


def _sums_from_here_up(weights: Floats) -> Floats:
    return np.cumsum(weights[::-1])[::-1]


def _exponents(excess: Floats, cuts: Floats) -> Floats:
    """Exponents of greatest likelihood, given the mean logarithm of each tail, by Newton."""
    # The likelihood is concave in the exponent; the start is that of Clauset's eq. 3.7.
    alpha = np.clip(1 + 1 / np.maximum(excess - np.log(cuts - 0.5), 1e-9), _LEAST, _MOST)
    for _ in range(_STEPS):
        low, here, high = (np.log(tail_sum(alpha + step, cuts)) for step in (-_STEP, 0.0, _STEP))
        score = -excess - (high - low) / (2 * _STEP)
        curve = np.maximum((high - 2 * here + low) / _STEP**2, 1e-12)
        alpha = np.clip(alpha + np.clip(score / curve, -0.5, 0.5), _LEAST, _MOST)
    return np.asarray(alpha)


def tail_sum(alpha: Floats, start: Floats) -> Floats:
    """Sum of x**-alpha over the whole numbers from ``start`` up: the Hurwitz zeta function.

    Far up, the first terms of the Euler-Maclaurin series, which cost an eighth of the time.
    """
    x = np.maximum(start, _SERIES_FROM)
    power = np.exp(-alpha * np.log(x))
    series = power * (
        x / (alpha - 1) + 0.5 + alpha / (12 * x) - alpha * (alpha + 1) * (alpha + 2) / (720 * x**3)
    )
    low = np.broadcast_to(start < _SERIES_FROM, series.shape)
    if low.any():
        where = np.broadcast_to(alpha, series.shape)[low], np.broadcast_to(start, series.shape)[low]
        series[low] = zeta(*where)
    return np.asarray(series)


def _distances(values: Floats, above: Floats, start: Ints, n: Floats, alpha: Floats) -> Floats:
    """Greatest distance between the counts and the law of each cut, over whole numbers."""
    a = alpha[:, None]
    whole = tail_sum(alpha, values[start])[:, None]
    law = tail_sum(a, values[None, :]) / whole  # chance of x or more
    beyond = law - np.exp(-a * np.log(values)) / whole  # of more than x
    observed = above / n[:, None]
    observed_beyond = np.append(above[1:], 0.0) / n[:, None]
    # Between two counts the observed share stands still and the law falls: look at both ends.
    gaps = np.maximum(np.abs(law - observed), np.abs(beyond - observed_beyond))
    gaps[np.arange(len(values)) < start[:, None]] = 0.0
    return np.asarray(gaps.max(axis=1))


def _rank_slope(logs: Floats, weights: Floats) -> float:
    """Least-squares slope of ln(rank - 1/2) on ln(count); tied counts take successive ranks."""
    held = weights > 0
    logs, weights = logs[held], weights[held]
    above = _sums_from_here_up(weights)
    ranks = (gammaln(above + 0.5) - gammaln(above - weights + 0.5)) / weights
    n = weights.sum()
    x = logs - weights @ logs / n
    spread = float(weights @ (x * x))
    return float(weights @ (x * ranks)) / spread if spread > 0 else math.nan


def compare_lognormal(values: Floats, weights: Floats, fit: Fit) -> Versus:
    """Vuong's test of the power law against a log-normal over the same tail.

    The log-normal is rounded to whole numbers and cut at x_min, with both parameters of greatest
    likelihood. Where counts are large it holds the power law as a limit (sigma without bound) and
    cannot be much worse; the test then says that it is better, or that the two cannot be told
    apart. Only at small counts, where rounding shows, can the power law win clearly.

    Parameters
    ----------
    values, weights : array of float64
        As for `fit_power_law`.
    fit : Fit

    Returns
    -------
    Versus
        Positive ``log_ratio`` and ``z`` speak for the power law.

    Notes
    -----
    Vuong, Econometrica 57 (1989); Clauset et al., section 5 and appendix C.
    """
    tail = (values >= fit.x_min) & (weights > 0)
    x, w = values[tail], weights[tail]
    logs, n = np.log(x), float(w.sum())
    mean = float(w @ logs) / n
    spread = math.sqrt(float(w @ (logs - mean) ** 2) / n)

    def loss(parameters: Floats) -> float:
        found = float(w @ log_lognormal(x, fit.x_min, *parameters))
        return -found / n if math.isfinite(found) else 1e9

    starts = [(mean, math.log(spread)), (mean - 4 * spread, math.log(3 * spread))]
    bounds = [(-400.0, 60.0), (-5.0, 5.0)]
    found = min(
        (
            minimize(loss, start, method="Nelder-Mead", bounds=bounds, options={"maxiter": 800})
            for start in starts
        ),
        key=lambda result: float(result.fun),
    )
    law = -fit.alpha * logs - math.log(float(tail_sum(*np.array([[fit.alpha], [fit.x_min]]))[0]))
    ratios = law - log_lognormal(x, fit.x_min, *found.x)
    total = float(w @ ratios)
    error = math.sqrt(float(w @ (ratios - total / n) ** 2))  # of the sum: root n times their spread
    z = total / error if error > 0 else 0.0
    return Versus(float(found.x[0]), math.exp(found.x[1]), total, z, float(2 * norm.sf(abs(z))))


def log_lognormal(x: Floats, x_min: float, mu: float, log_sigma: float) -> Floats:
    """Logarithm of the chance of each whole number under a log-normal that is cut at x_min.

    Far up it is the density, which rounding to whole numbers does not change there, and whose
    logarithm does not suffer from the difference of two equal numbers.
    """
    sigma = math.exp(log_sigma)
    low, high = (log_ndtr((mu - np.log(x + half)) / sigma) for half in (-0.5, 0.5))
    whole = log_ndtr((mu - math.log(x_min - 0.5)) / sigma)
    density = norm.logpdf(np.log(x), mu, sigma) - np.log(x)
    with np.errstate(all="ignore"):  # what is not finite, the caller sees
        rounded = low + np.log(-np.expm1(high - low))
    return np.asarray(np.where(x > _DENSE_FROM, density, rounded) - whole)
