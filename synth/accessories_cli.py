"""The command `conceptstats synth accessories`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.name_options import Accessories, Classes, key_match_option
from conceptstats.options import (
    device_option,
    json_option,
    overwrite_option,
    quiet_option,
    revision_option,
    stored_precision_option,
)
from conceptstats.printing import print_facts, print_json


@click.command(
    epilog="Example: conceptstats synth accessories WORDS -o accessories.parquet --classes "
    "imagenet --min-count 100 --judge meta-llama/Llama-3.1-8B-Instruct"
)
@click.argument("index", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Table to write."
)
@click.option(
    "--classes",
    type=Classes(),
    required=True,
    help="The classes, as for `conceptstats probes --keys`: no accessory may name one.",
)
@key_match_option
@click.option("--min-count", default=1, show_default=True, help="Least captions of a word.")
@click.option(
    "--visualisable",
    type=Accessories(),
    help="Words that can be seen, the only ones to keep: a file with one a line.",
)
@click.option(
    "--judge",
    help="Chat model of transformers that says which words are easy to visualise: its id on the "
    "hub, or a folder.",
)
@click.option("--temperature", default=0.5, show_default=True, help="Of the model; 0: greedy.")
@click.option(
    "--top-p",
    default=0.9,
    show_default=True,
    help="Draw among the tokens that have this share of the probability together.",
)
@click.option(
    "--retries",
    default=3,
    show_default=True,
    help="Further attempts when the model says neither yes nor no.",
)
@click.option("--seed", default=0, show_default=True, help="With the word, of an answer.")
@revision_option
@stored_precision_option
@device_option
@overwrite_option
@quiet_option
@json_option
def accessories(
    index: Path,
    output: Path,
    judge: str | None,
    temperature: float,
    top_p: float,
    revision: str | None,
    precision: Any,
    device: Any,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Choose accessories among the words of INDEX: nouns and adjectives that a picture can show.

    They are known to WordNet, have no digit and neither "photo" nor "image" in them, and name no
    class; then they are judged by a model, a list, both, or not at all. The table has every word
    of the index, with the reason why it is not kept. `conceptstats probes` and `conceptstats
    concepts` take it.
    """
    from dataclasses import replace

    from conceptstats.index import CaptionIndex
    from conceptstats.progress import terminal_progress
    from conceptstats.table_files import check_output

    from .accessories import JUDGEMENT, choose_accessories

    check_output(output, overwrite=options["overwrite"])  # a large model takes minutes to load
    CaptionIndex.open(index)
    loaded = None
    if judge is not None:
        from .prompts.chat import load_chat_model

        loaded = load_chat_model(
            judge, revision=revision, precision=precision, device=device, quiet=quiet
        )
    chosen = choose_accessories(
        index,
        output,
        judge=loaded,
        sampling=replace(JUDGEMENT, temperature=temperature, top_p=top_p),
        progress=terminal_progress(quiet=quiet),
        **options,
    )
    if as_json:
        print_json(chosen.to_json())
        return
    facts = {"output": str(output), "words": chosen.n, "kept": chosen.n_kept}
    print_facts(facts | {f"left out: {reason}": n for reason, n in chosen.left_out.items()})
