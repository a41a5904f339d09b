"""The command `conceptstats eval frequency`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import json_option, overwrite_option, quiet_option
from conceptstats.printing import print_facts, print_json, print_table

from .result_options import bootstrap_option, seed_option

if TYPE_CHECKING:
    from .frequency.results import Frequencies


def _aliases(
    _context: click.Context, _option: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, other = pair.partition("=")
        if not (name and equals and other):
            raise click.BadParameter(f"{pair!r} is not NAME=NAME, such as plane=airplane.")
        found[name] = other
    return found


@click.command(
    epilog="Example: conceptstats eval frequency --counts search_counts --results zero_shot "
    "--pretraining laion400m --search integrated_tlemmatized_i0.7 --model ViT-B-32"
)
@click.option(
    "--results",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Values by concept: a table, or a folder or file as Udandarao et al. publish them. Can be "
    "repeated.",
)
@click.option(
    "--counts",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Counts of concepts: a table, or a folder or file as published. Can be repeated.",
)
@click.option(
    "--index",
    type=click.Path(path_type=Path),
    help="Take counts from this caption index. Of several words it knows only what its profile has "
    "as one concept: build it with --profile concepts.",
)
@click.option("--pretraining", help="Which of the counts, by where they were counted.")
@click.option("--search", help="Which of the counts, by what was searched: text, tags, both.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Model of the results, such as ViT-B-32 or ViT-B-32/laion400m. Can be repeated. [default: "
    "all]",
)
@click.option(
    "--metric",
    help="Metric of the results, such as accuracy or i2t_recall@5. [default: the only one]",
)
@click.option("--prompts", help="Results with these prompts only, such as ensemble.")
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    help="Only this data set. Can be repeated. [default: all that the recipe has]",
)
@click.option(
    "--recipe",
    type=click.Choice(["honest", "udandarao"]),
    default="honest",
    show_default=True,
    help="How zeros and bins are treated: equal shares and no zeros, or as published.",
)
@click.option("--bins", "n_bins", type=int, help="Bins of recipe honest. [default: 20]")
@click.option(
    "--weights",
    type=click.Choice(["auto", "equal"]),
    default="auto",
    show_default=True,
    help="auto: a concept weighs as many examples as it is over, where that is known of all; not "
    "with recipe udandarao.",
)
@click.option(
    "--min-n",
    default=1,
    show_default=True,
    help="Leave out concepts whose value is over fewer examples, where known.",
)
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    callback=_aliases,
    help="NAME=NAME of a concept in the results and in the counts. Can be repeated.",
)
@click.option(
    "--max-unmatched",
    default=0.0,
    show_default=True,
    help="Largest share of results without a count.",
)
@bootstrap_option
@seed_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="JSON file to write, with all points and its run.",
)
@overwrite_option
@quiet_option
@json_option
def frequency(
    results: tuple[Path, ...],
    output: Path | None,
    quiet: bool,
    as_json: bool,
    datasets: tuple[str, ...],
    **options: Any,
) -> None:
    """Set the accuracy of each concept, or another metric, against its frequency in captions.

    The binned correlation never stands alone: beside it are that over points, within data sets,
    with zeros treated the other way, and a straight line against an isotonic curve.
    """
    from .frequency.run import frequency_files

    found = frequency_files(results, output, datasets=tuple(datasets), **options)
    if as_json:
        print_json(found.to_json(points=False))
    else:
        _show(found)
    if output and not quiet:
        click.echo(f"written: {output}", err=True)


def _show(found: Frequencies) -> None:
    if len(found.models) == 1:
        print_facts(found.models[0].facts())
        click.echo()
        print_table(found.models[0].bin_rows(), ["from", "to", "concepts", "mean", "in r"])
    else:
        print_table(found.rows(), list(found.rows()[0]))
    click.echo()
    for note in found.notes():
        click.echo(f"- {note}")
