"""What the panels of the pictures share: a result and its look, its bins as arrays, axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from matplotlib.transforms import ScaledTranslation

from ..statistics.columns import Floats
from .result_files import is_comparison
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
