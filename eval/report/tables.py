"""The tables of a report: rows of text, with the interval of each number beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .records import models_of
from .wording import POINTS, interval, name_of, number, outcome_name, per_unit

Result = Mapping[str, Any]


class Cell(NamedTuple):
    """A number as text, and what stands below it in small print."""

    text: str
    small: str = ""


class Row(NamedTuple):
    """A row with its header."""

    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption; the first column is of row headers."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]


def headline(results: Mapping[str, Result]) -> Table:
    """The figures of all results, one column each."""
    outcome = outcome_name(*results.values())
    rows = [Row("predictor", _each(results, lambda r: Cell(name_of(r["predictor"]))))]
    rows += [
        Row("r over bins", _each(results, _binned)),
        Row("r over examples, unbinned", _each(results, lambda r: _cell(r, "r_unbinned"))),
        Row("Spearman's r over examples", _each(results, lambda r: _cell(r, "spearman"))),
        Row(
            "top 5% minus bottom 5% (points)",
            _each(results, lambda r: _cell(r, "gap_5pct", 1, POINTS)),
        ),
        Row("slope with controls (log-odds)", _each(results, lambda r: _slope(r, "slope"))),
        Row("slope without (log-odds)", _each(results, lambda r: _slope(r, "slope_alone"))),
        Row(f"{outcome} (%)", _each(results, lambda r: _cell(r, "outcome", 1, POINTS))),
        Row(f"{outcome}, never seen together (%)", _each(results, _unseen)),
        Row("examples", _each(results, _examples)),
        Row("clusters", _each(results, _clusters)),
        Row("p by permutation", _each(results, _permutation)),
    ]
    if any(result.get("verified") for result in results.values()):
        rows += _of_verified(results)
    levels = sorted({f"{result['level']:.0%}" for result in results.values()})
    caption = f"All results; in brackets, {' and '.join(levels)} intervals."
    return Table(caption, ["", *results], rows)


def _each(results: Mapping[str, Result], cell: Callable[[Result], Cell]) -> list[Cell]:
    return [cell(result) for result in results.values()]


def _cell(row: Result, name: str, digits: int = 2, scale: float = 1.0) -> Cell:
    if row[name] is None:
        return Cell("not given")
    small = interval(row, name, digits, scale) or "no interval"
    return Cell(number(row[name], digits, scale), small)


def _binned(result: Result) -> Cell:
    cell = _cell(result, "r_binned")
    bins = f"{result['n_bins']} {result['bins']} bins"
    return Cell(cell.text, f"{cell.small}, {bins}" if cell.small else bins)


def _slope(result: Result, name: str) -> Cell:
    cell = _cell(result, name)
    held = [term["name"] for term in result["model"]["terms"][2:]] if name == "slope" else []
    if name == "slope" and result["slope"] is not None:
        controls = f"held fixed: {', '.join(map(name_of, held))}" if held else "no controls"
        return Cell(cell.text, f"{cell.small} {per_unit(result['predictor'])}; {controls}")
    return Cell(cell.text, f"{cell.small} {per_unit(result['predictor'])}" if cell.small else "")


def _unseen(result: Result) -> Cell:
    unseen = result["unseen"]
    if not unseen:
        return Cell("none")
    cell = _cell(unseen, "accuracy", 1, POINTS)
    return Cell(cell.text, f"{cell.small}, {unseen['n']:,} examples")


def _of_verified(results: Mapping[str, Result]) -> list[Row]:
    """The same figures of those examples in which a detector found key and accessory."""

    def each(cell: Callable[[Result], Cell]) -> list[Cell]:
        found = [result.get("verified") for result in results.values()]
        return [cell(of_these) if of_these else Cell("not given") for of_these in found]

    outcome = outcome_name(*results.values())
    return [
        Row("key and accessory found: examples", each(_found)),
        Row("found: r over bins", each(lambda v: _cell(v, "r_binned"))),
        Row("found: r over examples, unbinned", each(lambda v: _cell(v, "r_unbinned"))),
        Row(
            "found: top 5% minus bottom 5% (points)",
            each(lambda v: _cell(v, "gap_5pct", 1, POINTS)),
        ),
        Row("found: slope with controls (log-odds)", each(lambda v: _cell(v, "slope"))),
        Row(f"found: {outcome} (%)", each(lambda v: _cell(v, "outcome", 1, POINTS))),
    ]


def _found(verified: Result) -> Cell:
    missed, others = verified["n_missed"], verified["n_not_looked_at"]
    return Cell(f"{verified['n']:,}", f"{missed:,} lack one of them, {others:,} not looked at")


def _examples(result: Result) -> Cell:
    return Cell(f"{result['n_used']:,}", f"of {result['n']:,}; the others have no finite predictor")


def _clusters(result: Result) -> Cell:
    if not result["cluster"]:
        return Cell("none", "examples count as independent")
    return Cell(f"{result['n_clusters']:,}", " and ".join(result["cluster"]))


def _permutation(result: Result) -> Cell:
    p = result["permutation_p"]
    if p is None:
        return Cell("not given")
    text = f"{result['n_permutations']:,} permutations of {result['permutation_unit']}"
    return Cell(number(p, 4), f"{text}, two-sided")


def shuffles(results: Mapping[str, Result]) -> Table:
    """The figures of shuffled data, one column each."""
    rows = [
        Row("predictor", _each(results, lambda r: Cell(name_of(r["predictor"])))),
        Row("r over bins", _each(results, _shuffled_bins)),
        Row("r over examples, unbinned", _each(results, lambda r: _cell(r, "r_unbinned"))),
        Row(
            "top 5% minus bottom 5% (points)",
            _each(results, lambda r: _cell(r, "gap_5pct", 1, POINTS)),
        ),
        Row("shuffles", _each(results, lambda r: Cell(f"{r['n_shuffles']:,}"))),
    ]
    levels = sorted({f"{result['level']:.0%}" for result in results.values()})
    caption = f"Mean over shuffles; in brackets, the range of {' and '.join(levels)} of them."
    return Table(caption, ["", *results], rows)


def slopes(results: Mapping[str, Result]) -> Table:
    """Both models of comparisons of slopes: three columns, A, B and their difference, each."""
    columns = [
        f"{label}: {end}"
        for label, result in results.items()
        for end in (*models_of(result), "A - B")
    ]
    outcome = outcome_name(*results.values())
    rows = [
        Row("predictor", _of_both(results, lambda r, end: Cell(name_of(r["predictor"])))),
        Row(
            f"{outcome} (%)", _of_both(results, lambda r, end: _cell(r["outcome"], end, 1, POINTS))
        ),
        Row(f"{outcome}, never seen together (%)", _of_both(results, _unseen_by)),
        Row("slope with controls (log-odds)", _of_both(results, _slope_with_controls)),
        Row("slope without (log-odds)", _of_both(results, lambda r, end: _cell(r["alone"], end))),
        Row("clusters", _of_both(results, lambda r, end: Cell(f"{r['n_classes']:,}", "class"))),
    ]
    levels = sorted({f"{result['level']:.0%}" for result in results.values()})
    caption = (
        f"Two models on the same examples; in brackets, {' and '.join(levels)} intervals. Their "
        "clusters are classes; where those of a result above are others, so are its intervals."
    )
    return Table(caption, ["", *columns], rows)


def _of_both(results: Mapping[str, Result], cell: Callable[[Result, str], Cell]) -> list[Cell]:
    return [cell(result, end) for result in results.values() for end in ("a", "b", "difference")]


def _unseen_by(result: Result, end: str) -> Cell:
    return _cell(result["unseen"], end, 1, POINTS) if result["unseen"] else Cell("none")


def _slope_with_controls(result: Result, end: str) -> Cell:
    controls = result["controlled"]["controls"]
    return _cell(result["controlled"], end) if controls else Cell("no controls")


def _shuffled_bins(result: Result) -> Cell:
    cell = _cell(result, "r_binned")
    return Cell(cell.text, ", ".join(filter(None, [cell.small, f"{result['n_bins']} bins"])))


def bins(result: Result) -> Table:
    """The bins of one result, as a text alternative to the picture."""
    rows = [
        Row(
            f"{number(row['low'])} to {number(row['high'])}",
            [
                Cell(number(row["mean_predictor"])),
                _cell(row, "accuracy", 1, POINTS),
                Cell(f"{row['n']:,}"),
                Cell(f"{row['n_clusters']:,}"),
            ],
        )
        for row in result["bin_table"]
    ]
    name = name_of(result["predictor"])
    columns = [name, f"mean {name}", f"{outcome_name(result)} (%)", "examples", "clusters"]
    return Table(f"{len(rows)} {result['bins']} bins of {name}.", columns, rows)


def by_bins(result: Result) -> Table:
    """Pearson's r for each number of bins of one result, and without bins."""
    rows = [
        Row(f"{row['n_bins']}", [Cell(number(row["r"]), _ends(row))]) for row in result["r_by_bins"]
    ]
    rows.append(Row("unbinned", [_cell(result, "r_unbinned")]))
    caption = f"r for each number of {result['bins']} bins of {name_of(result['predictor'])}."
    return Table(caption, ["bins", "r"], rows)


