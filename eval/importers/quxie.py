"""Zero-shot predictions as the code of Qu & Xie (arXiv 2507.08000) writes them: the top five.

A CSV file ``image_id, target, pred1..5, prob1..5``, whose values can read ``tensor(123)``. Its
probabilities are a softmax over the five classes that it lists, not over all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from conceptstats.errors import ParameterError

from .account import Account, Options, Row
from .head import File
from .read_files import delimited, require
from .shares import read_share

NEEDED = ("image_id", "target", "pred1", "prob1")
_TENSOR = re.compile(r"tensor\(\[*([^\],)]*).*\)")
_INDEX = re.compile(r"\d+(\.0+)?")


def recognise(file: File) -> bool:
    """Whether a file is of their code."""
    return file.shape == "table" and set(NEEDED) <= set(file.columns)


def read(file: File, options: Options, account: Account) -> Iterator[Row]:
    """Rows of `conceptstats.tables.PREDICTIONS`; ``target_probability`` is unknown: null.

    ``target_rank`` is the place of the target among the predicted classes; null where it is none
    of them, so that it is known to be wrong and no more.

    Raises
    ------
    ParameterError
        Without a model: the file does not name it.
    TableError
        When a row is cut short, a probability is NaN or rises, or a class has no name.
    """
    if options.model is None:
        raise ParameterError(f"{file.path} does not name its model.", "--model NAME")
    path, names, k = file.path, _names(options), _count(file)
    for place, cells in delimited(path, file.delimiter, account):
        answer = _read(cells, k, names)
        if isinstance(answer, str):
            account.bad(path, place, answer)
            continue
        if answer.rank is None:
            account.note(
                f"a target that is none of the {k} predicted classes has no rank: it is wrong, and "
                "nobody knows by how much"
            )
        row = {
            "example_id": answer.image_id,
            "target": answer.target,
            "labels": list(answer.labels),
            "probabilities": list(answer.probabilities),
            "target_rank": answer.rank,
            "target_probability": None,
            "model": options.model,
            "pretrained": options.pretrained,
        }
        yield Row(place, row)
    if account.n_read:
        account.note(
            f"probabilities are a softmax over the {k} classes that a row lists, not over all; the "
            "probability of a target is unknown"
        )


class _Answer(NamedTuple):
    image_id: str
    target: str
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    rank: int | None


def _read(cells: dict[str, Any], k: int, names: Mapping[str, str] | None) -> _Answer | str:
    """What a row holds, or what is wrong with it."""
    plain = {name: _plain(cell) for name, cell in cells.items()}
    shares = [read_share(plain[f"prob{i}"], f"prob{i}") for i in range(1, k + 1)]
    values = tuple(share.value for share in shares if share.value is not None)
    if len(values) < k:
        return next((share.fault for share in shares if share.fault), "a probability is missing")
    if any(later > before for before, later in pairwise(values)):
        return "the probabilities rise; expected the most probable class first"
    classes = [_class(plain[name]) for name in ("target", *(f"pred{i}" for i in range(1, k + 1)))]
    if "" in classes or not plain["image_id"]:
        return "an image, a target or a predicted class is missing"
    target, *labels = classes
    rank = labels.index(target) + 1 if target in labels else None
    if names is not None:
        if unknown := [each for each in classes if each not in names]:
            return f"class {unknown[0]!r} is none of those that --classes names"
        target, *labels = [names[each] for each in classes]
    return _Answer(plain["image_id"], target, tuple(labels), values, rank)


def _plain(cell: str) -> str:
    match = _TENSOR.fullmatch(cell.strip())
    return match[1].strip() if match else cell.strip()


def _class(text: str) -> str:
    """An index without zeros in front or behind the point; or a name as it is."""
    return str(int(float(text))) if _INDEX.fullmatch(text) else text


def _names(options: Options) -> dict[str, str] | None:
    """Names of the classes by number, and by name."""
    if options.classes is None:
        return None
    from ..zeroshot.classes import read_classes

    names = read_classes(options.classes, None)
    return {name: name for name in names} | {str(i): name for i, name in enumerate(names)}


def _count(file: File) -> int:
    """How many classes a row lists."""
    k = sum(1 for name in file.columns if re.fullmatch(r"pred\d+", name))
    needed = [f"{name}{i}" for i in range(1, k + 1) for name in ("pred", "prob")]
    require(file.path, file.columns, needed)
    return k
