"""Questions about the pictures of probes, whose answers are known: what VQA is about, made small.

Half of them ask for what a picture shows, half for what it does not, so that always saying yes is
right half of the time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

from conceptstats.errors import ParameterError, TableError
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import fingerprint, load_table
from conceptstats.tables import IMAGES, PROBES, output_errors, writing_folder

Form = Literal["textvqa", "vqav2"]

TEXT = "Is there a {accessory} beside the {key}?"
MARK = "run.json"  # a folder that has it was made here
_PEOPLE = 10  # answers of each question, as in both benchmarks


class Asked(NamedTuple):
    """A question about a picture."""

    picture: int
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Questions:
    """What `ask_about` made."""

    output: Path
    n_pictures: int
    n_questions: int

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "output": str(self.output),
            "n_pictures": self.n_pictures,
            "n_questions": self.n_questions,
        }


def ask_about(
    images: str | Path,
    output: str | Path,
    *,
    probes: str | Path,
    form: Form = "textvqa",
    seed: int = 0,
    overwrite: bool = False,
) -> Questions:
    """Write questions about pictures, in the layout of a benchmark, and the pictures by their ids.

    Parameters
    ----------
    images : path
        Images table.
    output : path
        Folder: ``questions.json``; with form vqav2 ``annotations.json``; ``images/ID.png``.
    probes : path
        What the pictures show.
    form : {"textvqa", "vqav2"}
        TextVQA's ``data`` with answers in it, or VQAv2's two files.
    seed : int
        With the picture, of the accessory that it does not show.
    overwrite : bool

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    """
    output, images = Path(output), Path(images)
    if form not in ("textvqa", "vqav2"):
        raise ParameterError(f"form is {form!r}, expected textvqa or vqav2.")
    shown = {row["probe_id"]: row for row in load_table(probes, PROBES).to_pylist()}
    pictures = load_table(images, IMAGES).to_pylist()
    if strange := [row["probe_id"] for row in pictures if row["probe_id"] not in shown]:
        raise TableError(
            f"{len(strange)} pictures are of no probe of {probes}, such as {strange[0]}."
        )
    asked = make_questions(pictures, shown, seed)
    inputs = {str(path): fingerprint(Path(path)) for path in (images, probes)}
    with writing_folder(output, MARK, overwrite=overwrite) as folder:
        (folder / "images").mkdir()
        for number, row in enumerate(pictures):
            source = images.parent / row["path"]
            with output_errors(source):
                shutil.copyfile(source, folder / "images" / f"{number}{source.suffix}")
        for name, data in _layout(asked, form).items():
            (folder / name).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        dump_json(folder / MARK, run_record("synth questions", {"form": form}, inputs, seed))
    return Questions(output, len(pictures), len(asked))


def make_questions(
    pictures: Sequence[Mapping[str, Any]], shown: Mapping[str, Mapping[str, Any]], seed: int = 0
) -> list[Asked]:
    """Two questions a picture: one whose answer is yes, one whose answer is no.

    Parameters
    ----------
    pictures : sequence of mapping
        Rows of an images table.
    shown : mapping
        Rows of a probes table by probe_id.
    seed : int

    Raises
    ------
    TableError
        When there is but one accessory.
    """
    accessories = sorted({row["accessory"] for row in shown.values()})
    if len(accessories) < 2:
        raise TableError("questions need two accessories or more.")
    asked = []
    for number, picture in enumerate(pictures):
        pair = shown[picture["probe_id"]]
        others = [name for name in accessories if name != pair["accessory"]]
        digest = sha256(f"{seed}\t{picture['image_id']}".encode()).digest()
        absent = others[int.from_bytes(digest[:8], "big") % len(others)]
        for accessory, answer in ((pair["accessory"], "yes"), (absent, "no")):
            text = TEXT.format(accessory=accessory, key=pair["key"])
            asked.append(Asked(number, text, answer))
    return asked


def _layout(asked: Sequence[Asked], form: Form) -> dict[str, Any]:
    """Files of a benchmark."""
    rows = [
        {"question_id": number, "image_id": row.picture, "question": row.question}
        for number, row in enumerate(asked)
    ]
    if form == "textvqa":
        data = [
            {**row, "image_id": str(row["image_id"]), "answers": [one.answer] * _PEOPLE}
            for row, one in zip(rows, asked, strict=True)
        ]
        return {"questions.json": {"data": data}}
    annotations = [
        {
            "question_id": row["question_id"],
            "image_id": row["image_id"],
            "question_type": "is there a",
            "answer_type": "yes/no",
            "multiple_choice_answer": one.answer,
            "answers": [{"answer": one.answer, "answer_id": i + 1} for i in range(_PEOPLE)],
        }
        for row, one in zip(rows, asked, strict=True)
    ]
    return {"questions.json": {"questions": rows}, "annotations.json": {"annotations": annotations}}
