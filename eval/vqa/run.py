"""A model's answers to the questions of a benchmark."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, SourceError
from conceptstats.parts import unfinished
from conceptstats.progress import Progress, Silent
from conceptstats.runs import dump_json, run_record
from conceptstats.shards import PLACE, Shard
from conceptstats.table_files import (
    ENDINGS,
    check_output,
    fingerprint,
    record_path,
    save_table,
)
from conceptstats.tables import ANSWERS, writing

from .asking import ASKED, PART, OnError, Task, ask_questions
from .image_files import find_images
from .questions import read_questions

if TYPE_CHECKING:
    from conceptstats.models.devices import Device, PrecisionOrAuto

    from .lmm import Lmm

Ocr = Literal["keep", "drop"]

PROMPT = "{question}\nAnswer the question using a single word or phrase."  # of LLaVA-1.5
_OCR_LINE = "\nReference OCR token: "
_LINES = ".jsonl"
_PACKAGES = ("torch", "transformers", "pillow")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What `answer_questions` did."""

    output: Path
    n: int  # answers
    skipped: tuple[tuple[str, str], ...]  # id and reason of each question that was not asked
    n_with_ocr: int  # prompts with OCR tokens
    n_empty: int  # answers without text
    n_cut: int  # answers at the limit of new tokens
    n_asked_again: int  # by themselves, because a choice was close in their batch
    model: str
    revision: str | None
    precision: str

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        names = [name for name in self.__slots__ if name not in ("output", "skipped")]
        return {
            "output": str(self.output),
            **{name: getattr(self, name) for name in names},
            "n_skipped": len(self.skipped),
            "skipped": [list(pair) for pair in self.skipped],
        }

    def facts(self) -> dict[str, object]:
        """The figures under names that people read."""
        return {
            "output": self.output,
            "answers": self.n,
            "with OCR tokens in the prompt": self.n_with_ocr,
            "without text": self.n_empty,
            "cut at the longest answer": self.n_cut,
            "asked again alone, as a choice was close": self.n_asked_again,
            "questions skipped": len(self.skipped),
            "model": self.model,
            "revision": self.revision,
            "precision": self.precision,
        }


