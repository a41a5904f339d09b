"""What `correlate` finds: one frozen dataclass a thing, and the JSON that other tools read.

An `Estimate` called ``r`` becomes three keys: ``r``, ``r_low`` and ``r_high``. What could not be
had is None, and a note says why; there is no NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval, at the level of the whole report.

    Parameters
    ----------
    value, low, high : float or None
        None: it could not be had.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, value: float, low: float = math.nan, high: float = math.nan) -> Estimate:
        """Make one of floats, of which NaN and the infinities become None."""
        return cls(*(float(x) if math.isfinite(x) else None for x in (value, low, high)))

    def __str__(self) -> str:
        """As people read it."""
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin: examples whose predictor is between ``low`` and ``high``, both included."""

    low: float
    high: float
    mean_predictor: float
    n: int
    n_clusters: int
    accuracy: Estimate  # clustered Wilson interval


@dataclass(frozen=True, slots=True)
class BinnedR:
    """Pearson's r of bin means, for one number of bins."""

    n_bins: int  # that exist
    r: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Term:
    """One coefficient of the logistic model, in its own unit."""

    name: str
    coefficient: float
    se: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """A control that was left out of the model, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Model:
    """The logistic model with controls; no terms where it cannot be fitted (a note says why)."""

    terms: tuple[Term, ...]
    dropped: tuple[Dropped, ...]
    n: int  # examples with finite predictor and controls
    n_clusters: int  # the fewest, with two cluster columns


@dataclass(frozen=True, slots=True)
class Unseen:
    """Examples whose predictor is minus infinity: pairs that were never seen together."""

    n: int
    n_clusters: int
    accuracy: Estimate  # clustered Wilson interval


@dataclass(frozen=True, slots=True)
class Verified:
    """Figures of examples in whose picture a detector found key and accessory alone.

    Names are those of `Correlation`, and so are the settings.
    """

    n: int  # both found
    n_missed: int  # looked at, and one of them is missing
    n_not_looked_at: int
    n_used: int
    n_clusters: int
    outcome: Estimate
    r_binned: Estimate
    n_bins: int
    r_unbinned: Estimate
    spearman: Estimate
    gap_5pct: Estimate
    slope: Estimate
    slope_alone: Estimate

    def facts(self) -> dict[str, object]:
        """The figures under names that people read."""
        n = self.n + self.n_missed + self.n_not_looked_at
        return {
            "key and accessory found": f"{self.n:,} of {n:,} examples; in these alone:",
            "  mean outcome": self.outcome,
            f"  r over {self.n_bins} bins": self.r_binned,
            "  r over examples": self.r_unbinned,
            "  Spearman's r": self.spearman,
            "  top 5% minus bottom 5%": self.gap_5pct,
            "  log-odds per unit": self.slope_alone,
            "  log-odds with controls": self.slope,
        }


@dataclass(frozen=True, slots=True)
class PredictorRow:
    """One predictor, under the same settings as the others and without controls."""

    name: str
    n_used: int
    r_binned: Estimate
    r_unbinned: Estimate
    spearman: Estimate
    gap_5pct: Estimate
    auc: Estimate
    slope_per_sd: Estimate  # log-odds per standard deviation


@dataclass(frozen=True, slots=True)
class Correlation:
    """An outcome in [0, 1] against a predictor, as `correlate` finds it.

    Parameters
    ----------
    predictor : str
        Name of its column.
    n, n_used, unknown : int
        Examples: all; with finite predictor; with none known.
    level : float
        Of every interval.
    outcome : Estimate
        Mean over all examples.
    is_graded : bool
        Whether an outcome is neither 0 nor 1, so that no mean is a share of right answers.
    clusters : mapping
        Distinct values of each cluster column that there is.
    cluster : tuple of str
        The columns used; empty: examples count as independent.
    n_clusters : int
        Of the first of them, those with examples in use. The bootstrap draws from these and from
        those of examples never seen together.
    r_binned : Estimate
        Pearson's r of bin means, which counts each bin alike.
    n_bins, n_bins_asked : int
        Bins that exist (ties merge quantile bins, and bins of equal width can be empty), and asked.
    bins : str
        "quantile" or "width".
    bin_table : tuple of Bin
    r_unbinned, spearman : Estimate
        Over examples.
    r_by_bins : tuple of BinnedR
    gap_5pct : Estimate
        Mean outcome of the top 5% of examples by predictor minus that of the bottom 5%.
    n_top, n_bottom : int
        Examples that bear on it: at least 5%, more with ties across the border, whose weight is
        shared equally.
    slope, slope_alone : Estimate
        Log-odds per unit of the predictor (nat, for PMI), with the controls and without.
    model : Model
    partial_r : Estimate
        Pearson's partial correlation given the controls.
    permutation_p : float or None
        Of the absolute unbinned r.
    permutation_unit : str
        What was permuted.
    n_bootstrap, n_permutations, seed : int
    unseen : Unseen or None
    verified : Verified or None
        None: no pictures were verified, or too few show both (a note says so).
    predictors : tuple of PredictorRow
    notes : tuple of str
        Every choice and gap that a reader must know.
    """

    predictor: str
    n: int
    n_used: int
    unknown: int
    level: float
    outcome: Estimate
    is_graded: bool
    clusters: Mapping[str, int]
    cluster: tuple[str, ...]
    n_clusters: int
    r_binned: Estimate
    n_bins: int
    n_bins_asked: int
    bins: str
    bin_table: tuple[Bin, ...]
    r_unbinned: Estimate
    spearman: Estimate
    r_by_bins: tuple[BinnedR, ...]
    gap_5pct: Estimate
    n_top: int
    n_bottom: int
    slope: Estimate
    slope_alone: Estimate
    model: Model
    partial_r: Estimate
    permutation_p: float | None
    permutation_unit: str
    n_bootstrap: int
    n_permutations: int
    seed: int
    unseen: Unseen | None
    verified: Verified | None
    predictors: tuple[PredictorRow, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types, in the order of the fields."""
        data: dict[str, Any] = plain(self)
        return data

    def facts(self) -> dict[str, object]:
        """The figures under names that people read; intervals in brackets."""
        held = [term.name for term in self.model.terms[2:]]
        facts: dict[str, object] = {
            "examples": f"{self.n_used:,} of {self.n:,} with a finite {self.predictor}",
            "clusters": f"{self.n_clusters:,} ({' and '.join(self.cluster) or 'each example'})",
            "intervals": f"{self.level:.0%}, of clusters",
            "mean outcome": self.outcome,
            f"r over {self.n_bins} {self.bins} bins": self.r_binned,
            "r over examples": self.r_unbinned,
            "Spearman's r": self.spearman,
            "top 5% minus bottom 5%": self.gap_5pct,
            "log-odds per unit": self.slope_alone,
            f"  with {', '.join(held) or 'no control'}": self.slope,
            "partial r": self.partial_r,
            f"p, permuting {self.permutation_unit}": self.permutation_p,
        }
        if self.unseen:
            facts[f"mean outcome of {self.unseen.n:,} never seen"] = self.unseen.accuracy
        return facts | (self.verified.facts() if self.verified else {})


def plain(value: Any) -> Any:
    """A result as JSON types; an `Estimate` becomes three keys."""
    if is_dataclass(value):
        data: dict[str, Any] = {}
        for field in fields(value):
            item = getattr(value, field.name)
            if isinstance(item, Estimate):
                data[field.name] = item.value
                data |= {f"{field.name}_low": item.low, f"{field.name}_high": item.high}
            else:
                data[field.name] = plain(item)
        return data
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value
