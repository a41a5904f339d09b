"""The command `conceptstats eval finetune`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import Size, device_option, json_option, overwrite_option, quiet_option
from conceptstats.printing import print_facts, print_json


@click.command(
    epilog="Example: conceptstats eval finetune 'WORLD/shards/*.tar' --from-scratch -o MODEL"
)
@click.argument("shards", nargs=-1, required=True)
@click.option(
    "--from-scratch",
    is_flag=True,
    required=True,
    help="Start from random weights; there is no other way yet.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="JSON with model_cfg and preprocess_cfg, as open_clip has them. [default: a small model "
    "for pictures of 64 pixels]",
)
@click.option("--steps", default=1500, show_default=True, help="Batches.")
@click.option("--batch-size", default=128, show_default=True, help="Pairs a step.")
@click.option("--learning-rate", default=2e-3, show_default=True, help="The highest.")
@click.option("--weight-decay", default=0.01, show_default=True, help="Of matrices.")
@click.option("--warmup", default=50, show_default=True, help="Steps to the highest rate.")
@click.option("--seed", default=0, show_default=True, help="Of weights and order.")
@click.option(
    "--checkpoint-every", default=500, show_default=True, help="Steps; a killed run goes on there."
)
@device_option
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the model."
)
@click.option(
    "--memory",
    type=Size(),
    default="4GiB",
    show_default=True,
    help="That the decoded images may take.",
)
@overwrite_option
@quiet_option
@json_option
def finetune(
    shards: tuple[str, ...],
    from_scratch: bool,
    config: Path | None,
    output: Path,
    device: str,
    memory: int,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train an open_clip model on the image-text pairs of webdataset SHARDS."""
    from conceptstats.progress import terminal_progress

    from .finetune.train import SMALL_CLIP, Training, train_from_scratch

    trained = train_from_scratch(
        shards,
        output,
        config=config or SMALL_CLIP,
        training=Training(**settings),
        device=device,
        memory=memory,
        overwrite=overwrite,
        progress=terminal_progress(quiet=quiet),
    )
    facts = {
        "model": str(trained.path),
        "pairs": trained.n_pairs,
        "steps": trained.steps,
        "loss": trained.loss,
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)
