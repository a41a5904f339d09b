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

from .by_pair import pairs_of
from .chart import chart_of
from .figures import MOST_RESULTS, Kind, draw_figure, render
from .page import Content, Details, Picture, render_page
from .pairs import extremes
from .records import Made, examples_behind, inputs_of, made, records_behind
from .result_files import is_comparison, is_shuffle, load_results
from .tables import bins, by_bins, headline, predictors, shuffles, terms
from .wording import name_of
from .words import difference, effect, finding, nothing

Results = Mapping[str, Mapping[str, Any]]


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
        Files of `eval correlate` by label, the main one first. Those of `eval compare` and `eval
        shuffle` may stand among them, and have their own place.
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
    compared = {label: found for label, found in results.items() if is_comparison(found)}
    shuffled = {label: found for label, found in results.items() if is_shuffle(found)}
    correlated = {
        label: found for label, found in results.items() if label not in compared | shuffled
    }
    if not correlated:
        raise ParameterError(
            "a report needs a result of eval correlate as its main one, and there is none.",
            "conceptstats eval correlate EXAMPLES -o RESULTS.json",
        )
    label, main = next(iter(correlated.items()))
    place, missing = examples, ""
    if place is None:
        place, missing = examples_behind(main, paths[label])
    content = Content(
        title=title or f"Accuracy against {name_of(main['predictor'])}",
        intro=[part.strip() for part in intro.split("\n\n") if part.strip()],
        main=label,
        finding=finding(main),
        others=[(other, effect(found)) for other, found in islice(correlated.items(), 1, None)],
        differences=[(other, difference(found)) for other, found in compared.items()],
        headline=headline(correlated),
        shuffles=shuffles(shuffled) if shuffled else None,
        nothing=[(other, nothing(found)) for other, found in shuffled.items()],
        pictures=_pictures(correlated),
        difference_pictures=_difference_pictures(compared),
        bins=bins(main),
        by_bins=by_bins(main),
        predictors=predictors(main),
        details=[_details(other, found) for other, found in (correlated | compared).items()],
        records=_records(results, paths, [p for p in (place, images) if p is not None]),
    )
    content.records.append(
        _own_record(paths, {"examples": examples, "images": images}, title, intro)
    )
    _add_pairs(content, main, place, missing, images)
    return content


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
    content.chart = chart_of(pairs, predictor)
    if images is not None:
        content.pairs = extremes(table, pairs, images, predictor)


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
    left_out = [label for label in correlated if label not in alike]
    note = f" Not in this figure: {', '.join(left_out)}." if left_out else ""
    return [
        _picture(
            alike,
            "accuracy",
            f"Accuracy against {name}",
            "Points are means of bins with their intervals, lines are least-squares lines of the "
            f"bins, and the strip below shows how many examples a bin has.{note}",
            f"Accuracy in bins of {name} of {labels}. The table of bins below has the numbers.",
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
            "of accuracy.",
            difference(result),
        )
        for label, result in compared.items()
    ]


def _picture(results: Results, kind: Kind, title: str, caption: str, alt: str) -> Picture:
    svg = render(draw_figure(results, kind), ".svg")
    uri = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    return Picture(kind, title, uri, caption, alt)


def _details(label: str, result: Mapping[str, Any]) -> Details:
    """Notes of a result as they are, and its model."""
    if is_comparison(result):
        return Details(label, result["notes"], None, [])
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
