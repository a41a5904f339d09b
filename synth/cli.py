"""The commands `conceptstats synth ...`: parse, call, print. No logic."""

from __future__ import annotations

import click


@click.group(name="synth", epilog="Example: conceptstats synth world -o WORLD --seed 0")
def synth_group() -> None:
    """Make controlled concept-pair images, and worlds whose answer is known."""
