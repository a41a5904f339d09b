"""The commands `conceptstats eval finetune | interpolate`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import Size, device_option, json_option, overwrite_option, quiet_option
from conceptstats.printing import print_facts, print_json

_SCRATCH = {"config", "steps", "memory"}  # only with --from-scratch; no other option is for both:
_SHARED = {"batch_size", "learning_rate", "weight_decay", "warmup", "seed", "checkpoint_every"}
_TUNING = {*_SHARED, "epochs", "clip"}
_EDITS = {"edit_probability", "area"}
_SHOWN = 10  # photographs that are skipped; skipped.csv has all


@click.command(
    epilog="Example: conceptstats eval finetune photos/ --model ViT-B-32-quickgelu --pretrained "
    "laion400m_e31 --classes imagenet --accessories CUTOUTS --index IDX -o MODEL"
)
@click.argument("images", nargs=-1, required=True)
@click.option("--model", help="To fine-tune: as `eval zeroshot` takes it.")
@click.option("--pretrained", help="Weights of the architecture: their name, or a file.")
@click.option(
    "--classes",
    help="imagenet, a file with one name a line (or an id of WordNet and a name: n01440764 tench), "
    "or name,name,... [default: the subfolders of a folder]",
)
@click.option(
    "--templates",
    show_default="openai",
    help="Of the zero-shot head: openai (80), simple (7), a file with one template a line, or one "
    "template; {} is the class.",
)
@click.option(
    "--target-key", help="Column of a table, or field of a shard's .json, that holds the class."
)
@click.option(
    "--accessories",
    type=click.Path(path_type=Path),
    help="Folder of cut-outs with transparency, to be pasted into photographs.",
)
@click.option(
    "--index",
    type=click.Path(path_type=Path),
    help="Captions whose PMI says which accessories go into photographs of which class.",
)
@click.option(
    "--edit-probability", type=float, show_default="0.5", help="That a photograph is edited."
)
@click.option(
    "--area", type=float, show_default="0.1", help="Share of a photograph that an accessory takes."
)
@click.option("--epochs", type=int, show_default="10", help="Times that each photograph is seen.")
@click.option(
    "--from-scratch",
    is_flag=True,
    help="Train both towers from random weights, on shards with images and captions.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="From scratch: JSON with model_cfg and preprocess_cfg, as open_clip has them. [default: a "
    "small model for pictures of 64 pixels]",
)
@click.option("--steps", type=int, show_default="1500", help="From scratch: batches.")
@click.option("--batch-size", type=int, show_default="512; from scratch 128", help="Images a step.")
@click.option(
    "--learning-rate", type=float, show_default="3e-5; from scratch 2e-3", help="The highest."
)
@click.option(
    "--weight-decay",
    type=float,
    show_default="0.1; from scratch 0.01, of matrices",
    help="A step, times the learning rate.",
)
@click.option(
    "--warmup", type=int, show_default="500; from scratch 50", help="Steps to the highest rate."
)
@click.option("--clip", type=float, show_default="1.0", help="Largest norm of a gradient.")
@click.option("--seed", type=int, show_default="0", help="Of order, crops and edits, or weights.")
@click.option(
    "--checkpoint-every", type=int, show_default="500", help="Steps; a killed run goes on there."
)
@click.option(
    "--at-once",
    type=int,
    show_default="the batch",
    help="Images that go through the model together; gradients of a batch are added up.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    show_default="auto",
    help="bf16: mixed with fp32. auto: bf16 on a GPU that has it.",
)
@device_option
@click.option(
    "--workers",
    type=int,
    show_default="0",
    help="Processes that read images; the result does not depend on it.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    show_default="stop",
    help="What to do with an image that cannot be read; what is skipped stands in skipped.csv.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the model."
)
@click.option(
    "--memory",
    type=Size(),
    show_default="4GiB",
    help="From scratch: that the decoded images may take.",
)
@overwrite_option
@quiet_option
@json_option
def finetune(
    images: tuple[str, ...],
    from_scratch: bool,
    output: Path,
    device: str,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train an open_clip model: fine-tune one on photographs of classes, or make one from scratch.

    IMAGES are, to fine-tune, what `eval zeroshot` takes: an images table, a folder with one
    subfolder a class, or webdataset shards with targets. The image tower learns the classes; the
    head, made of their names, stays as it is, where WiSE-FT trains it too. Into some photographs
    accessories are pasted, evenly over levels of PMI with the class. From scratch they are shards
    with captions.
    """
    from conceptstats.progress import terminal_progress

    given = {name: value for name, value in options.items() if value is not None}
    _refuse_others(from_scratch, given)
    kinds = _SHARED | {"steps"} if from_scratch else _TUNING
    settings = {name: given.pop(name) for name in sorted(kinds & set(given))}
    given |= {"device": device, "overwrite": overwrite}
    given["progress"] = terminal_progress(quiet=quiet)
    if from_scratch:
        from .finetune.train import Training, train_from_scratch

        trained = train_from_scratch(images, output, training=Training(**settings), **given)
        data = facts = trained.to_json()
        skipped: tuple[tuple[str, str], ...] = ()
    else:
        from .finetune.tune import finetune as tune
        from .finetune.tuning import Tuning

        tuned = tune(list(images), output, tuning=Tuning(**settings), **given)
        data, facts, skipped = tuned.to_json(), tuned.facts(), tuned.unreadable
    if as_json:
        print_json(data)
        return
    print_facts(facts)
    for identity, reason in skipped[:_SHOWN]:
        click.echo(f"skipped: {identity}: {reason}")


def _refuse_others(from_scratch: bool, given: dict[str, Any]) -> None:
    """Raise where options are of the other way to train."""
    fitting = _SHARED | _SCRATCH if from_scratch else set(given) - _SCRATCH
    if others := sorted(set(given) - fitting):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        end = "does not go with --from-scratch" if from_scratch else "needs --from-scratch"
        raise click.UsageError(f"{names} {end}.")
    if not from_scratch and "model" not in given:
        raise click.UsageError("--model is missing, or --from-scratch.")
    if "accessories" not in given and (edits := sorted(_EDITS & set(given))):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in edits)
        raise click.UsageError(f"{names} needs --accessories.")


@click.command(
    epilog="Example: conceptstats eval interpolate ViT-B-32-quickgelu FINETUNED --pretrained "
    "laion400m_e31 --alpha 0.5 -o MODEL"
)
@click.argument("original")
@click.argument("finetuned")
@click.option("--pretrained", help="Weights of ORIGINAL, where it is an architecture.")
@click.option(
    "--alpha", default=0.5, show_default=True, help="0: the original; 1: the fine-tuned model."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the model."
)
@overwrite_option
@json_option
def interpolate(original: str, finetuned: str, output: Path, as_json: bool, **options: Any) -> None:
    """Make a model whose weights lie between those of ORIGINAL and FINETUNED (WiSE-FT)."""
    from .finetune.interpolate import interpolate as run

    made = run(original, finetuned, output, **options)
    if as_json:
        print_json(made.to_json())
    else:
        print_facts(made.facts())
