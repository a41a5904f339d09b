"""The command `conceptstats eval zeroshot`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import (
    device_option,
    json_option,
    overwrite_option,
    precision_option,
    quiet_option,
    shard_option,
)
from conceptstats.printing import print_facts, print_json

if TYPE_CHECKING:
    from .zeroshot.run import ZeroShotSummary


@click.command(
    epilog="Example: conceptstats eval zeroshot images.parquet --model ViT-B-32-quickgelu "
    "--pretrained laion400m_e31 --classes imagenet -o predictions.parquet"
)
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--model",
    help="Architecture of open_clip; hf-hub:org/name; or a folder with open_clip_config.json.",
)
@click.option("--pretrained", help="Weights of the architecture: their name, or a file.")
@click.option(
    "--suite",
    help="Instead of --model, several one after the other: laion400m, the four of Qu & Xie, or a "
    "file with a line MODEL,WEIGHTS for each. Tables that are done are not made again.",
)
@click.option(
    "--classes",
    help="imagenet, a file with one name a line (or an id of WordNet and a name: n01440764 tench), "
    "or name,name,... [default: the subfolders of a folder]",
)
@click.option(
    "--templates",
    default="openai",
    show_default=True,
    help="openai (80), simple (7), a file with one template a line, or one template; {} is the "
    "class.",
)
@click.option(
    "--target-key", help="Column of a table, or field of a shard's .json, that holds the class."
)
@click.option(
    "--top-k", default=5, show_default=True, help="Classes to keep of each image; 0: all."
)
@precision_option
@click.option(
    "--compile", "compiled", is_flag=True, help="Let torch compile the image tower, for long runs."
)
@device_option
@shard_option
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Images that are read together; the result does not depend on it. [default: as many as "
    "the model gets: 32, on a GPU 128]",
)
@click.option(
    "--workers",
    default=0,
    show_default=True,
    help="Processes that read images; the result does not depend on it.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with an image that cannot be read; what is skipped is listed.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Table of predictions to write: .parquet or .arrow. With --suite a folder of them.",
)
@overwrite_option
@quiet_option
@json_option
def zeroshot(
    images: tuple[str, ...],
    output: Path,
    model: str | None,
    pretrained: str | None,
    suite: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Classify IMAGES by the names of the classes, with any model of open_clip.

    IMAGES are an images table; a folder with one subfolder a class; or webdataset shards (.tar),
    also as 'shard-{00..03}.tar'. The class of an image is given by its name or its index.

    A run that is killed goes on when it is started again. Of several GPUs, give each a process and
    a share: CUDA_VISIBLE_DEVICES=0 conceptstats eval zeroshot ... --shard 0/4; `conceptstats
    concat` puts the tables together.
    """
    if (model is None) == (suite is None) or (suite is not None and pretrained is not None):
        raise click.UsageError("give --model, with or without --pretrained, or --suite.")
    from conceptstats.progress import terminal_progress

    from .zeroshot.run import zeroshot as run
    from .zeroshot.suite import zeroshot_suite

    options["progress"] = terminal_progress(quiet=quiet)
    if suite is not None:
        together = zeroshot_suite(list(images), output, suite=suite, **options)
        found, models = together.to_json(), together.models
    else:
        one = run(list(images), output, model=str(model), pretrained=pretrained, **options)
        found, models = one.to_json(), (one,)
    if as_json:
        print_json(found)
        return
    for number, summary in enumerate(models):
        click.echo("\n" * bool(number), nl=False)
        _show(summary)


def _show(found: ZeroShotSummary) -> None:
    facts: dict[str, Any] = {
        "predictions": str(found.output),
        "model": found.model,
        "pretrained": found.pretrained,
        "classes": found.n_classes,
        "images": found.n,
        "skipped": len(found.skipped),
        "accuracy": str(found.accuracy),
        "top 5": found.top5,
        "mean target probability": found.mean_target_probability,
    }
    print_facts(facts)
    for identity, reason in found.skipped[:10]:
        click.echo(f"skipped: {identity}: {reason}")
    if len(found.skipped) > 10:
        click.echo(f"skipped: {len(found.skipped) - 10:,} more; see --json")
