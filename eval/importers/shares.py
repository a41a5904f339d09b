"""Shares in [0, 1] as files write them: scores, accuracies, probabilities."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Share(NamedTuple):
    """A share, or why there is none; both None where the file has no value."""

    value: float | None
    fault: str | None = None


_EMPTY = Share(None)


def read_share(value: Any, name: str) -> Share:
    """A number in [0, 1] from JSON, a cell or text; also true and false.

    Examples
    --------
    >>> read_share("0.25", "acc")
    Share(value=0.25, fault=None)
    >>> read_share(float("nan"), "acc").fault
    "'acc' is nan, expected a number from 0 to 1"
    """
    if value is None or value == "":
        return _EMPTY
    try:
        number = float({"true": 1, "false": 0}.get(str(value).strip().lower(), value))
    except (TypeError, ValueError):
        number = math.nan
    if 0 <= number <= 1:
        return Share(number)
    return Share(None, f"{name!r} is {_shown(value)}, expected a number from 0 to 1")


def _shown(value: Any) -> str:
    return repr(value)[:40]
