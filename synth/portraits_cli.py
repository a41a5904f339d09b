"""The command `conceptstats synth portraits`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.name_options import Accessories
from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_facts, print_json


@click.command(
    epilog="Example: conceptstats synth portraits accessories.parquet -o portraits.parquet, then: "
    "conceptstats synth generate portraits.parquet --template 'a {accessory} in the center of a "
    "white background' --backend diffusers --preset genpairs -o PICTURES"
)
@click.argument("accessories", type=Accessories())
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Table to write."
)
@click.option("--n", type=int, help="So many, drawn at random. [default: all]")
@click.option(
    "--side",
    type=click.Choice(["all", "training", "evaluation"]),
    default="all",
    show_default=True,
    help="Each accessory is on one of two sides: for a model that is trained with some of them.",
)
@click.option("--training", default=0.5, show_default=True, help="Share for training.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn, and of the sides.")
@overwrite_option
@json_option
def portraits(accessories: list[str], output: Path, as_json: bool, **options: Any) -> None:
    """List ACCESSORIES as probes of themselves, to make pictures that show one alone.

    ACCESSORIES are a table of `synth accessories`, a file with one a line, or names with commas.
    """
    from .portraits import write_portraits

    n = write_portraits(accessories, output, **options)
    if as_json:
        print_json({"output": str(output), "n": n})
    else:
        print_facts({"output": output, "accessories": n})
