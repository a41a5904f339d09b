"""Questions and people's answers, in the layouts of their benchmarks, as one table.

Read are VQA form (``questions[...]`` and ``annotations[...]``: VQAv2, OK-VQA, TextVQA as LLaVA's
users convert it), TextVQA's own ``data[...]``, GQA's ``{id: {...}}``, JSON lines (POPE:
``question_id, image, text, label``; LLaVA's question files), and tables of
`conceptstats.tables.QUESTIONS`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import TableError
from conceptstats.table_files import ENDINGS, load_table
from conceptstats.tables import QUESTIONS

from ..json_files import Row, as_text, check_rows, first_of, read_json, table_of
from .matching import check_left_over, match_rows
from .prompts import read_prompt

KINDS = (
    pa.field("question_type", pa.string()),  # VQA: first words; GQA: structure; POPE: category
    pa.field("answer_type", pa.string()),  # VQA: yes/no, number, other; GQA: binary, open
    pa.field("is_balanced", pa.bool_()),  # GQA: in its balanced half
)
TYPED_QUESTIONS = pa.schema([*QUESTIONS, *KINDS])
_GOLD = pa.schema(  # annotations need no text of their own
    [field.with_nullable(field.name != "question_id") for field in TYPED_QUESTIONS]
)
_LAYOUT = (
    'VQA form {"questions": […]}, {"annotations": […]} or {"data": […]}, GQA\'s {"ID": {…}}, or '
    "one object with question_id or question a line"
)
_CATEGORY = re.compile(r"_pope_(\w+)\.")  # POPE has it in the name of its files


@dataclass(frozen=True, slots=True)
class Gold:
    """Questions with what people answered, and the rows that did not find each other."""

    table: pa.Table  # `TYPED_QUESTIONS`; answers are null where there are none
    n_annotations: int
    unmatched_annotations: tuple[str, ...]  # ids

    @property
    def unanswered(self) -> list[str]:
        """Ids of questions without people's answers."""
        return list(self.table.filter(self.table["answers"].is_null())["question_id"].to_pylist())


def read_questions(
    questions: Path, annotations: Sequence[Path] = (), *, max_unmatched: float = 0.0
) -> Gold:
    """Questions of a file, with the answers of annotation files, or their own.

    Parameters
    ----------
    questions : Path
    annotations : sequence of Path
        Empty where the questions have their answers. Matched as `matching.match_rows` says.
    max_unmatched : float
        Largest share of annotations without question, and of questions without answers.

    Raises
    ------
    TableError
        When a file is missing, damaged or of another layout, annotations of one question differ, or
        too many rows are unmatched.
    """
    table = _read(questions, TYPED_QUESTIONS)
    read = [_read_annotations(path) for path in annotations]
    given = pa.concat_tables(read) if read else _GOLD.empty_table()
    gold = _annotate(table, given) if annotations else Gold(table, 0, ())
    check_left_over(
        "annotations", gold.unmatched_annotations, gold.n_annotations, "question", max_unmatched,
        "give the questions that they are of",
    )  # fmt: skip
    check_left_over(
        "questions", gold.unanswered, table.num_rows, "answers of people", max_unmatched,
        "give them with --annotations (those of test sets are not published)",
    )  # fmt: skip
    return gold


def _annotate(questions: pa.Table, annotations: pa.Table) -> Gold:
    matches = match_rows(questions, annotations, "answers", "annotations")
    found = annotations.take(pa.array(matches.rows, pa.int64()))
    for name in ("answers", *(field.name for field in KINDS)):
        place = questions.schema.get_field_index(name)
        merged = pc.coalesce(found[name], questions[name])
        questions = questions.set_column(place, questions.schema.field(name), merged)
    unused = annotations["question_id"].take(pa.array(matches.unused, pa.int64())).to_pylist()
    return Gold(questions, annotations.num_rows, tuple(unused))


