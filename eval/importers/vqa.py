"""Questions, annotations and answers of visual question answering, told by what they hold."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ..vqa.answers import read_answers
from ..vqa.questions import read_questions
from .account import Account, Options
from .head import File


def is_annotations(file: File) -> bool:
    """Whether a file holds annotations in VQA form, which belong to a file of questions."""
    return {"question_id", "answers"} <= set(_first_of(file, "annotations"))


def is_questions(file: File) -> bool:
    """Whether a file holds questions: VQA form, TextVQA's, GQA's, POPE's or LLaVA's lines."""
    if any("question" in _first_of(file, name) for name in ("questions", "data")):
        return True
    columns = set(file.columns)
    if file.shape == "object" and {"question_id", "image", "text"} <= columns:
        return True
    if file.shape == "list" and {"question_id", "question"} <= columns:
        return "answers" in columns or not {"answer", "prediction", "text"} & columns  # whose?
    value: Any = next(iter(file.first.values()), None)
    return isinstance(value, dict) and {"question", "imageId"} <= set(value)


def is_answers(file: File) -> bool:
    """Whether a file holds answers: LLaVA's lines, VQA's results, GQA's or POPE's predictions."""
    columns = set(file.columns)
    if file.shape == "object":
        return _is_answered(columns) or set(columns) == {"question", "answer"}
    named = {"question_id", "answer"}, {"questionId", "prediction"}
    return file.shape == "list" and any(each <= columns for each in named) and (
        "question" not in columns
    )  # fmt: skip


def questions(file: File, _options: Options, account: Account) -> pa.Table:
    """Rows of `conceptstats.tables.QUESTIONS`, with the answers of annotations where there are any.

    Raises
    ------
    TableError
        When a file is damaged, or annotations and questions do not belong to each other.
    """
    limit = 0.0 if file.annotations else 1.0  # questions alone are as good as they are
    table = read_questions(file.path, file.annotations, max_unmatched=limit).table
    if n := table["answers"].null_count:
        account.note(f"{n:,} questions of {file.path} come without people's answers")
    return table


def answers(file: File, options: Options, account: Account) -> pa.Table:
    """Rows of `conceptstats.tables.ANSWERS`; a model that the file does not name is the given one.

    Raises
    ------
    TableError
        When the file is damaged.
    """
    table = read_answers(file.path)
    model = table["model"].fill_null(options.model) if options.model else table["model"]
    place = table.schema.get_field_index("model")
    return table.set_column(place, table.schema.field("model"), model)


def _first_of(file: File, name: str) -> dict[str, Any]:
    """The first of a list that an object holds."""
    rows = file.first.get(name)
    first = rows[0] if isinstance(rows, list) and rows else None
    return first if isinstance(first, dict) else {}


def _is_answered(columns: set[str]) -> bool:
    """Whether lines are LLaVA's answers, and not its questions."""
    return {"question_id", "text"} <= columns and bool({"answer_id", "model_id"} & columns)
