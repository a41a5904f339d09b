"""The commands `conceptstats eval join | observer`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_facts, print_json

_images_option = click.option(
    "--images",
    required=True,
    type=click.Path(path_type=Path),
    help="Images table: the probe that each image shows.",
)
_probes_option = click.option(
    "--probes",
    required=True,
    type=click.Path(path_type=Path),
    help="Probes table: the pair of each probe.",
)


@click.command(
    epilog="Example: conceptstats eval join predictions.parquet --images images/images.parquet "
    "--probes probes.parquet --index IDX -o examples.parquet"
)
@click.argument("predictions", type=click.Path(path_type=Path))
@_images_option
@_probes_option
@click.option(
    "--index",
    type=click.Path(path_type=Path),
    help="Take counts and PMI from this index; a name of several words is unknown to an index of "
    "words. [default: from the probes]",
)
@click.option(
    "--outcome",
    type=click.Choice(["correct", "probability"]),
    default="correct",
    show_default=True,
    help="1 where the target has rank 1, else 0; or the probability of the target.",
)
@click.option(
    "--max-unmatched",
    default=0.0,
    show_default=True,
    help="Largest share of predictions without image and probe.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Examples to write."
)
@overwrite_option
@json_option
def join(predictions: Path, output: Path, as_json: bool, **options: Any) -> None:
    """Join PREDICTIONS with the statistics of the pair that each image shows."""
    from .join import join_files

    joined = join_files(predictions, output, **options)
    facts = {"output": str(output), **joined.to_json()}
    if as_json:
        print_json(facts)
    else:
        print_facts({name.removeprefix("n_").replace("_", " "): x for name, x in facts.items()})


@click.command(
    epilog="Example: conceptstats eval observer independent.parquet --images images/images.parquet "
    "--probes probes.parquet --joint WORLD/joint.parquet -o observer.parquet"
)
@click.argument("predictions", type=click.Path(path_type=Path))
@_images_option
@_probes_option
@click.option(
    "--joint",
    required=True,
    type=click.Path(path_type=Path),
    help="Joint table of the world that the observer knows.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Predictions to write."
)
@overwrite_option
@json_option
def observer(predictions: Path, output: Path, as_json: bool, **options: Any) -> None:
    """What a calibrated model would predict: the evidence of PREDICTIONS, with the known PMI added.

    PREDICTIONS are of a model of the independent world, with all classes (--top-k 0).
    """
    from .observer import observe_files

    made = observe_files(predictions, output, **options)
    facts = {"output": str(output), "n": made.num_rows}
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)
