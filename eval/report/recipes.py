"""The pictures that can be drawn, by name: what each takes, draws and says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .figure_accuracy import PICTURES, QUESTIONS, Words, draw_accuracy
from .figure_agreement import agreement_print, draw_agreement
from .figure_frequency import draw_frequency, frequency_print, models_of
from .figure_long_tail import draw_long_tail, long_tail_print, tails_of
from .figure_panels import draw_bins, draw_predictors, small_print
from .figure_parts import Series

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

COLUMN = 3.4  # inches
_PREDICTOR_ROW = 0.27  # inches

Result = Mapping[str, Any]
Panel = Callable[["Figure", Sequence[Series], "pa.Table | None"], "list[Artist]"]


def _itself(label: str, result: Result) -> dict[str, Result]:
    return {label: result}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a picture is made.

    Parameters
    ----------
    takes : tuple of str
        Kinds of results, of which one picture holds one.
    draw : callable
        Draws series, and pairs behind them; returns what stands in the legend.
    says : callable
        What the legend says of a series, labelled or not.
    height : callable
        Inches, of the width and the series, without the legend.
    parts : callable
        Parts of a result that are drawn as series, by label.
    one_predictor, one_result, has_pairs : bool
        Whether results must share a predictor; whether there can be but one; whether its pairs can
        be drawn.
    """

    takes: tuple[str, ...]
    draw: Panel
    says: Callable[..., str]
    height: Callable[[float, Sequence[Series]], float]
    parts: Callable[[str, Result], Mapping[str, Result]] = _itself
    one_predictor: bool = False
    one_result: bool = False
    has_pairs: bool = False


def _wider(height: float) -> Callable[[float, Sequence[Series]], float]:
    """So high at the width of a column, and somewhat more when it is wider."""
    return lambda width, series: height + 0.25 * (width - COLUMN)


def _rows(width: float, series: Sequence[Series]) -> float:
    names = {row["name"] for one in series for row in one.result["predictors"]}
    rows = len(names) * max(_PREDICTOR_ROW, 0.09 * (len(series) + 1))
    return _wider(0.75)(width, series) + rows


def _square(width: float, series: Sequence[Series]) -> float:
    return 0.85 * width if len(series[0].result["pairs"]) > 1 else 0.85 * min(width, 1.3 * COLUMN)


def _accuracy(words: Words, *takes: str) -> Recipe:
    return Recipe(
        takes,
        partial(draw_accuracy, words=words),
        partial(small_print, kind="accuracy", words=words),
        _wider(2.35),
        one_predictor=True,
        has_pairs=True,
    )


RECIPES: Mapping[str, Recipe] = {
    "accuracy-pmi": _accuracy(PICTURES, "correlate", "compare"),
    "vqa-pmi": _accuracy(QUESTIONS, "correlate"),
    "accuracy-frequency": Recipe(
        ("frequency",), draw_frequency, frequency_print, _wider(2.35), models_of
    ),
    "long-tail": Recipe(("long-tail",), draw_long_tail, long_tail_print, _wider(3.5), tails_of),
    "agreement": Recipe(("agreement",), draw_agreement, agreement_print, _square, one_result=True),
    "bins": Recipe(("correlate",), draw_bins, partial(small_print, kind="bins"), _wider(2.1)),
    "predictors": Recipe(
        ("correlate",), draw_predictors, partial(small_print, kind="predictors"), _rows
    ),
}
KINDS = {"accuracy": "accuracy-pmi", "bins": "bins", "predictors": "predictors"}  # older names
