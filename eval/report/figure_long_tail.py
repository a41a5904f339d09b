"""The long tail: counts by rank with the power law that fits, and the share of rare concepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..frequency.long_tail_results import POOLED
from .figure_parts import Series, array, level, log_axis, moved
from .wording import POINTS, estimate, whole

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WHERE = ("pretraining", "search", "dataset")


def tails_of(label: str, result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The tails of a result that are drawn: of each pretraining and search that of all data sets.

    Each is named by what tells it from the others; a single one has the label of the result.
    """
    pooled = {_counted(tail) for tail in result["tails"] if tail["dataset"] == POOLED}
    tails = [
        tail
        for tail in result["tails"]
        if tail["dataset"] == POOLED or _counted(tail) not in pooled
    ]
    differing = [key for key in _WHERE if len({tail[key] for tail in tails}) > 1]
    if "pretraining" in differing or "search" in differing:
        differing = [key for key in differing if key != "dataset" or not pooled]
    names = [" ".join(filter(None, (tail[key] for key in differing))) for tail in tails]
    return {
        name or label: {**tail, "level": result["level"]}
        for name, tail in zip(names, tails, strict=True)
    }


def _counted(tail: Mapping[str, Any]) -> tuple[str, str]:
    return tail["pretraining"], tail["search"]


def draw_long_tail(
    figure: Figure, series: Sequence[Series], pairs: pa.Table | None = None
) -> list[Artist]:
    """Counts by rank with the fitted power law, and below, shares of concepts under n."""
    grid = figure.add_gridspec(2, 1, height_ratios=[5, 3])
    axes, shares = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    handles = [_draw_ranks(axes, one) for one in series]
    ranks, counts = (
        [row[key] for one in series for row in one.result["curve"]] or [1]
        for key in ("rank", "count")
    )
    log_axis(axes, "x", 1, max(*ranks, 10), None)
    log_axis(axes, "y", min(counts), max(*counts, min(counts) * 10), None)
    axes.set_xlabel("rank of the concept")
    axes.set_ylabel("samples with it")
    for one in series:
        _draw_shares(figure, shares, one)
    below = [row["below"] for row in series[0].result["under"]]
    log_axis(shares, "x", min(below), max(below), None)
    shares.set_ylim(-3, 103)
    shares.set_yticks([0, 50, 100])
    shares.set_xlabel("n")
    shares.set_ylabel(f"concepts under n\n(%, {level(series)})")
    return handles


def long_tail_print(one: Series, *, labelled: bool) -> str:
    """What the legend says of a set of concepts: its size, inequality, and the power law."""
    tail = one.result
    parts = [f"{one.label}:"] if labelled else []
    zeros = next((row["n"] for row in tail["under"] if row["below"] == 1), 0)
    parts += [f"{tail['n_concepts']:,} concepts,", whole(f"{zeros:,} never seen;")]
    parts += [whole(f"Gini {estimate(tail, 'gini')};")]
    zipf = tail["zipf"]
    if zipf is None:
        return " ".join([*parts, "too few for a power law"])
    fitted = f"from {zipf['x_min']:,} samples up ({zipf['n_tail']:,} concepts)"
    verdict = {
        "power law": "better than a log-normal",
        "log-normal": "a log-normal fits better",
    }.get(zipf["better"], "a log-normal fits as well")
    return " ".join(
        [*parts, "line:", whole(f"exponent {estimate(zipf, 'alpha')}"), f"{fitted}; {verdict}"]
    )


def _draw_ranks(axes: Axes, one: Series) -> Artist:
    curve = one.result["curve"]
    rank, count = (array(row[key] for row in curve) for key in ("rank", "count"))
    (points,) = axes.plot(rank, count, one.look.marker, color=one.look.colour, markersize=2,
                          markeredgewidth=0, alpha=0.8, label=f"ranks {one.label}")  # fmt: skip
    (handle,) = axes.plot([], [], one.look.marker, linestyle=one.look.line, color=one.look.colour)
    _draw_law(axes, one)
    return handle if one.result["zipf"] else points


def _draw_law(axes: Axes, one: Series) -> None:
    """The power law over its tail: the count that each rank is expected to have."""
    zipf = one.result["zipf"]
    if zipf is None:
        return
    rank = np.geomspace(1, zipf["n_tail"], 50)
    # Far up, a share (x / x_min)**(1 - alpha) of the tail has at least x.
    count = zipf["x_min"] * (rank / zipf["n_tail"]) ** (-1 / (zipf["alpha"] - 1))
    axes.plot(rank, count, linestyle=one.look.line, color=one.look.colour, zorder=3,
              label=f"law {one.label}")  # fmt: skip


def _draw_shares(figure: Figure, axes: Axes, one: Series) -> None:
    rows = one.result["under"]
    n = array(row["below"] for row in rows)
    share, low, high = (
        array(row[key] for row in rows) * POINTS for key in ("share", "share_low", "share_high")
    )
    move = moved(figure, axes, one)
    axes.vlines(n, low, high, colors=one.look.colour, linewidth=0.8, transform=move)
    axes.plot(n, share, one.look.marker, linestyle=one.look.line, color=one.look.colour,
              markersize=2.8, transform=move, label=f"shares {one.label}")  # fmt: skip
