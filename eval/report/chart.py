"""The chart that readers can move in: one dot a pair, with its counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pyarrow as pa

from .by_pair import column
from .wording import POINTS, axis_title, name_of, number

MOST = 2000  # dots
_BREAK = 0.1  # of the range of the predictor, between it and what was never seen
_DOT, _CHOSEN, _GREY = "#0072B2", "#D55E00", "#777777"


class Chart(NamedTuple):
    """A Vega-Lite chart, and what it shows."""

    spec: dict[str, Any]
    n_shown: int
    n_pairs: int


def chart_of(pairs: pa.Table, predictor: str, seed: int = 0, *, outcome: str = "accuracy") -> Chart:
    """Draw accuracy against the predictor, one dot a pair; of too many, some at random.

    Parameters
    ----------
    pairs : Table
        As `conceptstats.eval.report.by_pair.pairs_of` makes it.
    predictor : str
    seed : int
        Of the choice of pairs.
    outcome : str
        As `wording.outcome_name` calls it.
    """
    n_pairs = pairs.num_rows
    if n_pairs > MOST:
        chosen = np.random.default_rng(seed).choice(n_pairs, MOST, replace=False)
        pairs = pairs.take(pa.array(np.sort(chosen)))
    x = column(pairs, "predictor")
    finite = x[np.isfinite(x)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    spread = max(high - low, 1e-9)
    aside = low - _BREAK * spread
    rows = [_row(pair, predictor, aside, outcome) for pair in pairs.to_pylist()]
    has_unseen = len(finite) < len(x)
    left = (aside if has_unseen else low) - 0.04 * spread
    domain = [left, high + 0.04 * spread]
    layers = [_dots(rows, predictor, domain, low, outcome)]
    if has_unseen:
        layers += _fence(low - _BREAK / 2 * spread)
    chart = alt.layer(*layers, data=alt.InlineData(values=rows)).properties(
        width="container",
        height=360,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )
    chart = chart.configure_axis(labelFontSize=12, titleFontSize=12, gridColor="#eeeeee")
    spec: dict[str, Any] = chart.to_dict()
    spec.pop("$schema", None)  # an address that nothing needs
    return Chart(spec, len(rows), n_pairs)


def _row(pair: dict[str, Any], predictor: str, aside: float, outcome: str) -> dict[str, Any]:
    value = pair["predictor"]
    is_seen = math.isfinite(value)
    return {
        "x": value if is_seen else aside,
        "y": pair["accuracy"] * POINTS,
        "pair": pair["pair"],
        "key": pair["key"],
        "accessory": pair["accessory"],
        "value": value_text(pair, predictor),
        "accuracy": mean_text(pair, outcome),
        "n_pair": _count(pair["n_pair"]),
        "n_key": _count(pair["n_key"]),
        "n_accessory": _count(pair["n_accessory"]),
    }


def mean_text(pair: dict[str, Any], outcome: str) -> str:
    """Mean outcome of a pair, and of how many examples."""
    of = "of" if outcome == "accuracy" else "as the mean of"
    return f"{number(pair['accuracy'], 1, POINTS)}% {of} {pair['n']:,}"


def value_text(pair: dict[str, Any], predictor: str) -> str:
    """Predictor of a pair with its interval."""
    value = pair["predictor"]
    text = number(value) if math.isfinite(value) else "minus infinity, never seen together"
    low, high = pair["predictor_low"], pair["predictor_high"]
    ends = [f"{number(x)}" if x is not None and math.isfinite(x) else "?" for x in (low, high)]
    if math.isfinite(value) and "?" not in ends:
        return f"{text} [{ends[0]}, {ends[1]}]"
    return text


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _dots(
    rows: Sequence[dict[str, Any]],
    predictor: str,
    domain: list[float],
    low: float,
    outcome: str,
) -> alt.Chart:
    name = name_of(predictor)
    shown = {"pair": "pair", "key": "key", "accessory": "accessory", "value": name,
             "accuracy": outcome, "n_pair": "captions with both", "n_key": "captions with key",
             "n_accessory": "captions with accessory"}  # fmt: skip
    missing = {field for field in shown if all(row[field] in (None, "unknown") for row in rows)}
    zoom = alt.selection_interval(name="zoom", bind="scales", zoom="wheel![event.shiftKey]")
    colour: Any = alt.value(_DOT)
    opacity: Any = alt.value(0.6)
    params = [zoom]
    keys = sorted({row["key"] for row in rows if row["key"] is not None})
    if len(keys) > 1:
        choose = alt.binding_select(
            options=[None, *keys], labels=["none", *keys], name="highlight the key "
        )
        params.append(alt.param(name="highlight", bind=choose, value=None))
        is_chosen = "highlight != null && datum.key == highlight"
        colour = alt.condition(is_chosen, alt.value(_CHOSEN), colour)
        opacity = alt.condition(is_chosen, alt.value(1), opacity)
    is_beyond = f"datum.value < {low!r}"
    chart: alt.Chart = (
        alt.Chart(name="pairs")
        .mark_circle(size=36)
        .encode(
            x=alt.X("x", type="quantitative")
            .title(axis_title(predictor))
            .scale(domain=domain, nice=False, zero=False)
            .axis(
                labelExpr=f"{is_beyond} ? '' : datum.label",
                tickOpacity=alt.condition(is_beyond, alt.value(0), alt.value(1)),
                gridOpacity=alt.condition(is_beyond, alt.value(0), alt.value(1)),
                tickCount=7,
            ),
            y=alt.Y("y", type="quantitative")
            .title(f"{outcome} (%)")
            .scale(domain=_heights(rows, outcome), nice=False, zero=False),
            color=colour,
            opacity=opacity,
            tooltip=[
                alt.Tooltip(field, type="nominal", title=title)
                for field, title in shown.items()
                if field not in missing
            ],
        )
        .add_params(*params)
    )
    return chart


def _heights(rows: Sequence[dict[str, Any]], outcome: str) -> list[float]:
    """Ends of the axis of accuracies: shares of few answers reach from 0 to 1, others need not."""
    if outcome == "accuracy":
        return [-3, POINTS + 3]
    values = [row["y"] for row in rows]
    margin = 0.04 * max(max(values) - min(values), 1e-9)
    return [min(values) - margin, max(values) + margin]


def _fence(place: float) -> list[alt.Chart]:
    """A line and a label that part what was never seen together from the rest."""
    x = alt.X(datum=place, type="quantitative")
    nothing = alt.InlineData(values=[{}])
    line = alt.Chart(nothing, name="fence").mark_rule(strokeDash=[4, 3], color=_GREY).encode(x=x)
    text = (
        alt.Chart(nothing, name="fence_label")
        .mark_text(align="right", baseline="bottom", dy=-4, angle=270, color=_GREY, fontSize=11)
        .encode(x=x, y=alt.value(6), text=alt.value("never seen together"))
    )
    return [line, text]
