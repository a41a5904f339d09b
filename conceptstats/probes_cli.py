"""The command `conceptstats probes`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.errors import ParameterError
from conceptstats.options import json_option, overwrite_option, quiet_option
from conceptstats.printing import print_json, print_table


class Names(click.ParamType[list[str]]):
    """Names with commas between them, or a file with one name a line."""

    name = "FILE|NAME,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        """Read the file, or split the text."""
        if isinstance(value, list):
            return value
        text = str(value)
        path = Path(text)
        if "," not in text and (path.is_file() or path.suffix in (".txt", ".csv", ".tsv")):
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ParameterError(
                    f"{path} cannot be read: {error}.", "a UTF-8 file with one name a line"
                ) from error
        else:
            lines = text.split(",")
        return [line.strip() for line in lines]


@click.command(
    epilog="Example: conceptstats probes IDX --keys dog,cat,bus,car --min-count 50 "
    "--min-expected 1 -o probes.parquet. The column matched says which probes have the key and "
    "frequency that all strata aim at."
)
@click.argument("index", type=click.Path(path_type=Path))
@click.option(
    "--keys",
    type=Names(),
    required=True,
    help="Names of the classes, in their order: a file with one a line, or names with commas. An "
    "empty line keeps the place of a class that is left out.",
)
@click.option(
    "--accessories",
    type=Names(),
    help="What may go with them, in the same way. [default: every other concept of the index]",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Table to write: .parquet or .csv.",
)
@click.option(
    "--strata",
    "n_strata",
    default=20,
    show_default=True,
    help="Levels of PMI, of equal width; stratum 0, never seen together, comes besides.",
)
@click.option(
    "--per-stratum",
    default=24,
    show_default=True,
    help="Probes in a stratum. With a multiple of the number of keys each key has as many in "
    "every stratum.",
)
@click.option(
    "--unseen", "n_unseen", type=int, help="Probes in stratum 0. [default: as --per-stratum]"
)
@click.option(
    "--min-count",
    default=1,
    show_default=True,
    help="Least captions of a key, and of an accessory.",
)
@click.option(
    "--min-expected",
    default=0.0,
    show_default=True,
    help="Leave out pairs with fewer captions expected by chance, n_key n_accessory / n: their "
    "PMI is mostly noise. Of a pair with 0.01 expected it says little that it was never seen; "
    "with 3 or more that is beyond chance (5%).",
)
@click.option(
    "--match/--no-match",
    default=True,
    show_default=True,
    help="Match the frequencies of keys and accessories between strata, or draw at random.",
)
@click.option("--all", "take_all", is_flag=True, help="Every pair with its stratum; no selection.")
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@overwrite_option
@quiet_option
@json_option
def probes(
    index: Path,
    output: Path,
    take_all: bool,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Choose pairs to probe: even over PMI, with matched frequencies of single concepts."""
    from conceptstats.index import CaptionIndex
    from conceptstats.probes import select_probes
    from conceptstats.runs import run_record
    from conceptstats.table_files import check_ending, fingerprint, save_table
    from conceptstats.tables import PROBES

    check_ending(output, (".parquet", ".csv"))
    if take_all:
        options["per_stratum"] = None
    opened = CaptionIndex.open(index)
    selected = select_probes(opened, **options)
    seed = options.pop("seed")
    record = run_record("probes", options, {str(index): fingerprint(index)}, seed)
    save_table(output, selected.table, PROBES, record=record, overwrite=overwrite)
    rows = selected.balance.to_pylist()
    if as_json:
        found = {"output": str(output), "n_probes": selected.table.num_rows}
        print_json({**found, "balance": rows, "notes": selected.notes})
        return
    print_table(rows, selected.balance.column_names)
    click.echo(f"\n{selected.table.num_rows:,} probes in {output}")
    if not quiet:
        for note in selected.notes:
            click.echo(note, err=True)
