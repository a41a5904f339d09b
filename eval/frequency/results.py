"""What `eval frequency` finds: one frozen dataclass a thing, and the JSON that figures draw from.

An `Estimate` called ``r`` becomes three keys: ``r``, ``r_low`` and ``r_high``. What could not be
had is None, and a note says why; there is no NaN. Counts are counts everywhere, never logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from ..statistics.results import BinnedR, Estimate, plain

POINTS = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("concept", pa.string(), nullable=False),  # as the results name it
        pa.field("count", pa.int64(), nullable=False),  # samples of the pretraining that hold it
        pa.field("value", pa.float64(), nullable=False),  # of the metric
        pa.field("n", pa.int64()),  # examples that the value is over; null: not known
    ]
)


@dataclass(frozen=True, slots=True)
class FrequencyBin:
    """One bin of frequency: its edges under recipe udandarao, else its least and greatest count."""

    low: float  # counts
    high: float
    center: float  # where it is drawn, and its x in the binned r: as its recipe says
    mean: float | None  # of the values; None: no point
    mean_low: float | None  # bootstrap over clusters; None: fewer than three have points here
    mean_high: float | None
    n: int  # points
    used: bool  # whether it bears on r


@dataclass(frozen=True, slots=True)
class ZeroTreatment:
    """The figures under the other treatment of zero counts."""

    zeros: str  # "as one" or "left out"
    n_points: int
    n_bins: int
    r: Estimate
    r_unbinned: Estimate
    spearman: Estimate
    slope_per_decade: Estimate


@dataclass(frozen=True, slots=True)
class LinearFit:
    """The line through all points: value = intercept + slope_per_decade * log10(count)."""

    slope_per_decade: Estimate
    intercept: float | None


@dataclass(frozen=True, slots=True)
class Knot:
    """The isotonic fit at one count; between two it is a straight line over log count."""

    count: float
    value: float


@dataclass(frozen=True, slots=True)
class WithinFit:
    """The slope within data sets: each has a level of its own, one slope for all."""

    slope_per_decade: Estimate
    r: Estimate  # of count and value, both less their means in their data set
    n_datasets: int  # that have two different counts


@dataclass(frozen=True, slots=True)
class MixedFit:
    """Random level and random slope by data set; None where it cannot be fitted (problem: why)."""

    slope_per_decade: Estimate  # within data sets, of the mean data set
    between_per_decade: Estimate  # of the data sets' means
    sd_slope: float | None  # between data sets
    sd_level: float | None
    sd_residual: float | None
    converged: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of the trend, judged on data sets that it was not fitted to."""

    name: str  # constant, linear (in log count), isotonic
    rmse: float | None  # over points; a data set's level is predicted too
    rmse_within: float | None  # a data set's level is taken from itself


@dataclass(frozen=True, slots=True)
class Shapes:
    """Shapes compared by leaving out one data set after the other."""

    shapes: tuple[Shape, ...]
    linear_minus_isotonic: Estimate  # mean over data sets of squared errors within; > 0: not linear
    linear_minus_constant: Estimate  # < 0: frequency helps


@dataclass(frozen=True, slots=True)
class Fits:
    """The trend over points."""

    linear: LinearFit
    isotonic: tuple[Knot, ...]
    within: WithinFit
    mixed: MixedFit
    compared: Shapes


@dataclass(frozen=True, slots=True)
class JoinedDataset:
    """How the rows of one data set were matched."""

    dataset: str
    n_matched: int
    n_by_spelling: int  # of these, not the same letter by letter: case, underscores, blanks
    n_by_alias: int
    n_without_count: int  # results that have no count
    n_without_result: int  # counts that have no result
    n_zero: int  # matched, and counted as 0
    reason: str | None  # why results have no count


