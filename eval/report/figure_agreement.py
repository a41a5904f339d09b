"""Agreement of data sets: the counts of each concept in one against those in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from matplotlib.lines import Line2D

from conceptstats.errors import ParameterError

from ..statistics.columns import Floats
from .figure_parts import Series, Zeros, array, log_axis, zeros_aside
from .wording import estimate, interval, number, shortened, whole

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SETS = 6  # of which each cell of a matrix can be read
_LETTERS = 30  # of the label of a data set
_LINES = 4  # of it in a matrix
_ROOMY = 0.8  # inches of a cell that has room for intervals

Row = Mapping[str, Any]


def draw_agreement(
    figure: Figure, series: Sequence[Series], pairs: pa.Table | None = None
) -> list[Artist]:
    """A dot a concept; of more than two data sets, a matrix with the figures above its diagonal.

    Raises
    ------
    ParameterError
        When there are too many data sets.
    """
    (one,) = series
    labels = [row["label"] for row in one.result["sets"]]
    if len(labels) > MOST_SETS:
        raise ParameterError(
            f"{len(labels)} data sets, expected at most {MOST_SETS} in a figure.",
            "conceptstats eval agreement of fewer of them",
        )
    cells = {(pair["a"], pair["b"]): pair for pair in one.result["pairs"]}
    if len(labels) > 2:
        return _draw_matrix(figure, one, labels, cells)
    axes = figure.add_subplot()
    axes.set_box_aspect(1)
    pair = one.result["pairs"][0]
    reaches = (_Reach.of(_counts(pair, "n_a")), _Reach.of(_counts(pair, "n_b")))
    _draw_pair(axes, one, pair, reaches)
    axes.set_xlabel(f"samples in {shortened(pair['a'], _LETTERS)}", parse_math=False)
    axes.set_ylabel(f"samples in {shortened(pair['b'], _LETTERS)}", parse_math=False)
    return [_dot(one)]


def agreement_print(one: Series, *, labelled: bool) -> str:
    """What the legend says: the figures of the only pair, or what those in the matrix are."""
    result = one.result
    if len(result["pairs"]) > 1:
        shown = "a concept; dashed: the median ratio of counts;"
        figures = "above: r of the logarithms, Spearman's \N{GREEK SMALL LETTER RHO},"
        return f"{shown} {figures} concepts in both; {result['level']:.0%} intervals"
    (pair,) = result["pairs"]
    parts = [
        whole(f"r = {estimate(pair, 'pearson_log')}"),
        f"of the logarithms of {pair['n_used']:,} concepts seen in both;",
        whole(f"Spearman {estimate(pair, 'spearman')},"),
        whole(f"Kendall {estimate(pair, 'kendall')}"),
        f"of all {pair['n_both']:,} joined;",
        f"{pair['n_a_only']:,} in {shortened(pair['a'], _LETTERS)} only,",
        f"{pair['n_b_only']:,} in {shortened(pair['b'], _LETTERS)} only;",
        "dashed: the median ratio of counts",
    ]
    if pair["n_points"] < pair["n_both"]:
        parts.append(f"; dots: {pair['n_points']:,} concepts at random")
    return " ".join(parts)


class _Reach(NamedTuple):
    """Least and greatest positive count of a data set, and where its zeros are drawn."""

    low: float
    high: float
    zeros: Zeros | None

    @classmethod
    def of(cls, counts: Floats) -> _Reach:
        """Hold all counts."""
        seen = counts[counts > 0]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (1.0, 1.0)
        high = max(high, 10 * low)
        return cls(low, high, zeros_aside(low, high) if (counts == 0).any() else None)

    def place(self, counts: Floats) -> Floats:
        """Where counts are drawn."""
        return np.where(counts > 0, counts, self.zeros.place if self.zeros else 1.0)


def _counts(pair: Row, key: str) -> Floats:
    return array(row[key] for row in pair["points"])


def _draw_pair(
    axes: Axes, one: Series, pair: Row, reaches: tuple[_Reach, _Reach], *, small: bool = False
) -> None:
    """A dot a concept, and a line where all have the median ratio."""
    a, b = _counts(pair, "n_a"), _counts(pair, "n_b")
    axes.plot(reaches[0].place(a), reaches[1].place(b), ".", color=one.look.colour, alpha=0.35,
              markersize=1.2 if small else 2.2, markeredgewidth=0, rasterized=True,
              label=f"concepts {pair['a']} {pair['b']}")  # fmt: skip
    seen = (a > 0) & (b > 0)
    if seen.any():
        ratio = float(np.exp(np.median(np.log(b[seen] / a[seen]))))
        ends = np.array([reaches[0].low, reaches[0].high])
        axes.plot(ends, ratio * ends, color="black", linewidth=0.7, linestyle="--",
                  label="median ratio")  # fmt: skip
    most = 2 if small else 6
    log_axis(axes, "x", *reaches[0], most_ticks=most)
    log_axis(axes, "y", *reaches[1], most_ticks=most)


def _draw_matrix(
    figure: Figure, one: Series, labels: Sequence[str], pairs: Mapping[tuple[str, str], Row]
) -> list[Artist]:
    size = len(labels)
    reaches = {label: _Reach.of(_all_counts(label, pairs)) for label in labels}
    grid = figure.subplots(size, size, squeeze=False)
    roomy = figure.get_figwidth() / size > _ROOMY
    for i, row in enumerate(labels):
        for j, column in enumerate(labels):
            axes = grid[i, j]
            axes.set_box_aspect(1)
            if i == j:
                _write(axes, "\n".join(wrap(row.replace("_", " "), 12)[:_LINES]), bold=True)
            elif i < j:
                _write(axes, _figures(pairs[row, column], roomy=roomy), bold=False)
            else:
                reach = (reaches[column], reaches[row])
                _draw_pair(axes, one, pairs[column, row], reach, small=True)
                axes.tick_params(labelleft=j == 0, labelbottom=i == size - 1)
    return [_dot(one)]


def _dot(one: Series) -> Artist:
    """A dot that can be seen in the legend."""
    return Line2D([], [], linestyle="none", marker=".", markersize=5, color=one.look.colour)


def _all_counts(label: str, pairs: Mapping[tuple[str, str], Row]) -> Floats:
    return np.concatenate(
        [_counts(pair, "n_a") for (a, _), pair in pairs.items() if a == label]
        + [_counts(pair, "n_b") for (_, b), pair in pairs.items() if b == label]
    )


def _figures(pair: Row, *, roomy: bool) -> str:
    lines = [
        f"r {number(pair['pearson_log'])}",
        interval(pair, "pearson_log") if roomy else "",
        f"\N{GREEK SMALL LETTER RHO} {number(pair['spearman'])}",
        interval(pair, "spearman") if roomy else "",
        f"n {pair['n_both']:,}",
    ]
    return "\n".join(filter(None, lines))


def _write(axes: Axes, text: str, *, bold: bool) -> None:
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=7,
              fontweight="bold" if bold else "normal", transform=axes.transAxes,
              parse_math=False)  # fmt: skip
