"""The head of a file: what its format is told by, whatever the file is called."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import SourceError, TableError
from conceptstats.sources.files import read_head
from conceptstats.sources.reading import DAMAGE

from ..json_files import unreadable
from .read_files import workbook_header

_HEAD_BYTES = 1 << 18
_LONGEST_LINE = 1 << 24  # that is read to its end, to know all keys of the first object
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}


class NoFormatError(TableError):
    """A file can be read, and holds nothing that a format could be told by."""


class File(NamedTuple):
    """A file, and what it begins with."""

    path: Path
    shape: str  # "object" (of JSON, or of its first line), "list", "table" or "workbook"
    first: dict[str, Any]  # the object, or the first of the list; as far as the head goes
    columns: tuple[str, ...]  # its keys, or the columns of a table
    delimiter: str = ","  # of a table
    annotations: tuple[Path, ...] = ()  # that belong to a file of questions


def look_at(path: Path) -> File:
    """Look at the head of a file.

    Raises
    ------
    NoFormatError
        When it is neither JSON objects, nor a table with a header, nor a workbook.
    TableError
        When it is missing, empty or damaged.
    """
    try:
        head = read_head(str(path), _HEAD_BYTES, _LONGEST_LINE)
    except DAMAGE as error:
        raise unreadable(path, error) from error
    except SourceError as error:
        raise TableError(error.message, error.hint) from error
    if head.startswith(b"PK\x03\x04"):
        return File(path, "workbook", {}, tuple(workbook_header(path)))
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    if text.startswith(("{", "[")):
        return _of_json(path, text)
    if "\x00" in text or "\n" not in text:
        raise NoFormatError(f"{path} is neither JSON, nor a table with a header, nor a workbook.")
    line = text.split("\n", 1)[0].rstrip("\r")
    delimiter = "\t" if "\t" in line else ","
    columns = tuple(next(csv.reader([line], delimiter=delimiter), ()))
    return File(path, "table", {}, columns, delimiter)


def _of_json(path: Path, text: str) -> File:
    value = _begun_value(text)
    if isinstance(value, dict):
        return File(path, "object", value, tuple(value))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return File(path, "list", value[0], tuple(value[0]))
    raise NoFormatError(
        f"{path}, line 1: no JSON object, or list of objects, begins here.", "is the file damaged?"
    )


def _begun_value(text: str) -> Any:
    """The first JSON value of a text, which may be cut short: as much as is there."""
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except json.JSONDecodeError as error:
        sound = text[: min(error.pos, _HEAD_BYTES)]
    except (ValueError, RecursionError):  # a number too long, or brackets too deep
        return None
    open_brackets: list[str] = []
    whole = None  # up to a comma or a closing bracket, all is whole but for the open brackets
    for token in _TOKENS.finditer(sound):
        if token[0] in _CLOSING:
            open_brackets.append(_CLOSING[token[0]])
        elif token[0] in ("]", "}"):
            if not open_brackets:
                break
            open_brackets.pop()
            whole = text[: token.end()], "".join(reversed(open_brackets))
        elif token[0] == ",":
            whole = text[: token.start()], "".join(reversed(open_brackets))
    try:
        return json.loads("".join(whole)) if whole else None
    except (ValueError, RecursionError):
        return None
