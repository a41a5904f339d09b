"""Counts and results as Udandarao et al. (arXiv 2404.04125) publish them, as tables.

Counts are ``<dataset>_<pretraining>_<search>_search_counts.json``: {concept: samples}. Results are

- classification, ``<dataset>_<prompts>_results.json``: {model: {"full": a, "classwise": {class:
  a}}} in percent;
- retrieval, ``<dataset>_<i2t|t2i>_k=<k>_results.json``: "conceptwise" in its place, shares;
- generation, ``t2i_<metric>.json`` or ``<dataset>_<exp|max|human>_<score>.json``: as
  classification, with [a score each prompt] for each concept, of any scale.

A model is called ``backbone<model>_pretrained<pretrained>``. Case, "-" for "_" before the ending
and the " (1)" of a second download make no difference in file names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from conceptstats.errors import TableError
from conceptstats.sources.files import suffix_of
from conceptstats.table_files import conform
from conceptstats.tables import ACCURACIES, COUNTS

from ..json_files import read_document

_COPY = re.compile(r"\s*\(\d+\)$")
_COUNTS_END = re.compile(r"[_-](search[_-])?counts$", re.IGNORECASE)
_RESULTS_END = re.compile(r"[_-]results$", re.IGNORECASE)
_GENERATION = re.compile(  # "t2i" stands for all data sets; their code writes a file for each
    r"(?P<dataset>t2i)_(?P<metric>.+)|(?P<own>.+)_(?P<score>(?:exp|max|human)_[a-z]+)",
    re.IGNORECASE,
)
_RETRIEVAL = re.compile(r"(?P<dataset>.+)_(?P<way>i2t|t2i)_k=?(?P<k>\d+)", re.IGNORECASE)
_CLASSIFICATION = re.compile(r"(?P<dataset>.+)_(?P<prompts>[^_]+)")
# Names of pretraining sets hold underscores ("laion200m_train_test_sim_normalized"), those of data
# sets do not; a search begins with one of these words.
_OF_COUNTS = re.compile(
    r"(?P<dataset>[^_]+)_(?P<pretraining>.+?)_(?P<search>(?:integrated|lemmati|lowercase|rampp).*)",
    re.IGNORECASE,
)
_OF_OTHER_COUNTS = re.compile(r"(?P<dataset>[^_]+)_(?P<pretraining>[^_]+)_(?P<search>.+)")
_MODEL = re.compile(r"backbone(?P<model>.+)_pretrained(?P<pretrained>.+)")
_NAMES = (
    "expected <dataset>_<pretraining>_<search>_search_counts.json for counts, and "
    "<dataset>_<prompts>_results.json, <dataset>_<i2t|t2i>_k=<k>_results.json or "
    "<t2i|dataset>_<metric>.json, such as t2i_human_align.json, for results"
)

Places = str | Path | Sequence[str | Path]


class _Counted(NamedTuple):
    """What the name of a file of counts says."""

    path: Path
    dataset: str
    pretraining: str
    search: str


class _Evaluated(NamedTuple):
    """What the name of a file of results says."""

    path: Path
    dataset: str
    metric: str
    prompts: str | None
    holder: str  # key of the values of a model
    scale: float | None  # greatest value, of a share of 1; None: scores of any scale


def read_counts(
    places: Places, *, pretraining: str | None = None, search: str | None = None
) -> pa.Table:
    """Read published counts.

    Parameters
    ----------
    places : path or sequence of path
        Files, or folders that are searched through; files of results in a folder are passed over.
    pretraining, search : str, optional
        Read these only, such as ``laion400m`` and ``integrated_tlemmatized_i0.7``.

    Returns
    -------
    Table
        `conceptstats.tables.COUNTS`, in the order of the files' names and within them.

    Raises
    ------
    TableError
        When a file is missing or damaged or of no known name, a key stands twice, a count is no
        whole number or negative, or nothing is there for ``pretraining`` and ``search``.
    """
    files = [_name_of_counts(path, pretraining) for path in _files(places, is_name_of_counts)]
    chosen = [
        file
        for file in files
        if _same(file.pretraining, pretraining) and _same(file.search, search)
    ]
    if not chosen:
        there = sorted({f"{file.pretraining} {file.search}" for file in files})
        asked = [("pretraining", pretraining), ("search", search)]
        of = " and ".join(f"{name} {value}" for name, value in asked if value)
        raise TableError(
            f"no counts {f'of {of} ' if of else ''}in {_shown(places)}.",
            f"there are: {', '.join(there)}" if there else _NAMES,
        )
    rows = [
        (file.dataset, concept, n, file.pretraining, file.search)
        for file in chosen
        for concept, n in _counts_of(file.path)
    ]
    return _table(rows, COUNTS.names, COUNTS, places)


def read_results(places: Places, *, prompts: str | None = None) -> pa.Table:
    """Read published results.

    Parameters
    ----------
    places : path or sequence of path
        Files, or folders that are searched through; files of counts in a folder are passed over.
    prompts : str, optional
        Read classification with these prompts only, such as ``ensemble``.

    Returns
    -------
    Table
        `conceptstats.tables.ACCURACIES` and a column ``prompts`` (null but for classification).
        Values are shares, but for generation; metrics are ``accuracy``, ``i2t_recall@5`` and the
        like, and those of generation as they are called. ``n`` is known of generation only.

    Raises
    ------
    TableError
        When a file is missing or damaged or of no known name, a key stands twice, a value is
        outside its range, or there are no results.
    """
    files = [_name_of_results(path) for path in _files(places, lambda p: not is_name_of_counts(p))]
    chosen = [file for file in files if file.prompts is None or _same(file.prompts, prompts)]
    if not chosen:
        there = sorted({file.prompts for file in files if file.prompts})
        raise TableError(
            f"no results {f'with prompts {prompts} ' if prompts else ''}in {_shown(places)}.",
            f"there are: {', '.join(there)}" if there else _NAMES,
        )
    rows = [row for file in chosen for row in _results_of(file)]
    return _table(rows, [*ACCURACIES.names, "prompts"], ACCURACIES, places)


def _table(
    rows: Sequence[tuple[Any, ...]], names: Sequence[str], schema: pa.Schema, where: Places
) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [() for _ in names]
    arrays = [
        pa.array(column, schema.field(name).type if name in schema.names else pa.string())
        for name, column in zip(names, columns, strict=True)
    ]
    return conform(pa.table(arrays, names=list(names)), schema, _shown(where))


def _files(places: Places, belongs: Callable[[Path], bool]) -> list[Path]:
    """Files that are given, and those of a folder that belong to what is read."""
    found: list[Path] = []
    for place in [places] if isinstance(places, str | Path) else places:
        path = Path(place)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if suffix_of(str(p)).kind == ".json")
            found += [p for p in inside if not p.name.startswith(".") and belongs(p)]
        elif path.is_file():
            found.append(path)
        else:
            raise TableError(f"{path} is missing.")
    return found


def _shown(places: Places) -> str:
    return ", ".join(map(str, [places] if isinstance(places, str | Path) else places))


def _same(name: str, wanted: str | None) -> bool:
    return wanted is None or name.casefold() == wanted.casefold()


def _stem(path: Path) -> str:
    """Name of a file without its endings, that of compression too."""
    stem = Path(path.stem).stem if suffix_of(str(path)).codec else path.stem
    return _COPY.sub("", stem)


def is_name_of_counts(path: Path) -> bool:
    """Whether a file is named as counts are."""
    return bool(_COUNTS_END.search(_stem(path)))


def _name_of_counts(path: Path, pretraining: str | None) -> _Counted:
    stem = _COUNTS_END.sub("", _stem(path))
    if pretraining and (cut := stem.casefold().find(f"_{pretraining.casefold()}_")) > 0:
        rest = cut + len(pretraining) + 2
        return _Counted(path, stem[:cut], stem[cut + 1 : rest - 1], stem[rest:])
    match = _OF_COUNTS.fullmatch(stem) or _OF_OTHER_COUNTS.fullmatch(stem)
    if not match or not is_name_of_counts(path):
        raise TableError(f"{path} is not named as counts are.", _NAMES)
    return _Counted(path, match["dataset"], match["pretraining"], match["search"])


def _name_of_results(path: Path) -> _Evaluated:
    stem = _stem(path)
    body = _RESULTS_END.sub("", stem)
    if match := _RETRIEVAL.fullmatch(body):
        metric = f"{match['way'].lower()}_recall@{match['k']}"
        return _Evaluated(path, match["dataset"], metric, None, "conceptwise", 1.0)
    if match := _GENERATION.fullmatch(body):
        dataset, metric = match["dataset"] or match["own"], match["metric"] or match["score"]
        return _Evaluated(path, dataset, metric, None, "classwise", None)
    match = _CLASSIFICATION.fullmatch(body)
    if not match or body == stem:
        raise TableError(f"{path} is named neither as results nor as counts.", _NAMES)
    return _Evaluated(path, match["dataset"], "accuracy", match["prompts"], "classwise", 100.0)


def _load(path: Path) -> Mapping[str, Any]:
    """An object of JSON in which no key stands twice."""

    def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise TableError(f"{path}: the key {key!r} stands twice in one object.")
            found[key] = value
        return found

    data = read_document(path, pairs=once)
    if not isinstance(data, dict):
        raise TableError(f"{path} holds {_kind(data)}, expected an object.")
    return data


def _counts_of(path: Path) -> Iterator[tuple[str, int]]:
    for concept, n in _load(path).items():
        number = _number(n, f"{path}: the count of {concept!r}")
        if number != int(number) or number < 0:
            raise TableError(
                f"{path}: the count of {concept!r} is {n}, expected a whole number, 0 or more."
            )
        yield concept, int(n)


def _results_of(file: _Evaluated) -> Iterator[tuple[Any, ...]]:
    """Rows of `ACCURACIES` and the prompts; of each model first that of the whole data set."""
    results = _load(file.path)
    rows = []
    for key, found in results.items():
        values = _of_model(file, key, found)
        match = _MODEL.fullmatch(key)
        model, pretrained = (match["model"], match["pretrained"]) if match else (key, None)
        for concept, value, n in values:
            rows.append(
                (file.dataset, concept, file.metric, value, n, model, pretrained, file.prompts)
            )
    if file.scale == 100 and 0 < max((row[3] for row in rows), default=0) <= 0.01:
        raise TableError(
            f"{file.path}: no accuracy is above 1; expected percent.",
            "shares are read from a table with the columns of ACCURACIES",
        )
    yield from rows


def _of_model(
    file: _Evaluated, key: str, found: Any
) -> Iterator[tuple[str | None, float, int | None]]:
    where = f"{file.path}: {key!r}"
    if not isinstance(found, dict) or set(found) != {"full", file.holder}:
        keys = sorted(found) if isinstance(found, dict) else _kind(found)
        raise TableError(f"{where} holds {keys}, expected ['{file.holder}', 'full'].")
    if not isinstance(found[file.holder], dict):
        raise TableError(f"{where}: {file.holder!r} is {_kind(found[file.holder])}, not an object.")
    yield None, _value(file, found["full"], f"{where}: 'full'"), None
    for concept, value in found[file.holder].items():
        place = f"{where}: the value of {concept!r}"
        if isinstance(value, list):
            if not value or file.scale is not None:
                raise TableError(f"{place} is a list of {len(value)}, expected one number.")
            scores = [_value(file, score, place) for score in value]
            yield concept, math.fsum(scores) / len(scores), len(scores)
        else:
            yield concept, _value(file, value, place), None


def _value(file: _Evaluated, value: Any, where: str) -> float:
    number = _number(value, where)
    if file.scale is None:
        return number
    if not 0 <= number <= file.scale:
        raise TableError(f"{where} is {value}, expected a number in [0, {file.scale:g}].")
    return number / file.scale


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TableError(f"{where} is {value!r}, expected a finite number.")
    return float(value)


def _kind(value: Any) -> str:
    return type(value).__name__
