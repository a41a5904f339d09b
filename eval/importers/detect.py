"""Which tool wrote a file, told by what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa

from conceptstats import tables
from conceptstats.errors import ParameterError, TableError

from . import clip_benchmark, lm_eval, open_clip, quxie, vlmevalkit, vqa
from .account import Account, Options, Row
from .head import File, NoFormatError, look_at
from .udandarao import is_name_of_counts, read_counts, read_results

Found: TypeAlias = Iterator[Row] | pa.Table

_SHOWN = 8  # columns of a file that nobody knows


class Kind(NamedTuple):
    """A table that files are imported to."""

    name: str
    schema: pa.Schema


PREDICTIONS = Kind("predictions", tables.PREDICTIONS)
ACCURACIES = Kind("accuracies", tables.ACCURACIES)
COUNTS = Kind("counts", tables.COUNTS)
ANSWERS = Kind("answers", tables.ANSWERS)
QUESTIONS = Kind("questions", tables.QUESTIONS)


class Format(NamedTuple):
    """How the files of a tool are known and read."""

    name: str
    kind: Kind
    recognise: Callable[[File], bool]
    read: Callable[[File, Options, Account], Found]
    key: tuple[str, ...]  # columns in which no two rows are alike
    needs: tuple[str, ...] = ()  # columns, or keys, of its files
    takes: tuple[str, ...] = ()  # options for what its files do not say
    extra: tuple[str, ...] = ()  # columns beyond those of the kind, of texts


def _is_counts(file: File) -> bool:
    """Many objects hold whole numbers alone: settings do. So the name counts, as in reading."""
    whole = all(type(value) is int for value in file.first.values())
    return file.shape == "object" and whole and is_name_of_counts(file.path)


def _is_classwise(file: File) -> bool:
    value: Any = next(iter(file.first.values()), None)
    return isinstance(value, dict) and "full" in value


def _counts(file: File, _options: Options, _account: Account) -> Found:
    return read_counts(file.path)


def _classwise(file: File, _options: Options, _account: Account) -> Found:
    return read_results(file.path)


_OF_MODEL = ("dataset", "metric", "model", "pretrained")
FORMATS = (
    Format("clip_benchmark", ACCURACIES, clip_benchmark.recognise, clip_benchmark.read,
           key=(*_OF_MODEL, "task", "language"), needs=clip_benchmark.NEEDED,
           extra=("task", "language")),
    Format("open_clip", ACCURACIES, open_clip.recognise, open_clip.read,
           key=_OF_MODEL, takes=("model", "pretrained", "dataset", "metric")),
    Format("udandarao_results", ACCURACIES, _is_classwise, _classwise,
           key=(*_OF_MODEL, "concept", "prompts")),
    Format("udandarao_counts", COUNTS, _is_counts, _counts,
           key=("dataset", "concept", "pretraining", "search")),
    Format("quxie", PREDICTIONS, quxie.recognise, quxie.read,
           key=("example_id", "model", "pretrained"), needs=quxie.NEEDED,
           takes=("model", "pretrained", "classes")),
    Format("lm_eval", ANSWERS, lm_eval.recognise, lm_eval.read,
           key=("question_id", "filter"), needs=lm_eval.NEEDED,
           takes=("model", "metric", "filter"), extra=("target", "filter")),
    Format("vlmevalkit", ANSWERS, vlmevalkit.recognise, vlmevalkit.read,
           key=("question_id",), needs=vlmevalkit.NEEDED,
           takes=("model", "metric"), extra=("target",)),
    Format("vqa_answers", ANSWERS, vqa.is_answers, vqa.answers,
           # LLaVA's ids on TextVQA are those of images, which have several questions
           key=("question_id", "question", "model"), takes=("model",)),
    Format("vqa_questions", QUESTIONS, vqa.is_questions, vqa.questions, key=("question_id",)),
    Format("vqa_annotations", QUESTIONS, vqa.is_annotations, vqa.questions, key=("question_id",)),
)  # fmt: skip


class Detected(NamedTuple):
    """A file and how it is read."""

    file: File
    format: Format


def named_format(name: str) -> Format | None:
    """The format of a name; None for ``"auto"``.

    Raises
    ------
    ParameterError
    """
    if name == "auto":
        return None
    for each in FORMATS:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in FORMATS)
    raise ParameterError(f"format is {name!r}, expected auto or one of {known}.")


def detect(path: Path) -> Detected:
    """A file with its format.

    Raises
    ------
    NoFormatError
        When it is of no format that is known.
    TableError
        When the file is missing or damaged at its head, or could be of two formats.
    """
    file = look_at(path)
    found = [each for each in FORMATS if each.recognise(file)]
    if not found:
        shown = ", ".join(file.columns[:_SHOWN]) or "nothing"
        raise NoFormatError(
            f"{path} is of no known format (it has {shown}).",
            "--format NAME says which it should be",
        )
    if len(found) > 1:
        names = " or ".join(each.name for each in found)
        raise TableError(f"{path} could be of {names}.", f"--format {found[0].name}")
    return Detected(file, found[0])


def with_annotations(detected: list[Detected]) -> list[Detected]:
    """Files with the annotations among them set beside the questions that they belong to.

    Raises
    ------
    TableError
        When there are annotations and not one file of questions.
    """
    notes = [each.file.path for each in detected if each.format.name == "vqa_annotations"]
    rest = [each for each in detected if each.format.name != "vqa_annotations"]
    asked = [each for each in rest if each.format.name == "vqa_questions"]
    if not notes:
        return rest
    if len(asked) != 1:
        raise TableError(
            f"{notes[0]} holds annotations, and {len(asked)} files of questions are given with "
            "them, expected 1.",
            "give a file of questions and its annotations",
        )
    both = Detected(asked[0].file._replace(annotations=tuple(notes)), asked[0].format)
    return [both if each is asked[0] else each for each in rest]
