"""The kinds of pictures, one function each; each returns what stands in the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from matplotlib.ticker import MaxNLocator, NullLocator

from .figure_accuracy import PICTURES, Words
from .figure_parts import ENDS, GREY, Series, array, level, limits, moved
from .result_kinds import is_comparison
from .wording import POINTS, estimate, name_of, shortened, whole

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_R_KEYS = ("r", "low", "high")
_UNBINNED_KEYS = ("r_unbinned", "r_unbinned_low", "r_unbinned_high")


def small_print(one: Series, kind: str, *, labelled: bool, words: Words = PICTURES) -> str:
    """What the legend says of a result: the figures that must stand beside the picture."""
    result = one.result
    parts = [f"{one.label}:"] if labelled else []
    if is_comparison(result):
        binned, unbinned = (estimate(result, f"r_delta_{how}") for how in ("binned", "unbinned"))
        bins = f"over {result['n_bins']} bins,"
        pairs = f"over {result['n_pairs']:,} pairs unbinned"
        return " ".join([*parts, whole(f"r = {binned}"), bins, whole(unbinned), pairs])
    unit = " and ".join(result["cluster"]) or "example"
    n = result["n" if kind == "predictors" else "n_used"]
    size = f"{whole(f'n = {n:,},')} {result['n_clusters']:,} clusters ({unit})"
    unbinned = estimate(result, "r_unbinned")
    if kind == "bins":
        parts += [f"line and band: {whole(f'r = {unbinned}')} unbinned;"]
    elif kind == "accuracy":
        binned, gap = estimate(result, "r_binned"), estimate(result, "gap_5pct", 1, POINTS)
        bins = f"over {result['n_bins']} {result['bins']} bins,"
        parts += [whole(f"r = {binned}"), bins, whole(unbinned), "unbinned;"]
        parts += [f"top 5% minus bottom 5%: {whole(gap)} points;"]
        if result["unseen"]:
            size += f" and {result['unseen']['n']:,} {words.unseen_too}"
    return " ".join([*parts, size])


def draw_bins(
    figure: Figure, series: Sequence[Series], pairs: pa.Table | None = None
) -> list[Artist]:
    """Pearson's r of bin means against the number of bins; unbinned r as a line with its band."""
    axes = figure.add_subplot()
    handles: list[Artist] = []
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=0.5)
    for one in series:
        rows = [row for row in one.result["r_by_bins"] if row["r"] is not None]
        x = [row["n_bins"] for row in rows]
        move = moved(figure, axes, one)
        low, high = (array(row[end] for row in rows) for end in ("low", "high"))
        axes.vlines(x, low, high, colors=one.look.colour, linewidth=0.6, transform=move)
        (points,) = axes.plot(x, [row["r"] for row in rows], one.look.marker, color=one.look.colour,
                              transform=move, label=f"bins {one.label}")  # fmt: skip
        handles.append(points)
        _draw_unbinned(axes, one)
    numbers = sorted({row["n_bins"] for one in series for row in one.result["r_by_bins"]})
    axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{n}" for n in numbers])
    axes.xaxis.set_minor_locator(NullLocator())
    if numbers:
        axes.set_xlim(numbers[0] / 1.25, numbers[-1] * 1.25)
    shown = [row[key] for one in series for row in one.result["r_by_bins"] for key in _R_KEYS]
    shown += [one.result[key] for one in series for key in _UNBINNED_KEYS]
    axes.set_ylim(*limits([*shown, 0.0, 1.0], (-1.04, 1.04)))
    kinds = {str(one.result["bins"]) for one in series}
    axes.set_xlabel(f"number of {kinds.pop()} bins" if len(kinds) == 1 else "number of bins")
    axes.set_ylabel(f"r of bin means, {level(series)}")
    return handles


def _draw_unbinned(axes: Axes, one: Series) -> None:
    r, low, high = (one.result[f"r_unbinned{end}"] for end in ENDS)
    if r is not None:
        axes.axhline(
            r, linestyle=one.look.line, color=one.look.colour, label=f"unbinned {one.label}"
        )
    if low is not None and high is not None:
        axes.axhspan(low, high, color=one.look.colour, alpha=0.15, linewidth=0)


def draw_predictors(
    figure: Figure, series: Sequence[Series], pairs: pa.Table | None = None
) -> list[Artist]:
    """Slope a standard deviation, and unbinned r, of every predictor without controls."""
    names = list(dict.fromkeys(row["name"] for one in series for row in one.result["predictors"]))
    left, right = figure.subplots(1, 2, sharey=True)
    handles: list[Artist] = []
    for axes, key, title in (
        (left, "slope_per_sd", "log-odds per SD"),
        (right, "r_unbinned", "r over examples"),
    ):
        axes.axvline(0, color=GREY, linewidth=0.6, zorder=0.5)
        axes.set_xlabel(title)
        handles = [_draw_row(figure, axes, one, key, names) for one in series]
        shown = [
            row[f"{key}{end}"] for one in series for row in one.result["predictors"] for end in ENDS
        ]
        axes.set_xlim(*limits([*shown, 0.0], (-np.inf, np.inf)))
        axes.xaxis.set_major_locator(MaxNLocator(3))
    left.set_yticks(
        range(len(names)), [shortened(name_of(name), 26) for name in names], parse_math=False
    )
    left.set_ylim(len(names) - 0.5, -0.5)
    right.tick_params(left=False)
    return handles


def _draw_row(figure: Figure, axes: Axes, one: Series, key: str, names: Sequence[str]) -> Artist:
    rows = {row["name"]: row for row in one.result["predictors"]}
    values = np.full((3, len(names)), np.nan)
    for k, name in enumerate(names):
        for j, end in enumerate(ENDS):
            value = rows.get(name, {}).get(f"{key}{end}")
            values[j, k] = np.nan if value is None else value
    value, low, high = values
    move = moved(figure, axes, one, down=True)
    places = np.arange(len(names))
    axes.hlines(places, low, high, colors=one.look.colour, linewidth=0.8, transform=move)
    (points,) = axes.plot(value, places, one.look.marker, color=one.look.colour, transform=move,
                          label=f"{key} {one.label}")  # fmt: skip
    return points
