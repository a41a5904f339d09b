"""The commands `conceptstats eval ...`: parse, call, print. No logic."""

from __future__ import annotations

import click


@click.group(
    name="eval", epilog="Example: conceptstats eval correlate examples.parquet --cluster class"
)
def eval_group() -> None:
    """Run models, and set their accuracy against the statistics of captions."""
