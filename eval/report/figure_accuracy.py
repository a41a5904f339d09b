"""Accuracy against a predictor: bins with intervals, and the examples of each bin below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from matplotlib.ticker import MaxNLocator

from .by_pair import column
from .figure_parts import (
    ACCURACY_KEYS,
    GREY,
    Means,
    Series,
    array,
    level,
    limits,
    mark_break,
    means_of,
    moved,
)
from .result_kinds import is_comparison
from .wording import POINTS, axis_title, outcome_name

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

_BREAK = 0.13  # of the range of the predictor, between it and what was never seen
_LABEL = 0.145  # of the axis, that the label of this takes
_LEAST_WIDTH = 0.005  # of the range of the bins, that a bin takes


class Words(NamedTuple):
    """What the axes and the legend call things."""

    accuracy: str  # empty: accuracy or mean outcome, as outcomes are
    predictors: Mapping[str, str]  # titles of some of them
    unseen: str  # label of what was never seen, on the axis
    unseen_too: str  # the same, in the legend

    def title(self, predictor: str) -> str:
        """Title of the axis of a predictor."""
        return self.predictors.get(predictor) or axis_title(predictor)


PICTURES = Words("", {}, "never seen\ntogether", "never seen together")
QUESTIONS = Words(
    "VQA accuracy",
    {
        "pmi": "mean PMI of question and answer (nats)",
        "pmi_min": "least PMI of question and answer (nats)",
        "pmi_answer_question": "mean PMI of answer with question (nats)",
    },
    "never seen\ntogether",
    "with nothing seen together",
)


def draw_accuracy(
    figure: Figure,
    series: Sequence[Series],
    pairs: pa.Table | None = None,
    *,
    words: Words = PICTURES,
) -> list[Artist]:
    """Accuracy in bins of the predictor, and the examples of each bin below."""
    grid = figure.add_gridspec(2, 1, height_ratios=[6, 1], hspace=0.02)
    axes = figure.add_subplot(grid[0])
    counts = figure.add_subplot(grid[1], sharex=axes)
    low, high = _reach(series, pairs)
    aside = low - _BREAK * max(high - low, 1e-9)
    if pairs is not None:
        _draw_pairs(axes, pairs, aside)
    handles = []
    for one in series:
        means = means_of(one.result)
        handles.append(_draw_points(axes, one, means, moved(figure, axes, one)))
        _draw_trend(axes, one, means)
        _draw_counts(counts, one, means, alone=len(series) == 1)
        _draw_unseen(figure, axes, counts, one, aside)
    has_unseen = any(one.result.get("unseen") for one in series)
    _finish_predictor(counts, series, (low, high), aside if has_unseen else None, words)
    _finish_accuracy(axes, series, words, pairs)
    _finish_counts(counts, series)
    return handles


def _reach(series: Sequence[Series], pairs: pa.Table | None) -> tuple[float, float]:
    """Least and greatest finite value of the predictor in the picture."""
    values = [
        x for one in series for row in one.result["bin_table"] for x in (row["low"], row["high"])
    ]
    if pairs is not None:
        values += [x for x in column(pairs, "predictor") if np.isfinite(x)]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _draw_points(axes: Axes, one: Series, means: Means, move: Transform) -> Artist:
    axes.vlines(
        means.x, means.low, means.high, colors=one.look.colour, linewidth=0.6, transform=move
    )
    (points,) = axes.plot(
        means.x,
        means.y,
        one.look.marker,
        color=one.look.colour,
        transform=move,
        label=f"bins {one.label}",
    )
    return points


def _draw_trend(axes: Axes, one: Series, means: Means) -> None:
    """The least-squares line of the bins, each counting alike, as in their r."""
    if len(means.x) < 2 or not np.ptp(means.x) > 0:
        return
    slope, start = np.polyfit(means.x, means.y, 1)
    ends = np.array([means.x.min(), means.x.max()])
    axes.plot(
        ends,
        start + slope * ends,
        linestyle=one.look.line,
        color=one.look.colour,
        alpha=0.45,
        zorder=1.5,
    )


def _draw_counts(counts: Axes, one: Series, means: Means, *, alone: bool) -> None:
    # A bin of one value has no width, and still is to be seen.
    least = _LEAST_WIDTH * (np.max(means.right) - np.min(means.left)) if len(means.n) else 0.0
    right = np.maximum(means.right, means.left + least)
    if alone:
        counts.bar(
            means.left,
            means.n,
            right - means.left,
            align="edge",
            color=one.look.colour,
            alpha=0.35,
            linewidth=0,
        )
    counts.hlines(
        means.n,
        means.left,
        right,
        colors=one.look.colour,
        linewidth=1.1,
        linestyles=one.look.line,
    )


def _draw_unseen(figure: Figure, axes: Axes, counts: Axes, one: Series, aside: float) -> None:
    unseen = one.result.get("unseen")
    if not unseen:
        return
    value, low, high = array(unseen[key] for key in ACCURACY_KEYS) * POINTS
    move = moved(figure, axes, one)
    look: dict[str, Any] = {
        "marker": one.look.marker,
        "color": one.look.colour,
        "markerfacecolor": "white",
        "label": f"unseen {one.label}",
    }
    axes.vlines([aside], [low], [high], colors=one.look.colour, linewidth=0.6, transform=move)
    axes.plot([aside], [value], transform=move, **look)
    move = moved(figure, counts, one)
    counts.plot([aside], [unseen["n"]], markersize=2.5, transform=move, **look)


def _draw_pairs(axes: Axes, pairs: pa.Table, aside: float) -> None:
    x = column(pairs, "predictor")
    axes.plot(
        np.where(np.isneginf(x), aside, x),
        column(pairs, "accuracy") * POINTS,
        ".",
        color=GREY,
        markersize=2.2,
        markeredgewidth=0,
        zorder=1,
        rasterized=True,
        label="pairs",
    )


def _finish_predictor(
    axes: Axes,
    series: Sequence[Series],
    reach: tuple[float, float],
    aside: float | None,
    words: Words,
) -> None:
    """The axis of the predictor, broken before what was never seen together."""
    low, high = reach
    result = series[0].result
    title = words.title(str(result["predictor"]))
    axes.set_xlabel(f"difference of {title}" if is_comparison(result) else title, parse_math=False)
    ticks = [x for x in MaxNLocator(6).tick_values(low, high) if low <= x <= high]
    names = [f"{x:g}".replace("-", "\N{MINUS SIGN}") for x in ticks]
    margin = 0.03 * max(high - low, 1e-9)
    start = low
    if aside is not None:
        kept = [k for k, x in enumerate(ticks) if x - aside > _LABEL * (high - aside)]
        ticks, names = [ticks[k] for k in kept], [names[k] for k in kept]
        ticks, names = [aside, *ticks], [words.unseen, *names]
        mark_break(axes, (aside + low) / 2, 0.006 * (high - aside))
        start = aside - margin
    axes.set_xticks(ticks, names)
    axes.set_xlim(start - margin, high + margin)


def _finish_accuracy(
    axes: Axes, series: Sequence[Series], words: Words, pairs: pa.Table | None
) -> None:
    measure = outcome_name(*(one.result for one in series))
    name = words.accuracy or measure
    axes.tick_params(labelbottom=False)
    tables = [means_of(one.result) for one in series]
    shown = [y for means in tables for y in (*means.y, *means.low, *means.high)]
    for one in series:
        unseen = one.result.get("unseen") or dict.fromkeys(ACCURACY_KEYS)
        shown += list(array(unseen[key] for key in ACCURACY_KEYS) * POINTS)
    if is_comparison(series[0].result):
        axes.axhline(0, color=GREY, linewidth=0.6, zorder=0.5)
        axes.axvline(0, color=GREY, linewidth=0.6, zorder=0.5)
        axes.set_ylabel(f"difference of {name},\n{level(series)} (points)")
        axes.set_ylim(*limits([*shown, 0.0], (-POINTS, POINTS)))
    else:
        end = " " if name == "accuracy" else "\n"  # longer ones do not fit into one line
        axes.set_ylabel(f"{name},{end}{level(series)} (%)")
        if pairs is not None:  # shares of few answers reach from 0 to 1
            shares = column(pairs, "accuracy") if measure == "mean outcome" else [0.0, 1.0]
            shown += [share * POINTS for share in shares]
        axes.set_ylim(*limits(shown, (-3.0, POINTS + 3.0)))


def _finish_counts(axes: Axes, series: Sequence[Series]) -> None:
    numbers = [row["n"] for one in series for row in one.result["bin_table"]]
    numbers += [one.result["unseen"]["n"] for one in series if one.result.get("unseen")]
    most = max(numbers, default=1)
    axes.set_ylim(0, most * 1.2)
    axes.set_yticks([0, most], ["0", f"{most:,}"])
    axes.set_ylabel("pairs" if is_comparison(series[0].result) else "n")
