"""Rows of JSON lines, JSON lists, delimited text and workbooks, one at a time, with their places.

A file that is damaged on the way stops, or, with ``on_error="skip"``, gives the rows before the
damage; what was lost is counted as one row, since nobody knows how many there were.
"""

from __future__ import annotations

import csv
import io
import json
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import TableError
from conceptstats.sources.blocks import LONGEST_LINE, line_blocks
from conceptstats.sources.files import suffix_of
from conceptstats.sources.reading import DAMAGE

from ..json_files import json_fault, read_text, unreadable
from .account import Account, Row

_BLOCK_BYTES = 4 << 20
_NO_END = "the last line has no end, so it may be cut short; end it if the file is whole"
_NO_WORKBOOK = (zipfile.BadZipFile, zlib.error, LookupError, ValueError, OSError, EOFError,
                SyntaxError)  # fmt: skip  # the last: of its XML


def json_lines(path: Path, account: Account) -> Iterator[Row]:
    """Objects of a file of JSON lines; blank lines are none.

    Raises
    ------
    TableError
        When a line is no JSON object in UTF-8, or the file cannot be read.
    """
    for number, line in _lines(path, account):
        if not line.strip():
            continue
        account.n_read += 1
        place = f"line {number}"
        try:
            value = json.loads(line.decode())
        except UnicodeDecodeError:
            account.bad(path, place, "not UTF-8")
        except (ValueError, RecursionError) as error:
            account.bad(path, place, json_fault(error))
        else:
            if isinstance(value, dict):
                yield Row(place, value)
            else:
                account.bad(path, place, f"a JSON {type(value).__name__}, expected an object")


def json_list(path: Path, account: Account) -> Iterator[Row]:
    """Objects of a JSON list; only one of them at a time is a Python object.

    Raises
    ------
    TableError
        When the file is no JSON list of objects, or is cut short.
    """
    text = read_text(path)
    decoder = json.JSONDecoder()
    at, line, counted = _skip_blanks(text, 0), 1, 0
    if text[at : at + 1] != "[":
        raise TableError(f"{path}, line 1: expected a JSON list.")
    at = _skip_blanks(text, at + 1)
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        account.n_read += 1
        place = f"line {line}"
        try:
            value, at = decoder.raw_decode(text, at)
            at = _skip_blanks(text, at)
            if text[at : at + 1] not in (",", "]"):
                raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
        except (ValueError, RecursionError) as error:
            fault = json_fault(error).split(" at column")[0]  # its column is not that of the line
            account.bad(path, place, f"{fault}; is the file cut short from here?")
            return
        if isinstance(value, dict):
            yield Row(place, value)
        else:
            account.bad(path, place, f"a JSON {type(value).__name__}, expected an object")
        if text[at] == ",":
            at = _skip_blanks(text, at + 1)


def delimited(path: Path, delimiter: str, account: Account) -> Iterator[Row]:
    """Rows of delimited text with a header, as texts by column; the place is the row's last line.

    Raises
    ------
    TableError
        When a row has another number of fields than the header, is not UTF-8, a quote is never
        closed, a column's name stands twice, or the last line has no end: half a number is a number
        too, and every tool here ends its lines.
    """
    held: _Cells | None = None
    header: list[str] = []
    for cells in _cells(path, delimiter, account):
        if held is not None:
            yield from _as_row(path, held, header, account)
            held = cells
        elif header:
            held = cells
        elif cells.fault:
            raise TableError(f"{path}, {cells.place}: {cells.fault}.")
        else:
            header = _checked_header(path, cells.values)
    if held is None:
        return
    if not _has_last_end(path) and held.fault is None:
        held = held._replace(fault=_NO_END)
    yield from _as_row(path, held, header, account)


class _Cells(NamedTuple):
    place: str
    values: list[str]
    fault: str | None = None


