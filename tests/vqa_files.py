"""Small files in the layouts of VQA benchmarks, with made-up questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from conceptstats.tables import ANSWERS

PEOPLE = {
    "1": ["dog"] * 4 + ["puppy"] * 6,
    "2": ["two"] * 3 + ["2"] * 2 + ["three"] * 5,
    "3": ["yes"] * 10,
}
ASKED = {"1": "What animal runs?", "2": "How many dogs?", "3": "Is it red?"}
IMAGES = {"1": "i1", "2": "i1", "3": "i2"}
OCR = "\nReference OCR token: FRISBEE, 10\nAnswer the question using a single word or phrase."


def write_lines(path: Path, rows: Sequence[Any]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_document(path: Path, document: Any) -> Path:
    """One JSON document."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def vqa_questions(path: Path, names: Sequence[str] = tuple(ASKED)) -> Path:
    """Questions in VQA form."""
    rows = [{"question_id": int(n), "image_id": IMAGES[n], "question": ASKED[n]} for n in names]
    return write_document(path, {"questions": rows})


def vqa_annotations(path: Path, names: Sequence[str] = tuple(PEOPLE)) -> Path:
    """Ten answers each, in VQA form."""
    rows = [
        {
            "question_id": int(name),
            "image_id": IMAGES[name],
            "question_type": ASKED[name].split()[0].lower(),
            "answer_type": "other",
            "answers": [{"answer": text, "answer_id": i} for i, text in enumerate(PEOPLE[name])],
        }
        for name in names
    ]
    return write_document(path, {"annotations": rows})


def llava_lines(path: Path, answers: dict[str, str]) -> Path:
    """Answers as LLaVA writes them for TextVQA: the image's id for the question's."""
    rows = [
        {"question_id": IMAGES[n], "prompt": ASKED[n] + OCR, "text": text, "model_id": "m"}
        for n, text in answers.items()
    ]
    return write_lines(path, rows)


def make_answers(given: dict[str, str], **columns: Any) -> pa.Table:
    """An answers table."""
    rows = {"question_id": list(given), "answer": list(given.values())} | columns
    blank = [None] * len(given)
    return pa.table({field.name: rows.get(field.name, blank) for field in ANSWERS}, ANSWERS)
