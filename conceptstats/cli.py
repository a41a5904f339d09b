"""The command `conceptstats`: parse, call, print. No logic."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click

from conceptstats import __version__
from conceptstats.concat_cli import concat
from conceptstats.data_cli import data_group
from conceptstats.errors import ConceptStatsError
from conceptstats.index_cli import index_group
from conceptstats.options import json_option, quiet_option
from conceptstats.printing import print_facts, print_json, print_table
from conceptstats.probes_cli import concepts, probes
from conceptstats.reproduce_cli import reproduce

_EXTRA_OF = (
    {
        "PIL": "synth",
        "huggingface_hub": "data",
        "pooch": "data",
        "webdataset": "synth",
    }
    | dict.fromkeys(
        "altair jinja2 matplotlib open_clip openpyxl pandas pingouin safetensors statsmodels timm "
        "torch torchvision vl_convert".split(),
        "eval",
    )
    | dict.fromkeys("accelerate diffusers sentencepiece transformers".split(), "models")
)


class Commands(click.Group):
    """Commands of the core, and those that other packages bring as entry points.

    So the core need not know them: the groups ``synth`` and ``eval`` come this way too.
    """

    entry_group = "conceptstats.commands"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all of them."""
        return sorted({*self.commands, *entry_points(group=self.entry_group).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one when it is asked for."""
        if cmd_name not in self.commands:
            for point in entry_points(group=self.entry_group, name=cmd_name):
                self.add_command(point.load(), cmd_name)
        return self.commands.get(cmd_name)


@click.group(
    cls=Commands,
    name="conceptstats",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: conceptstats index build captions.parquet -o IDX, "
    "then: conceptstats pmi IDX dog frisbee",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__)
def cli(debug: bool) -> None:
    """Count what an image-text model saw together, and set it against where the model fails."""


cli.add_command(data_group)
cli.add_command(index_group)
cli.add_command(concat)
cli.add_command(concepts)
cli.add_command(probes)
cli.add_command(reproduce)


@cli.command(
    epilog='Example: conceptstats count IDX dog frisbee. JSON: {"concepts": [...], "n_captions": n}'
)
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("concepts", nargs=-1, required=True)
@json_option
def count(index: Path, concepts: tuple[str, ...], as_json: bool) -> None:
    """Count the captions that hold all of the CONCEPTS."""
    from conceptstats.index import CaptionIndex

    opened = CaptionIndex.open(index)
    n_captions = opened.count(*concepts)
    names = [opened.concept(opened.concept_id(concept)) for concept in concepts]
    if as_json:
        print_json({"concepts": names, "n_captions": n_captions})
    else:
        click.echo(f"{n_captions:,} of {opened.n:,} captions hold {' and '.join(names)}")


@cli.command(
    epilog="Example: conceptstats pmi IDX dog frisbee --json. In JSON, null is minus infinity (a "
    "pair that was never seen) or undefined (npmi of formula paper)."
)
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("a")
@click.argument("b")
@click.option(
    "--formula",
    type=click.Choice(["document", "paper"]),
    default="document",
    show_default=True,
    help="document: ln(n_ab n / (n_a n_b)) over captions; paper: the published code's constants "
    "and pair-table marginals (arXiv 2507.08000).",
)
@json_option
def pmi(index: Path, a: str, b: str, formula: Any, as_json: bool) -> None:
    """PMI of concepts A and B in nats, with its 95% interval."""
    from conceptstats.index import CaptionIndex

    statistics = CaptionIndex.open(index).pmi(a, b, formula=formula)._asdict()
    if as_json:
        print_json(statistics)
    else:
        print_facts(statistics)


@cli.command(epilog="Example: conceptstats neighbors IDX dog --by llr -k 10")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("concept")
@click.option(
    "--by",
    type=click.Choice(["pmi", "npmi", "llr", "count"]),
    default="npmi",
    show_default=True,
    help="What to order by.",
)
@click.option("-k", default=20, show_default=True, help="How many.")
@click.option("--min-count", default=5, show_default=True, help="Least captions with both.")
@json_option
def neighbors(index: Path, concept: str, by: Any, k: int, min_count: int, as_json: bool) -> None:
    """What goes with CONCEPT, the strongest first."""
    from conceptstats.index import CaptionIndex

    opened = CaptionIndex.open(index)
    rows = opened.neighbors(concept, by=by, k=k, min_count=min_count).to_pylist()
    if as_json:
        name = opened.concept(opened.concept_id(concept))
        print_json({"concept": name, "by": by, "min_count": min_count, "neighbors": rows})
    elif rows:
        columns = ["concept_b", "n_b", "n_ab", "pmi", "pmi_low", "pmi_high", "npmi", "llr"]
        print_table(rows, columns)
    else:
        click.echo(f"No concept is in {min_count} captions or more with {concept}.", err=True)


@cli.command(epilog="Example: conceptstats find IDX dog frisbee -k 3")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("concepts", nargs=-1, required=True)
@click.option("-k", default=10, show_default=True, help="How many at most.")
@json_option
def find(index: Path, concepts: tuple[str, ...], k: int, as_json: bool) -> None:
    """Print captions that hold all of the CONCEPTS, read back from their sources."""
    from conceptstats.index import CaptionIndex

    found = CaptionIndex.open(index).find(*concepts, k=k)
    if as_json:
        print_json({"concepts": list(concepts), "captions": [f._asdict() for f in found]})
        return
    for caption in found:
        name = f"{Path(caption.source).name}:{caption.row}"
        click.echo(f"{name}  {caption.id or '-'}  {' '.join(caption.caption.split())}")
    if not found:
        click.echo("No caption holds all of them.", err=True)


@cli.command(epilog="Example: conceptstats demo -o demo-output --quick")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for all that is made; an earlier demo there is replaced.",
)
@click.option("--quick", is_flag=True, help="A small world, in about a minute.")
@click.option("--seed", default=0, show_default=True, help="Of worlds, models and images.")
@quiet_option
@json_option
def demo(output: Path, quick: bool, seed: int, quiet: bool, as_json: bool) -> None:
    """Run the whole chain in worlds whose answer is known: captions to report, and its controls.

    It takes some minutes. The commands that it runs are in commands.sh, what they print in log.txt.
    """
    from conceptstats.demo import FULL, QUICK, run_demo
    from conceptstats.progress import terminal_progress

    def run(arguments: Sequence[str]) -> None:
        cli.main([*arguments], standalone_mode=False)

    progress = terminal_progress(quiet=quiet)
    result = run_demo(output, run, scale=QUICK if quick else FULL, seed=seed, progress=progress)
    if as_json:
        print_json(result.data)
        return
    rows = result.rows()
    print_table(rows, list(rows[0]))
    click.echo(f"\nreport: {result.report}")


def main() -> None:
    """Run the command line: status 0, 1 for a clear error, 2 for wrong usage."""
    debug = "--debug" in sys.argv
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. The same command goes on where it was.", err=True)
        sys.exit(130)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if debug or package not in _EXTRA_OF:
            raise
        click.echo(f"Error: this command needs the package {package}.", err=True)
        click.echo(f"Hint: pip install 'conceptstats[{_EXTRA_OF[package]}]'", err=True)
        sys.exit(1)
    except (ConceptStatsError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        click.echo(f"Error: {getattr(error, 'message', 'out of memory')}", err=True)
        if hint := getattr(error, "hint", None):
            click.echo(f"Hint: {hint}", err=True)
        sys.exit(1)
