"""The commands `conceptstats eval correlate | compare | shuffle`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import json_option, overwrite_option, quiet_option, refuse_given
from conceptstats.printing import print_facts, print_json, print_table

from .result_options import bootstrap_option, permutations_option, result_option, seed_option

if TYPE_CHECKING:
    from .statistics.compare import Comparison
    from .statistics.results import Correlation
    from .statistics.shuffle import Shuffled
    from .statistics.slopes import SlopeChange

_predictor_option = click.option(
    "--predictor", default="pmi", show_default=True, help="Column of the predictor."
)
_bins_option = click.option(
    "--bins", "n_bins", default=20, show_default=True, help="Bins of the predictor."
)


@click.command(
    epilog="Example: conceptstats eval correlate examples.parquet --cluster class -o results.json"
)
@click.argument("examples", type=click.Path(path_type=Path))
@_predictor_option
@click.option(
    "--controls",
    help="Columns to hold fixed in the model, with commas between them; or none. [default: those "
    "of log_n_key, log_n_accessory, log_n_concept, length, log_n_pair that there are]",
)
@click.option(
    "--cluster",
    "clusters",
    multiple=True,
    help="Column within which examples are alike; twice for two of them; or none. [default: the "
    "coarsest of class, pair, image with ten values]",
)
@_bins_option
@click.option(
    "--binning",
    "bins",
    type=click.Choice(["quantile", "width"]),
    default="quantile",
    show_default=True,
    help="Bins of as many examples, or of equal width.",
)
@bootstrap_option
@permutations_option
@seed_option
@result_option
@overwrite_option
@quiet_option
@json_option
def correlate(
    examples: Path,
    controls: str | None,
    clusters: tuple[str, ...],
    output: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Set the outcomes of EXAMPLES against a predictor, with intervals and controls."""
    from .statistics.correlate import correlate_file

    if controls is not None:
        options["controls"] = [] if controls == "none" else controls.split(",")
    if clusters:
        options["cluster"] = [] if clusters == ("none",) else list(clusters)
    found = correlate_file(examples, output, overwrite=overwrite, **options)
    _print(found, output, quiet, as_json)
    if not as_json:
        _show_predictors(found)


def _print(
    found: Correlation | Comparison | SlopeChange | Shuffled,
    output: Path | None,
    quiet: bool,
    as_json: bool,
    **inputs: Path,
) -> None:
    if as_json:
        print_json(found.to_json())
    else:
        print_facts({**inputs, **found.facts()})
    if output and not quiet:
        click.echo(f"written: {output}", err=True)


def _show_predictors(found: Correlation) -> None:
    click.echo()
    columns = "name n_used r_binned r_unbinned spearman gap_5pct auc slope_per_sd".split()
    rows = [{column: getattr(row, column) for column in columns} for row in found.predictors]
    print_table(rows, columns)
    click.echo()
    for note in found.notes:
        click.echo(f"- {note}")


@click.command(
    epilog="Example: conceptstats eval compare main.parquet opposite.parquet -o difference.json"
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@_predictor_option
@_bins_option
@bootstrap_option
@permutations_option
@seed_option
@click.option(
    "--slopes",
    is_flag=True,
    help="Give instead the difference of the slopes of accuracy on PMI, for two models of the same "
    "captions, such as after and before fine-tuning. Nothing is drawn, and there are no bins.",
)
@result_option
@overwrite_option
@quiet_option
@json_option
def compare(
    a: Path,
    b: Path,
    output: Path | None,
    slopes: bool,
    predictor: str,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **drawing: Any,
) -> None:
    """Set differences of accuracy between two examples tables, A - B, against those of PMI.

    Both are of the same images, by models that were trained on different captions; or, with
    --slopes, on the same.
    """
    from .statistics.compare import compare_files
    from .statistics.slopes import compare_slopes_files

    common: dict[str, Any] = {"predictor": predictor, "overwrite": overwrite}
    if slopes:
        refuse_given(drawing, "does not go with --slopes")
        _print(compare_slopes_files(a, b, output, **common), output, quiet, as_json, A=a, B=b)
    else:
        _print(compare_files(a, b, output, **common, **drawing), output, quiet, as_json)


@click.command(epilog="Example: conceptstats eval shuffle examples.parquet -o shuffled.json")
@click.argument("examples", type=click.Path(path_type=Path))
@_predictor_option
@_bins_option
@click.option("--shuffles", "n_shuffles", default=200, show_default=True, help="How many.")
@seed_option
@result_option
@overwrite_option
@quiet_option
@json_option
def shuffle(
    examples: Path, output: Path | None, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Shuffle the PMI of EXAMPLES among pairs: what the statistics make of nothing.

    Figures are means over the shuffles, with the range of 95% of them.
    """
    from .statistics.shuffle import shuffle_file

    _print(shuffle_file(examples, output, **options), output, quiet, as_json)
