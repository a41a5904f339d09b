"""A model's answers judged by a published metric, with every question and answer accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, TableError
from conceptstats.runs import run_record
from conceptstats.table_files import check_ending, fingerprint, save_table
from conceptstats.tables import ANSWERS, numbers

from ..statistics.columns import Ints
from ..statistics.resampling import mean_estimate
from ..statistics.results import Estimate
from .answers import read_answers
from .matching import check_left_over, match_rows
from .metrics import METRICS
from .questions import Gold, read_questions

LEVEL = 0.95
_SHOWN = 5  # ids of each kind of unmatched rows
_GROUPS = ("question_type", "answer_type")


@dataclass(frozen=True, slots=True)
class Scored:
    """Judged answers, and what did not find its other half.

    Parameters
    ----------
    metric : str
    table : Table
        A row a judged question: the columns of `questions.TYPED_QUESTIONS`, answer, prompt, model,
        and outcome in [0, 1].
    n_questions, n_annotations, n_predictions : int
        Read.
    unmatched_questions, unmatched_annotations, unmatched_predictions : tuple of str
        Ids: questions without people's answers or without prediction; others without question.
    n_repeated : int
        Predictions that say again what another of the same question says.
    n_unbalanced : int
        GQA: questions outside its balanced half, which its accuracy leaves out.
    matched_by : str
    """

    metric: str
    table: pa.Table
    n_questions: int
    n_annotations: int
    n_predictions: int
    unmatched_questions: tuple[str, ...]
    unmatched_annotations: tuple[str, ...]
    unmatched_predictions: tuple[str, ...]
    n_repeated: int
    n_unbalanced: int
    matched_by: str

    @property
    def n_unmatched(self) -> int:
        """Rows of all sides without their other half."""
        return sum(map(len, self._unmatched().values()))

    def _unmatched(self) -> dict[str, tuple[str, ...]]:
        return {
            "questions": self.unmatched_questions,
            "annotations": self.unmatched_annotations,
            "predictions": self.unmatched_predictions,
        }

    def accounts(self) -> dict[str, Any]:
        """How many rows there were, and what became of them."""
        unmatched = self._unmatched()
        return {
            "metric": self.metric,
            "n": self.table.num_rows,
            "n_unmatched": self.n_unmatched,
            "n_questions": self.n_questions,
            "n_annotations": self.n_annotations,
            "n_predictions": self.n_predictions,
            **{f"n_unmatched_{name}": len(ids) for name, ids in unmatched.items()},
            "n_repeated_predictions": self.n_repeated,
            "n_unbalanced": self.n_unbalanced,
            "matched_by": self.matched_by,
            "unmatched": {name: list(ids[:_SHOWN]) for name, ids in unmatched.items() if ids},
        }

    def to_json(self) -> dict[str, Any]:
        """Its numbers; shares in percent, as they are published."""
        figures = _figures(self.metric, self.table)
        groups = {f"by_{column}": self._by(column) for column in _GROUPS}
        groups = {name: rows for name, rows in groups.items() if rows}
        types = groups.get("by_question_type", [])
        if "f1" in figures and types:  # what LLaVA's table gives for POPE
            scores = [row["f1"] for row in types]
            figures["f1_mean_of_types"] = None if None in scores else sum(scores) / len(scores)
        return {**self.accounts(), **figures, **groups}

    def _by(self, column: str) -> list[dict[str, Any]]:
        """The figures of each kind of question."""
        rows = []
        for name in sorted(pc.unique(self.table[column].drop_null()).to_pylist()):
            part = self.table.filter(pc.equal(self.table[column], name))
            rows.append({column: name, "n": part.num_rows, **_figures(self.metric, part)})
        return rows


def score_files(
    questions: Path,
    predictions: Path,
    *,
    metric: str,
    annotations: Sequence[Path] = (),
    max_unmatched: float = 0.0,
    output: Path | None = None,
    overwrite: bool = False,
) -> Scored:
    """Judge the answers of a file.

    Parameters
    ----------
    questions : Path
        As `questions.read_questions` reads them.
    predictions : Path
        As `answers.read_answers` reads them.
    metric : {"textvqa", "vqav2", "gqa", "pope"}
    annotations : sequence of Path
        Needed where the questions do not have people's answers.
    max_unmatched : float
        Largest share of the rows of each side that may be without its other half.
    output : Path, optional
        Table of `ANSWERS` with score and metric.
    overwrite : bool

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    """
    if output is not None:
        check_ending(output)
    gold = read_questions(questions, annotations, max_unmatched=max_unmatched)
    answers = read_answers(predictions)
    scored = score_answers(gold, answers, metric, max_unmatched=max_unmatched)
    if output is not None:
        judged = scored.table.rename_columns({"outcome": "score"}).append_column(
            "metric", pa.array([metric] * scored.table.num_rows, pa.string())
        )
        inputs = {str(p): fingerprint(p) for p in (questions, *annotations, predictions)}
        arguments = {"metric": metric, "max_unmatched": max_unmatched}
        record = run_record("eval vqa score", arguments, inputs)
        judged = judged.select(ANSWERS.names)
        save_table(output, judged, ANSWERS, record=record, overwrite=overwrite)
    return scored


def score_answers(
    gold: Gold, answers: pa.Table, metric: str, *, max_unmatched: float = 0.0
) -> Scored:
    """Judge answers to questions.

    Parameters
    ----------
    gold : Gold
    answers : Table
        `ANSWERS`, matched with the questions as `matching.match_rows` says.
    metric : str
    max_unmatched : float

    Raises
    ------
    ParameterError
        When the metric is unknown.
    TableError
        When too many rows are unmatched, answers to one question differ, no question is left, or
        people's answers are not what the metric is defined for.
    """
    if metric not in METRICS:
        raise ParameterError(f"there is no metric {metric!r}: {', '.join(METRICS)}.")
    questions = gold.table
    balanced = pc.fill_null(questions["is_balanced"], True).to_numpy()
    matches = match_rows(questions, answers, "answer", "predictions")
    answered = questions["answers"].is_valid().to_numpy()
    found = np.array([row is not None for row in matches.rows], np.bool_)
    lost = _ids(questions, balanced & ~(found & answered))
    unused = answers["question_id"].take(pa.array(matches.unused, pa.int64())).to_pylist()
    unheard = _ids(questions, balanced & ~found)
    others = f"{matches.n_other_text:,} have the id of a question that asks something else"
    check_left_over("predictions", unused, answers.num_rows, "question", max_unmatched,
                    others if matches.n_other_text else "give the questions that they answer",
    )  # fmt: skip
    check_left_over("questions", unheard, int(balanced.sum()), "prediction", max_unmatched,
                    "give the predictions of all questions")  # fmt: skip
    used = balanced & found & answered
    if not used.any():
        raise TableError(
            "no question has a prediction and people's answers.", "are the files of one benchmark?"
        )
    rows = [row for row, wanted in zip(matches.rows, used, strict=True) if wanted]
    return Scored(
        metric=metric,
        table=_judge(questions.filter(pa.array(used)), answers.take(pa.array(rows)), metric),
        n_questions=questions.num_rows,
        n_annotations=gold.n_annotations,
        n_predictions=answers.num_rows,
        unmatched_questions=tuple(lost),
        unmatched_annotations=gold.unmatched_annotations,
        unmatched_predictions=tuple(unused),
        n_repeated=len(matches.repeated),
        n_unbalanced=int((~balanced).sum()),
        matched_by=matches.by,
    )


def _ids(questions: pa.Table, rows: npt.NDArray[np.bool_]) -> list[str]:
    return list(questions["question_id"].filter(pa.array(rows)).to_pylist())


def _judge(questions: pa.Table, answers: pa.Table, metric: str) -> pa.Table:
    """Questions with the model's answer and how right it is, row by row."""
    people = questions["answers"].to_pylist()
    _check_people(questions, people, metric)
    judge = METRICS[metric].judge
    outcome = [judge(*row) for row in zip(answers["answer"].to_pylist(), people, strict=True)]
    return (
        questions.append_column("answer", answers["answer"])
        .append_column("prompt", answers["question"])
        .append_column("model", answers["model"])
        .append_column("outcome", pa.array(outcome, pa.float64()))
    )


