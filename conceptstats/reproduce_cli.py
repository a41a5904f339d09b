"""The command `conceptstats reproduce`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.errors import ParameterError
from conceptstats.options import json_option, overwrite_option, quiet_option
from conceptstats.printing import print_facts, print_json, print_table

if TYPE_CHECKING:
    from conceptstats.recipes.steps import Plan, Recipe

_NAMES = ["genpairs", "paste", "textvqa", "vqav2", "finetune"]


@click.command(
    epilog="Example: conceptstats reproduce textvqa --dry-run --set captions=cc12m --set "
    "model=llava-hf/llava-1.5-7b-hf"
)
@click.argument("name", metavar="RECIPE", type=click.Choice(_NAMES))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for all that is made. [default: reproduce-RECIPE]",
)
@click.option("--dry-run", is_flag=True, help="Only print the commands, and what each needs.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, which --dry-run lists; may be given again.",
)
@click.option(
    "--tiny", is_flag=True, help="The same commands with small models and data, made on the spot."
)
@click.option(
    "--from", "first", metavar="STEP", help="Do this step again, and all that rest on it."
)
@overwrite_option
@quiet_option
@json_option
@click.pass_context
def reproduce(
    ctx: click.Context,
    name: str,
    output: Path | None,
    dry_run: bool,
    changes: tuple[str, ...],
    tiny: bool,
    first: str | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a result of the paper (arXiv 2507.08000): the whole chain, from manifests to figure.

    RECIPE is {names}. Every step is a command of its own: commands.sh has all of them, log.txt
    what they print. Steps that are done are skipped.
    """
    from conceptstats.progress import terminal_progress
    from conceptstats.recipes.catalogue import RECIPES
    from conceptstats.recipes.run import run_recipe

    recipe = RECIPES[name]
    folder = output or Path(f"reproduce-{name}{'-tiny' if tiny else ''}")
    plan = recipe.plan(folder, dict(map(_pair, changes)), tiny=tiny)
    if dry_run:
        _show(recipe, plan, first, as_json=as_json)
        return

    def run(arguments: Any) -> None:
        root = ctx.find_root().command
        try:
            root.main([*arguments], prog_name="conceptstats", standalone_mode=False)
        except click.UsageError as error:  # of a value that a user has set
            raise ParameterError(error.format_message()) from error

    progress = terminal_progress(quiet=quiet)
    done = run_recipe(recipe, plan, run, first=first, overwrite=overwrite, progress=progress)
    if as_json:
        print_json(done.to_json())
    else:
        print_facts({"output": folder, "steps run": len(done.ran), "of": len(done.states)})


reproduce.help = (reproduce.help or "").replace("{names}", ", ".join(_NAMES))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ParameterError(f"--set {text!r}: KEY=VALUE is expected.")
    return key, value


def _show(recipe: Recipe, plan: Plan, first: str | None, *, as_json: bool) -> None:
    from conceptstats.recipes.needs import describe, needs_rows

    found = describe(recipe, plan, first)
    if as_json:
        print_json(found)
        return
    click.echo(f"# {recipe.title}")
    for row in found["steps"]:
        click.echo(f"\n# {row['name']} ({row['state']})\n{row['command']}")
    click.echo()
    rows = needs_rows(found)
    print_table(rows, list(rows[0]))
    click.echo()
    for note in found["notes"]:
        click.echo(note)
    if found["notes"]:
        click.echo()
    print_table(found["settings"], ["setting", "meaning", "value"])  # a value may be long
