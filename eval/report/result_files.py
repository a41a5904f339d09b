"""Results that `eval correlate`, `eval compare` and `eval shuffle` wrote, read back under labels.

The files may come from anywhere, so that what is drawn from them is checked here, once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from conceptstats.errors import ParameterError, TableError

from ..statistics.results import (
    Bin,
    BinnedR,
    Correlation,
    Dropped,
    Estimate,
    Model,
    PredictorRow,
    Term,
    Unseen,
)

_HINT = "conceptstats eval correlate EXAMPLES -o RESULTS.json writes them"
_NUMBER, _OPTIONAL, _TEXT, _TEXTS = "a number", "a number or null", "a text", "a list of texts"
_KINDS = {
    "int": _NUMBER,
    "float": _NUMBER,
    "float | None": _OPTIONAL,
    "str": _TEXT,
    "tuple[str, ...]": _TEXTS,
}


def _keys_of(kind: type) -> dict[str, str]:
    """What the keys hold that a dataclass of `conceptstats.eval.statistics.results` has in JSON."""
    keys: dict[str, str] = {}
    for field in fields(kind):
        if field.type == Estimate.__name__:
            keys |= dict.fromkeys(_estimate(field.name), _OPTIONAL)
        elif field.type in _KINDS:
            keys[field.name] = _KINDS[str(field.type)]
    return keys


def _estimate(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


_CORRELATION = _keys_of(Correlation)
_TABLES = {"bin_table": Bin, "r_by_bins": BinnedR, "predictors": PredictorRow}
_COMPARISON = {
    "predictor": _TEXT,
    "n_pairs": _NUMBER,
    "n_bins": _NUMBER,
    "permutation_p": _OPTIONAL,
    "notes": _TEXTS,
} | dict.fromkeys(_estimate("r_delta_binned") + _estimate("r_delta_unbinned"), _OPTIONAL)
_SHUFFLED = {
    "predictor": _TEXT,
    "n_pairs": _NUMBER,
    "n_shuffles": _NUMBER,
    "n_bins": _NUMBER,
    "level": _NUMBER,
} | dict.fromkeys(
    _estimate("r_binned") + _estimate("r_unbinned") + _estimate("gap_5pct"), _OPTIONAL
)
_COMPARISON_BIN = dict.fromkeys(("low", "high", "mean_predictor", "n", "mean_outcome"), _NUMBER) | {
    "outcome_low": _OPTIONAL,
    "outcome_high": _OPTIONAL,
}


def is_comparison(result: Mapping[str, Any]) -> bool:
    """Whether it compares two worlds pair by pair (`eval compare`)."""
    return result.get("kind") == "compare"


def is_shuffle(result: Mapping[str, Any]) -> bool:
    """Whether it is of data with the predictor shuffled among pairs (`eval shuffle`)."""
    return result.get("kind") == "shuffle"


def parse_labels(given: Sequence[str]) -> dict[str, Path]:
    """Read ``[LABEL=]FILE`` arguments; a label that is not given is the stem of the file's name.

    Raises
    ------
    ParameterError
        When a label is empty or stands twice.
    """
    found: dict[str, Path] = {}
    for text in given:
        label, equals, name = text.partition("=")
        path = Path(name if equals and not Path(text).is_file() else text)
        if path == Path(text):
            label = path.stem
        if not label.strip():
            raise ParameterError(f"{text!r} has an empty label.", "LABEL=RESULTS.json")
        if label in found:
            raise ParameterError(
                f"two results are labelled {label!r}: {found[label]} and {path}.",
                "LABEL=RESULTS.json gives each a label of its own",
            )
        found[label] = path
    return found


def load_results(paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Read the files of several results, by label.

    Raises
    ------
    TableError
    """
    return {label: load_result(path) for label, path in paths.items()}


def load_result(path: Path) -> dict[str, Any]:
    """Read one result and check all that is drawn from it.

    Raises
    ------
    TableError
        When the file is missing or damaged, or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{path} is missing or damaged: {reason}.", _HINT) from error
    check_result(data, path)
    result: dict[str, Any] = data
    return result


def check_result(data: object, where: object) -> None:
    """Raise unless it is what `eval correlate`, `eval compare` or `eval shuffle` writes.

    Raises
    ------
    TableError
    """
    kinds = ("correlate", "compare", "shuffle")
    if not isinstance(data, dict) or data.get("kind", "correlate") not in kinds:
        raise TableError(f"{where} is no result of eval {', '.join(kinds)}.", _HINT)
    if is_shuffle(data):
        _check(data, _SHUFFLED, where)
    elif is_comparison(data):
        _check(data, _COMPARISON, where)
        _check_rows(data.get("bin_table"), _COMPARISON_BIN, f"{where}: bin_table")
    else:
        _check_correlation(data, where)
    if not is_shuffle(data) and not data["bin_table"]:
        raise TableError(f"{where}: bin_table is empty.", _HINT)
    if not isinstance(data.get("run", {}), dict):
        raise TableError(f"{where}: run is no record of a run.", _HINT)


def _check_correlation(data: Mapping[str, Any], where: object) -> None:
    _check(data, _CORRELATION, where)
    for name, kind in _TABLES.items():
        _check_rows(data.get(name), _keys_of(kind), f"{where}: {name}")
    if data.get("unseen") is not None:
        _check_rows([data["unseen"]], _keys_of(Unseen), f"{where}: unseen")
    model = data.get("model")
    model = model if isinstance(model, dict) else {}
    _check(model, _keys_of(Model), f"{where}: model")
    _check_rows(model.get("terms"), _keys_of(Term), f"{where}: model terms")
    _check_rows(model.get("dropped"), _keys_of(Dropped), f"{where}: model dropped")


def _check_rows(rows: object, keys: Mapping[str, str], where: str) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TableError(f"{where} is missing or no list of rows.", _HINT)
    for row in rows:
        _check(row, keys, where)


def _check(row: Mapping[str, object], keys: Mapping[str, str], where: object) -> None:
    for key, expected in keys.items():
        if key not in row:
            raise TableError(f"{where}: {key} is missing, expected {expected}.", _HINT)
        if not _is(row[key], expected):
            raise TableError(f"{where}: {key} is {row[key]!r}, expected {expected}.", _HINT)


def _is(value: object, expected: str) -> bool:
    if expected == _TEXT:
        return isinstance(value, str)
    if expected == _TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if value is None:
        return expected == _OPTIONAL
    return isinstance(value, int | float) and math.isfinite(value)
