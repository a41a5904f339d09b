"""The commands `conceptstats synth ...`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.options import json_option, overwrite_option, processes_option, quiet_option
from conceptstats.printing import print_facts, print_json

from .accessories_cli import accessories
from .generate_cli import generate
from .paste_cli import paste
from .portraits_cli import portraits
from .prompts_cli import prompts
from .questions_cli import questions
from .segment_cli import segment
from .tiny_models_cli import tiny_model
from .verify_cli import verify


@click.group(name="synth", epilog="Example: conceptstats synth world -o WORLD --seed 0")
def synth_group() -> None:
    """Make controlled concept-pair images, and worlds whose answer is known."""


@synth_group.command(
    epilog="Example: conceptstats synth world -o OPPOSITE --n 20000 --reverse --seed 0"
)
@click.argument("spec", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder.")
@click.option("--n", type=int, help="Captions. [default: 50,000]")
@click.option("--keys", type=int, help="How many key concepts. [default: 28]")
@click.option("--accessories", type=int, help="How many accessory concepts. [default: 40]")
@click.option("--zipf", type=float, help="Exponent of the marginals. [default: 0.3]")
@click.option(
    "--association",
    type=float,
    help="Largest log weight of a pair, in nats; 0: independent. [default: 3.5]",
)
@click.option("--associated", type=float, help="Share of pairs that are tied. [default: 0.6]")
@click.option("--reverse", is_flag=True, default=None, help="Turn the association round.")
@click.option("--empty", type=float, help="Share of pairs never together. [default: 0.4]")
@click.option("--named-one", type=float, help="Share of captions with one name. [default: 0.5]")
@click.option("--key-visibility", type=float, help="0: hidden, 1: clear. [default: 0.6]")
@click.option("--accessory-visibility", type=float, help="0: hidden, 1: clear. [default: 1]")
@click.option("--noise", type=float, help="Standard deviation, where white is 1. [default: 0.05]")
@click.option("--size", type=int, help="Pixels a side. [default: 64]")
@click.option("--seed", type=int, help="[default: 0]")
@click.option(
    "--pictures",
    type=click.IntRange(0),
    help="Captions, from the first on, that have a picture. [default: all]",
)
@processes_option
@overwrite_option
@quiet_option
@json_option
def world(
    spec: Path | None,
    output: Path,
    pictures: int | None,
    workers: int,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **changes: Any,
) -> None:
    """Make a world: captions, pictures, and the joint table that they were drawn from.

    SPEC is a TOML file of settings, named as the options are with _ for -, and also
    both_templates and one_templates, and lists of names for keys and accessories. Options win.
    """
    from conceptstats.progress import terminal_progress

    from .world import read_world, world_from
    from .world_files import write_world

    made = read_world(spec, **changes) if spec else world_from({}, **changes)
    write_world(
        made,
        output,
        pictures=pictures,
        workers=workers,
        overwrite=overwrite,
        progress=terminal_progress(quiet=quiet),
    )
    facts = {
        "world": str(output),
        "captions": made.n,
        "keys": len(made.keys),
        "accessories": len(made.accessories),
        "pairs": len(made.keys) * len(made.accessories),
        "seed": made.seed,
    }
    if as_json:
        print_json({**facts, "settings": made.to_json()})
    else:
        print_facts(facts)


synth_group.add_command(verify)
synth_group.add_command(paste)
synth_group.add_command(segment)
synth_group.add_command(accessories)
synth_group.add_command(prompts)
synth_group.add_command(generate)
synth_group.add_command(questions)
synth_group.add_command(portraits)
synth_group.add_command(tiny_model)
