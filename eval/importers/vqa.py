"""Questions, annotations and answers of visual question answering, told by what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ..vqa.answers import read_answer
from ..vqa.questions import is_llava_answer, read_questions
from .account import Account, Options, Row
from .head import File
from .read_files import json_lines, json_list


def is_annotations(file: File) -> bool:
    """Whether a file holds annotations in VQA form, which belong to a file of questions."""
    return {"question_id", "answers"} <= set(_first_row(file, "annotations"))


def is_questions(file: File) -> bool:
    """Whether a file holds questions: VQA form, TextVQA's, GQA's, POPE's or LLaVA's lines."""
    if any("question" in _first_row(file, name) for name in ("questions", "data")):
        return True
    columns = set(file.columns)
    if file.shape == "object" and {"question_id", "image", "text"} <= columns:
        return not is_llava_answer(file.first)
    if file.shape == "list" and {"question_id", "question"} <= columns:
        return "answers" in columns or not {"answer", "prediction", "text"} & columns  # whose?
    value: Any = next(iter(file.first.values()), None)
    return isinstance(value, dict) and {"question", "imageId"} <= set(value)


def is_answers(file: File) -> bool:
    """Whether a file holds answers: LLaVA's lines, VQA's results, GQA's or POPE's predictions."""
    columns = set(file.columns)
    if file.shape == "object":
        llava = "question_id" in columns and is_llava_answer(file.first)
        return llava or columns == {"question", "answer"}
    named = {"question_id", "answer"}, {"questionId", "prediction"}
    return file.shape == "list" and any(each <= columns for each in named) and (
        "question" not in columns
    )  # fmt: skip


def questions(file: File, _options: Options, account: Account) -> pa.Table:
    """Rows of `conceptstats.tables.QUESTIONS`, with the answers of annotations where there are any.

    Raises
    ------
    TableError
        When a file is damaged, which is then left out as a whole, or annotations and questions do
        not belong to each other.
    """
    limit = 0.0 if file.annotations else 1.0  # questions alone are as good as they are
    table = read_questions(file.path, file.annotations, max_unmatched=limit).table
    if n := table["answers"].null_count:
        account.note(f"{n:,} questions of {file.path} come without people's answers")
    return table


def answers(file: File, options: Options, account: Account) -> Iterator[Row]:
    """Rows of `conceptstats.tables.ANSWERS`; a model that the file does not name is the given one.

    Raises
    ------
    TableError
        When the file is damaged, or a row has no answer.
    """
    path, before = file.path, account.n_read
    rows = json_list if file.shape == "list" else json_lines
    for place, values in rows(path, account):
        answer = read_answer(values, account.n_read - before)
        if isinstance(answer, str):
            account.bad(path, place, answer)
        else:
            yield Row(place, {**answer, "model": answer["model"] or options.model})


def _first_row(file: File, name: str) -> dict[str, Any]:
    """The first of a list that an object holds."""
    rows = file.first.get(name)
    first = rows[0] if isinstance(rows, list) and rows else None
    return first if isinstance(first, dict) else {}
