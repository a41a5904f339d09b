"""The command `conceptstats eval tiny-model`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path

import click

from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_json


@click.command(
    name="tiny-model",
    epilog="Example: conceptstats eval tiny-model clip -o MODEL, then: conceptstats eval zeroshot "
    "IMAGES --model MODEL",
)
@click.argument("kind", type=click.Choice(["clip", "llava"]))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--words",
    type=click.Path(path_type=Path),
    help="File of any text, such as questions: the words that llava knows.",
)
@click.option("--seed", default=0, show_default=True, help="Of the weights.")
@overwrite_option
@json_option
def tiny_model(
    kind: str, output: Path, words: Path | None, seed: int, overwrite: bool, as_json: bool
) -> None:
    """Make a small model of the real architecture, with random weights, to try a chain with.

    It knows nothing; llava says yes or no.
    """
    from .tiny_models import write_tiny_model

    write_tiny_model(kind, output, words=words, seed=seed, overwrite=overwrite)
    if as_json:
        print_json({"kind": kind, "output": str(output)})
    else:
        click.echo(f"{kind}: {output}")