def _cells(path: Path, delimiter: str, account: Account) -> Iterator[_Cells]:
    """Cells of the header and of each row; the last can be of damage alone."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))  # answers can be long
    texts = (line.decode(errors="surrogateescape") for _, line in _lines(path, account))
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _Cells(f"line {reader.line_num}", [], f"no rows from here on: {error}")
            return
        if values:
            yield _Cells(f"line {reader.line_num}", values)


def _as_row(path: Path, cells: _Cells, header: list[str], account: Account) -> Iterator[Row]:
    account.n_read += 1
    fault = cells.fault
    if fault is None and len(cells.values) != len(header):
        fault = f"{len(cells.values)} fields, expected {len(header)}; is the file cut short?"
    try:
        "".join(cells.values).encode()
    except UnicodeEncodeError:
        fault = fault or "not UTF-8"
    if fault:
        account.bad(path, cells.place, fault)
    else:
        yield Row(cells.place, dict(zip(header, cells.values, strict=True)))


def workbook(path: Path, account: Account) -> Iterator[Row]:
    """Rows of the first sheet of a workbook (.xlsx) under its header; empty cells are None.

    Raises
    ------
    TableError
        When it is no whole workbook, or openpyxl is not installed.
    """
    header: list[str] | None = None
    for number, cells in _sheet_rows(path):
        if header is None:
            header = _checked_header(path, ["" if cell is None else str(cell) for cell in cells])
        elif cells:
            account.n_read += 1
            padded = [*cells, *[None] * (len(header) - len(cells))]
            if len(padded) > len(header):
                account.bad(path, f"row {number}", f"more than {len(header)} cells")
            else:
                yield Row(f"row {number}", dict(zip(header, padded, strict=True)))


def workbook_header(path: Path) -> list[str]:
    """Names of the columns of a workbook's first sheet.

    Raises
    ------
    TableError
    """
    for _, cells in _sheet_rows(path):
        return ["" if cell is None else str(cell) for cell in cells]
    return []


def require(path: Path, columns: Iterable[str], needed: Sequence[str]) -> None:
    """Raise unless a file has the columns that its format needs.

    Raises
    ------
    TableError
    """
    have = list(columns)
    if lacking := [name for name in needed if name not in have]:
        raise TableError(
            f"{path}: no column {' or '.join(map(repr, lacking))} (columns: {', '.join(have)})."
        )


def _sheet_rows(path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    """Numbered rows of the first sheet, without the empty cells at their ends."""
    try:
        import openpyxl
    except ImportError as error:
        raise TableError(f"{path} needs openpyxl to be read.", "pip install openpyxl") from error
    try:
        with path.open("rb") as file:  # a path would have to end in .xlsx
            with warnings.catch_warnings():  # of styles that it does not know
                warnings.simplefilter("ignore")
                book = openpyxl.load_workbook(file, read_only=True)
            for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
                filled = [place for place, cell in enumerate(cells, 1) if cell is not None]
                yield number, cells[: max(filled, default=0)]
    except _NO_WORKBOOK as error:
        raise TableError(
            f"{path} is no whole workbook: {error}.", "unpack it, if it is another zip archive"
        ) from error


def _lines(path: Path, account: Account) -> Iterator[tuple[int, bytes]]:
    """Numbered lines with their ends; damage behind them is a row that cannot be used."""
    number = 0
    try:
        for block in _blocks(path):
            for line in io.BytesIO(block):  # which ends lines at \n alone
                number += 1
                yield number, line
    except TableError as error:
        if account.on_error == "stop":
            raise
        account.n_read += 1
        account.bad(path, f"line {number + 1}", error.message)


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        yield from line_blocks(str(path), _BLOCK_BYTES)
    except DAMAGE as error:
        raise unreadable(path, error) from error


def _has_last_end(path: Path) -> bool:
    """Whether a file ends with the end of a line; where compressed data is cut is known besides."""
    if suffix_of(str(path)).codec:
        return True
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _skip_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _checked_header(path: Path, cells: list[str]) -> list[str]:
    if twice := sorted({name for name in cells if cells.count(name) > 1}):
        raise TableError(f"{path}: more than one column is called {' or '.join(map(repr, twice))}.")
    return cells
