"""The command `conceptstats synth generate`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import (
    ShardType,
    device_option,
    json_option,
    overwrite_option,
    processes_option,
    quiet_option,
    refuse_given,
)
from conceptstats.printing import print_facts, print_json

if TYPE_CHECKING:
    from .generate import Generated

_FILE = click.Path(path_type=Path)
_ARGUMENTS = {  # options, and what pipelines of diffusers call them
    "width": "width",
    "height": "height",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "max_sequence_length": "max_sequence_length",
    "negative_prompt": "negative_prompt",
}
_OF_SPRITES = ("world", "workers")
_OF_DIFFUSERS = ("model", "revision", "preset", "precision", "device", "offload", "batched",
                 "extra", *_ARGUMENTS)  # fmt: skip


@click.command(
    epilog="Example: conceptstats synth generate probes.parquet --prompts prompts.parquet "
    "--backend diffusers --preset genpairs --per-probe 1 -o IMAGES"
)
@click.argument("probes", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE, help="Folder.")
@click.option(
    "--backend",
    type=click.Choice(["sprites", "diffusers"]),
    default="sprites",
    show_default=True,
    help="What makes the pictures.",
)
@click.option(
    "--prompts", type=_FILE, help="Table of prompts; a probe's pictures take its own in turn."
)
@click.option(
    "--template",
    default="a photo of a {key} with a {accessory}",
    show_default=True,
    help="Prompt where there is no table.",
)
@click.option("--per-probe", default=10, show_default=True, help="Pictures of each probe.")
@click.option("--seed", default=0, show_default=True, help="With probe and number, of a picture.")
@click.option(
    "--world",
    type=_FILE,
    help="Sprites: draw as the pictures of this world are. [default: a world's defaults]",
)
@processes_option
@click.option(
    "--model", help="Diffusers: a text-to-image pipeline, by its name on the hub or its folder."
)
@click.option("--revision", help="Diffusers: branch, tag or commit on the hub.")
@click.option(
    "--preset",
    type=click.Choice(["genpairs"]),
    help="Diffusers: settings of a paper, which the options below change. genpairs: FLUX.1-dev, "
    "bf16, 512 x 512, guidance 5, 28 steps, 512 tokens.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    help="Diffusers: of the models. [default: fp32]",
)
@device_option
@click.option(
    "--offload", is_flag=True, help="Diffusers: only the model at work is on the GPU; slower."
)
@click.option(
    "--width", type=click.IntRange(1), help="Diffusers: pixels. [default: the pipeline's]"
)
@click.option(
    "--height", type=click.IntRange(1), help="Diffusers: pixels. [default: the pipeline's]"
)
@click.option(
    "--steps", type=click.IntRange(1), help="Diffusers: of denoising. [default: the pipeline's]"
)
@click.option("--guidance", type=float, help="Diffusers: scale. [default: the pipeline's]")
@click.option(
    "--max-sequence-length", type=click.IntRange(1), help="Diffusers: tokens of a prompt."
)
@click.option("--negative-prompt", help="Diffusers: what not to show.")
@click.option(
    "--set",
    "extra",
    multiple=True,
    metavar="NAME=VALUE",
    help="Diffusers: any other argument of the pipeline's call; the value in JSON, or a text.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Pictures that are handed on together; without --batched, no pixel depends on it.",
)
@click.option(
    "--batched",
    is_flag=True,
    help="Diffusers: make a batch in one call. Faster with small models; the last bits of a "
    "picture then depend on the batch size.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="How often a picture that fails is tried again, before it is listed.",
)
@click.option(
    "--shard",
    type=ShardType(),
    default="0/1",
    show_default=True,
    help="Do share I of N only, counted from 0; all shares have one OUTPUT.",
)
@overwrite_option
@quiet_option
@json_option
def generate(
    probes: Path,
    output: Path,
    backend: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Make pictures of PROBES, and their images table.

    A run that was killed goes on when it is started again; so does one of which pictures failed,
    which are then tried again. Shares (--shard) have one OUTPUT, and the last to end writes the
    table; 'accelerate launch --no_python conceptstats ...' gives each GPU a share.
    """
    others = _OF_DIFFUSERS if backend == "sprites" else _OF_SPRITES
    refuse_given(others, f"is not for --backend {backend}")
    make = _with_sprites if backend == "sprites" else _with_diffusers
    found = make(probes, output, options)
    if found is None:  # the first process of a launch prints
        return
    if as_json:
        print_json({**found.to_json(), "backend": backend})
    else:
        _show(found)


