"""The command `conceptstats synth prompts`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.class_names import ClassNames
from conceptstats.name_options import Classes
from conceptstats.options import (
    device_option,
    json_option,
    overwrite_option,
    quiet_option,
    revision_option,
    shard_option,
    stored_precision_option,
)
from conceptstats.printing import print_facts, print_json


@click.command(
    epilog="Example: conceptstats synth prompts probes.parquet -o prompts.parquet --classes "
    "imagenet --model meta-llama/Llama-3.1-8B-Instruct"
)
@click.argument("probes", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Table to write."
)
@click.option(
    "--model",
    help="Chat model of transformers that writes a sentence: its id on the hub, or a folder. "
    "[default: templates]",
)
@click.option(
    "--templates",
    type=click.Path(path_type=Path),
    help="File of templates, one a line, with {key} and {accessory} for the words. [default: four "
    "of our own]",
)
@click.option(
    "--classes",
    type=Classes(),
    help="The classes, as for `conceptstats probes --keys`: no prompt may name another than its "
    "own. [default: the keys of the probes]",
)
@click.option("--per-probe", default=1, show_default=True, help="Prompts of each probe.")
@click.option(
    "--retries",
    default=3,
    show_default=True,
    help="Further attempts at a prompt that names another class, or not both words; then it is "
    "dropped.",
)
@click.option("--temperature", default=0.1, show_default=True, help="Of the model; 0: greedy.")
@click.option(
    "--min-p",
    default=0.05,
    show_default=True,
    help="Least probability of a token, as a share of that of the most probable one.",
)
@click.option("--max-new-tokens", default=50, show_default=True, help="Longest sentence.")
@click.option("--seed", default=0, show_default=True, help="With probe and number, of a prompt.")
@shard_option
@revision_option
@stored_precision_option
@device_option
@overwrite_option
@quiet_option
@json_option
def prompts(
    probes: Path,
    output: Path,
    model: str | None,
    templates: Path | None,
    classes: ClassNames | None,
    temperature: float,
    min_p: float,
    max_new_tokens: int,
    revision: str | None,
    precision: Any,
    device: Any,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write prompts for images of PROBES: sentences with both words in focus.

    A prompt that names another class, or does not name both words, is tried again and then dropped;
    the run record lists those. A run that is killed goes on when it is started again.
    """
    from conceptstats.progress import terminal_progress
    from conceptstats.table_files import check_output, load_table
    from conceptstats.tables import PROBES

    from .prompts.run import write_prompts
    from .prompts.sampling import Sampling
    from .prompts.wording import choose_writer

    check_output(output, overwrite=options["overwrite"])  # a large model takes minutes to load
    load_table(probes, PROBES)
    writer = choose_writer(
        model,
        templates,
        Sampling(temperature=temperature, min_p=min_p, max_new_tokens=max_new_tokens),
        revision=revision,
        precision=precision,
        device=device,
        quiet=quiet,
    )
    written = write_prompts(
        probes,
        output,
        writer,
        classes=classes,
        progress=terminal_progress(quiet=quiet),
        **options,
    )
    if as_json:
        print_json(written.to_json())
        return
    facts = {
        "output": str(output),
        "prompts": written.n,
        "probes": written.n_probes,
        "probes without": written.n_probes_without,
        "retried": written.n_retried,
    }
    print_facts(facts | {f"dropped: {reason}": n for reason, n in written.dropped.items()})
