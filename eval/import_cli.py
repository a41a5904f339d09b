"""The command `conceptstats eval import`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_facts, print_json

if TYPE_CHECKING:
    from .importers.run import Imported


@click.command(
    name="import",
    epilog="Example: conceptstats eval import logs/samples_gqa.jsonl --metric exact_match "
    "-o answers.parquet",
)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Table to write."
)
@click.option(
    "--format",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Of all files: clip_benchmark, open_clip, udandarao_results, udandarao_counts, quxie, "
    "lm_eval (also lmms-eval), vlmevalkit, vqa_answers (also LLaVA), vqa_questions. auto: told "
    "from what each file holds.",
)
@click.option("--model", help="Model, where a file does not name it.")
@click.option("--pretrained", help="Its weights, where a file does not name them.")
@click.option("--dataset", help="Validation set of open_clip's results.jsonl.")
@click.option(
    "--metric", help="The metric, or column, that is the score; or that of open_clip's tables."
)
@click.option("--filter", help="Filter of lm-eval whose rows are kept. [default: all]")
@click.option(
    "--classes",
    help="Names for numbered classes: imagenet, a file with one name a line, or name,name,...",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What a row that cannot be used does; skip: it is left out and counted.",
)
@overwrite_option
@json_option
def import_(
    inputs: tuple[Path, ...],
    output: Path,
    format: str,
    on_error: Any,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make one table of results, predictions, questions or answers that other tools wrote.

    INPUTS are files and folders; all must make the same kind of table.
    """
    from .importers.account import Options
    from .importers.run import import_files

    imported = import_files(
        inputs, output, format=format, on_error=on_error, options=Options(**options),
        overwrite=overwrite,
    )  # fmt: skip
    _say(imported)
    if as_json:
        print_json({"output": str(output), **imported.to_json()})
    else:
        print_facts({"output": str(output), **_facts(imported)})


def _say(imported: Imported) -> None:
    """Which formats were found, on standard error."""
    for each in imported.files:
        click.echo(f"{each.path}: {each.format}, {each.n_imported:,} rows", err=True)
    for path in imported.not_imported:
        click.echo(f"{path}: not imported, of no format that is looked for", err=True)


def _facts(imported: Imported) -> dict[str, Any]:
    left_out = {
        f"left out: {each.reason}": f"{each.n:,} ({'; '.join(each.examples)})"
        for each in imported.left_out
    }
    notes = {f"note {n}" if n > 1 else "note": text for n, text in enumerate(imported.notes, 1)}
    return {
        "table": imported.kind.name,
        "formats": ", ".join(sorted({each.format for each in imported.files})),
        "files": len(imported.files),
        "read": imported.n_read,
        "imported": imported.table.num_rows,
        **left_out,
        **notes,
    }
