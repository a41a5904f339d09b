"""Files of one caption a line: plain text, tab-separated values, Flickr8k and Flickr30k."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.sources.batch import Batch
from conceptstats.sources.blocks import line_blocks, split_lines
from conceptstats.sources.reading import Reading
from conceptstats.sources.text import check_utf8

_BLOCK_BYTES = 4 << 20


class Layout(NamedTuple):
    """How a line is divided."""

    names: tuple[str, ...]
    delimiter: str | None  # None: the line is the caption
    has_header: bool = False
    takes_rest: bool = False  # the last column may hold the delimiter


def layout_of(kind: str, first_line: str) -> Layout:
    """Layout of a file, from its format and its first line."""
    if kind == "text":
        return Layout(("line",), None)
    if kind == "flickr8k":
        return Layout(("image", "caption"), "\t", takes_rest=True)
    if kind == "flickr30k":
        delimiter = "|" if "|" in first_line else ","
        names = tuple(name.strip() for name in first_line.split(delimiter))
        return Layout(names, delimiter, has_header=True, takes_rest=True)
    fields = first_line.split("\t")
    if kind == "tsv":
        return Layout(tuple(fields), "\t", has_header=True)
    return Layout(tuple(f"column {number}" for number in range(1, len(fields) + 1)), "\t")


def read_lines(reading: Reading) -> Iterator[Batch]:
    """Batches of a file of lines."""
    source = reading.source
    layout: Layout | None = None
    row = n_lines = 0
    for block in line_blocks(source.path, _BLOCK_BYTES):
        lines = split_lines(block)
        numbers = np.arange(n_lines + 1, n_lines + 1 + len(lines))
        n_lines += len(lines)
        if source.format != "text":  # where there are columns, a blank line is no row
            filled = np.flatnonzero(pc.binary_length(lines).to_numpy())
            if len(filled) < len(lines):
                lines, numbers = lines.take(pa.array(filled)), numbers[filled]
        if not len(lines):
            continue
        if layout is None:
            layout = layout_of(source.format, lines[0].as_py().decode(errors="replace"))
            if layout.has_header:
                lines, numbers = lines[1:], numbers[1:]
        batch = _to_batch(lines, numbers, layout, row, reading)
        row += len(batch.captions)
        yield batch


def _to_batch(
    lines: pa.BinaryArray,
    numbers: npt.NDArray[np.int64],
    layout: Layout,
    first_row: int,
    reading: Reading,
) -> Batch:
    needed = [name for name in (reading.source.caption_column, reading.id_column) if name]
    fields, faults = _split_fields(lines, layout, needed)
    captions, not_utf8 = check_utf8(fields[0])
    if layout.delimiter == "|":
        captions = pc.utf8_trim_whitespace(captions)
    ids = check_utf8(fields[1])[0] if reading.id_column else None
    faults.update(dict.fromkeys(not_utf8, "the caption is not UTF-8"))
    problems = [
        reading.bad_row(first_row + position, faults[position], line=int(numbers[position]))
        for position in sorted(faults)
    ]
    return Batch(captions, ids, problems=tuple(problems))


def _split_fields(
    lines: pa.BinaryArray, layout: Layout, needed: Sequence[str]
) -> tuple[list[pa.BinaryArray], dict[int, str]]:
    """The needed columns of the lines, and what is wrong with which line; it is null in all."""
    if layout.delimiter is None:
        return [lines for _ in needed], {}
    n_fields = len(layout.names)
    limit = n_fields - 1 if layout.takes_rest else None
    split = pc.split_pattern(lines, pattern=layout.delimiter, max_splits=limit)
    counts = pc.list_value_length(split).to_numpy()
    starts = split.offsets.to_numpy()[:-1]
    is_wrong = counts != n_fields
    fields = [
        split.values.take(pa.array(starts + layout.names.index(name), mask=is_wrong))
        for name in needed
    ]
    expected = f"expected {n_fields} fields between {layout.delimiter!r}"
    faults = {
        int(position): f"{expected}, got {counts[position]}"
        for position in np.flatnonzero(is_wrong)
    }
    return fields, faults
