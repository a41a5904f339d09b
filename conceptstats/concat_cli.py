"""The command `conceptstats concat`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path

import click

from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_facts, print_json


@click.command(
    epilog="Example: conceptstats concat prompts-0.parquet prompts-1.parquet -o prompts.parquet"
)
@click.argument("tables", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Table to write."
)
@overwrite_option
@json_option
def concat(tables: tuple[Path, ...], output: Path, overwrite: bool, as_json: bool) -> None:
    """Put TABLES of one kind together: the shares (--shard) of one run, or several runs.

    Shares are put back into the order of what they were taken from, where their rows tell it; else
    they stand one after another. No id may stand twice.
    """
    from conceptstats.concat import concat as concat_tables

    made = concat_tables(tables, output, overwrite=overwrite)
    if as_json:
        print_json(made.to_json())
        return
    print_facts({"output": str(output), "kind": made.kind, "rows": made.n, "order by": made.order})
    if made.missing:
        click.echo(f"Shares that are missing: {', '.join(made.missing)}.", err=True)
