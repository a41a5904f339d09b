"""One page that holds everything about some results, and needs nothing else to be read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from conceptstats.errors import ParameterError, TableError
from conceptstats.runs import run_record
from conceptstats.table_files import check_ending, fingerprint, load_table
from conceptstats.tables import EXAMPLES, writing

from ..frequency.results import put_together
from .by_pair import pairs_of
from .chart import chart_of
from .figures import MOST_RESULTS, draw_figure, render
from .frequency_tables import table_of
from .page import Content, Details, Frequencies, Main, Picture, render_page
from .pairs import extremes
from .records import Made, examples_behind, inputs_of, made, records_behind
from .result_files import load_results
from .result_kinds import KINDS, kind_of
from .tables import bins, by_bins, headline, predictors, shuffles, slopes, terms
from .wording import name_of, outcome_name
from .words import difference, effect, finding, nothing, slope_change

Results = Mapping[str, Mapping[str, Any]]
_RECIPES = {
    "frequency": (
        "Accuracy against frequency",
        "Points are means of bins with their intervals, dots are concepts; hollow bins do not bear "
        "on r, and lines are least-squares lines of those that do.",
        "accuracy-frequency",
    ),
    "long-tail": (
        "The long tail",
        "Counts by rank with the fitted power law, and the share of concepts under n samples.",
        "long-tail",
    ),
    "agreement": (
        "Agreement of data sets",
        "A dot is a concept. Counts of 0 stand behind the dotted line.",
        "agreement",
    ),
}  # title, caption and recipe of results on how frequent concepts are


def write_report(
    paths: Mapping[str, Path],
    output: str | Path,
    *,
    examples: Path | None = None,
    images: Path | None = None,
    title: str | None = None,
    intro: str = "",
    overwrite: bool = False,
) -> dict[str, str]:
    """Write a report as one HTML file, atomically.

    Parameters
    ----------
    paths : mapping
        Files of `eval correlate` by label, the main one first. Those of `eval compare`, with
        --slopes or without, and of `eval shuffle` may stand among them, and have their own place;
        so have those of `eval frequency`, `long-tail` and `agreement`, which can also stand alone.
    output : path
    examples : Path, optional
        Of the main result. None: those that its run record names.
    images : Path, optional
        Table of the images of its examples.
    title : str, optional
    intro : str
        Plain text to stand first; an empty line parts paragraphs.
    overwrite : bool

    Returns
    -------
    dict
        What was left out, and why.

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    """
    output = Path(output)
    check_ending(output, (".html", ".htm"))
    with writing(output, overwrite=overwrite) as partial:
        content = gather(paths, examples=examples, images=images, title=title, intro=intro)
        partial.write_text(render_page(content), encoding="utf-8", newline="\n")
    left_out = {"chart of pairs": content.no_chart, "images of pairs": content.no_pairs}
    return {part: reason for part, reason in left_out.items() if reason}


def read_intro(path: Path) -> str:
    """Read the text that is to stand first.

    Raises
    ------
    ParameterError
        When it is missing or no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} cannot be read: {error}.", "a UTF-8 text file") from error


