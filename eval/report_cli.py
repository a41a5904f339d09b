"""The commands `conceptstats eval figure` and `report`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path

import click

from conceptstats.options import json_option, overwrite_option, quiet_option
from conceptstats.printing import print_json

# The names of `report.recipes`, which would import matplotlib; a test holds them alike.
RECIPES = (
    *("accuracy-pmi", "vqa-pmi", "accuracy-frequency", "long-tail", "agreement"),
    *("bins", "predictors"),
)
_results = click.argument("results", nargs=-1, required=True, metavar="[LABEL=]RESULTS.json...")


@click.command(
    epilog="Example: conceptstats eval figure main=main.json independent=independent.json "
    "-o figure.pdf -o figure.png"
)
@_results
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    default=[Path("figure.pdf")],
    show_default="figure.pdf",
    help="File to write: .pdf, .png (300 dpi) or .svg; may be given again.",
)
@click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    show_default="accuracy-pmi",
    help="accuracy-pmi, vqa-pmi: accuracy in bins of PMI, or of another predictor. "
    "accuracy-frequency: in bins of the frequency of concepts. long-tail: counts by rank, and "
    "shares of rare concepts. agreement: counts in one data set against another. bins: r against "
    "the number of bins. predictors: slope and r of each.",
)
@click.option(
    "--kind",
    type=click.Choice(["accuracy", "bins", "predictors"]),
    help="Older name of --recipe accuracy-pmi, bins or predictors.",
)
@click.option(
    "--width", default=3.4, show_default=True, help="Inches: 3.4 for a column, 7 for a page."
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path),
    help="Table of the examples of the only result: each pair becomes a dot behind the bins.",
)
@overwrite_option
@quiet_option
@json_option
def figure(
    results: tuple[str, ...],
    outputs: tuple[Path, ...],
    recipe: str | None,
    kind: str | None,
    width: float,
    examples: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Draw RESULTS in one picture.

    They are of eval correlate, compare (without --slopes), frequency, long-tail or agreement; those
    of compare --slopes stand in eval report.
    """
    from .report.figures import draw_files
    from .report.result_files import parse_labels

    if recipe and kind:
        raise click.UsageError("--kind is an older name of --recipe: give one of them.")
    draw_files(
        parse_labels(results),
        outputs,
        recipe=recipe or kind or RECIPES[0],
        width=width,
        examples=examples,
        overwrite=overwrite,
    )
    if as_json:
        print_json({"outputs": [str(output) for output in outputs]})
    elif not quiet:
        click.echo(f"written: {', '.join(map(str, outputs))}", err=True)


@click.command(
    epilog="Example: conceptstats eval report main=main.json independent=independent.json "
    "-o report.html --images images.parquet"
)
@_results
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: .html.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Table of images, whose image_id is an example_id: the best and worst pairs are shown.",
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path),
    help="Table of the examples of the first result. [default: as its run record says]",
)
@click.option("--title", help='Title of the page. [default: "Accuracy against PMI"]')
@click.option(
    "--intro",
    type=click.Path(path_type=Path),
    help="Text file whose paragraphs stand first, with empty lines between them.",
)
@overwrite_option
@quiet_option
@json_option
def report(
    results: tuple[str, ...],
    output: Path,
    images: Path | None,
    examples: Path | None,
    title: str | None,
    intro: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Put RESULTS into one HTML page that needs no network; the first of them is the main one.

    They are of eval correlate, with those of compare and shuffle beside; results of frequency,
    long-tail and agreement have a part of their own, and can stand alone.
    """
    from .report.report import read_intro, write_report
    from .report.result_files import parse_labels

    left_out = write_report(
        parse_labels(results),
        output,
        examples=examples,
        images=images,
        title=title,
        intro=read_intro(intro) if intro else "",
        overwrite=overwrite,
    )
    if as_json:
        print_json({"output": str(output), "left_out": left_out})
    elif not quiet:
        for part, reason in left_out.items():
            click.echo(f"no {part}: {reason}", err=True)
        click.echo(f"written: {output}", err=True)
