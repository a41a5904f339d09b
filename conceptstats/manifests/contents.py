"""What a data file holds: its rows and the columns of its records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

_BLOCK = 1 << 20
_JSON_TYPES = {
    str: "string", bool: "boolean", int: "integer", float: "number", list: "list",
    dict: "object", type(None): "null",
}  # fmt: skip


class Contents(NamedTuple):
    """What was found in a file."""

    rows: int
    columns: tuple[tuple[str, str], ...]  # names and types; without a header the names are ""
    records: str | None = None  # of JSON: the key under which the rows are


class UnreadableError(Exception):
    """A file is not what its format says; the message says why."""


def format_of(path: Path) -> str | None:
    """The format that the ending of a file says, of those that can be looked into."""
    ending = path.suffix.removeprefix(".").lower()
    return {"ndjson": "jsonl"}.get(ending, ending if ending in _READERS else None)


def read_contents(
    path: Path, format_: str | None = None, *, header: bool = True, records: str | None = None
) -> Contents | None:
    """Rows and columns of a parquet, TSV, CSV, JSON or JSON-lines file.

    Parameters
    ----------
    path : Path
    format_ : str, optional
        By default the ending says it.
    header : bool
        Whether the first row of a TSV or CSV names the columns.
    records : str, optional
        Key under which the rows of a JSON file are. By default the longest list of objects.

    Returns
    -------
    Contents or None
        None for other formats. A TSV has a row a line, as published caption files have it.

    Raises
    ------
    UnreadableError
        When the file is damaged or of another format.
    """
    reader = _READERS.get(format_ or format_of(path) or "")
    if reader is None:
        return None
    try:
        return reader(path, header, records)
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        raise UnreadableError(str(error).splitlines()[0]) from error


def _parquet(path: Path, _header: bool, _records: str | None) -> Contents:
    with pq.ParquetFile(path) as file:
        types = tuple((field.name, type_name(field.type)) for field in file.schema_arrow)
        return Contents(file.metadata.num_rows, types)


def type_name(type_: pa.DataType) -> str:
    """Name of an Arrow type; the layouts of strings and lists are one type here."""
    return str(type_).replace("large_", "").replace("string_view", "string")


def _tsv(path: Path, header: bool, _records: str | None) -> Contents:
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        first = file.readline().rstrip(b"\r\n").decode("utf-8").split("\t")
        file.seek(0)
        while block := file.read(_BLOCK):
            lines += block.count(b"\n")
            last = block[-1:]
    rows = lines + (last != b"\n")
    return Contents(max(rows - header, 0), tuple((x if header else "", "string") for x in first))


def _csv(path: Path, header: bool, _records: str | None) -> Contents:
    read = pa_csv.ReadOptions(autogenerate_column_names=not header)
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    with pa_csv.open_csv(path, read_options=read, parse_options=parse) as reader:
        names = tuple((name if header else "", "string") for name in reader.schema.names)
        return Contents(sum(batch.num_rows for batch in reader), names)


def _jsonl(path: Path, _header: bool, _records: str | None) -> Contents:
    rows, columns = 0, None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is no object")
            rows += 1
            columns = columns or _keys(record)
    return Contents(rows, columns or ())


def _json(path: Path, _header: bool, records: str | None) -> Contents:
    data = json.loads(path.read_bytes())
    if records is None:
        records, rows = _longest(data)
    elif isinstance(data, dict) and records in data:
        rows = data[records]
    else:
        raise ValueError(f"no key {records!r}")
    if isinstance(rows, dict):
        rows = list(rows.values())
    if not isinstance(rows, list) or any(not isinstance(row, dict) for row in rows):
        raise ValueError("no list of records")
    return Contents(len(rows), _keys(rows[0]) if rows else (), records)


def _longest(data: Any) -> tuple[str | None, Any]:
    """The longest list of objects in an object, or the whole where there is none."""
    if isinstance(data, dict):
        lists = [
            (len(value), key)
            for key, value in data.items()
            if isinstance(value, list) and value and isinstance(value[0], dict)
        ]
        if lists:
            key = max(lists)[1]
            return key, data[key]
    return None, data


def _keys(record: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, _JSON_TYPES[type(value)]) for key, value in record.items())


_READERS = {"parquet": _parquet, "tsv": _tsv, "csv": _csv, "json": _json, "jsonl": _jsonl}
