"""The command `conceptstats synth paste`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import (
    json_option,
    overwrite_option,
    processes_option,
    quiet_option,
    shard_option,
)
from conceptstats.printing import print_facts, print_json, print_table
from conceptstats.shards import Shard

_PATH = click.Path(path_type=Path)


@click.command(
    epilog="Example: conceptstats synth paste --photos PHOTOS --accessories CUT_OUTS --index IDX "
    "-o OUT --per-photo 3"
)
@click.option("--photos", required=True, type=_PATH, help="Folder, or images table with targets.")
@click.option(
    "--accessories",
    required=True,
    type=_PATH,
    help="Folder: pictures with transparency, named by concept or in folders that are; or COCO's "
    "instances*.json with its photographs.",
)
@click.option(
    "--index",
    required=True,
    type=_PATH,
    help="Whose PMI chooses accessories. What a name of several words means to an index of words: "
    "captions with all of them.",
)
@click.option("-o", "--output", required=True, type=_PATH, help="Folder.")
@click.option("--per-photo", default=3, show_default=True, help="Versions of a photograph.")
@click.option(
    "--strata",
    default="high,low,zero,matched",
    show_default=True,
    help="Of PMI with the photograph's class, taken in turn. matched: low, and as frequent as the "
    "high one.",
)
@click.option("--seed", default=0, show_default=True, help="With the photograph, of its versions.")
@click.option(
    "--class-from",
    type=click.Choice(["folder", "name"]),
    help="Of a photograph. [default: folder where there are any, else the file's name]",
)
@click.option(
    "--classes",
    help="All classes: a file with one a line, other phrases behind tabs; or imagenet. Where the "
    "pictures go to `eval zeroshot --classes`, the same as there. [default: those of the "
    "photographs]",
)
@click.option(
    "--boxes", type=_PATH, help="Table photo_id, left, top, right, bottom: what is spared."
)
@click.option("--max-overlap", default=0.5, show_default=True, help="Of a box, at most covered.")
@click.option("--area", default=0.1, show_default=True, help="Share of the photograph's area.")
@click.option("--max-enlarge", default=2.0, show_default=True, help="Of a cut-out, at most.")
@click.option("--keep-partial", is_flag=True, help="COCO: also objects seen in part.")
@click.option("--harmonise", default=0.0, show_default=True, help="Light and colour; 1: fully.")
@click.option(
    "--split-accessories", type=float, help="Share of accessories and photographs for training."
)
@click.option("--min-count", default=1, show_default=True, help="Least captions of each concept.")
@click.option("--min-expected", default=0.0, show_default=True, help="Least captions with both.")
@click.option("--with-original", is_flag=True, help="Also save photographs as they are.")
@click.option("--jpeg-quality", type=int, help="1 to 100. [default: PNG, without loss]")
@click.option("--contact-sheet", type=_PATH, help="Also draw versions side by side: .png, .jpg.")
@click.option("-n", "n_sheet", default=24, show_default=True, help="Pictures of that sheet.")
@shard_option
@processes_option
@overwrite_option
@quiet_option
@json_option
def paste(
    photos: Path,
    accessories: Path,
    index: Path,
    output: Path,
    class_from: Any,
    classes: str | None,
    boxes: Path | None,
    keep_partial: bool,
    split_accessories: float | None,
    min_count: int,
    strata: str,
    contact_sheet: Path | None,
    n_sheet: int,
    shard: Shard,
    workers: int,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Paste accessories into photographs: versions that differ in PMI."""
    from conceptstats.progress import terminal_progress

    from .paste.run import TABLE, paste_photos
    from .paste.saving import Edit
    from .paste.sheet import check_sheet, draw_sheet

    if contact_sheet is not None:
        check_sheet(contact_sheet, n_sheet, overwrite=overwrite)
    names: Any = tuple(name.strip() for name in strata.split(",") if name.strip())
    summary = paste_photos(
        photos,
        accessories,
        index,
        output,
        Edit(strata=names, **settings),
        class_from=class_from,
        classes=classes,
        boxes=boxes,
        split_accessories=split_accessories,
        min_count=min_count,
        keep_partial=keep_partial,
        shard=shard,
        workers=workers,
        overwrite=overwrite,
        progress=terminal_progress(quiet=quiet),
    )
    if contact_sheet is not None and summary.n_images:
        draw_sheet(output / TABLE, contact_sheet, n_sheet, overwrite=overwrite)
    found = summary.to_json()
    if as_json:
        print_json(found)
        return
    strata_rows, problems = found.pop("strata"), found.pop("problems")
    found.pop("notes")  # told as messages
    print_facts(found)
    print_table(strata_rows, ["stratum", "n", "mean_pmi", "mean_ln_n_accessory"])
    print_table([{"listed": k, "n": n} for k, n in problems.items()], ["listed", "n"])
