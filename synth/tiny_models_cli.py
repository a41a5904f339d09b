"""The command `conceptstats synth tiny-model`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_json

_KINDS = ["flux", "stable-diffusion", "judge", "writer", "owlv2", "sam"]


@click.command(
    name="tiny-model",
    epilog="Example: conceptstats synth tiny-model flux -o MODEL, then: conceptstats synth "
    "generate probes.parquet --backend diffusers --model MODEL -o PICTURES",
)
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option(
    "--probes", type=click.Path(path_type=Path), help="Pairs whose sentences writer has by heart."
)
@click.option("--seed", default=0, show_default=True, help="Of the weights.")
@overwrite_option
@json_option
def tiny_model(kind: str, output: Path, as_json: bool, **options: Any) -> None:
    """Make a small model of the real architecture, with random weights, to try a chain with.

    It knows nothing: pictures are noise, judge says yes to everything, sam cuts out the middle.
    """
    from .tiny_models import write_tiny_model

    write_tiny_model(kind, output, **options)
    if as_json:
        print_json({"kind": kind, "output": str(output)})
    else:
        click.echo(f"{kind}: {output}")
