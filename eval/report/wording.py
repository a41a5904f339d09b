"""How results are told: names of predictors, and numbers with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POINTS = 100.0  # percentage points in a share

_NAMES = {
    "pmi": ("PMI", "nats"),
    "log_n_pair": ("captions with both", "ln"),
    "log_n_key": ("captions with the key", "ln"),
    "log_n_accessory": ("captions with the accessory", "ln"),
    "pmi_min": ("least PMI of a pair", "nats"),
    "pmi_answer_question": ("PMI of answer with question", "nats"),
    "log_n_concept": ("captions with a concept", "ln"),
}
_PER_UNIT = {"nats": "per nat", "ln": "per e-fold"}


def name_of(predictor: str) -> str:
    """What a predictor is called; its column where it has no other name."""
    return _NAMES.get(predictor, (predictor, ""))[0]


def axis_title(predictor: str) -> str:
    """Name and unit of a predictor."""
    name, unit = _NAMES.get(predictor, (predictor, ""))
    return f"{name} ({unit})" if unit else shortened(name, 40)


def shortened(text: str, most: int) -> str:
    """The text, cut where it has more letters than there is room for."""
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def per_unit(predictor: str) -> str:
    """What a slope is per."""
    return _PER_UNIT.get(_NAMES.get(predictor, ("", ""))[1], f"per unit of {predictor}")


def outcome_name(*results: Mapping[str, Any]) -> str:
    """What means of outcomes are called: accuracy only where all are 0 or 1, wrong or right."""
    # Files of earlier versions do not say it.
    return "mean outcome" if any(one.get("is_graded") for one in results) else "accuracy"


def number(value: float | None, digits: int = 2, scale: float = 1.0) -> str:
    """A number that can be missing."""
    if value is None:
        return "not given"
    text = f"{value * scale:.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def interval(row: Mapping[str, Any], name: str, digits: int = 2, scale: float = 1.0) -> str:
    """The interval of an estimate in brackets; empty where there is none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None or high is None:
        return ""
    return f"[{number(low, digits, scale)}, {number(high, digits, scale)}]"


def estimate(row: Mapping[str, Any], name: str, digits: int = 2, scale: float = 1.0) -> str:
    """An estimate, and its interval where it has one."""
    return f"{number(row[name], digits, scale)} {interval(row, name, digits, scale)}".rstrip()


def excludes_zero(row: Mapping[str, Any], name: str) -> bool | None:
    """Whether 0 is outside the interval of an estimate; None where there is no interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return None if low is None or high is None else bool(low > 0 or high < 0)


def whole(text: str) -> str:
    """The text with blanks at which a line does not end."""
    return text.replace(" ", "\u00a0")
