"""Results of open_clip: ``results.jsonl`` of a training run, and its published tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import ParameterError

from .account import Account, Options, Row
from .head import File
from .read_files import delimited, json_lines, require
from .shares import read_share

_ZERO_SHOT = re.compile(r"(.+)-zeroshot-val-top(\d+)")
_RETRIEVAL = re.compile(r"(image_to_text|text_to_image)_R@(\d+)")  # in the validation set
_RECALL = re.compile(r"(.+?) (image|text)(?: retr\. R|_retrieval_recall)@(\d+)(?: (.+))?")
_JACCARD = re.compile(r"(.+?) ((?:avg )?jaccard score(?: [\d-]+)?)")  # of WinoGAViL
_NO_DATASET = re.compile(r"params|flops|macs|average\b|avg\b|.* avg$", re.IGNORECASE)
_MODEL = ("name", "model")
_PRETRAINED = ("pretrained", "version")


def recognise(file: File) -> bool:
    """Whether a file is of open_clip."""
    if file.shape == "object":
        return any(_measured(name, None) for name in file.columns)
    begins = [(model, weights) for model in _MODEL for weights in _PRETRAINED]
    return file.shape == "table" and file.columns[:2] in begins and "dataset" not in file.columns


def read(file: File, options: Options, account: Account) -> Iterator[Row]:
    """Rows of `conceptstats.tables.ACCURACIES`.

    Of a training run, ``pretrained`` tells the epoch. Of a published table, the columns of recalls
    and of Jaccard scores hold data set, metric and language in their names; of the others the
    metric is the one that open_clip takes as the main one of a data set, and the table does not say
    which.

    Raises
    ------
    ParameterError
        Without a model for ``results.jsonl``, which does not name it.
    TableError
        When a line is damaged, or an accuracy is no share in [0, 1].
    """
    if file.shape == "table":
        return _of_table(file, options, account)
    if options.model is None:
        raise ParameterError(f"{file.path} does not name its model.", "--model NAME")
    return _of_training(file.path, options.model, options, account)


def _of_training(path: Path, model: str, options: Options, account: Account) -> Iterator[Row]:
    """Accuracies of each evaluation."""
    lines = Account(account.on_error)
    for place, metrics in json_lines(path, lines):
        pretrained = _epoch(metrics, place, options, account)
        for name, value in metrics.items():
            account.n_read += 1
            where = f"{place}, {name}"
            measured = _measured(name, options.dataset)
            share = read_share(value, name)
            if measured is None:
                account.leave_out(path, where, "no accuracy")
            elif measured.dataset is None:
                account.leave_out(path, where, "of a validation set without a name: --dataset")
            elif share.value is None:
                account.bad(path, where, share.fault or f"{name!r} is null")
            else:
                yield Row(where, {**measured._asdict(), "value": share.value, "model": model,
                                  "pretrained": pretrained})  # fmt: skip
    account.add_bad(lines)


def _of_table(file: File, options: Options, account: Account) -> Iterator[Row]:
    """Accuracies of a row a model and a column a data set."""
    rows = Account(account.on_error)
    path, model, pretrained = file.path, _one_of(file, _MODEL), _one_of(file, _PRETRAINED)
    for place, cells in delimited(path, file.delimiter, rows):
        for name, cell in cells.items():
            if name in (model, pretrained):
                continue
            account.n_read += 1
            where = f"{place}, {name}"
            share = read_share(cell, name)
            if _NO_DATASET.match(name):
                account.leave_out(path, where, "a column of no data set")
            elif share.fault or not cells[model]:
                account.bad(path, where, share.fault or "the model has no name")
            elif share.value is None:
                account.leave_out(path, where, "an empty cell")
            else:
                yield Row(where, {**_column(name, options.metric)._asdict(), "value": share.value,
                                  "model": cells[model],
                                  "pretrained": cells[pretrained] or None})  # fmt: skip
    account.add_bad(rows)


class _Measured(NamedTuple):
    dataset: str | None
    metric: str


def _measured(name: str, validation_set: str | None) -> _Measured | None:
    if match := _ZERO_SHOT.fullmatch(name):
        return _Measured(match[1], f"acc{match[2]}")
    return _Measured(validation_set, name) if _RETRIEVAL.fullmatch(name) else None


def _column(name: str, metric: str | None) -> _Measured:
    if match := _RECALL.fullmatch(name):
        dataset = f"{match[1]} {match[4]}" if match[4] else match[1]
        return _Measured(dataset, f"{match[2]}_retrieval_recall@{match[3]}")
    if match := _JACCARD.fullmatch(name):
        return _Measured(match[1], match[2].replace(" ", "_"))
    return _Measured(name, metric or "main_metric")


def _epoch(metrics: dict[str, Any], place: str, options: Options, account: Account) -> str:
    """What stands for the weights: those of an epoch, or of a line that does not tell its epoch."""
    epoch = metrics.get("epoch")
    if isinstance(epoch, int) and not isinstance(epoch, bool):
        which = f"epoch {epoch}"
    else:
        which = place
        account.note("lines without an epoch are told apart by their number")
    return f"{options.pretrained}, {which}" if options.pretrained else which


def _one_of(file: File, names: tuple[str, ...]) -> str:
    found = [name for name in names if name in file.columns]
    require(file.path, file.columns, found[:1] or names[:1])
    return found[0]
