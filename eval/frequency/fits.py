"""Shapes of the trend: a line, an isotonic curve, and data sets with levels of their own.

Data sets differ in level for reasons of their own (how many classes, how alike), and in how often
their concepts occur. Two answers to that are given:

- *Within*: each data set has a level, and there is one slope. It takes weights, and supposes
  nothing of how levels are spread or go with frequency. This is the one to trust.
- *Mixed*: level and slope vary over data sets like draws from a normal distribution; says how much
  the slope differs between data sets, and sets the slope within data sets apart from that of their
  means (Mundlak, 1978). It takes no weights, and can fail to converge, which is stated.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..statistics.columns import Flags, Floats, Ints, codes_of, sum_by
from ..statistics.results import Estimate
from .recipes import Zeros
from .results import Fits, Knot, LinearFit, MixedFit, Shape, Shapes, WithinFit
from .trend import DECADE, Data, Figures, center_by

_MIN_MIXED = 5  # data sets, for two variances between them
_BACKFITTING = 100  # steps at most
_ZERO_VARIANCE = 1e-8


class _Points(NamedTuple):
    """Points with a finite log count."""

    x: Floats
    y: Floats
    w: Floats
    dataset: Ints  # without gaps

    def where(self, rows: Flags) -> _Points:
        return _Points(self.x[rows], self.y[rows], self.w[rows], codes_of(self.dataset[rows]))


Curve = Callable[[Floats], Floats]


def fit_shapes(data: Data, zeros: Zeros, figures: Figures, level: float) -> Fits:
    """All fits of the points whose log count is finite.

    Parameters
    ----------
    data : Data
    zeros : {"as one", "left out"}
    figures : Figures
        Whose intervals are taken over.
    level : float
        Of the intervals of the mixed model and of the comparison.
    """
    x = data.log_count(zeros)
    rows = np.isfinite(x)
    points = _Points(x[rows], data.value[rows], data.weight[rows], codes_of(data.dataset[rows]))
    least, most = (_by_dataset(points, extreme) for extreme in (np.minimum, np.maximum))
    return Fits(
        linear=LinearFit(figures.slope_per_decade, figures.intercept),
        isotonic=_knots(points),
        within=WithinFit(figures.within_slope, figures.within_r, int((most > least).sum())),
        mixed=fit_mixed(points, level),
        compared=compare_shapes(points, level),
    )


def _by_dataset(points: _Points, extreme: np.ufunc) -> Floats:
    order = np.argsort(points.dataset, kind="stable")
    starts = np.unique(points.dataset[order], return_index=True)[1]
    return np.asarray(extreme.reduceat(points.x[order], starts), np.float64)


def isotonic(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Rising least-squares fit: its value at each distinct x; ties in x share one.

    Pool adjacent violators, by `scipy.optimize.isotonic_regression`.
    """
    from scipy.optimize import isotonic_regression

    values, at = np.unique(x, return_inverse=True)
    total = sum_by(at, w)
    fitted = isotonic_regression(sum_by(at, w * y) / total, weights=total).x
    return values, np.asarray(fitted, np.float64)


def _knots(points: _Points) -> tuple[Knot, ...]:
    """Both ends of each level stretch."""
    values, fitted = isotonic(points.x, points.y, points.w)
    new = np.flatnonzero(np.diff(fitted) > 0)
    ends = np.unique(np.concatenate([[0], new, new + 1, [len(values) - 1]]))
    return tuple(Knot(round(math.exp(values[k]), 6), float(fitted[k])) for k in ends)


def compare_shapes(points: _Points, level: float) -> Shapes:
    """Errors of each shape on data sets that it was not fitted to, each left out in turn.

    "Within" takes a data set's level from itself, and fits each shape beside the levels of the
    others (for the isotonic curve by backfitting); the other error is of the curve through all
    points, level and all. Intervals are t over data sets, whose fits share most of their points.
    """
    n_datasets = int(points.dataset.max()) + 1
    names = ("constant", "linear", "isotonic")
    if n_datasets < 3:
        none = tuple(Shape(name, None, None) for name in names)
        return Shapes(none, Estimate(None), Estimate(None))
    plain, free = np.zeros((2, n_datasets, len(names)))
    total = sum_by(points.dataset, points.w)
    for left_out in range(n_datasets):
        rest, held = (points.where(points.dataset != left_out), points.where(
            points.dataset == left_out))  # fmt: skip
        for k, (curve, level_free) in enumerate(
            zip(_curves(rest), _curves_beside_levels(rest), strict=True)
        ):
            error = held.y - curve(held.x)
            plain[left_out, k] = held.w @ error**2
            error = held.y - level_free(held.x)
            error = error - held.w @ error / held.w.sum()
            free[left_out, k] = held.w @ error**2
    rmse, rmse_within = (np.sqrt(e.sum(axis=0) / total.sum()) for e in (plain, free))
    mse = free / total[:, None]
    return Shapes(
        tuple(
            Shape(name, float(a), float(b))
            for name, a, b in zip(names, rmse, rmse_within, strict=True)
        ),
        _mean(mse[:, 1] - mse[:, 2], level),
        _mean(mse[:, 1] - mse[:, 0], level),
    )