def _read_annotations(path: Path) -> pa.Table:
    table = _read(path, _GOLD)
    if table["answers"].null_count == table.num_rows:
        raise TableError(
            f"{path} holds no answers of people.",
            "questions go to --questions; those of test sets have no published answers",
        )
    return table


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    if path.suffix in ENDINGS:
        return load_table(path, schema).select(schema.names)
    rows = check_rows(_rows(read_json(path)), path, _LAYOUT)
    if is_llava_answer(rows[0]):
        raise TableError(f"{path} holds a model's answers, no questions.", "--predictions takes it")
    category = _CATEGORY.search(path.name)
    read = [_read_row(row, category and category[1]) for row in rows]
    needed = [field.name for field in schema if not field.nullable]
    _check_needed(path, read, needed, rows)
    table = table_of(read, schema, path, _LAYOUT)
    if n := pc.list_flatten(table["answers"]).null_count:
        raise TableError(f"{path}: {n:,} answers of people are empty objects or null.")
    return table


def _check_needed(path: Path, read: list[Row], needed: list[str], rows: list[Row]) -> None:
    """Raise where a row lacks what all need."""
    for name in needed:
        missing = [number for number, row in enumerate(read, 1) if row[name] is None]
        if missing:
            annotations = name == "question" and read[missing[0] - 1]["answers"] is not None
            raise TableError(
                f"{path}: {len(missing):,} of {len(read):,} rows have no {name}, the first of them "
                f"is row {missing[0]:,} (keys: {', '.join(rows[missing[0] - 1])}).",
                "people's answers without questions go to --annotations"
                if annotations
                else f"expected {_LAYOUT}",
            )


def _rows(document: Any) -> Any:
    """The rows of a document of any of the layouts."""
    if not isinstance(document, dict):
        return document
    for name in ("questions", "annotations", "data"):
        if isinstance(document.get(name), list):
            return document[name]
    if "question_id" in document:  # one line
        return [document]
    if all(isinstance(row, dict) for row in document.values()):
        return [{"question_id": name, **row} for name, row in document.items()]
    return None


def _read_row(row: Row, category: str | None) -> Row:
    """A row of any of the layouts, under the names of `TYPED_QUESTIONS`."""
    question, text = row.get("question"), row.get("text")  # of POPE and LLaVA, which asks more
    prompt = read_prompt(text) if isinstance(text, str) and question is None else None
    types = row.get("types")
    structure = types.get("structural") if isinstance(types, dict) else None
    kind = structure and ("open" if structure == "query" else "binary")
    return {
        "question_id": as_text(row.get("question_id")),
        "image_id": image_of(row),
        "question": prompt.question if prompt else as_text(question),
        "answers": _answers(row),
        "ocr_tokens": first_of(row, "ocr_tokens") or (prompt and prompt.ocr_tokens),
        "question_type": first_of(row, "question_type", "category") or structure or category,
        "answer_type": row.get("answer_type") or kind,
        "is_balanced": row.get("isBalanced"),
    }


def _answers(row: Row) -> list[Any] | None:
    """What people answered: a list of texts or of objects, one answer, or POPE's label.

    None where nobody answered, as in test sets.
    """
    answers = first_of(row, "answers", "answer", "label")
    if isinstance(answers, list) and answers:
        return [item.get("answer") if isinstance(item, dict) else item for item in answers]
    return None if answers is None or answers == [] else [answers]


def is_llava_answer(row: Row) -> bool:
    """Whether a row is an answer as LLaVA writes it; its questions have a ``text`` too."""
    return "text" in row and any(key in row for key in ("prompt", "answer_id", "model_id"))


def image_of(row: Row) -> str | None:
    """The id of a row's image, or the name of its file without folder and ending."""
    name = first_of(row, "image_id", "imageId")
    if name is None and isinstance(row.get("image"), str):
        name = PurePosixPath(row["image"]).stem
    return as_text(name)
