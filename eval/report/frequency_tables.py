"""The tables of a report on how frequent concepts are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .figure_frequency import scale_of
from .figure_long_tail import tails_of
from .tables import Cell, Row, Table
from .wording import POINTS, interval, number

Result = Mapping[str, Any]


def table_of(result: Result) -> Table:
    """The figures of a result of `eval frequency`, `long-tail` or `agreement`."""
    return _TABLES[result["kind"]](result)


def _frequency(result: Result) -> Table:
    models = result.get("models", [result])
    rows = [
        Row(
            " ".join(filter(None, (model["model"], model["pretrained"]))),
            [
                Cell(
                    number(model["r"], 3),
                    ", ".join(filter(None, (interval(model, "r"), f"{model['n_bins']} bins"))),
                ),
                _cell(model, "r_unbinned"),
                _cell(model, "spearman"),
                _slope(model),
                Cell(f"{model['n_points']:,}", f"counts of 0: {model['zeros']}"),
            ],
        )
        for model in models
    ]
    columns = ["model", "r over bins", "r over concepts", "Spearman's r",
               "per tenfold frequency", "concepts"]  # fmt: skip
    counted = " ".join(filter(None, (models[0]["pretraining"], models[0]["search"])))
    caption = f"{str(models[0]['metric']).capitalize()} against the frequency of concepts"
    return Table(f"{caption} in {counted}." if counted else f"{caption}.", columns, rows)


def _slope(model: Result) -> Cell:
    """Points of a share, or units of another metric."""
    scale = scale_of(str(model["metric"]))
    cell = _cell(model, "slope_per_decade", 3 if scale == 1 else 1, scale)
    return cell if scale == 1 else Cell(f"{cell.text} points", cell.small)


def _long_tail(result: Result) -> Table:
    tails = tails_of("all concepts", result)
    rows = [
        Row(
            label,
            [
                Cell(f"{tail['n_concepts']:,}"),
                *(_cell(row, "share", 1, POINTS) for row in tail["under"]),
                _cell(tail, "gini"),
                _law(tail["zipf"]),
            ],
        )
        for label, tail in tails.items()
    ]
    under = [f"under {row['below']:,} (%)" for row in next(iter(tails.values()))["under"]]
    columns = ["", "concepts", *under, "Gini", "exponent of the power law"]
    return Table("Concepts under n samples, and how uneven all are.", columns, rows)


def _law(zipf: Result | None) -> Cell:
    if zipf is None:
        return Cell("not fitted")
    cell = _cell(zipf, "alpha")
    told = f"from {zipf['x_min']:,} up; fits better: {zipf['better']}"
    return Cell(cell.text, f"{cell.small}, {told}")


def _agreement(result: Result) -> Table:
    rows = [
        Row(
            f"{pair['a']}, {pair['b']}",
            [
                Cell(
                    f"{pair['n_both']:,}",
                    f"{pair['n_a_only']:,} and {pair['n_b_only']:,} in one only",
                ),
                _cell(pair, "pearson_log"),
                _cell(pair, "spearman"),
                _cell(pair, "kendall"),
                Cell(f"{pair['n_both'] - pair['n_used']:,}"),
            ],
        )
        for pair in result["pairs"]
    ]
    columns = ["data sets", "concepts in both", "r of logarithms", "Spearman's r",
               "Kendall's tau", "0 in one of them"]  # fmt: skip
    return Table("Frequencies of the concepts that two data sets share.", columns, rows)


def _cell(row: Result, name: str, digits: int = 2, scale: float = 1.0) -> Cell:
    return Cell(number(row[name], digits, scale), interval(row, name, digits, scale))


_TABLES = {"frequency": _frequency, "long-tail": _long_tail, "agreement": _agreement}
