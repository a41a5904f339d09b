"""JSON files as benchmarks publish them: one document, or one a line, whatever the ending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conceptstats.errors import TableError

Row = dict[str, Any]


def read_json(path: Path) -> Any:
    """A JSON document, or the list of the documents that stand one a line.

    Raises
    ------
    TableError
        When the file is missing, not UTF-8 or damaged; it names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not UTF-8: {error}.") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":  # that is what a second line is
            raise _damaged(path, error.lineno, error) from error
    return _read_lines(path, text)


def _read_lines(path: Path, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise _damaged(path, number, error) from error
    return rows


def _damaged(path: Path, line: int, error: json.JSONDecodeError) -> TableError:
    return TableError(f"{path} is no JSON, or damaged, in line {line:,}: {error.msg}.")


def check_rows(rows: Any, path: Path, expected: str) -> list[Row]:
    """The rows, when they are a list of objects.

    Raises
    ------
    TableError
        When they are not, or there is none; it says what was expected.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TableError(f"{path} has another layout than {expected}.")
    if not rows:
        raise TableError(f"{path} has no rows; expected {expected}.")
    return rows


def first_of(row: Row, *names: str) -> Any:
    """The value under the first of some names that has one; None where none has."""
    return next((row[name] for name in names if row.get(name) is not None), None)
