"""Two models on the same images: whether accuracy goes with the predictor less in one of them.

So after and before fine-tuning on edited photographs are compared: images and PMI are the same, and
only the answers differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from conceptstats.errors import ParameterError, StatisticsError

from .bins import varies
from .columns import CONTROLS, Examples, Flags, Floats, Ints, codes_of, read_examples
from .compare import common_examples, mean_difference
from .estimates import MIN_EXAMPLES
from .on_files import compute_on_files
from .regression import Table, choose_controls, fit_difference, fit_logit, tabulate
from .resampling import mean_estimate
from .results import Estimate, plain


@dataclass(frozen=True, slots=True)
class Means:
    """Mean outcomes of the same examples by both models, with intervals that respect classes."""

    n: int
    a: Estimate
    b: Estimate
    difference: Estimate  # a - b


@dataclass(frozen=True, slots=True)
class Slopes:
    """Log-odds of the outcome per unit of the predictor (nat, for PMI), in both models."""

    controls: tuple[str, ...]  # held fixed
    n: int  # examples
    a: Estimate
    b: Estimate
    difference: Estimate  # a - b


@dataclass(frozen=True, slots=True)
class SlopeChange:
    """How accuracy goes with a predictor in two models. `compare_slopes` makes it.

    Parameters
    ----------
    predictor : str
    n, n_unmatched : int
        Examples that are in both tables, and in one only.
    n_used : int
        With finite predictor in both.
    n_classes : int
        Of these: the clusters of intervals.
    level : float
    is_graded : bool
        Whether an outcome is neither 0 nor 1, in one of the two.
    outcome : Means
        Of all examples.
    unseen : Means or None
        Of those whose predictor is minus infinity: never seen together.
    alone, controlled : Slopes
        Without and with controls.
    notes : tuple of str
    """

    predictor: str
    n: int
    n_unmatched: int
    n_used: int
    n_classes: int
    level: float
    is_graded: bool
    outcome: Means
    unseen: Means | None
    alone: Slopes
    controlled: Slopes
    notes: tuple[str, ...]

    @property
    def seed(self) -> int:
        """Nothing is drawn."""
        return 0

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {"kind": "slopes", **plain(self)}

    def facts(self) -> dict[str, object]:
        """The figures under names that people read."""
        named: dict[str, Means | Slopes | None] = {
            "mean outcome": self.outcome,
            "mean outcome, never seen": self.unseen,
            "log-odds per unit": self.alone,
        }
        if self.controlled.controls:
            held = ", ".join(self.controlled.controls)
            named[f"log-odds per unit ({held} held fixed)"] = self.controlled
        facts: dict[str, object] = {
            "examples": f"{self.n:,}, {self.n_unmatched:,} unmatched",
            f"with a finite {self.predictor}": self.n_used,
            "clusters": f"{self.n_classes:,} (class)",
            "intervals": f"{self.level:.0%}, of clusters",
        }
        for name, found in named.items():
            if found is not None:
                facts[name] = f"A {found.a}  B {found.b}  A - B {found.difference}"
        return facts | {f"note {k}": note for k, note in enumerate(self.notes, 1)}


class _Both(NamedTuple):
    """Two tables at the same examples."""

    a: Examples
    b: Examples
    classes: Ints


def compare_slopes(
    a: pa.Table,
    b: pa.Table,
    *,
    predictor: str = "pmi",
    controls: Sequence[str] | None = None,
    level: float = 0.95,
) -> SlopeChange:
    """Compare the slopes of outcomes on a predictor between two models, a minus b.

    Parameters
    ----------
    a, b : Table
        Examples of the same images, with the columns ``pair`` and ``class``.
    predictor : str
    controls : sequence of str, optional
        As for `correlate.correlate`; those that are dropped in ``a`` are in ``b`` too.
    level : float
        Of intervals.

    Returns
    -------
    SlopeChange

    Raises
    ------
    TableError
        When a column is missing or of another type, or the tables do not go together.
    StatisticsError
        When fewer than 20 examples have a finite predictor, it or an outcome is constant, or there
        is one class only.
    ParameterError

    Notes
    -----
    Slopes are those of `regression.fit_logit`, their difference that of
    `regression.fit_difference`, with t intervals over classes.
    """
    if not 0 < level < 1:
        raise ParameterError(f"level is {level}, expected a number between 0 and 1.")
    tables, n_unmatched = common_examples(a, b)
    lacking: list[str] = []
    if controls is None:
        controls, lacking = _shared_controls(*tables, predictor)
    data = [read_examples(table, predictor, controls, "class") for table in tables]
    both = _Both(data[0], data[1], data[0].clusters["class"])
    columns = [one.predictors[predictor] for one in data]
    finite = np.isfinite(columns[0]) & np.isfinite(columns[1])
    _check(both, predictor, finite)
    never = np.isneginf(columns[0]) & np.isneginf(columns[1])
    alone, problems = _slopes(both, predictor, (), finite, level)
    names, rows, dropped = _controls(both, predictor, finite)
    controlled, more = _slopes(both, predictor, names, rows, level) if names else (alone, [])
    notes = [
        *_of_examples(n_unmatched, finite, never, predictor),
        *problems,
        *lacking,
        *dropped,
        *more,
    ]
    return SlopeChange(
        predictor=predictor,
        n=len(finite),
        n_unmatched=n_unmatched,
        n_used=int(finite.sum()),
        n_classes=len(np.unique(both.classes[finite])),
        level=level,
        is_graded=any(one.is_graded for one in both[:2]),
        outcome=_means(both, np.ones_like(finite), level),
        unseen=_means(both, never, level) if never.any() else None,
        alone=alone,
        controlled=controlled,
        notes=tuple(notes),
    )


def compare_slopes_files(
    a: Path, b: Path, output: Path | None = None, *, overwrite: bool = False, **options: Any
) -> SlopeChange:
    """`compare_slopes` of two files, written as JSON with its run record."""
    return compute_on_files(
        "eval compare --slopes", compare_slopes, [a, b], output, options, overwrite=overwrite
    )


def _check(both: _Both, predictor: str, finite: Flags) -> None:
    n = int(finite.sum())
    if n < MIN_EXAMPLES:
        raise StatisticsError(
            f"{n:,} examples have a finite {predictor} in both, expected {MIN_EXAMPLES} or more."
        )
    for name, data in (("first", both.a), ("second", both.b)):
        if not varies(data.predictors[predictor][finite]) or not varies(data.outcome[finite]):
            raise StatisticsError(f"{predictor} or the outcome is constant in the {name} table.")
    if len(np.unique(both.classes[finite])) < 2:
        raise StatisticsError("all examples are of one class, expected two or more.")


def _of_examples(n_unmatched: int, finite: Flags, never: Flags, predictor: str) -> Iterator[str]:
    """Examples that bear on less than the others."""
    if n_unmatched:
        yield f"{n_unmatched:,} examples are in one of the two tables only."
    if never.any():
        yield f"{never.sum():,} examples have {predictor} = -inf, and bear on no slope."
    if n_others := int((~finite & ~never).sum()):
        yield (
            f"{n_others:,} examples have no known {predictor} in one of the two, or -inf in one of "
            "them: they count in the mean outcome, and in nothing else."
        )


def _shared_controls(a: pa.Table, b: pa.Table, predictor: str) -> tuple[list[str], list[str]]:
    """Controls that both tables have; notes on those that one lacks."""
    known = [name for name in CONTROLS if name != predictor]
    n_having = {name: sum(name in table.column_names for table in (a, b)) for name in known}
    lacking = [name for name in known if n_having[name] == 1]
    return (
        [name for name in known if n_having[name] == 2],
        [f"Control {name} is dropped: one of the two tables lacks it." for name in lacking],
    )


def _controls(
    both: _Both, predictor: str, finite: Flags
) -> tuple[tuple[str, ...], Flags, list[str]]:
    """Controls that can be told apart, the examples that have them all, and what is left out."""
    names, notes = [], []
    rows = finite.copy()
    for name in both.a.controls:
        known = np.isfinite(both.a.predictors[name]) & np.isfinite(both.b.predictors[name])
        if (known & finite).any():
            names.append(name)
            rows &= known
        else:
            notes.append(f"Control {name} is dropped: it is finite in no example.")
    n = int(rows.sum())
    if n < MIN_EXAMPLES or not varies(both.a.predictors[predictor][rows]):
        notes.append(
            f"No control is held fixed: {n:,} examples have a finite value of all, expected "
            f"{MIN_EXAMPLES} or more in which {predictor} varies."
        )
        return (), finite, notes
    columns = {name: both.a.predictors[name][rows] for name in (predictor, *names)}
    kept = choose_controls(predictor, names, columns)
    notes += [f"Control {row.name} is dropped: {row.reason}." for row in kept.dropped]
    if n < finite.sum():
        notes.append(f"The model with controls is of {n:,} examples: the others lack a control.")
    return kept.names, rows, notes


def _slopes(
    both: _Both, predictor: str, controls: tuple[str, ...], rows: Flags, level: float
) -> tuple[Slopes, list[str]]:
    """Slopes of both, and why they are not given."""
    cluster = codes_of(both.classes[rows])
    a, b = (
        tabulate(
            [data.predictors[name][rows] for name in (predictor, *controls)],
            data.outcome[rows],
            [cluster],
        )
        for data in (both.a, both.b)
    )
    found = fit_difference(a, b)
    if found.coefficients is None or found.se is None:
        which = "with controls" if controls else "without controls"
        none = Estimate(None)
        return Slopes(controls, int(rows.sum()), none, none, none), [
            f"Slopes {which} are not given: {found.problem}."
        ]
    difference = _interval(found.coefficients[1], found.se[1], found.df, level)
    return Slopes(controls, int(rows.sum()), _slope(a, level), _slope(b, level), difference), []


def _slope(table: Table, level: float) -> Estimate:
    fit = fit_logit(table)
    if fit.coefficients is None or fit.covariance is None:
        return Estimate(None)
    return _interval(fit.coefficients[1], np.sqrt(fit.covariance[1, 1]), fit.df, level)


def _interval(value: float, se: float, df: int, level: float) -> Estimate:
    from scipy.stats import t

    reach = float(t.ppf((1 + level) / 2, df)) * se
    return Estimate.of(value, value - reach, value + reach)


def _means(both: _Both, rows: Flags, level: float) -> Means:
    cluster = codes_of(both.classes[rows])
    outcomes: list[Floats] = [data.outcome[rows] for data in (both.a, both.b)]
    a, b = (mean_estimate(outcome, cluster, level) for outcome in outcomes)
    difference = mean_difference(outcomes[0] - outcomes[1], cluster, level)
    return Means(int(rows.sum()), a, b, difference)
