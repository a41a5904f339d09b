"""The command `conceptstats eval vqa run`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

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

_FILE = click.Path(path_type=Path)


@click.command(
    epilog="Example: conceptstats eval vqa run --questions questions.json --images train_images/ "
    "--model llava-hf/llava-1.5-7b-hf -o answers.parquet"
)
@click.option(
    "--questions",
    required=True,
    type=_FILE,
    help="VQA form, TextVQA's data, GQA's questions, POPE's or LLaVA's lines, or a table.",
)
@click.option(
    "--images",
    required=True,
    type=_FILE,
    help="Folder of the images: ID.jpg (or .png, ...), or COCO_val2014_%012d.jpg.",
)
@click.option(
    "--model",
    required=True,
    help="Image-text-to-text model of transformers: id on the hub, or folder.",
)
@revision_option
@click.option(
    "--prompt",
    help="Template with {question}; \\n is a new line. [default: the question, and below it "
    "'Answer the question using a single word or phrase.']",
)
@click.option("--system", help="What the conversation begins with, instead of the model's own.")
@click.option(
    "--ocr",
    type=click.Choice(["keep", "drop"]),
    default="keep",
    show_default=True,
    help="Whether prompts have OCR tokens, where the questions do: 'Reference OCR token: A, B'.",
)
@click.option(
    "--max-new-tokens",
    default=128,
    show_default=True,
    help="Longest answer, in tokens; those that are cut are counted.",
)
@click.option(
    "--batch-size",
    default=1,
    show_default=True,
    help="Questions that are asked together, up to 64; close choices are asked again one by one.",
)
@stored_precision_option
@device_option
@shard_option
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with a question whose image cannot be read or whose prompt is too long; what "
    "is skipped is listed.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=_FILE,
    help="Answers to write: .parquet, .arrow or .csv, or .jsonl as LLaVA writes them.",
)
@overwrite_option
@quiet_option
@json_option
def run(
    questions: Path,
    images: Path,
    output: Path,
    prompt: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Ask a model about images, greedily: TextVQA, VQAv2, GQA, POPE and the like.

    A run that is killed goes on when it is started again. `conceptstats eval vqa score` judges the
    answers.

    Of several GPUs, give each a process and a share: CUDA_VISIBLE_DEVICES=0 conceptstats eval vqa
    run ... --shard 0/4; `conceptstats concat` puts the tables together.
    """
    from conceptstats.progress import terminal_progress

    from .vqa.run import PROMPT, answer_questions

    template = PROMPT if prompt is None else prompt.replace("\\n", "\n")
    progress = terminal_progress(quiet=quiet)
    found = answer_questions(
        questions, images, output, prompt=template, progress=progress, **options
    )
    if as_json:
        print_json(found.to_json())
        return
    print_facts(found.facts())
    for identity, reason in found.skipped[:10]:
        click.echo(f"skipped: {identity}: {reason}")
    if len(found.skipped) > 10:
        click.echo(f"skipped: {len(found.skipped) - 10:,} more; see --json")
