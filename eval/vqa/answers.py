"""A model's answers, in the layouts of the tools that write them, as one table.

Read are LLaVA's JSON lines (``question_id, prompt, text, model_id``), VQAv2's result file
(``[{question_id, answer}]``), GQA's (``[{questionId, prediction}]``), POPE's (``question, answer``,
a line for each question in order), and tables of `conceptstats.tables.ANSWERS`.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from conceptstats.errors import TableError
from conceptstats.table_files import load_table
from conceptstats.tables import ANSWERS

from .json_files import Row, check_rows, first_of, read_json
from .questions import as_id, image_of

_LAYOUT = (
    "LLaVA's lines with question_id, prompt and text, [{question_id, answer}], "
    "[{questionId, prediction}] or POPE's lines with question and answer"
)
_TABLES = (".parquet", ".arrow", ".csv")


def read_answers(path: Path) -> pa.Table:
    """Answers of a file.

    A row without any id, as POPE has them, gets its number, from 1, which is how POPE numbers its
    questions; its text is checked against the question's when they are matched.

    Returns
    -------
    Table
        `ANSWERS`, in the order of the file.

    Raises
    ------
    TableError
        When the file is missing, damaged or of another layout, or a row has no answer.
    """
    if path.suffix in _TABLES:
        table = load_table(path, ANSWERS).select(ANSWERS.names)
        if not table.num_rows:
            raise TableError(f"{path} has no rows.")
        return table
    document = read_json(path)
    rows = check_rows([document] if isinstance(document, dict) else document, path, _LAYOUT)
    return pa.Table.from_pylist(
        [_read_row(row, number, path) for number, row in enumerate(rows, 1)], ANSWERS
    )


def _read_row(row: Row, number: int, path: Path) -> Row:
    prompt = first_of(row, "prompt", "question")
    prompt = prompt if isinstance(prompt, str) else None
    name = as_id(first_of(row, "question_id", "questionId"))
    answer = first_of(row, "answer", "prediction", "text")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        answer = str(answer)
    if not isinstance(answer, str) or (name is None and prompt is None):
        lacks = "question_id" if isinstance(answer, str) else "answer of text"
        raise TableError(
            f"{path}: row {number:,} has no {lacks} (keys: {', '.join(row)}).",
            f"expected {_LAYOUT}",
        )
    return {
        "question_id": name or str(number),
        "answer": answer,
        "question": prompt,
        "image_id": image_of(row),
        "model": as_id(first_of(row, "model", "model_id")),
    }
