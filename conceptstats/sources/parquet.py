"""Parquet files: LAION, DataComp, COYO, and what img2dataset writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conceptstats.errors import CaptionColumnError, DamagedSourceError, SourceError
from conceptstats.sources import columns
from conceptstats.sources.batch import Batch
from conceptstats.sources.columns import Detected, Wanted
from conceptstats.sources.files import is_url, open_binary
from conceptstats.sources.reading import BATCH_BYTES, BATCH_ROWS, Reading
from conceptstats.sources.subset import UID_COLUMN, Subset
from conceptstats.sources.text import is_list, is_numbers, is_text, null_where, to_ids, to_strings

_BUFFER = 1 << 20  # bytes
STATUS_COLUMN = "status"
DOWNLOADED = "success"


def detect_parquet(path: str, wanted: Wanted) -> Detected:
    """Format and columns of a parquet file, from its footer.

    Raises
    ------
    SourceError
        The file is no parquet file or is cut off, or lacks ``uid`` where a subset is asked for.
    CaptionColumnError
        The caption column cannot be told.
    """
    try:
        with _open(path) as file:
            schema = file.schema_arrow
    except pa.ArrowInvalid as error:
        reason = str(error).rstrip(".")
        raise DamagedSourceError(f"{path} is no whole parquet file: {reason}.") from error
    detected = columns_of_schema("parquet", path, schema, wanted)
    if wanted.subset is not None and UID_COLUMN not in schema.names:
        listed = ", ".join(schema.names)
        raise SourceError(f"{path}: a subset needs a column 'uid' (columns: {listed}).")
    # img2dataset keeps the rows whose download failed, and says so in `status`.
    if {STATUS_COLUMN, "key"} <= set(schema.names):
        return detected._replace(format="img2dataset")
    return detected


def columns_of_schema(kind: str, path: str, schema: pa.Schema, wanted: Wanted) -> Detected:
    """Caption and id column of a file with an Arrow schema."""
    caption = columns.caption_column(path, schema.names, wanted)
    found = schema.field(caption).type
    if not is_text(found):
        raise CaptionColumnError(
            f"{path}: column {caption!r} holds no text, its type is {found}.", wanted.hint
        )
    scores = columns.scores_column(path, schema.names, wanted)
    if scores is not None and not is_list(found):
        raise CaptionColumnError(
            f"{path}: column {caption!r} has scores, so it needs lists; its type is {found}.",
            wanted.hint,
        )
    if scores is not None and not is_numbers(found := schema.field(scores).type):
        raise SourceError(
            f"{path}: column {scores!r} holds no lists of numbers, its type is {found}.",
            "--tag-scores NAME",
        )
    return Detected(kind, caption, columns.id_column(path, schema.names, wanted.id_column))


def read_parquet(reading: Reading, row_groups: Sequence[int] | None = None) -> Iterator[Batch]:
    """Batches of a parquet file, or of some of its row groups."""
    source = reading.source
    subset = Subset.open(source.subset) if source.subset else None
    needed = {source.caption_column, reading.id_column, reading.scores_column}
    needed.add(UID_COLUMN if subset else None)
    if source.format == "img2dataset":
        needed.add(STATUS_COLUMN)
    names = sorted(name for name in needed if name is not None)
    with _open(source.path) as file:
        if row_groups is None:
            row_groups = range(file.num_row_groups)
        batch_size = _batch_size(file, source.caption_column)
        for group in row_groups:  # one at a time, so that damage to one leaves those before it
            for batch in file.iter_batches(
                batch_size, row_groups=[group], columns=names, use_threads=False
            ):
                yield _to_batch(batch, reading, subset)


def row_group_starts(path: str) -> list[int]:
    """Number of the first row of each row group, and behind them the number of rows."""
    with _open(path) as file:
        starts = [0]
        for group in range(file.num_row_groups):
            starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
    return starts


@contextmanager
def _open(path: str) -> Iterator[pq.ParquetFile]:
    if not is_url(path):
        # Buffered, not mapped: pages of a mapped file would count as memory of this process.
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            yield file
        return
    with (
        closing(open_binary(path)) as stream,
        pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False) as file,
    ):
        yield file


def _batch_size(file: pq.ParquetFile, column: str) -> int:
    """Rows a batch, so that a batch of long captions stays within its bytes."""
    total = 0
    for group in range(file.num_row_groups):
        metadata = file.metadata.row_group(group)
        for position in range(metadata.num_columns):
            chunk = metadata.column(position)
            if chunk.path_in_schema.split(".")[0] == column:
                total += chunk.total_uncompressed_size
    mean_bytes = total / max(file.metadata.num_rows, 1)
    return int(min(BATCH_ROWS, max(256, BATCH_BYTES / max(mean_bytes, 1))))


def _to_batch(batch: pa.RecordBatch, reading: Reading, subset: Subset | None) -> Batch:
    source = reading.source
    captions = reading.texts(batch.column(source.caption_column))
    scores = batch.column(reading.scores_column) if reading.scores_column else None
    ids = to_ids(batch.column(reading.id_column)) if reading.id_column else None
    n_failed = n_not_selected = 0
    if source.format == "img2dataset":
        status = to_strings(batch.column(STATUS_COLUMN))
        failed = pc.fill_null(pc.not_equal(status, DOWNLOADED), True)
        n_failed = failed.true_count
        if n_failed:
            captions = null_where(failed, captions)
    if subset is not None:
        outside = pc.invert(subset.contains(to_strings(batch.column(UID_COLUMN)), source.path))
        n_not_selected = pc.and_(outside, captions.is_valid()).true_count  # failed ones are counted
        captions = null_where(outside, captions)
    return Batch(captions, ids, n_failed, n_not_selected, scores=scores)
