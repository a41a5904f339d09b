"""The effect of a predictor with others held fixed: fractional logit and partial correlation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .columns import Floats, Ints, codes_of, sum_by
from .results import Dropped, Term

INTERCEPT = "intercept"
_ALIKE = 1e-3  # a control is a sum of others when this share of its spread, or less, is its own
_MAX_STEPS = 30  # without separation six are enough; with it each adds about 1 to a coefficient
_SEPARATED = (
    "some combination of its terms tells right from wrong exactly (separation), so its "
    "coefficients have no finite value"
)
_TOO_FEW = (
    "one cluster alone decides a coefficient, or there are no more clusters than coefficients"
)


class Kept(NamedTuple):
    """Controls that can be told apart, and those that cannot."""

    names: tuple[str, ...]
    dropped: tuple[Dropped, ...]


def choose_controls(predictor: str, controls: Sequence[str], columns: Mapping[str, Floats]) -> Kept:
    """Drop controls that do not vary, or that the predictor and the controls before them make up.

    Parameters
    ----------
    predictor : str
        Never dropped.
    controls : sequence of str
        Taken up in this order; so the last of a set that is bound together is dropped.
    columns : mapping
        Finite numbers by name, of the examples in use.

    Returns
    -------
    Kept
    """
    basis = [_standard(columns[predictor])]
    names, dropped = [predictor], []
    for name in controls:
        values = columns[name]
        if np.ptp(values) <= 1e-9 * np.abs(values).max():
            dropped.append(Dropped(name, "it is the same for all examples"))
            continue
        column = _standard(values)
        parts, *_ = np.linalg.lstsq(np.column_stack(basis), column, rcond=None)
        own = column - np.column_stack(basis) @ parts
        if np.sqrt(np.mean(own * own)) > _ALIKE:
            basis.append(column)
            names.append(name)
            continue
        sources = [n for n, part in zip(names, parts, strict=True) if abs(part) > 10 * _ALIKE]
        dropped.append(Dropped(name, _alike(name, predictor, names, sources)))
    return Kept(tuple(names[1:]), tuple(dropped))


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / values.std(), np.float64)


def _alike(name: str, predictor: str, names: Sequence[str], sources: Sequence[str]) -> str:
    reason = (
        f"its effect cannot be told apart, because it is a weighted sum of {', '.join(sources)}"
    )
    if (predictor, name) == ("pmi", "log_n_pair") and {"log_n_key", "log_n_accessory"} <= {*names}:
        reason += "; with these in the model, the coefficient of pmi is also that of log_n_pair"
    return reason


class Table(NamedTuple):
    """Examples counted by cluster and design row."""

    x: Floats  # (rows, 1 + terms), the first column 1, the others with mean 0 and spread 1
    n: Floats  # examples
    y: Floats  # sum of outcomes
    clusters: tuple[Ints, ...]  # codes of each cluster column
    to_own: Floats  # coefficients of x to coefficients in own units


def tabulate(columns: Sequence[Floats], outcome: Floats, clusters: Sequence[Ints]) -> Table:
    """Count examples that share clusters and design; what they share is fitted once."""
    keys = [np.unique(column, return_inverse=True)[1] for column in columns]
    order = np.lexsort([*keys, *clusters])
    sorted_keys = np.column_stack([*keys, *clusters])[order]
    new = np.ones(len(outcome), bool)
    new[1:] = (sorted_keys[1:] != sorted_keys[:-1]).any(axis=1)
    first, row = order[new], np.cumsum(new) - 1
    raw = np.column_stack(columns)
    mean, spread = raw.mean(axis=0), raw.std(axis=0)
    to_own = np.diag(np.concatenate([[1.0], 1 / spread]))
    to_own[0, 1:] = -mean / spread
    return Table(
        np.column_stack([np.ones(len(first)), (raw[first] - mean) / spread]),
        np.bincount(row).astype(np.float64),
        sum_by(row, outcome[order]),
        tuple(codes[first] for codes in clusters),
        to_own,
    )


class Fit(NamedTuple):
    """Coefficients in the units of their predictors, or why there are none."""

    coefficients: Floats | None
    covariance: Floats | None  # only its diagonal is meant where there are two cluster columns
    df: int
    problem: str | None


def fit_logit(table: Table) -> Fit:
    """Fractional logit (Papke & Wooldridge, 1996), with covariance by a jackknife over clusters.

    The linearised cluster jackknife of MacKinnon, Nielsen & Webb (arXiv 2406.00650): each cluster
    is left out in turn, with one Newton step from the full fit. With two cluster columns each
    variance is the greatest of V1, V2 and V1 + V2 - V12 (12: both together), so that it is never
    negative.

    Returns
    -------
    Fit
        t statistics have one degree of freedom less than there are clusters (of the column with
        fewer of them). No coefficients where outcomes are separated, or where one cluster alone
        decides a coefficient.

    Notes
    -----
    Coverage of the slope at level 0.95, 24 classes with random intercepts, 0.3 per nat: the usual
    sandwich with its small-sample factor (CR1) 92%, this 94%; where four classes hold half of the
    examples 84% and 94%. With 0.8 per nat, when estimate and error go together, 88% and 89%.
    """
    groups = [*table.clusters]
    df = min(len(np.unique(codes)) for codes in groups) - 1
    coefficients = _estimate(table)
    if coefficients is None:
        return Fit(None, None, df, _SEPARATED)
    if len(groups) == 2:
        both = groups[0] * (int(groups[1].max()) + 1) + groups[1]
        groups.append(codes_of(both))
    parts = [_jackknife(table, coefficients, codes) for codes in groups]
    if any(part is None for part in parts):
        return Fit(None, None, df, _TOO_FEW)
    covariances = [part for part in parts if part is not None]
    return Fit(table.to_own @ coefficients, _combine(covariances, table.to_own), df, None)


def _estimate(table: Table) -> Floats | None:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # separation is told by the steps, below
        model = GLM(table.y / table.n, table.x, family=Binomial(), var_weights=table.n)
        result = model.fit(tol_criterion="params", tol=1e-9, maxiter=_MAX_STEPS)
    coefficients = np.asarray(result.params, np.float64)
    return coefficients if result.converged and np.isfinite(coefficients).all() else None


def _jackknife(table: Table, coefficients: Floats, codes: Ints) -> Floats | None:
    shifts = _shifts(table, coefficients, codes)
    if shifts is None:
        return None
    n_clusters = len(shifts)
    return np.asarray((n_clusters - 1) / n_clusters * shifts.T @ shifts, np.float64)


def _shifts(table: Table, coefficients: Floats, codes: Ints) -> Floats | None:
    """By how much the coefficients change, to first order, as each cluster is left out."""
    from scipy.special import expit

    share = expit(table.x @ coefficients)
    weight = table.n * share * (1 - share)
    residual = table.y - table.n * share
    size = table.x.shape[1]
    scores = np.column_stack([sum_by(codes, table.x[:, i] * residual) for i in range(size)])
    n_clusters = len(scores)
    parts = np.empty((n_clusters, size, size))
    for i in range(size):
        for j in range(size):
            parts[:, i, j] = sum_by(codes, table.x[:, i] * table.x[:, j] * weight)
    left = parts.sum(axis=0) - parts
    if n_clusters <= size or not _solvable(left):
        return None
    return np.asarray(np.linalg.solve(left, -scores[:, :, None])[:, :, 0], np.float64)


def _solvable(matrices: Floats) -> bool:
    eigenvalues = np.linalg.eigvalsh(matrices)
    return bool((eigenvalues[:, 0] > 1e-9 * eigenvalues[:, -1]).all())


def _combine(covariances: Sequence[Floats], to_own: Floats) -> Floats:
    """Covariance in own units, of one cluster column or of two and both together."""
    own = [to_own @ covariance @ to_own.T for covariance in covariances]
    if len(own) == 1:
        return own[0]
    first, second, both = (np.diag(covariance) for covariance in own)
    return np.diag(np.maximum(np.maximum(first, second), first + second - both))


class FitDifference(NamedTuple):
    """Coefficients of one fit minus those of another, or why there are none."""

    coefficients: Floats | None
    se: Floats | None
    df: int
    problem: str | None


def fit_difference(first: Table, second: Table) -> FitDifference:
    """Difference of two fits on the same examples, which have different outcomes.

    As a model of both in which every coefficient may differ would have it: each cluster is left out
    of both at once, so what makes a cluster easy or hard for both falls out of the difference.

    Parameters
    ----------
    first, second : Table
        With the same cluster column, coded alike.
    """
    df = len(np.unique(first.clusters[0])) - 1
    values, moved = [], []
    for table in (first, second):
        coefficients = _estimate(table)
        if coefficients is None:
            return FitDifference(None, None, df, _SEPARATED)
        shifts = _shifts(table, coefficients, table.clusters[0])
        if shifts is None:
            return FitDifference(None, None, df, _TOO_FEW)
        values.append(table.to_own @ coefficients)
        moved.append(shifts @ table.to_own.T)
    apart = moved[0] - moved[1]
    variance = df / (df + 1) * np.sum(apart * apart, axis=0)
    return FitDifference(values[0] - values[1], np.sqrt(variance), df, None)


def terms(fit: Fit, names: Sequence[str], level: float) -> tuple[Term, ...]:
    """Coefficients with t intervals; empty without a fit."""
    from scipy.stats import t

    if fit.coefficients is None or fit.covariance is None:
        return ()
    reach = float(t.ppf((1 + level) / 2, fit.df))
    found = []
    for name, value, se in zip(
        [INTERCEPT, *names], fit.coefficients, np.sqrt(np.diag(fit.covariance)), strict=True
    ):
        p = float(2 * t.sf(abs(value / se), fit.df)) if se > 0 else 0.0
        low, high = float(value - reach * se), float(value + reach * se)
        found.append(Term(name, float(value), float(se), low, high, p))
    return tuple(found)


def partial_r(predictor: Floats, outcome: Floats, controls: Sequence[Floats]) -> float:
    """Pearson's r of predictor and outcome with the controls held fixed, by pingouin.

    Returns
    -------
    float
        nan where the columns make each other up, the outcome included.
    """
    import pandas as pd
    import pingouin

    if not _solvable(np.corrcoef([predictor, outcome, *controls])[None]):
        return float("nan")
    names = [f"control {i}" for i in range(len(controls))]
    columns = dict(zip(names, map(_standard, controls), strict=True))
    frame = pd.DataFrame({"x": _standard(predictor), "y": outcome, **columns})
    return float(pingouin.partial_corr(frame, x="x", y="y", covar=names)["r"].iloc[0])


def cluster_moments(columns: Sequence[Floats], codes: Ints, n_clusters: int) -> Floats:
    """Sums of products of columns, and of a column of ones before them, in each cluster.

    Returns
    -------
    array of float64, (n_clusters, 1 + columns, 1 + columns)
    """
    full = [np.ones(len(codes)), *map(_standard, columns)]
    moments = np.empty((n_clusters, len(full), len(full)))
    for i, a in enumerate(full):
        for j, b in enumerate(full[: i + 1]):
            moments[:, i, j] = moments[:, j, i] = sum_by(codes, a * b, n_clusters)
    return moments


def partial_r_of_moments(moments: Floats, weights: Floats) -> float:
    """Partial r of the first two columns of `cluster_moments` given the others, under weights.

    Returns
    -------
    float
        nan where it cannot be had: a column does not vary, or is a sum of others.
    """
    sums = np.tensordot(weights, moments, axes=1)
    if not sums[0, 0] > 0:
        return float("nan")
    mean = sums[0, 1:] / sums[0, 0]
    covariance = sums[1:, 1:] / sums[0, 0] - np.outer(mean, mean)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if not (spread > 1e-7).all():
        return float("nan")
    correlation = covariance / np.outer(spread, spread)
    if not _solvable(correlation[None]):
        return float("nan")
    precision = np.linalg.inv(correlation)
    r = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    return float(np.clip(r, -1.0, 1.0))
