"""The effect of the predictor with controls held fixed, from an examples table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bins import varies
from .columns import Examples, Flags
from .estimates import MIN_EXAMPLES, Moments, Used
from .regression import choose_controls, cluster_moments, fit_logit, partial_r, tabulate, terms
from .results import Dropped, Estimate, Model, Term


class Adjusted(NamedTuple):
    """What holds with the controls."""

    slope: Estimate
    model: Model
    moments: Moments | None
    notes: tuple[str, ...]


def adjust(data: Examples, used: Used, level: float) -> Adjusted:
    """Fit the logistic model with controls, and prepare the partial r.

    Examples with a control that is unknown or infinite are left out; a control that has no finite
    value is dropped.
    """
    unknown = [c for c in data.controls if not np.isfinite(data.predictors[c])[used.finite].any()]
    controls = [name for name in data.controls if name not in unknown]
    rows = used.finite.copy()
    for name in controls:
        rows &= np.isfinite(data.predictors[name])
    dropped = tuple(Dropped(name, "it has no finite value") for name in unknown)
    problem = _lacking(data, used.name, rows)
    if problem:
        model = Model((), dropped, int(rows.sum()), 0)
        return Adjusted(Estimate(None), model, None, (problem,))
    columns = {name: data.predictors[name][rows] for name in (used.name, *controls)}
    kept = choose_controls(used.name, controls, columns)
    names = (used.name, *kept.names)
    found, fit_problem, n_clusters = _fit(data, names, rows, level)
    notes = [f"The model with controls is not given: {fit_problem}."] if fit_problem else []
    moments = _moments(data, used, names, rows) if kept.names else None
    model = Model(found, (*dropped, *kept.dropped), int(rows.sum()), n_clusters)
    return Adjusted(_slope(found), model, moments, tuple(notes))


def slope_alone(data: Examples, used: Used, level: float) -> tuple[Estimate, str | None]:
    """Logistic coefficient of the predictor without controls, or why it is not given."""
    found, problem, _ = _fit(data, (used.name,), used.finite, level)
    return _slope(found), problem


def _fit(
    data: Examples, names: tuple[str, ...], rows: Flags, level: float
) -> tuple[tuple[Term, ...], str | None, int]:
    columns = [data.predictors[name][rows] for name in names]
    table = tabulate(columns, data.outcome[rows], data.codes(rows))
    fit = fit_logit(table)
    return terms(fit, names, level), fit.problem, fit.df + 1


def _slope(found: tuple[Term, ...]) -> Estimate:
    if not found:
        return Estimate(None)
    return Estimate(found[1].coefficient, found[1].low, found[1].high)


def _lacking(data: Examples, predictor: str, rows: Flags) -> str | None:
    """Why no model can be fitted to the examples whose controls are known."""
    n = int(rows.sum())
    if n < MIN_EXAMPLES:
        why = f"{n:,} examples, fewer than {MIN_EXAMPLES}, have all of its controls"
    elif not varies(data.predictors[predictor][rows]) or not varies(data.outcome[rows]):
        why = "predictor or outcome is constant where all of its controls are known"
    elif len(np.unique(data.codes(rows)[0])) < 2:
        why = "its controls are known in one cluster only"
    else:
        return None
    return f"The model with controls is not given: {why}."


def _moments(data: Examples, used: Used, names: tuple[str, ...], rows: Flags) -> Moments:
    predictor, *controls = (data.predictors[name][rows] for name in names)
    outcome = data.outcome[rows]
    by_cluster = cluster_moments(
        [predictor, outcome, *controls], used.cluster[rows[used.known]], used.sample.n_clusters
    )
    return Moments(partial_r(predictor, outcome, controls), by_cluster)
