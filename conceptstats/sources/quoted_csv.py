"""Comma-separated values with a header, quoted where needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from conceptstats.sources.batch import Batch
from conceptstats.sources.files import ByteStream, open_stream, read_up_to
from conceptstats.sources.reading import DamagedFileError, Reading
from conceptstats.sources.text import check_utf8, null_where

_FIRST_BLOCK = 8 << 20
_LARGEST_BLOCK = 128 << 20


class _BadRow(NamedTuple):
    row: int  # from 0
    reason: str


class _Rows(NamedTuple):
    """Consecutive rows; those of the wrong number of fields are null."""

    first: int
    values: pa.RecordBatch
    bad: tuple[_BadRow, ...]


class _CountingStream:
    """A stream that counts the quotes that pass through it, and ends where it is damaged."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.n_quotes = 0
        self.damage: Exception | None = None
        self.closed = False  # pyarrow asks

    def read(self, nbytes: int) -> bytes:
        if self.damage is not None:
            return b""
        chunk, self.damage = read_up_to(self._stream, nbytes)
        self.n_quotes += chunk.count(b'"')
        return chunk

    def close(self) -> None:
        self.closed = True


def read_csv(reading: Reading) -> Iterator[Batch]:
    """Batches of a CSV file."""
    done = 0
    block_bytes = _FIRST_BLOCK
    while True:
        try:
            for batch in _read_from(reading, done, block_bytes):
                done += len(batch.captions)
                yield batch
            return
        except pa.ArrowInvalid as error:
            if "straddling object" not in str(error):
                raise
        # A row is longer than a block: read it once more in longer blocks.
        block_bytes *= 4
        if block_bytes > _LARGEST_BLOCK:
            raise DamagedFileError("a row is longer than 128 MiB; is a quote never closed?")


def _read_from(reading: Reading, first_row: int, block_bytes: int) -> Iterator[Batch]:
    """Batches from a row on."""
    with open_stream(reading.source.path) as raw:
        stream = _CountingStream(raw)
        held: _Rows | None = None  # the last rows need a look at the number of quotes
        for rows in _parse(stream, reading, block_bytes):
            if held is not None:
                yield from _to_batch(reading, held, first_row)
            held = rows
        if held is not None:
            if stream.damage is not None:
                held = _without_last(held)
            elif stream.n_quotes % 2:
                held = _without_unclosed(held, reading.source.caption_column)
            yield from _to_batch(reading, held, first_row)
        if stream.damage is not None:
            raise stream.damage


def _parse(stream: _CountingStream, reading: Reading, block_bytes: int) -> Iterator[_Rows]:
    """Rows of the needed columns, as bytes."""
    bad: list[_BadRow] = []

    def note(row: pacsv.InvalidRow) -> str:
        reason = f"expected {row.expected_columns} fields, got {row.actual_columns}"
        bad.append(_BadRow(row.number - 2, reason))  # pyarrow counts from 1, with the header
        return "skip"

    source = reading.source
    names = list(dict.fromkeys([source.caption_column, reading.id_column or source.caption_column]))
    table = pacsv.open_csv(
        pa.PythonFile(stream, mode="r"),
        # Rows have numbers only without threads.
        read_options=pacsv.ReadOptions(use_threads=False, block_size=block_bytes),
        parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        convert_options=pacsv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.binary()),
            strings_can_be_null=False,
        ),
    )
    first = 0
    for values in table:
        rows = _with_bad_rows(first, values, bad)
        del bad[: len(rows.bad)]
        first += len(rows.values)
        yield rows
    if bad:
        yield _with_bad_rows(first, pa.RecordBatch.from_pylist([], table.schema), bad)


def _with_bad_rows(first: int, values: pa.RecordBatch, bad: list[_BadRow]) -> _Rows:
    """The parsed rows with null rows at the places of those that the parser left out."""
    end = first + len(values)
    n_bad = 0
    while n_bad < len(bad) and bad[n_bad].row <= end:
        n_bad += 1
        end += 1
    if not n_bad:
        return _Rows(first, values, ())
    is_bad = np.zeros(end - first, np.bool_)
    is_bad[[row.row - first for row in bad[:n_bad]]] = True
    places = pa.array(np.cumsum(~is_bad) - 1, mask=is_bad)
    return _Rows(first, values.take(places), tuple(bad[:n_bad]))


def _without_last(rows: _Rows) -> _Rows:
    """Rows without the last one, which is not whole where the file is damaged behind it."""
    kept = rows.values.slice(0, max(0, len(rows.values) - 1))
    end = rows.first + len(kept)
    return _Rows(rows.first, kept, tuple(bad for bad in rows.bad if bad.row < end))


def _without_unclosed(rows: _Rows, column: str) -> _Rows:
    """The last rows of a file with an odd number of quotes.

    Where the last caption runs over lines, it began with a quote that is never closed and took in
    the rest of the file.
    """
    values = rows.values.column(column)
    if not len(values) or b"\n" not in (values[-1].as_py() or b""):
        return rows
    last = len(values) - 1
    position = rows.values.schema.get_field_index(column)
    kept = null_where(pa.array(np.arange(len(values)) == last), values)
    fault = _BadRow(rows.first + last, "a quote opens the caption and is never closed")
    return _Rows(rows.first, rows.values.set_column(position, column, kept), (*rows.bad, fault))


def _to_batch(reading: Reading, rows: _Rows, first_row: int) -> Iterator[Batch]:
    """The rows as a batch, less those before the first row wanted; none if all are before it."""
    skipped = max(0, first_row - rows.first)
    values = rows.values.slice(skipped)
    if not len(values):
        return
    begin = rows.first + skipped
    captions, not_utf8 = check_utf8(values.column(reading.source.caption_column))
    ids = None
    if reading.id_column is not None:
        ids, _ = check_utf8(values.column(reading.id_column))
    faults = {bad.row: bad.reason for bad in rows.bad if bad.row >= begin}
    faults.update((begin + position, "the caption is not UTF-8") for position in not_utf8)
    problems = [reading.bad_row(row, faults[row]) for row in sorted(faults)]
    yield Batch(captions, ids, problems=tuple(problems))