def _ends(row: Result) -> str:
    """The interval of a row that is one estimate."""
    return interval({"x_low": row["low"], "x_high": row["high"]}, "x") or "no interval"


def predictors(result: Result) -> Table:
    """Every predictor of one result, under the same settings and without controls."""
    rows = [
        Row(
            name_of(str(row["name"])),
            [
                _cell(row, "r_binned"),
                _cell(row, "r_unbinned"),
                _cell(row, "spearman"),
                _cell(row, "gap_5pct", 1, POINTS),
                _cell(row, "auc"),
                _cell(row, "slope_per_sd"),
                Cell(f"{row['n_used']:,}"),
            ],
        )
        for row in result["predictors"]
    ]
    columns = [
        *("predictor", "r over bins", "r over examples", "Spearman's r"),
        *("gap (points)", "AUC", "log-odds per SD", "examples"),
    ]
    return Table("Each predictor alone, under the same settings.", columns, rows)


def terms(result: Result) -> Table:
    """The logistic model of one result."""
    model = result["model"]
    rows = [
        Row(
            str(term["name"]),
            [
                Cell(
                    number(term["coefficient"], 3),
                    f"[{number(term['low'], 3)}, {number(term['high'], 3)}]",
                ),
                Cell(number(term["se"], 3)),
                Cell(f"{term['p']:.2g}"),
            ],
        )
        for term in model["terms"]
    ]
    caption = (
        f"Logistic model of the outcome: {model['n']:,} examples, {model['n_clusters']:,} clusters."
    )
    return Table(caption, ["term", "coefficient (log-odds)", "standard error", "p"], rows)
