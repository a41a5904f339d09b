"""Captions of a source, as batches in file order or as single rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from conceptstats.errors import ParameterError, SourceError
from conceptstats.sources.arrow_ipc import read_arrow
from conceptstats.sources.batch import Batch, OnError, Source
from conceptstats.sources.coco import read_coco
from conceptstats.sources.json_lines import read_json_lines
from conceptstats.sources.lines import read_lines
from conceptstats.sources.parquet import read_parquet, row_group_starts
from conceptstats.sources.quoted_csv import read_csv
from conceptstats.sources.reading import DAMAGE, Reading
from conceptstats.sources.tags import join_tags
from conceptstats.sources.webdataset import read_tar

_READERS: dict[str, Callable[[Reading], Iterator[Batch]]] = {
    "parquet": read_parquet,
    "img2dataset": read_parquet,
    "arrow": read_arrow,
    "csv": read_csv,
    "tsv": read_lines,
    "tsv-no-header": read_lines,
    "flickr8k": read_lines,
    "flickr30k": read_lines,
    "text": read_lines,
    "jsonl": read_json_lines,
    "coco": read_coco,
    "webdataset": read_tar,
}


def read_batches(
    source: Source, *, with_ids: bool = False, on_error: OnError = "stop"
) -> Iterator[Batch]:
    """Captions of a source in file order, in bounded memory; of tags, those of a row, one a line.

    Every row of the file is a row of a batch: null where it has no caption, where img2dataset could
    not download its image, where it is outside the subset, and where it cannot be read. A row is a
    row of a table, a line of a text (also an empty one), an object of JSON lines, an annotation of
    COCO, or a sample of a tar file.

    Parameters
    ----------
    source : Source
        As `find_sources` gives it.
    with_ids : bool
        Whether to read the id column as well, where the source has one.
    on_error : {"stop", "skip"}
        What to do with what cannot be read. With "skip", a bad row is null and listed in
        `Batch.problems`; where nothing can be read any more, the batches end with a problem that
        says so.

    Yields
    ------
    Batch
        Of any size.

    Raises
    ------
    SourceError
        With ``on_error="stop"``, at the first row that cannot be read.
    """
    reading = Reading(source, with_ids, on_error)
    row = 0
    try:
        for batch in _READERS[source.format](reading):
            if source.tags is not None:
                batch = join_tags(batch, row, reading)
            row += len(batch.captions)
            yield batch
    except DAMAGE as error:
        yield reading.cut_short(row, error)


def read_rows(source: Source, rows: Sequence[int]) -> dict[int, tuple[str | None, str | None]]:
    """Caption and id of some rows of a source.

    Parameters
    ----------
    source : Source
        As `find_sources` gives it.
    rows : sequence of int
        Row numbers, from 0, in any order.

    Returns
    -------
    dict
        From row number to caption and id. The caption is None where `read_batches` has null; the id
        is text, and None where the source has no id column.

    Raises
    ------
    ParameterError
        A row number is negative.
    SourceError
        The source ends before a row.
    """
    wanted = sorted(set(rows))
    if wanted and wanted[0] < 0:
        raise ParameterError(f"row {wanted[0]} is negative; rows are counted from 0.")
    found: dict[int, tuple[str | None, str | None]] = {}
    if not wanted:
        return found
    for first, batch in _numbered_batches(source, wanted):
        begin, end = (bisect_left(wanted, first + n) for n in (0, len(batch.captions)))
        for row in wanted[begin:end]:
            found[row] = _row_of(batch, row - first)
        if len(found) == len(wanted):
            return found
    missing = next(row for row in wanted if row not in found)
    raise SourceError(f"{source.path} has no row {missing}; has it changed since it was counted?")


def _numbered_batches(source: Source, rows: list[int]) -> Iterator[tuple[int, Batch]]:
    """Batches that hold the rows, among others, with the number of their first row."""
    if source.format in ("parquet", "img2dataset"):
        yield from _row_groups_with(source, rows)
        return
    first = 0
    for batch in read_batches(source, with_ids=True, on_error="skip"):
        yield first, batch
        first += len(batch.captions)


def _row_groups_with(source: Source, rows: list[int]) -> Iterator[tuple[int, Batch]]:
    """As `_numbered_batches`, without reading the row groups in between."""
    reading = Reading(source, with_ids=True, on_error="skip")
    try:
        starts = row_group_starts(source.path)
        for group, (first, end) in enumerate(pairwise(starts)):
            if bisect_left(rows, first) == bisect_left(rows, end):
                continue
            for batch in read_parquet(reading, [group]):
                yield first, join_tags(batch, first, reading)
                first += len(batch.captions)
    except DAMAGE as error:
        raise SourceError(f"{source.path} cannot be read: {error}.") from error


def _row_of(batch: Batch, position: int) -> tuple[str | None, str | None]:
    caption = batch.captions[position].as_buffer()  # as_py() would fail where it is not UTF-8
    identity = None if batch.ids is None else batch.ids[position].as_py()
    return (
        None if caption is None else caption.to_pybytes().decode(errors="replace"),
        None if identity is None else str(identity),
    )