def gather(
    paths: Mapping[str, Path],
    *,
    examples: Path | None = None,
    images: Path | None = None,
    title: str | None = None,
    intro: str = "",
) -> Content:
    """Everything that stands in a report; see `write_report`."""
    results = load_results(paths)
    of = {kind: {k: r for k, r in results.items() if kind_of(r) == kind} for kind in KINDS}
    correlated = of["correlate"]
    beside = of["compare"] | of["slopes"] | of["shuffle"]
    frequencies = of["frequency"] | of["long-tail"] | of["agreement"]
    _check_main(correlated, frequencies, beside, examples or images)
    label = next(iter(correlated), "")
    place, missing = examples, ""
    if correlated and place is None:
        place, missing = examples_behind(correlated[label], paths[label])
    predictor = correlated[label]["predictor"] if correlated else ""
    outcome = outcome_name(correlated[label]) if correlated else ""
    against = f"{outcome.capitalize()} against {name_of(predictor)}"
    content = Content(
        title=title or (against if correlated else "Frequency of concepts"),
        intro=[part.strip() for part in intro.split("\n\n") if part.strip()],
        main=_main(of) if correlated else None,
        frequencies=[_frequencies(other, found) for other, found in frequencies.items()],
        details=[
            _details(other, found)
            for kind in KINDS
            if kind != "shuffle"
            for other, found in of[kind].items()
        ],
        records=_records(results, paths, [p for p in (place, images) if p is not None]),
    )
    content.records.append(
        _own_record(paths, {"examples": examples, "images": images}, title, intro)
    )
    if correlated:
        _add_pairs(content, correlated[label], place, missing, images)
    return content


def _check_main(
    correlated: Results, frequencies: Results, beside: Results, table: Path | None
) -> None:
    """Raise where there is nothing that the rest could stand beside."""
    if not correlated and (beside or not frequencies):
        raise ParameterError(
            "a report needs a result of eval correlate as its main one, and there is none.",
            "conceptstats eval correlate EXAMPLES -o RESULTS.json; results of eval frequency, "
            "long-tail and agreement can stand alone",
        )
    if not correlated and table is not None:
        raise ParameterError(f"{table}: examples and images go with a result of eval correlate.")


def _main(of: Mapping[str, Results]) -> Main:
    """What stands of the results of each kind."""
    correlated, compared, shuffled = of["correlate"], of["compare"], of["shuffle"]
    label, main = next(iter(correlated.items()))
    return Main(
        label=label,
        outcome=outcome_name(main),
        finding=finding(main),
        others=[(other, effect(found)) for other, found in islice(correlated.items(), 1, None)],
        differences=[
            *((other, difference(found)) for other, found in compared.items()),
            *((other, slope_change(found)) for other, found in of["slopes"].items()),
        ],
        headline=headline(correlated),
        slopes=slopes(of["slopes"]) if of["slopes"] else None,
        shuffles=shuffles(shuffled) if shuffled else None,
        nothing=[(other, nothing(found)) for other, found in shuffled.items()],
        pictures=_pictures(correlated),
        difference_pictures=_difference_pictures(compared),
        bins=bins(main),
        by_bins=by_bins(main),
        predictors=predictors(main),
    )


def _frequencies(label: str, result: Mapping[str, Any]) -> Frequencies:
    """Figure and table of a result that is drawn by a recipe of its own."""
    title, caption, recipe = _RECIPES[kind_of(result)]
    picture, reason = None, ""
    try:
        alt = f"{title} of {label}. The table below has the numbers."
        picture = _picture({label: result}, recipe, f"{title}: {label}", caption, alt)
    except ParameterError as error:  # too much for one figure
        reason = error.message.removesuffix(".")
    return Frequencies(label, picture, reason, table_of(result))


def _add_pairs(
    content: Content,
    main: Mapping[str, Any],
    place: Path | None,
    missing: str,
    images: Path | None,
) -> None:
    """The chart and the images, or why there are none."""
    if images is None:
        content.no_pairs = "no table of images was given (--images)"
    if place is None:
        content.no_chart = missing
        content.no_pairs = content.no_pairs or missing
        return
    table = _load_examples(place, main)
    predictor = str(main["predictor"])
    try:
        pairs = pairs_of(table, predictor)
    except TableError as error:
        content.no_chart = error.message.removesuffix(".")
        content.no_pairs = content.no_pairs or content.no_chart
        return
    outcome = outcome_name(main)
    content.chart = chart_of(pairs, predictor, outcome=outcome)
    if images is not None:
        content.pairs = extremes(table, pairs, images, predictor, outcome=outcome)