@dataclass(frozen=True, slots=True)
class Frequency:
    """A metric by concept against the frequency of concepts, for one model.

    Parameters
    ----------
    recipe : str
        "udandarao" or "honest".
    model, pretrained : str
    metric : str
    pretraining, search : str or None
        Where, and in what, concepts were counted.
    zeros : str
        What the figures make of a count of 0: "as one" (published) or "left out" (its logarithm
        is minus infinity; it ranks lowest in Spearman's r).
    r : Estimate
        Pearson's r over the bins of ``bins`` that are ``used``, each counted alike.
    n_points, n_bins : int
        That bear on the figures, and on r.
    r_unbinned, spearman : Estimate
        Over points.
    slope_per_decade : Estimate
        Of the line through all points: units of the metric per tenfold count.
    n_zero : int
        Points with a count of 0.
    zero_mean : Estimate
        Mean of the metric over them.
    other : ZeroTreatment or None
        The same with the zeros treated the other way; None where there are no zeros.
    bins : tuple of FrequencyBin
    r_by_bins : tuple of BinnedR
    fits : Fits
    mean, sd : float
        Of the values, under the weights.
    weights : str
        "n": a point weighs as many examples as it is over; "equal".
    cluster : str
        What the bootstrap draws: "dataset", or "concept" where there are fewer than three.
    n_clusters : int
    level : float
        Of every interval.
    n_bootstrap, seed : int
    joined : tuple of JoinedDataset
    points : Table
        `POINTS`: all that were matched, zeros too.
    notes : tuple of str
        Every choice and gap that a reader must know.
    """

    recipe: str
    model: str
    pretrained: str | None
    metric: str
    pretraining: str | None
    search: str | None
    zeros: str
    r: Estimate
    n_points: int
    n_bins: int
    r_unbinned: Estimate
    spearman: Estimate
    slope_per_decade: Estimate
    n_zero: int
    zero_mean: Estimate
    other: ZeroTreatment | None
    bins: tuple[FrequencyBin, ...]
    r_by_bins: tuple[BinnedR, ...]
    fits: Fits
    mean: float
    sd: float
    weights: str
    cluster: str
    n_clusters: int
    level: float
    n_bootstrap: int
    seed: int
    joined: tuple[JoinedDataset, ...]
    points: pa.Table
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Model and what it was trained on."""
        return "/".join(filter(None, (self.model, self.pretrained)))

    def with_notes(self, notes: tuple[str, ...]) -> Frequency:
        """The same with these notes."""
        return replace(self, notes=notes)

    def to_json(self, *, points: bool = True) -> dict[str, Any]:
        """All of it as JSON types, in the order of the fields.

        Parameters
        ----------
        points : bool
            False leaves out the points, of which there can be thousands.

        Returns
        -------
        dict
            ``kind`` is "frequency". A figure needs: ``model``, ``pretrained``, ``metric``,
            ``pretraining``, ``search``, ``recipe``, ``zeros``;
            ``points``: [{dataset, concept, count, value, n}] (n null where not known);
            ``bins``: [{low, high, center, mean, mean_low, mean_high, n, used}] in rising order;
            ``fits.linear``: {slope_per_decade, slope_per_decade_low, slope_per_decade_high,
            intercept}, of value = intercept + slope_per_decade * log10(count), where a count of 0
            is 1 if ``zeros`` is "as one"; ``fits.isotonic``: [{count, value}]; and the figures
            ``r``, ``r_low``, ``r_high``, ``n_points``, ``n_bins``, ``r_unbinned``, ``spearman``.
        """
        data = {"kind": "frequency", **plain(self)}
        del data["points"]
        if points:
            data["points"] = self.points.to_pylist()
        return data

    def facts(self) -> dict[str, object]:
        """The figures under names that people read; intervals in brackets."""
        linear, within, mixed = self.fits.linear, self.fits.within, self.fits.mixed
        facts: dict[str, object] = {
            "model": self.name,
            "metric": self.metric,
            "counts": " ".join(filter(None, (self.pretraining, self.search))) or None,
            "recipe": f"{self.recipe}, counts of 0 {self.zeros}",
            "points": f"{self.n_points:,} of {self.points.num_rows:,} concepts",
            "intervals": f"{self.level:.0%}, of {self.n_clusters:,} "
            f"{'data sets' if self.cluster == 'dataset' else 'concepts'}",
            f"r over {self.n_bins} bins": self.r,
            "r over points": self.r_unbinned,
            "r within data sets": within.r,
            "Spearman's r": self.spearman,
            "slope per decade": linear.slope_per_decade,
            "  within data sets": within.slope_per_decade,
            "  mixed model": mixed.slope_per_decade,
        }
        for shape in self.fits.compared.shapes:
            facts[f"error on other data sets, {shape.name}"] = shape.rmse_within
        facts["  squared, linear less isotonic"] = _finely(self.fits.compared.linear_minus_isotonic)
        facts["  squared, linear less constant"] = _finely(self.fits.compared.linear_minus_constant)
        if self.other:
            name = f"with counts of 0 {self.other.zeros}"
            facts[f"mean of {self.n_zero:,} with count 0"] = self.zero_mean
            facts[f"r over {self.other.n_bins} bins, {name}"] = self.other.r
            facts[f"r over points, {name}"] = self.other.r_unbinned
            facts[f"slope per decade, {name}"] = self.other.slope_per_decade
        return facts

    def bin_rows(self) -> list[dict[str, object]]:
        """Bins as people read them."""
        return [
            {
                "from": f"{b.low:,.0f}",
                "to": f"{b.high:,.0f}",
                "concepts": b.n,
                "mean": Estimate(b.mean, b.mean_low, b.mean_high),
                "in r": b.used,
            }
            for b in self.bins
        ]


def _finely(estimate: Estimate) -> str:
    """As people read small numbers."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.value:.2g} [{estimate.low:.2g}, {estimate.high:.2g}]"


def put_together(notes: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Notes on several models by their names, each once; those on some have the names before.

    Examples
    --------
    >>> put_together([("a", ["one", "two"]), ("b", ["one"])])
    ['one', 'a: two']
    """
    whose: dict[str, list[str]] = {}
    for name, own in notes:
        for note in own:
            whose.setdefault(note, []).append(name)
    return [
        note if len(names) == len(notes) else f"{', '.join(names)}: {note}"
        for note, names in whose.items()
    ]


@dataclass(frozen=True, slots=True)
class Frequencies:
    """The same for several models."""

    models: tuple[Frequency, ...]

    @property
    def seed(self) -> int:
        """Of what was drawn."""
        return self.models[0].seed

    def to_json(self, *, points: bool = True) -> dict[str, Any]:
        """Of one model its own document; of several {kind, recipe, models: [a document each]}."""
        documents = [model.to_json(points=points) for model in self.models]
        if len(documents) == 1:
            return documents[0]
        return {"kind": "frequency", "recipe": self.models[0].recipe, "models": documents}

    def notes(self) -> list[str]:
        """Notes on all models, as `put_together` has them."""
        return put_together([(found.name, found.notes) for found in self.models])

    def rows(self) -> list[dict[str, object]]:
        """The main figures, a row each model."""
        return [
            {
                "model": found.name,
                "points": found.n_points,
                "bins": found.n_bins,
                "r": found.r,
                "r over points": found.r_unbinned,
                "r within data sets": found.fits.within.r,
                "Spearman's r": found.spearman,
                "slope per decade": found.slope_per_decade,
            }
            for found in self.models
        ]
