"""Options that the commands with a statistical result share."""

from __future__ import annotations

from pathlib import Path

import click

bootstrap_option = click.option(
    "--bootstrap",
    "n_bootstrap",
    default=1000,
    show_default=True,
    help="Replicates; fewer than 20 give no interval.",
)
permutations_option = click.option(
    "--permutations", "n_permutations", default=1000, show_default=True, help="0 for none."
)
seed_option = click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
result_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="JSON file to write, with its run."
)