def answer_questions(
    questions: Path,
    images: Path,
    output: Path,
    *,
    model: str | Path,
    revision: str | None = None,
    prompt: str = PROMPT,
    system: str | None = None,
    ocr: Ocr = "keep",
    max_new_tokens: int = 128,
    batch_size: int = 1,
    precision: PrecisionOrAuto = "auto",
    device: Device = "auto",
    shard: Shard | None = None,
    on_error: OnError = "stop",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunSummary:
    """Ask a model the questions of a file, and write its answers.

    Answers are greedy: the most probable token after token. A run that is killed goes on when it is
    started again with the same settings, also with another ``batch_size``.

    Parameters
    ----------
    questions : Path
        As `questions.read_questions` reads them; people's answers may be missing.
    images : Path
        Folder with the images, under names of `image_files.image_names`.
    output : Path
        Table `conceptstats.tables.ANSWERS` (.parquet, .arrow or .csv), whose ``question`` is the
        prompt; or ``.jsonl`` as LLaVA writes answers. In the order of the questions.
    model, revision, precision, device
        As `lmm.load_lmm` takes them.
    prompt : str
        ``{question}`` stands for the question, with its line of OCR tokens.
    system : str, optional
        What the conversation begins with, where that is not the model's own.
    ocr : {"keep", "drop"}
        keep: a line "Reference OCR token: A, B" behind questions that have tokens.
    max_new_tokens : int
    batch_size : int
        Questions that are asked together, 64 at most. See the notes.
    shard : Shard, optional
        Every n-th question.
    on_error : {"stop", "skip"}
        What to do with a question that cannot be asked: its image cannot be read, or the prompt is
        longer than the model takes. What is skipped is counted and stands in the run record.
    overwrite : bool
    progress : Progress, optional

    Raises
    ------
    ParameterError, TableError, SourceError, OutputExistsError, OutputError
    ModelError
        When the model cannot be had, gives no numbers, or memory does not suffice.

    Notes
    -----
    The answer to a question depends on it alone. With ``batch_size`` 1, the default, it is asked
    alone. Questions that are asked together are padded on the left, and a product of matrices is
    rounded otherwise for other shapes, so that the logits differ in their last bits: where these
    could have decided, because a token led the next best by less than `asking.CLOSE`, the question
    is asked again by itself. The summary counts these.
    """
    progress = progress or Silent()
    shard = shard or Shard()
    _check(output, overwrite, prompt, ocr, max_new_tokens, batch_size, on_error)
    table = read_questions(questions, max_unmatched=1.0).table
    rows = pa.array(shard.take(range(table.num_rows)), pa.int64())
    if not len(rows):
        raise ParameterError(f"shard {shard} of {table.num_rows:,} questions is empty.")
    asked = table.take(rows)
    files = find_images(images, asked["image_id"].to_pylist())
    prompts = make_prompts(asked, prompt, ocr)
    from .lmm import load_lmm

    progress.say(f"loading {model}")
    lmm = load_lmm(model, revision=revision, precision=precision, device=device)
    if lmm.is_plain:
        progress.say(f"{model} has no chat template: prompts are USER: <image>, ..., ASSISTANT:")
    task = Task(rows.to_pylist(), asked["question_id"].to_pylist(), prompts, files, system,
                max_new_tokens, on_error)  # fmt: skip
    arguments = {
        "questions": str(questions), "images": str(images), "model": lmm.name,
        "revision": lmm.revision, "prompt": prompt, "system": system, "ocr": ocr,
        "max_new_tokens": max_new_tokens, "precision": lmm.precision, "device": lmm.device.type,
        "shard": str(shard), "on_error": on_error,
    }  # fmt: skip
    plan = {
        **{name: arguments[name] for name in ("system", "max_new_tokens", "precision", "device")},
        "model": [lmm.name, lmm.fingerprint],
        "questions": _stamp(task),
        "versions": {name: version(name) for name in _PACKAGES},
    }
    with closing(progress), unfinished(output, plan, ASKED, progress) as parts:
        made = ask_questions(parts, task, lmm, batch_size=batch_size, progress=progress)
        inputs = {str(questions): fingerprint(questions), "images": _digest(made),
                  "weights": lmm.fingerprint}  # fmt: skip
        record = run_record("eval vqa run", arguments, inputs, packages=_PACKAGES)
        asked = asked.append_column(PLACE, rows)
        return _finish(made, asked, prompts, lmm, output, record, overwrite=overwrite)


def _check(
    output: Path, overwrite: bool, prompt: str, ocr: str, max_new_tokens: int, batch_size: int,
    on_error: str,
) -> None:  # fmt: skip
    check_output(output, (*ENDINGS, _LINES), overwrite=overwrite)
    if "{question}" not in prompt:
        raise ParameterError(f"the prompt {prompt!r} has no {{question}} where the question goes.")
    if max_new_tokens < 1 or not 1 <= batch_size <= PART:
        raise ParameterError(
            f"max_new_tokens is {max_new_tokens} and batch_size {batch_size}; expected 1 or more, "
            f"and 1 to {PART}."
        )
    for name, given, allowed in (("ocr", ocr, Ocr), ("on_error", on_error, OnError)):
        if given not in get_args(allowed):
            raise ParameterError(f"{name} is {given!r}, expected {' or '.join(get_args(allowed))}.")


def make_prompts(questions: pa.Table, template: str = PROMPT, ocr: Ocr = "keep") -> list[str]:
    """What is put to the model for each question.

    Parameters
    ----------
    questions : Table
        With question, and ocr_tokens: null for no line of them; a list without tokens gives an
        empty one, as published.
    template : str
        With ``{question}``.
    ocr : {"keep", "drop"}
    """
    prompts = []
    for question, tokens in zip(
        questions["question"].to_pylist(), questions["ocr_tokens"].to_pylist(), strict=True
    ):
        has_line = tokens is not None and ocr == "keep"
        line = _OCR_LINE + ", ".join(tokens) if has_line else ""
        prompts.append(template.replace("{question}", question.strip() + line))
    return prompts


def _stamp(task: Task) -> str:
    """Changes when a question, its prompt or its image does, as far as can be told unread."""
    digest = hashlib.sha256()
    for row in zip(task.numbers, task.ids, task.prompts, task.images, strict=True):
        state = row[-1].stat()
        digest.update(repr((*map(str, row), state.st_size, state.st_mtime_ns)).encode())
    return f"sha256:{digest.hexdigest()}"


def _digest(made: pa.Table) -> str:
    """Of the contents of all images."""
    hashes = "\n".join(str(sha256) for sha256 in made["sha256"].to_pylist())
    return f"sha256:{hashlib.sha256(hashes.encode()).hexdigest()}"


def _finish(
    made: pa.Table,
    asked: pa.Table,
    prompts: list[str],
    lmm: Lmm,
    output: Path,
    record: dict[str, Any],
    *,
    overwrite: bool,
) -> RunSummary:
    """Write answers and run record, and sum them up."""
    is_answered = pc.is_valid(made["answer"])
    ids = asked["question_id"]
    bad = zip(ids.to_pylist(), made["problem"].to_pylist(), strict=True)
    skipped = tuple((identity, reason) for identity, reason in bad if reason is not None)
    if len(skipped) == made.num_rows:
        raise SourceError(
            f"none of {len(skipped):,} questions can be asked, the first because: {skipped[0][1]}."
        )
    record["skipped"] = [list(pair) for pair in skipped]
    table = pa.table(
        {
            "question_id": ids,
            "answer": made["answer"],
            "question": pa.array(prompts, pa.string()),
            "image_id": asked["image_id"],
            "model": pa.repeat(pa.scalar(lmm.name), made.num_rows),
            PLACE: asked[PLACE],
        }
    ).filter(is_answered)
    if output.suffix == _LINES:
        _save_lines(output, table.drop_columns(PLACE), record, overwrite=overwrite)
    else:
        save_table(output, table, ANSWERS, record=record, overwrite=overwrite)
    has_ocr = pc.and_(is_answered, pc.greater(pc.list_value_length(asked["ocr_tokens"]), 0))
    return RunSummary(
        output=output,
        n=table.num_rows,
        skipped=skipped,
        n_with_ocr=pc.sum(has_ocr).as_py() or 0 if record["arguments"]["ocr"] == "keep" else 0,
        n_empty=table["answer"].to_pylist().count(""),
        n_cut=pc.sum(made["is_cut"]).as_py(),  # null where there is no answer
        n_asked_again=pc.sum(made["is_again"]).as_py(),
        model=lmm.name,
        revision=lmm.revision,
        precision=lmm.precision,
    )


def _save_lines(path: Path, table: pa.Table, record: dict[str, Any], *, overwrite: bool) -> None:
    """JSON lines with LLaVA's keys, and the image's id."""
    with writing(path, overwrite=overwrite) as partial, partial.open("w", encoding="utf-8") as out:
        for row in table.to_pylist():
            named = "\t".join(str(value) for value in row.values())
            line = {
                "question_id": row["question_id"],
                "image_id": row["image_id"],
                "prompt": row["question"],
                "text": row["answer"],
                "answer_id": hashlib.sha256(named.encode()).hexdigest()[:22],
                "model_id": row["model"],
                "metadata": {},
            }
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    with writing(record_path(path), overwrite=True) as partial:
        dump_json(partial, record)