def _check_people(questions: pa.Table, people: Sequence[Sequence[str]], metric: str) -> None:
    """Raise unless people's answers are as the metric is defined for."""
    expected, labels = METRICS[metric].n_answers, METRICS[metric].labels
    other = [row for row, answers in enumerate(people) if len(answers) != expected]
    if other:
        name = questions["question_id"][other[0]].as_py()
        raise TableError(
            f"{metric} is defined for {expected} answers of people a question; {len(other):,} "
            f"questions have another number, such as {name!r} with {len(people[other[0]])}.",
            "choose the metric of this benchmark with --metric",
        )
    if labels and (others := sorted({answers[0] for answers in people}.difference(labels))):
        raise TableError(
            f"{metric} has the labels {' and '.join(labels)}; found {', '.join(others[:_SHOWN])}.",
            "choose the metric of this benchmark with --metric",
        )


def _figures(metric: str, table: pa.Table) -> dict[str, Any]:
    """Accuracy with its interval over images, and what else the metric reports; in percent."""
    outcome = np.asarray(numbers(table["outcome"]), np.float64)
    cluster, codes = _clusters(table)
    accuracy = mean_estimate(outcome, codes, LEVEL)
    more = METRICS[metric].figures
    labels = [own[0] for own in table["answers"].to_pylist()]
    return {
        **_percent(accuracy),
        "cluster": cluster,
        "n_clusters": len(np.unique(codes)),
        **(more(table["answer"].to_pylist(), labels) if more else {}),
    }


def _percent(accuracy: Estimate) -> dict[str, float | None]:
    named = {"accuracy": accuracy.value, "accuracy_low": accuracy.low,
             "accuracy_high": accuracy.high}  # fmt: skip
    return {name: None if x is None else 100 * x for name, x in named.items()}


def _clusters(table: pa.Table) -> tuple[str, Ints]:
    """Images, where all are known; otherwise each question by itself."""
    by_image = table["image_id"].null_count == 0
    name = "image_id" if by_image else "question_id"
    codes = np.unique(table[name].to_numpy(), return_inverse=True)[1]
    return ("image" if by_image else "question"), np.asarray(codes, np.int64)
