"""The commands `conceptstats eval ...`, each defined beside its kin."""

from __future__ import annotations

import click

from .examples_cli import join, observer
from .finetune_cli import finetune, interpolate
from .frequency_cli import frequency
from .import_cli import import_
from .long_tail_cli import agreement, long_tail
from .report_cli import figure, report
from .statistics_cli import compare, correlate, shuffle
from .tiny_models_cli import tiny_model
from .vqa_cli import vqa
from .zeroshot_cli import zeroshot


@click.group(
    name="eval", epilog="Example: conceptstats eval correlate examples.parquet --cluster class"
)
def eval_group() -> None:
    """Run models, and set their accuracy against the statistics of captions."""


for command in (
    finetune, interpolate, zeroshot, vqa, import_, join, observer, correlate, compare, shuffle,
    frequency, long_tail, agreement, figure, report, tiny_model,
):  # fmt: skip
    eval_group.add_command(command)