def _shared(options: dict[str, Any]) -> dict[str, Any]:
    names = ("prompts", "template", "per_probe", "seed", "batch_size", "retries", "overwrite")
    return {name: options[name] for name in names}


def _with_sprites(probes: Path, output: Path, options: dict[str, Any]) -> Generated:
    from dataclasses import asdict

    from conceptstats.progress import terminal_progress

    from .generate import generate_images
    from .world import World
    from .world_files import load_world

    world = options["world"]
    sprites = (load_world(world) if world else World()).sprites()
    return generate_images(
        probes,
        output,
        sprites,
        settings=asdict(sprites),
        workers=options["workers"],
        shard=options["shard"],
        progress=terminal_progress(quiet=options["quiet"]),
        **_shared(options),
    )


def _with_diffusers(probes: Path, output: Path, options: dict[str, Any]) -> Generated | None:
    from conceptstats.models.devices import launched, share_of
    from conceptstats.progress import terminal_progress

    from .diffusers_backend import PACKAGES, PRESETS, load_generator, parse_argument
    from .generate import generate_images
    from .picture_folder import check_output
    from .wanted import read_wanted

    process = launched()
    quiet = options["quiet"] or process.rank > 0
    given = {name: options[option] for option, name in _ARGUMENTS.items()}
    given |= {name: options[name] for name in ("model", "precision")}
    given = {name: value for name, value in given.items() if value is not None}
    arguments = {**PRESETS.get(options["preset"], {}), **given}
    arguments |= dict(map(parse_argument, options["extra"]))
    if "model" not in arguments:
        raise click.UsageError("--backend diffusers needs a --model or a --preset.")
    # Mistakes come up before a large model is loaded, or even downloaded.
    read_wanted(probes, options["prompts"], options["template"], options["per_probe"])
    check_output(output, overwrite=options["overwrite"])
    generator = load_generator(
        arguments.pop("model"),
        options["revision"],
        precision=arguments.pop("precision", "fp32"),
        device=options["device"],
        local_rank=process.local_rank,
        offload=options["offload"],
        batched=options["batched"],
        arguments=arguments,
        preset=options["preset"],
        quiet=quiet,
    )
    found = generate_images(
        probes,
        output,
        generator,
        batched=options["batched"],
        settings=generator.settings,
        packages=PACKAGES,
        read_in_part=generator.read_in_part,
        shard=share_of(options["shard"], process),
        progress=terminal_progress(quiet=quiet),
        **_shared(options),
    )
    return found if process.rank == 0 else None


def _show(found: Generated) -> None:
    facts: dict[str, Any] = {"images": str(found.table), "n": found.n}
    if not found.complete:
        facts["share"] = f"{found.shard}; others are not done yet"
    if found.without_prompt:
        facts["probes without a prompt"] = len(found.without_prompt)
    if found.read_in_part:
        facts["prompts read in part"] = len(found.read_in_part)
    if found.failures:
        facts["failed"] = len(found.failures)
    print_facts(facts)
    for identity, reason in found.failures[:10]:
        click.echo(f"failed: {identity}: {reason}")
    if len(found.failures) > 10:
        click.echo(f"failed: {len(found.failures) - 10:,} more; see failures.parquet")
    if found.failures and found.complete:
        click.echo(
            "the same command, without --overwrite, tries them again; what was refused needs more "
            "--retries"
        )
