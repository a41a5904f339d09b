"""Questions on twelve made-up pictures, for small models to answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tiny_lmm import write_llava, write_onevision, write_qwen

from conceptstats.eval.vqa.run import RunSummary, answer_questions
from conceptstats.table_files import load_table
from conceptstats.tables import ANSWERS

SUBJECTS = ("dog", "cat", "frisbee", "ball", "grass")
SHAPES = ((40, 30), (64, 100), (20, 20), (90, 50))
WRITERS: dict[str, Callable[[Path], Path]] = {
    "llava": write_llava,
    "onevision": write_onevision,
    "qwen": write_qwen,
}


def write_pictures(folder: Path) -> Path:
    """Twelve pictures of several shapes, noise around a colour each, as COCO names them."""
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.normal(rng.uniform(0, 255, 3), 40, (*SHAPES[number % 4], 3))
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        picture.save(folder / f"COCO_val2014_{number:012d}.jpg", quality=95)
    return folder


def make_rows(n: int) -> list[dict[str, Any]]:
    """``n`` questions of several lengths on the twelve pictures; every third has OCR tokens."""
    forms = ("What colour is the {}?", "How many dogs are there in the image of a {} on grass?",
             "Is there a {}?")  # fmt: skip
    rows = []
    for number in range(n):
        text = forms[number % 3].format(SUBJECTS[number % 5])
        row = {"question_id": 100 + number, "image_id": number % 12, "question": text}
        rows.append(row | ({"ocr_tokens": ["red", "10"]} if number % 3 == 0 else {}))
    return rows


def run(questions: Path, images: Path, output: Path, model: Path, **options: Any) -> RunSummary:
    """Ask for short answers."""
    return answer_questions(
        questions, images, output, model=model, **({"max_new_tokens": 5} | options)
    )


def answers_of(path: Path) -> dict[str, str]:
    """Answers by their question's id."""
    table = load_table(path, ANSWERS)
    columns = (table[name].to_pylist() for name in ("question_id", "answer"))
    return dict(zip(*columns, strict=True))
