"""JSON files as benchmarks and tools publish them: one document, or one a line, also compressed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from conceptstats.errors import TableError
from conceptstats.sources.blocks import line_blocks
from conceptstats.sources.reading import DAMAGE

Row = dict[str, Any]
Pairs = Callable[[list[tuple[str, Any]]], Any]

_BLOCK_BYTES = 4 << 20
_MARK = "\ufeff"  # byte order mark
NOT_UNICODE = "text with half of a surrogate pair, which is no Unicode"


def read_text(path: Path) -> str:
    """A text file as a whole, without the blanks at its end; compression by its ending is undone.

    Raises
    ------
    TableError
        When it is empty or not UTF-8, which names the line, or cannot be read.
    """
    try:
        data = b"".join(line_blocks(str(path), _BLOCK_BYTES))
    except DAMAGE as error:
        raise unreadable(path, error) from error
    if not data.strip():
        raise TableError(f"{path} is empty.")
    try:
        return data.decode().removeprefix(_MARK).rstrip()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableError(f"{path}, line {line:,}: not UTF-8.") from error


def unreadable(path: Path, error: Exception) -> TableError:
    """The error of a file of which no bytes can be had, or no more."""
    return TableError(f"{path} is missing or damaged: {getattr(error, 'strerror', '') or error}.")


def json_fault(error: ValueError | RecursionError) -> str:
    """What is wrong with JSON, in words; the line and column are of the text that was parsed."""
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON, {error.msg.removesuffix(' at')} at column {error.colno:,}"
    if isinstance(error, RecursionError):
        return "JSON nested too deep"
    return "a number with thousands of digits"  # more than Python turns into an int


def read_document(path: Path, *, pairs: Pairs | None = None) -> Any:
    """The one value of a JSON file.

    Parameters
    ----------
    path : Path
    pairs : callable, optional
        Makes an object of its pairs, as ``object_pairs_hook`` of `json.loads`.

    Raises
    ------
    TableError
        Says the line at which it is no JSON.
    """
    try:
        return json.loads(read_text(path), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, getattr(error, "lineno", 1), error) from error


def read_json(path: Path) -> Any:
    """A JSON document, or the list of the documents that stand one a line.

    Raises
    ------
    TableError
        When the file is missing, not UTF-8 or damaged; it names the line.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if not _is_second_line(error):
            raise _damaged(path, getattr(error, "lineno", 1), error) from error
    return _read_lines(path, text)


def _is_second_line(error: ValueError | RecursionError) -> bool:
    """Whether a document ended with its line, and more came behind it."""
    return (
        isinstance(error, json.JSONDecodeError)
        and error.msg == "Extra data"
        and "\n" not in error.doc[: error.pos].strip()
    )


def _read_lines(path: Path, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise _damaged(path, number, error) from error
    return rows


def _damaged(path: Path, line: int, error: ValueError | RecursionError) -> TableError:
    return TableError(f"{path}, line {line:,}: {json_fault(error)}; is the file cut short?")


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


def table_of(rows: Sequence[Row], schema: pa.Schema, path: Path, expected: str) -> pa.Table:
    """Rows as a table.

    Raises
    ------
    TableError
        When a value has another type than its column, or is no Unicode; it names the row.
    """
    try:
        return pa.Table.from_pylist(rows, schema)
    except (pa.ArrowException, TypeError, UnicodeEncodeError):
        for number, row in enumerate(rows, 1):
            _check_row(row, schema, f"{path}, row {number:,}", expected)
        raise


def _check_row(row: Row, schema: pa.Schema, where: str, expected: str) -> None:
    try:
        pa.Table.from_pylist([row], schema)
    except UnicodeEncodeError as error:
        raise TableError(f"{where}: {NOT_UNICODE}.") from error
    except (pa.ArrowException, TypeError) as error:
        raise TableError(f"{where} has another layout than {expected}: {error}.") from error


def is_unicode(text: str) -> bool:
    """Whether a text holds no half of a surrogate pair, as JSON can write them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def first_of(row: Row, *names: str) -> Any:
    """The value under the first of some names that has one; None where none has."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def as_text(value: object) -> str | None:
    """A text, or a number as text, without a point where it is whole; None for all else.

    Files give the same id as a number or as a text, and pandas turns whole numbers into others.
    NaN, infinity, true and false are no texts.

    >>> as_text("07"), as_text(7), as_text(7.0), as_text(0.5), as_text(float("nan"))
    ('07', '7', '7', '0.5', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value) if value.is_integer() else value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
