"""Whether a result that was read from a file holds what is drawn and told from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from conceptstats.errors import TableError

from ..statistics.results import Estimate

NUMBER, OPTIONAL, TEXT, TEXTS = "a number", "a number or null", "a text", "a list of texts"
COUNT = "a whole number, 0 or more"
OPTIONAL_TEXT, FLAG = "a text or null", "true or false"
_KINDS = {
    "int": COUNT,
    "float": NUMBER,
    "float | None": OPTIONAL,
    "str": TEXT,
    "str | None": OPTIONAL_TEXT,
    "bool": FLAG,
    "tuple[str, ...]": TEXTS,
}

_MOST = 10**18  # a number beyond it is a slip of the hand, and no axis can show it

Keys = Mapping[str, str]


def keys_of(kind: type) -> dict[str, str]:
    """What the keys hold that a dataclass of results has in JSON; its parts are left out."""
    keys: dict[str, str] = {}
    for field in fields(kind):
        if field.type == Estimate.__name__:
            keys |= dict.fromkeys(estimate_keys(field.name), OPTIONAL)
        elif field.type in _KINDS:
            keys[field.name] = _KINDS[str(field.type)]
    return keys


def estimate_keys(name: str) -> tuple[str, str, str]:
    """Keys of an estimate and its interval."""
    return name, f"{name}_low", f"{name}_high"


def how_made(command: str, given: str) -> str:
    """How results are made."""
    return f"conceptstats eval {command} {given} -o RESULTS.json writes them"


def check_rows(rows: object, keys: Keys, where: str, hint: str) -> None:
    """Raise unless it is a list of objects that hold such keys.

    Raises
    ------
    TableError
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TableError(f"{where} is missing or no list of rows.", hint)
    for row in rows:
        check_keys(row, keys, where, hint)


def check_keys(row: object, keys: Keys, where: object, hint: str) -> None:
    """Raise unless it is an object that holds such keys.

    Raises
    ------
    TableError
    """
    if not isinstance(row, dict):
        raise TableError(f"{where} is missing or no object.", hint)
    for key, expected in keys.items():
        if key not in row:
            raise TableError(f"{where}: {key} is missing, expected {expected}.", hint)
        if not _is(row[key], expected):
            raise TableError(f"{where}: {key} is {row[key]!r}, expected {expected}.", hint)


def _is(value: object, expected: str) -> bool:
    if expected == TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if value is None:
        return expected in (OPTIONAL, OPTIONAL_TEXT)
    if expected in (TEXT, OPTIONAL_TEXT):
        return isinstance(value, str)
    if expected == FLAG:
        return isinstance(value, bool)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    is_number = abs(value) <= _MOST  # and so neither infinite nor nan
    return is_number and (expected != COUNT or (value >= 0 and value == int(value)))
