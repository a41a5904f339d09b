"""The command `conceptstats synth verify`: parse, call, print. No logic."""

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
    refuse_given,
    revision_option,
    shard_option,
)
from conceptstats.printing import print_facts, print_json

_SHOWN = 10  # pictures that were not looked at; the table lists all
_OF_A_LOOK = ("probes", "revision", "query", "precision", "device", "workers", "on_error", "shard")


@click.command(
    epilog="Example: conceptstats synth verify images/images.parquet --probes probes.parquet "
    "--model google/owlv2-base-patch16-ensemble -o verified.parquet"
)
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Table to write."
)
@click.option("--probes", type=click.Path(path_type=Path), help="What is looked for.")
@click.option(
    "--model",
    help="OWLv2, OWL-ViT or Grounding DINO: a name on the hub, or a folder. Without, IMAGES are "
    "verified already, and get another --threshold.",
)
@revision_option
@click.option(
    "--threshold",
    type=float,
    help="Score from which a thing is found. [default: 0.1 for OWL, 0.25 for Grounding DINO]",
)
@click.option(
    "--query",
    help="How the model is asked, with {} for a thing. [default: a photo of a {} for OWL, a {} for "
    "Grounding DINO]",
)
@precision_option
@device_option
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Threads that read pictures ahead.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="At a picture that cannot be looked at.",
)
@shard_option
@overwrite_option
@quiet_option
@json_option
def verify(
    images: Path,
    output: Path,
    model: str | None,
    threshold: float | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say whether key and accessory are in the pictures of IMAGES, by the scores of a detector.

    Scores of two models, or of two things, are not on one scale: look at pictures near the
    threshold before you rely on it.
    """
    from conceptstats.progress import terminal_progress

    from .verify import set_threshold, verify_images

    if model is None:
        refuse_given(_OF_A_LOOK, "needs a --model")
        if threshold is None:
            raise click.UsageError(
                "Give --model and --probes, or a --threshold for verified IMAGES."
            )
        found = set_threshold(images, output, threshold=threshold, overwrite=overwrite)
    elif options["probes"] is None:
        raise click.UsageError("Missing option '--probes', which says what is looked for.")
    else:
        found = verify_images(
            images,
            output,
            model=model,
            threshold=threshold,
            overwrite=overwrite,
            progress=terminal_progress(quiet=quiet),
            **options,
        )
    facts = found.to_json()
    if as_json:
        print_json(facts)
    else:
        facts.pop("skipped")
        print_facts({name.removeprefix("n_").replace("_", " "): x for name, x in facts.items()})
        if quiet:
            return
        for image_id, reason in found.skipped[:_SHOWN]:
            click.echo(f"not looked at: {image_id}: {reason}", err=True)
        if (more := len(found.skipped) - _SHOWN) > 0:
            click.echo(f"... and {more:,} more: column unverified of {output}", err=True)
