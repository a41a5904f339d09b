"""Accuracy against the frequency of concepts: bins on a logarithmic axis, concepts behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from conceptstats.errors import ParameterError

from ..frequency.metrics import is_share
from ..statistics.columns import Floats
from .figure_parts import Series, Zeros, array, level, limits, log_axis, moved, zeros_aside
from .wording import POINTS, estimate, interval, number, whole

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def models_of(label: str, result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The models of a result, each by its name; of one model, under the label of the result."""
    if "models" not in result:
        return {label: result}
    models = {}
    for model in result["models"]:
        name = model["model"]
        if name in models:
            name = f"{name} ({model['pretrained']})"
        models[name] = model
    return models


def draw_frequency(
    figure: Figure, series: Sequence[Series], pairs: pa.Table | None = None
) -> list[Artist]:
    """The mean of concepts in bins of their frequency, with the concepts faintly behind.

    Raises
    ------
    ParameterError
        When the results are of different metrics.
    """
    metrics = sorted({str(one.result["metric"]) for one in series})
    if len(metrics) > 1:
        raise ParameterError(
            f"the results have different metrics: {', '.join(metrics)}.",
            "one axis can show one of them",
        )
    axes = figure.add_subplot()
    scale = scale_of(metrics[0])
    handles = [_draw_bins(figure, axes, one, scale) for one in series]
    _draw_concepts(axes, series, scale)
    axes.set_xlabel(_frequency_title(series), parse_math=False)
    unit = " (%)" if scale != 1 else ""
    axes.set_ylabel(f"{metrics[0]}, {level(series)}{unit}", parse_math=False)
    return handles


def frequency_print(one: Series, *, labelled: bool) -> str:
    """What the legend says of a model: both r's, over bins and over concepts."""
    result = one.result
    scale = scale_of(str(result["metric"]))
    name = one.label if labelled else str(result["model"])
    ends = interval(result, "r_unbinned")
    slope = estimate(result, "slope_per_decade", 1 if scale != 1 else 3, scale)
    parts = [
        f"{name}:",
        whole(f"r = {number(result['r'], 3)}"),
        f"over {result['n_bins']} bins{_told(result)},",
        whole(f"{number(result['r_unbinned'])} {ends}".rstrip()),
        f"over {result['n_points']:,} concepts;",
        whole(slope),
        "points per tenfold frequency" if scale != 1 else "per tenfold frequency",
    ]
    return " ".join(parts)


def _told(result: Mapping[str, Any]) -> str:
    """Which bins bear on r, where not all do."""
    return "" if all(row["used"] for row in result["bins"] if row["n"]) else " (filled)"


def scale_of(metric: str) -> float:
    """Shares are drawn in percent; other metrics as they are."""
    return POINTS if is_share(metric) else 1.0


def _frequency_title(series: Sequence[Series]) -> str:
    pretrainings = {one.result["pretraining"] for one in series}
    name = pretrainings.pop() if len(pretrainings) == 1 else None
    return f"samples with the concept in {name}" if name else "samples with the concept"


def _draw_bins(figure: Figure, axes: Axes, one: Series, scale: float) -> Artist:
    rows = [row for row in one.result["bins"] if row["mean"] is not None]
    x = np.maximum(array(row["center"] for row in rows), 1.0)
    y, low, high = (
        array(row[key] for row in rows) * scale for key in ("mean", "mean_low", "mean_high")
    )
    used = np.array([row["used"] for row in rows], bool)
    move = moved(figure, axes, one)
    colour = one.look.colour
    axes.vlines(x, low, high, colors=colour, linewidth=0.6, transform=move, zorder=3)
    axes.plot(x[~used], y[~used], one.look.marker, color=colour, markerfacecolor="white",
              transform=move, zorder=3.5, label=f"bins not in r {one.label}")  # fmt: skip
    (points,) = axes.plot(x[used], y[used], one.look.marker, color=colour, transform=move,
                          zorder=4, label=f"bins {one.label}")  # fmt: skip
    _draw_trend(axes, one, x[used], y[used])
    return points


def _draw_trend(axes: Axes, one: Series, x: Floats, y: Floats) -> None:
    """The least-squares line of the bins that bear on r, each counting alike."""
    if len(x) < 2 or not np.ptp(x) > 0:
        return
    slope, start = np.polyfit(np.log10(x), y, 1)
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, start + slope * np.log10(ends), linestyle=one.look.line,
              color=one.look.colour, alpha=0.6, zorder=2.5, label=f"trend {one.label}")  # fmt: skip


def _draw_concepts(axes: Axes, series: Sequence[Series], scale: float) -> None:
    """Draw a dot a concept, and make the axes hold all of them."""
    counts = [array(row["count"] for row in one.result["points"]) for one in series]
    centers = [row["center"] for one in series for row in one.result["bins"] if row["n"]]
    seen = [x for x in (*np.concatenate(counts), *centers) if x >= 1] or [1.0]
    low, high = min(seen), max(*seen, 10.0)
    zeros = None
    if any((count == 0).any() for count in counts):
        as_one = low == 1 and all(one.result["zeros"] == "as one" for one in series)
        zeros = Zeros(1.0, "0, 1", None) if as_one else zeros_aside(low, high)
    shown = [y for one in series for y in array(row["mean"] for row in one.result["bins"]) * scale]
    for one, count in zip(series, counts, strict=True):
        value = array(row["value"] for row in one.result["points"]) * scale
        place = np.where(count > 0, count, zeros.place if zeros else 1.0)
        axes.plot(place, value, ".", color=one.look.colour, alpha=0.25 / len(series) ** 0.5,
                  markersize=1.8, markeredgewidth=0, zorder=1, rasterized=True,
                  label=f"concepts {one.label}")  # fmt: skip
        shown += list(value)
    log_axis(axes, "x", low, high, zeros)
    inside = (-0.03 * scale, 1.03 * scale) if scale != 1 else (-np.inf, np.inf)
    axes.set_ylim(*limits(shown, inside))
