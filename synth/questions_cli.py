"""The command `conceptstats synth questions`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_facts, print_json

_FILE = click.Path(path_type=Path)


@click.command(
    epilog="Example: conceptstats synth questions images/images.parquet --probes probes.parquet "
    "-o QUESTIONS"
)
@click.argument("images", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE, help="Folder.")
@click.option("--probes", required=True, type=_FILE, help="What the pictures show.")
@click.option(
    "--form",
    type=click.Choice(["textvqa", "vqav2"]),
    default="textvqa",
    show_default=True,
    help="Layout of the files.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Of the accessories that are asked for in vain."
)
@overwrite_option
@json_option
def questions(images: Path, output: Path, as_json: bool, **options: Any) -> None:
    """Ask about pictures of probes, whether the accessory is there: questions and their answers."""
    from .questions import ask_about

    found = ask_about(images, output, **options).to_json()
    if as_json:
        print_json(found)
    else:
        print_facts({name.replace("n_", ""): value for name, value in found.items()})
