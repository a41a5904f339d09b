"""The commands `conceptstats eval long-tail | agreement`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import json_option, overwrite_option, quiet_option
from conceptstats.printing import print_json, print_table

from .result_options import bootstrap_option, result_option, seed_option

if TYPE_CHECKING:
    from .frequency.concept_counts import Part

_pretraining_option = click.option("--pretraining", help="Only counts in this pretraining set.")
_search_option = click.option(
    "--search", help="Only counts of this search, such as lemmatized or rampp0.7."
)


@click.command(
    "long-tail",
    epilog="Example: conceptstats eval long-tail counts.parquet --search text -o long_tail.json",
)
@click.argument("counts", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--index",
    "indexes",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Describe the vocabulary of this index too; may be given again.",
)
@_pretraining_option
@_search_option
@bootstrap_option
@seed_option
@result_option
@overwrite_option
@quiet_option
@json_option
def long_tail(
    counts: tuple[Path, ...],
    indexes: tuple[Path, ...],
    output: Path | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """How uneven concepts are in COUNTS: shares under n, concentration, and Zipf's law.

    COUNTS are tables of counts, published counts (files or folders), or indexes. Each data set is
    described, and all of them pooled.
    """
    from .frequency.long_tail import long_tail_file

    if not counts and not indexes:
        raise click.UsageError("Missing argument 'COUNTS...' or option '--index'.")
    found = long_tail_file([*counts, *indexes], output, **options)
    if as_json:
        print_json(found.to_json())
    else:
        print_table(*found.table())
        _show_notes(found.all_notes())
    if output and not quiet:
        click.echo(f"written: {output}", err=True)


@click.command(
    epilog="Example: conceptstats eval agreement cc3m=cc3m.parquet laion=laion.parquet "
    "-o agreement.json"
)
@click.argument("counts", nargs=-1, required=True, metavar="[LABEL=]COUNTS...")
@click.option(
    "--by",
    type=click.Choice(["pretraining", "search", "dataset"]),
    default="pretraining",
    show_default=True,
    help="A file that has several of these is as many data sets.",
)
@_pretraining_option
@_search_option
@click.option(
    "--top", multiple=True, type=int, default=(10, 100, 1000), show_default=True,
    help="Overlap of so many most frequent concepts; may be given again.",
)  # fmt: skip
@bootstrap_option
@seed_option
@result_option
@overwrite_option
@quiet_option
@json_option
def agreement(
    counts: tuple[str, ...],
    by: Part,
    output: Path | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Whether data sets agree on how frequent concepts are, joined on the concepts' names.

    COUNTS are tables of counts, published counts (files or folders), or indexes.
    """
    from .frequency.agreement import agreement_files
    from .report.result_files import parse_labels

    found = agreement_files(parse_labels(counts), output, by=by, **options)
    if as_json:
        print_json(found.to_json())
    else:
        print_table(*found.set_table())
        click.echo()
        print_table(*found.pair_table())
        _show_notes(found.notes)
    if output and not quiet:
        click.echo(f"written: {output}", err=True)


def _show_notes(notes: Any) -> None:
    click.echo()
    for note in notes:
        click.echo(f"- {note}")