def _load_examples(path: Path, result: Mapping[str, Any]) -> pa.Table:
    table = load_table(path, EXAMPLES)
    if table.num_rows != result["n"]:
        raise TableError(
            f"{path} has {table.num_rows:,} examples, but the main result was made of "
            f"{result['n']:,}.",
            "--examples takes the table that eval correlate was given",
        )
    return table


def _pictures(correlated: Results) -> list[Picture]:
    """The figures of the results; those of another predictor do not go with the main one."""
    predictor = next(iter(correlated.values()))["predictor"]
    alike = {label: r for label, r in correlated.items() if r["predictor"] == predictor}
    alike = dict(islice(alike.items(), MOST_RESULTS))
    name, labels = name_of(str(predictor)), ", ".join(alike)
    outcome = outcome_name(*alike.values()).capitalize()
    left_out = [label for label in correlated if label not in alike]
    note = f" Not in this figure: {', '.join(left_out)}." if left_out else ""
    return [
        _picture(
            alike,
            "accuracy",
            f"{outcome} against {name}",
            "Points are means of bins with their intervals, lines are least-squares lines of the "
            f"bins, and the strip below shows how many examples a bin has.{note}",
            f"{outcome} in bins of {name} of {labels}. The table of bins below has the numbers.",
        ),
        _picture(
            alike,
            "bins",
            "r against the number of bins",
            "The same examples in fewer or more bins. The horizontal line is r without bins; it "
            f"depends on no such choice.{note}",
            f"Pearson's r against the number of bins of {name} of {labels}. The table of r below "
            "has the numbers.",
        ),
        _picture(
            dict(islice(correlated.items(), MOST_RESULTS)),
            "predictors",
            "Predictors side by side",
            "Each predictor alone, without controls, under the same settings.",
            "Slope and r of each predictor. The table of predictors below has the numbers.",
        ),
    ]


def _difference_pictures(compared: Results) -> list[Picture]:
    return [
        _picture(
            {label: result},
            "accuracy",
            f"Difference of two worlds: {label}",
            "Each point is a bin of pairs: how much more the one world has of the predictor, and "
            f"of {outcome_name(result)}.",
            difference(result),
        )
        for label, result in compared.items()
    ]


def _picture(results: Results, kind: str, title: str, caption: str, alt: str) -> Picture:
    svg = render(draw_figure(results, kind), ".svg")
    uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    return Picture(kind, title, uri, caption, alt)


def _details(label: str, result: Mapping[str, Any]) -> Details:
    """Notes of a result as they are, and its model."""
    if kind_of(result) != "correlate":
        parts = result.get("models", [result])  # of eval frequency, of several models
        named = [(str(part.get("model")), part["notes"]) for part in parts]
        return Details(label, put_together(named), None, [])
    dropped = [(control["name"], control["reason"]) for control in result["model"]["dropped"]]
    return Details(label, result["notes"], terms(result) if result["model"]["terms"] else None,
                   dropped)  # fmt: skip


def _records(results: Results, paths: Mapping[str, Path], tables: list[Path]) -> list[Made]:
    """Runs of the results, and of the tables that they were made of."""
    found, behind = [], list(tables)
    for label, result in results.items():
        run = result.get("run")
        if run:
            found.append(made(f"{label}: {paths[label].name}", run))
            behind += [place for place, _ in inputs_of(run, paths[label].parent)]
    return found + records_behind(behind)


def _own_record(
    paths: Mapping[str, Path],
    tables: Mapping[str, Path | None],
    title: str | None,
    intro: str,
) -> Made:
    given = {name: str(path) for name, path in tables.items() if path is not None}
    named = {label: str(path) for label, path in paths.items()}
    arguments: dict[str, Any] = {"results": named, **given, "title": title, "intro": intro}
    inputs = {name: fingerprint(Path(name)) for name in (*named.values(), *given.values())}
    return made("this page", run_record("eval report", arguments, inputs))
