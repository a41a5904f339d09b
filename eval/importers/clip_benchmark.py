"""Results of CLIP_benchmark: one JSON file a run, or the CSV that its ``build`` makes of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conceptstats.errors import TableError

from ..json_files import read_document
from .account import Account, Options, Row
from .head import File
from .read_files import delimited, require
from .shares import read_share

_SHARES = re.compile(r"acc|recall|precision|jaccard|f1|score")  # other numbers are settings
_SETTINGS = ("dataset", "model", "pretrained", "task", "language", "model_fullname")
NEEDED = ("dataset", "model", "pretrained")


def recognise(file: File) -> bool:
    """Whether a file is of CLIP_benchmark."""
    columns = set(file.columns)
    if file.shape == "object":
        return {"dataset", "model", "metrics"} <= columns
    return file.shape == "table" and {"dataset", "model", "pretrained", "task"} <= columns


def read(file: File, _options: Options, account: Account) -> Iterator[Row]:
    """Rows of `conceptstats.tables.ACCURACIES`, with the task and the language of the prompts.

    ``acc5`` is NaN where a data set has too few classes for it; such a metric does not exist, and
    is left out.

    Raises
    ------
    TableError
        When a file is cut short, lacks a key, or a metric is no share in [0, 1].
    """
    return _of_table(file, account) if file.shape == "table" else _of_run(file.path, account)


def _of_run(path: Path, account: Account) -> Iterator[Row]:
    run = read_document(path)
    if not isinstance(run, dict):
        raise TableError(f"{path}: a JSON {type(run).__name__}, expected an object.")
    require(path, run, ("metrics",))
    if not isinstance(run["metrics"], dict):
        raise TableError(f"{path}: 'metrics' is no object.")
    yield from _metrics(path, "metrics", run, run["metrics"], account)


def _of_table(file: File, account: Account) -> Iterator[Row]:
    """Metrics of the run of each row; an empty cell is none."""
    rows = Account(account.on_error)  # of runs; what is counted is metrics
    for place, cells in delimited(file.path, file.delimiter, rows):
        metrics = {name: cell for name, cell in cells.items() if name not in _SETTINGS and cell}
        yield from _metrics(file.path, place, cells, metrics, account)
    account.add_bad(rows)


def _metrics(
    path: Path,
    place: str,
    run: Mapping[str, Any],
    metrics: Mapping[str, Any],
    account: Account,
) -> Iterator[Row]:
    for name, value in metrics.items():
        account.n_read += 1
        where = f"{place}, {name}"
        share = read_share(value, name)
        if not _SHARES.search(name):
            account.leave_out(path, where, "no accuracy")
        elif name.endswith("acc5") and _is_nan(value):
            account.leave_out(path, where, "acc5 of a data set with too few classes")
        elif share.fault or share.value is None:
            account.bad(path, where, share.fault or f"{name!r} is null")
        elif not run["dataset"] or not run["model"]:
            account.bad(path, where, "no name of a data set or a model")
        else:
            yield Row(
                where,
                {
                    "dataset": str(run["dataset"]),
                    "metric": name,
                    "value": share.value,
                    "model": str(run["model"]),
                    "pretrained": _text(run["pretrained"]),
                    "task": _text(run.get("task")),
                    "language": _text(run.get("language")),
                },
            )


def _is_nan(value: Any) -> bool:
    try:
        return math.isnan(float(value))
    except (TypeError, ValueError):
        return False


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)
