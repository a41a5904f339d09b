"""Predictions of VLMEvalKit: a workbook, tab- or comma-separated text, or a JSON list.

A row has ``index, question, answer, prediction``, and a score (``hit``, ``eval_score`` or
``score``) where the file comes from the judging of the answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conceptstats.errors import ParameterError

from ..json_files import as_text
from .account import Account, Options, Row
from .head import File
from .read_files import delimited, json_list, workbook
from .shares import read_share

NEEDED = ("index", "prediction")
_SCORES = ("hit", "eval_score", "score")
_FAILED = "Failed to obtain answer"  # what the tool writes where a service did not answer


def recognise(file: File) -> bool:
    """Whether a file is of VLMEvalKit."""
    return file.shape != "object" and set(NEEDED) <= set(file.columns)


def read(file: File, options: Options, account: Account) -> Iterator[Row]:
    """Rows of `conceptstats.tables.ANSWERS`, with the target.

    Raises
    ------
    ParameterError
        When there are several scores and none is chosen, or the chosen one is not there.
    TableError
        When a row is damaged, has no index, or its score is no share in [0, 1].
    """
    path = file.path
    metric = _metric(file, options)
    if metric is None:
        account.note("no scores: the file holds predictions that nobody has judged")
    for place, cells in _rows(file, account):
        index, prediction = _text(cells.get("index")), _text(cells.get("prediction"))
        share = read_share(cells.get(metric), metric) if metric else None
        if index is None:
            account.bad(path, place, "no index")
        elif prediction is not None and prediction.startswith(_FAILED):
            account.leave_out(path, place, "the tool could not obtain an answer")
        elif share is not None and share.value is None:
            account.bad(path, place, share.fault or f"no {metric!r}")
        else:
            if not prediction:
                account.note("an empty prediction is an empty answer")
            yield Row(
                place,
                {
                    "question_id": index,
                    "answer": prediction or "",
                    "question": _text(cells.get("question")),
                    "image_id": _text(cells.get("image_id")),
                    "model": options.model,
                    "score": share.value if share else None,
                    "metric": metric,
                    "target": _text(cells.get("answer")),
                },
            )


def _rows(file: File, account: Account) -> Iterator[Row]:
    if file.shape == "workbook":
        return workbook(file.path, account)
    if file.shape == "list":
        return json_list(file.path, account)
    return delimited(file.path, file.delimiter, account)


def _metric(file: File, options: Options) -> str | None:
    found = [name for name in _SCORES if name in file.columns]
    if options.metric is not None:
        if options.metric not in file.columns:
            raise ParameterError(
                f"{file.path}: no column {options.metric!r} (columns: {', '.join(file.columns)})."
            )
        return options.metric
    if len(found) > 1:
        raise ParameterError(
            f"{file.path} has more than one score: {', '.join(found)}.", f"--metric {found[0]}"
        )
    return found[0] if found else None


def _text(value: Any) -> str | None:
    """A cell as text; numbers that are whole have no point, and NaN is an empty cell of pandas."""
    if value is None or value != value or value == "":
        return None
    return as_text(value) or str(value)
