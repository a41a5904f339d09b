"""Files of one caption a line: plain text, tab-separated values, Flickr8k and Flickr30k."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import CaptionColumnError
from conceptstats.sources import columns
from conceptstats.sources.batch import Batch
from conceptstats.sources.blocks import line_blocks, split_lines
from conceptstats.sources.columns import CAPTION_NAMES, Detected, Wanted
from conceptstats.sources.files import read_head
from conceptstats.sources.reading import Reading
from conceptstats.sources.text import check_utf8

_BLOCK_BYTES = 4 << 20
_IMAGE = r"[^\t,|]+\.(?:jpe?g|png|gif|webp|bmp)"
_FLICKR8K_LINE = re.compile(rf"{_IMAGE}(?:#\d+)?\t", re.IGNORECASE)
_FLICKR30K_LINE = re.compile(rf"{_IMAGE}\s*[,|](?!\s*\")", re.IGNORECASE)
_URL = re.compile(r"(?:https?:)?//\S+$", re.IGNORECASE)


class Layout(NamedTuple):
    """How a line is divided."""

    names: tuple[str, ...]
    delimiter: str | None  # None: the line is the caption
    has_header: bool = False
    takes_rest: bool = False  # the last column may hold the delimiter


def detect_text(path: str, wanted: Wanted) -> Detected:
    """Format of a text file, by its first lines: a Flickr layout, or one caption a line."""
    lines = head_lines(path)
    for kind, matches in (("flickr8k", is_flickr8k), ("flickr30k", is_flickr30k)):
        if matches(lines):
            return detect_lines(kind, path, lines, wanted)
    return detect_lines("text", path, lines, wanted)


def detect_tsv(path: str, wanted: Wanted) -> Detected:
    """Format and columns of a tab-separated file.

    Its first line is a header if it names the caption column. Without a header, as in CC3M and
    CC12M, the caption is the column beside the one of URLs.
    """
    lines = head_lines(path)
    if is_flickr8k(lines):
        return detect_lines("flickr8k", path, lines, wanted)
    first = lines[0].split("\t")
    known = {*CAPTION_NAMES, wanted.caption_column}
    if any(name in known or name.lower() in known for name in first):
        return detect_lines("tsv", path, lines, wanted)
    return detect_lines("tsv-no-header", path, lines, wanted)


def detect_lines(kind: str, path: str, lines: Sequence[str], wanted: Wanted) -> Detected:
    """Caption and id column of a file of lines whose format is known."""
    names = layout_of(kind, lines[0]).names
    asked = wanted.caption_column
    if asked is None and kind in ("flickr8k", "flickr30k", "text"):
        asked = names[-1]
    if asked is None and kind == "tsv-no-header":
        asked = _column_beside_urls(path, lines, names)
    caption = columns.caption_column(path, names, asked)
    identity = columns.id_column(path, names, wanted.id_column)
    if identity is None and kind.startswith("flickr"):
        identity = names[0]
    return Detected(kind, caption, identity)


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


def head_lines(path: str) -> list[str]:
    """First lines of a file that are not blank; at least one, if only an empty one."""
    lines = read_head(path).decode("utf-8-sig", errors="replace").split("\n")
    return [line.rstrip("\r") for line in lines if line.strip()] or [""]


def is_flickr8k(lines: Sequence[str]) -> bool:
    """Whether the lines are ``image.jpg#0<tab>caption``."""
    return _FLICKR8K_LINE.match(lines[0]) is not None


def is_flickr30k(lines: Sequence[str]) -> bool:
    """Whether the lines are ``image.jpg,caption`` under a header, with no caption quoted."""
    header = lines[0]
    has_header = "|" in header or header.count(",") == 1
    last = re.split("[,|]", header)[-1].strip().lower()
    if not has_header or last not in (*CAPTION_NAMES, "comment") or len(lines) < 2:
        return False
    return all(_FLICKR30K_LINE.match(line) for line in lines[1:])


def read_lines(reading: Reading) -> Iterator[Batch]:
    """Batches of a file of lines."""
    source = reading.source
    layout: Layout | None = None
    row = n_lines = 0
    for block in line_blocks(source.path, _BLOCK_BYTES):
        lines = split_lines(block)
        if layout is None:
            layout = layout_of(source.format, lines[0].as_py().decode(errors="replace"))
            n_lines = int(layout.has_header)
            lines = lines.slice(n_lines)
        numbers = np.arange(n_lines + 1, n_lines + 1 + len(lines))
        n_lines += len(lines)
        if layout.delimiter is not None:  # where there are columns, a blank line is no row
            filled = np.flatnonzero(pc.binary_length(lines).to_numpy())
            if len(filled) < len(lines):
                lines, numbers = lines.take(pa.array(filled)), numbers[filled]
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


def _column_beside_urls(path: str, lines: Sequence[str], names: Sequence[str]) -> str:
    """The column of captions in a table of captions and URLs without header."""
    n_urls = dict.fromkeys(names, 0)
    for line in lines[:100]:
        for name, field in zip(names, line.split("\t"), strict=False):
            n_urls[name] += _URL.match(field) is not None
    captions = [name for name in names if n_urls[name] * 2 < len(lines[:100])]
    if len(captions) != 1 or len(names) < 2:
        raise CaptionColumnError(
            f"{path}: no known caption column in its first line ({lines[0][:80]!r}), and without a "
            f"header it is not one column of captions beside URLs (columns: {', '.join(names)}).",
            "--caption-column NAME, or --caption-column 'column 1' where there is no header",
        )
    return captions[0]