def _curves(points: _Points) -> tuple[Curve, ...]:
    """Constant, line and isotonic curve through points."""
    mean = float(points.w @ points.y / points.w.sum())
    x = points.x - points.w @ points.x / points.w.sum()
    slope = _slope(x, points.y, points.w)
    middle = float(points.w @ points.x / points.w.sum())
    knots = isotonic(points.x, points.y, points.w)
    return (
        lambda at: np.full(len(at), mean),
        lambda at: mean + slope * (at - middle),
        lambda at: np.interp(at, *knots),
    )


def _curves_beside_levels(points: _Points) -> tuple[Curve, ...]:
    """The same where each data set has a level of its own; known up to a level."""
    x, y = (center_by(points.dataset, column, points.w) for column in (points.x, points.y))
    slope = _slope(x, y, points.w)
    knots = _isotonic_beside_levels(points)
    return (
        lambda at: np.zeros(len(at)),
        lambda at: slope * at,
        lambda at: np.interp(at, *knots),
    )


def _slope(x: Floats, y: Floats, w: Floats) -> float:
    spread = float(w @ (x * x))
    return float(w @ (x * y)) / spread if spread > 0 else 0.0


def _isotonic_beside_levels(points: _Points) -> tuple[Floats, Floats]:
    """Backfitting: levels given the curve, the curve given levels, until neither moves."""
    total = sum_by(points.dataset, points.w)
    fitted = np.zeros(len(points.y))
    for _ in range(_BACKFITTING):
        levels = sum_by(points.dataset, points.w * (points.y - fitted)) / total
        values, curve = isotonic(points.x, points.y - levels[points.dataset], points.w)
        before, fitted = fitted, np.interp(points.x, values, curve)
        if np.abs(fitted - before).max() <= 1e-9 * max(float(np.ptp(points.y)), 1e-300):
            break
    return values, curve


def _mean(values: Floats, level: float) -> Estimate:
    from scipy.stats import t

    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = float(t.ppf((1 + level) / 2, len(values) - 1)) * error
    mean = float(values.mean())
    return Estimate.of(mean, mean - reach, mean + reach)


def fit_mixed(points: _Points, level: float) -> MixedFit:
    """Random level and slope by data set, by REML (statsmodels' MixedLM); weights are not taken.

    Terms: the mean level, the slope within data sets, and the slope of the data sets' means.
    Intervals are t, with one degree of freedom less than there are data sets.
    """
    n_datasets = int(points.dataset.max()) + 1
    if n_datasets < _MIN_MIXED:
        return _no_mixed(f"it takes {_MIN_MIXED} data sets, and here are {n_datasets}")
    inside = center_by(points.dataset, points.x, np.ones(len(points.x))) / DECADE
    between = points.x / DECADE - inside
    between = between - between.mean()
    scale = float(points.y.std())
    fixed = np.column_stack([np.ones(len(inside)), inside, between])
    if np.linalg.matrix_rank(fixed) < 3:
        return _no_mixed("counts do not vary within data sets, or not between them")
    return _fit(points.y / scale, fixed, points.dataset, scale, level)


def _fit(y: Floats, fixed: Floats, dataset: Ints, scale: float, level: float) -> MixedFit:
    from scipy.stats import t
    from statsmodels.regression.mixed_linear_model import MixedLM

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit = MixedLM(y, fixed, groups=dataset, exog_re=fixed[:, :2]).fit(reml=True)
        except (np.linalg.LinAlgError, ValueError) as error:
            return _no_mixed(f"statsmodels: {error}")
    said = "; ".join(dict.fromkeys(str(w.message).strip().rstrip(".") for w in caught))
    variances = np.diag(np.asarray(fit.cov_re))
    if not np.isfinite(fit.bse_fe).all() or not np.isfinite(variances).all():
        return _no_mixed(said or "its standard errors are not finite")
    reach = float(t.ppf((1 + level) / 2, len(np.unique(dataset)) - 1))
    slope, between = (
        Estimate.of(*(scale * (value + side * reach * error) for side in (0, -1, 1)))
        for value, error in zip(fit.fe_params[1:], fit.bse_fe[1:], strict=True)
    )
    sd_level, sd_slope = (scale * math.sqrt(max(float(v), 0.0)) for v in variances)
    problem = None if fit.converged else (said or "it did not converge")
    if problem is None and variances.min() < _ZERO_VARIANCE:
        problem = "a variance between data sets is 0, so its interval is too narrow"
    return MixedFit(
        slope, between, sd_slope, sd_level, scale * math.sqrt(fit.scale), fit.converged, problem
    )


def _no_mixed(problem: str) -> MixedFit:
    return MixedFit(Estimate(None), Estimate(None), None, None, None, False, problem)
