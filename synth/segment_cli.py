"""The command `conceptstats synth segment`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import (
    device_option,
    json_option,
    overwrite_option,
    precision_option,
    quiet_option,
    revision_option,
    shard_option,
)
from conceptstats.printing import print_facts, print_json, print_table

_PATH = click.Path(path_type=Path)


@click.command(
    epilog="Example: conceptstats synth segment PICTURES -o CUT_OUTS --model facebook/sam-vit-huge"
)
@click.argument("pictures", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder.")
@click.option("--model", required=True, help="SAM, SAM 2, ...: name on the hub, or a folder.")
@revision_option
@click.option(
    "--class-from",
    type=click.Choice(["folder", "name"]),
    help="What a picture shows. [default: folder where there are any, else the file's name]",
)
@click.option(
    "--min-iou",
    default=0.9,
    show_default=True,
    help="What the model has to predict for its own mask, and more.",
)
@precision_option
@device_option
@shard_option
@overwrite_option
@quiet_option
@json_option
def segment(pictures: Path, output: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """Cut objects out of PICTURES on white, for use as accessories.

    PICTURES is a folder, or an images table with targets. The folders of shares (--shard) can be
    copied into one.
    """
    from conceptstats.progress import terminal_progress

    from .segment import segment_pictures

    progress = terminal_progress(quiet=quiet)
    found = segment_pictures(pictures, output, progress=progress, **options).to_json()
    if as_json:
        print_json(found)
        return
    refused = found.pop("refused")
    found.pop("notes")  # told as messages
    print_facts(found)
    if refused:
        print_table([{"refused": k, "n": n} for k, n in refused.items()], ["refused", "n"])
