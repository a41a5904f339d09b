"""A model's answers, in the layouts of the tools that write them, as one table.

Read are LLaVA's JSON lines (``question_id, prompt, text, model_id``), VQAv2's result file
(``[{question_id, answer}]``), GQA's (``[{questionId, prediction}]``), POPE's (``question, answer``,
a line for each question in order), and tables of `conceptstats.tables.ANSWERS`.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from conceptstats.errors import TableError
from conceptstats.table_files import ENDINGS, load_table
from conceptstats.tables import ANSWERS

from ..json_files import Row, as_text, check_rows, first_of, read_json, table_of
from .questions import image_of, is_llava_answer

_LAYOUT = (
    "LLaVA's lines with question_id, prompt and text, [{question_id, answer}], "
    "[{questionId, prediction}] or POPE's lines with question and answer"
)
ANSWERS_HINT = f"expected {_LAYOUT}; eval import makes an answers table of other tools' files"


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
        When the file is missing, damaged or of another layout, a row has no answer, or does not
        tell which of two is the model's.
    """
    if path.suffix in ENDINGS:
        table = load_table(path, ANSWERS).select(ANSWERS.names)
        if not table.num_rows:
            raise TableError(f"{path} has no rows.")
        return table
    if path.suffix in (".tsv", ".xlsx"):
        raise TableError(f"{path} is no JSON.", ANSWERS_HINT)
    document = read_json(path)
    rows = check_rows([document] if isinstance(document, dict) else document, path, _LAYOUT)
    read = []
    for number, row in enumerate(rows, 1):
        answer = read_answer(row, number)
        if isinstance(answer, str):
            raise TableError(f"{path}, row {number:,}: {answer}.", ANSWERS_HINT)
        read.append(answer)
    return table_of(read, ANSWERS, path, _LAYOUT)


def read_answer(row: Row, number: int) -> Row | str:
    """A row of any of the layouts under the names of `ANSWERS`, or what is wrong with it.

    Parameters
    ----------
    row : dict
    number : int
        Of the row in its file, from 1: its id where it has none.
    """
    prompt = first_of(row, "prompt", "question")
    prompt = prompt if isinstance(prompt, str) else None
    name = as_text(first_of(row, "question_id", "questionId"))
    keys = [key for key in ("answer", "prediction", "text") if row.get(key) is not None]
    answer = as_text(row[keys[0]]) if keys else None
    if answer is None:
        return f"no answer of text (keys: {', '.join(row)})"
    if name is None and prompt is None:
        return f"no question_id (keys: {', '.join(row)})"
    if len(keys) > 1:
        return f"{' and '.join(keys)}, and nobody knows which of them is the model's answer"
    if keys == ["text"] and not is_llava_answer(row):
        return f"the text is that of a question, not of an answer (keys: {', '.join(row)})"
    return {
        "question_id": str(number) if name is None else name,
        "answer": answer,
        "question": prompt,
        "image_id": image_of(row),
        "model": as_text(first_of(row, "model", "model_id")),
    }
