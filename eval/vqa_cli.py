"""The commands `conceptstats eval vqa ...`: parse, call, print. No logic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from conceptstats.options import json_option, overwrite_option
from conceptstats.printing import print_facts, print_json, print_table

from .vqa_run_cli import run

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "--metric",
        required=True,
        type=click.Choice(["textvqa", "vqav2", "gqa", "pope"]),
        help="How answers are judged.",
    ),
    click.option(
        "--questions",
        required=True,
        type=_FILE,
        help="VQA form, TextVQA's data, GQA's questions, POPE's or LLaVA's lines, or a table.",
    ),
    click.option(
        "--annotations",
        multiple=True,
        type=_FILE,
        help="People's answers, where the questions do not have them; may be given again.",
    ),
    click.option(
        "--predictions",
        required=True,
        type=_FILE,
        help="The model's answers: of LLaVA, VQAv2, GQA or POPE, or an answers table.",
    ),
    click.option(
        "--max-unmatched",
        default=0.0,
        show_default=True,
        help="Largest share of questions, annotations or predictions without their other half.",
    ),
)


def _shared_options(command: Command) -> Command:
    """The options that both commands have."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(
    name="vqa",
    epilog="Example: conceptstats eval vqa score --metric textvqa --questions questions.json "
    "--annotations annotations.json --predictions answers.jsonl",
)
def vqa() -> None:
    """Judge answers to questions on images, and set them against PMI."""


@vqa.command(
    epilog="Example: conceptstats eval vqa score --metric pope --questions coco_pope_random.json "
    "--predictions answers.jsonl"
)
@_shared_options
@click.option("-o", "--output", type=_FILE, help="Answers table to write, with score and metric.")
@overwrite_option
@json_option
def score(questions: Path, predictions: Path, as_json: bool, **options: Any) -> None:
    """Judge a model's answers by a published metric; figures are in percent."""
    from .vqa.score import score_files

    found = score_files(questions, predictions, **options).to_json()
    if as_json:
        print_json(found)
        return
    print_facts(
        {name.replace("_", " "): x for name, x in found.items() if not isinstance(x, list | dict)}
    )
    for name, groups in found.items():
        if name.startswith("by_"):
            click.echo()
            print_table(groups, [column for column in groups[0] if column != "cluster"])


@vqa.command(
    epilog="Example: conceptstats eval vqa examples IDX --metric textvqa --questions "
    "questions.json --annotations annotations.json --predictions answers.jsonl -o examples.parquet"
)
@click.argument("index", type=_FILE)
@_shared_options
@click.option(
    "--answer",
    type=click.Choice(["gold", "predicted"]),
    default="gold",
    show_default=True,
    help="Whose answer belongs to the text: most people's, or the model's own.",
)
@click.option(
    "--ocr",
    type=click.Choice(["keep", "drop"]),
    default="drop",
    show_default=True,
    help="Whether OCR tokens of the questions or prompts belong to the text.",
)
@click.option(
    "--formula",
    type=click.Choice(["document", "paper"]),
    default="document",
    show_default=True,
    help="Of PMI.",
)
@click.option(
    "--smoothing",
    default=0.0,
    show_default=True,
    help="Captions added to the observed and the expected count of a pair. 0: the mean is over the "
    "pairs that were ever seen together, and the share of the others is a column.",
)
@click.option("-o", "--output", required=True, type=_FILE, help="Examples to write.")
@overwrite_option
@json_option
def examples(
    index: Path, questions: Path, predictions: Path, output: Path, as_json: bool, **options: Any
) -> None:
    """Make examples of judged answers, with the PMI in INDEX of the words of each."""
    from .vqa.examples import make_example_files

    made = make_example_files(index, questions, predictions, output, **options)
    facts = {"output": str(output), **made.to_json()}
    if as_json:
        print_json(facts)
        return
    print_facts(
        {name.replace("_", " "): x for name, x in facts.items() if not isinstance(x, list | dict)}
    )
    if facts["unknown"]:
        click.echo("\nconcepts that the index does not know, the most frequent")
        print_table(facts["unknown"], ["concept", "n"])


vqa.add_command(run)
