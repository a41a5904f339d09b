"""What the panels of the pictures share: a result and its look, its bins as arrays, axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from ..statistics.columns import Floats
from .result_kinds import is_comparison
from .wording import POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

ENDS = ("", "_low", "_high")
GREY = "0.6"
ACCURACY_KEYS = ("accuracy", "accuracy_low", "accuracy_high")
_OUTCOME_KEYS = ("mean_outcome", "outcome_low", "outcome_high")


class Look(NamedTuple):
    """What tells a result from others, in colour and in grey."""

    colour: str
    marker: str
    line: Literal["-", "--", "-.", ":"]


@dataclass(frozen=True, slots=True)
class Series:
    """One result and how it is drawn; the shift, in points, keeps several apart."""

    label: str
    result: Mapping[str, Any]
    look: Look
    shift: float


class Means(NamedTuple):
    """Bins as arrays; y, low and high in percentage points, nan where there is no interval."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    n: Floats
    left: Floats
    right: Floats


def means_of(result: Mapping[str, Any]) -> Means:
    """The bins of a result."""
    outcome = _OUTCOME_KEYS if is_comparison(result) else ACCURACY_KEYS
    names = ["mean_predictor", *outcome, "n", "low", "high"]
    rows = [[row[name] for name in names] for row in result["bin_table"]]
    x, y, low, high, n, left, right = np.array(rows, np.float64).reshape(-1, len(names)).T
    return Means(x, y * POINTS, low * POINTS, high * POINTS, n, left, right)


def array(values: Iterable[float | None]) -> Floats:
    """Numbers, with nan for those that are missing."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def limits(values: Iterable[float | None], within: tuple[float, float]) -> tuple[float, float]:
    """Ends of an axis that holds all values and a margin, cut to what can be."""
    known = array(values)
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    margin = 0.05 * max(high - low, 1e-9)
    return max(low - margin, within[0]), min(high + margin, within[1])


def level(series: Sequence[Series]) -> str:
    """What the intervals are, where they are alike."""
    levels = {one.result.get("level", 0.95) for one in series}
    return f"{levels.pop():.0%} interval" if len(levels) == 1 else "interval"


def moved(figure: Figure, axes: Axes, one: Series, *, down: bool = False) -> Transform:
    """Data coordinates, moved by the shift of a series to the right, or down."""
    x, y = (0.0, -2 * one.shift) if down else (one.shift, 0.0)
    return axes.transData + ScaledTranslation(x / 72, y / 72, figure.dpi_scale_trans)


def mark_break(axes: Axes, x: float, half: float) -> None:
    """Two strokes across the axis at x, which is cut between them."""
    across = axes.get_xaxis_transform()
    axes.plot([x - half, x + half], [0, 0], color="white", linewidth=2.5, transform=across,
              clip_on=False, zorder=5)  # fmt: skip
    axes.plot([x - half, x + half], [0, 0], linestyle="none", marker=[(-0.5, -1), (0.5, 1)],
              markersize=6, color="black", markeredgewidth=0.6, transform=across, clip_on=False,
              zorder=6)  # fmt: skip


class Zeros(NamedTuple):
    """Where counts of 0 are drawn on a logarithmic axis, and what stands there."""

    place: float
    label: str
    fence: float | None  # a line between them and the rest


def zeros_aside(low: float, high: float) -> Zeros:
    """Left of all counts, behind a line."""
    gap = max((high / low) ** 0.12, 1.6)
    return Zeros(low / gap, "0", low / gap**0.5)


def log_axis(
    axes: Axes,
    which: Literal["x", "y"],
    low: float,
    high: float,
    zeros: Zeros | None,
    *,
    most_ticks: int = 6,
) -> None:
    """Make an axis of counts logarithmic.

    Parameters
    ----------
    axes : Axes
    which : {"x", "y"}
    low, high : float
        Least and greatest positive count.
    zeros : Zeros or None
        Of counts of 0, where there are any.
    most_ticks : int
        At powers of ten, besides that of zeros.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    start, end = np.log10([zeros.place if zeros else low, high])
    margin = max(0.03 * (end - start), 0.02)
    # A power close to the zeros would stand in their label.
    first = int(np.ceil((start + (end - start) / (2 * most_ticks) if zeros else start) - 1e-9))
    last = int(np.floor(end + 1e-9))
    step = max(1, -(-(last - first + 1) // most_ticks))
    powers = [k for k in range(first, last + 1) if k % step == 0]
    ticks, names = [10.0**k for k in powers], [power(k) for k in powers]
    if zeros:
        ticks, names = [zeros.place, *ticks], [zeros.label, *names]
    if zeros and zeros.fence:
        line = axes.axvline if which == "x" else axes.axhline
        line(zeros.fence, color=GREY, linewidth=0.5, linestyle=":", zorder=0.5)
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(ticks, names)
    ends = 10 ** (start - margin), 10 ** (end + margin)
    (axes.set_xlim if which == "x" else axes.set_ylim)(*ends)


def power(exponent: int) -> str:
    """A power of ten in few letters."""
    if 0 <= exponent <= 2:
        return f"{10**exponent}"
    for unit, letter in ((6, "M"), (3, "k")):
        if unit <= exponent < unit + 3:
            return f"{10 ** (exponent - unit)}{letter}"
    return f"$10^{{{exponent}}}$"
