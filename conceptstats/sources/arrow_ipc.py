"""Arrow IPC files and streams: Hugging Face ``save_to_disk``, Feather."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa

from conceptstats.errors import DamagedSourceError
from conceptstats.sources.batch import Batch
from conceptstats.sources.columns import Detected, Wanted
from conceptstats.sources.files import is_url, open_binary
from conceptstats.sources.parquet import columns_of_schema
from conceptstats.sources.reading import BATCH_ROWS, Reading
from conceptstats.sources.text import to_ids

_FILE_MAGIC = b"ARROW1"


def detect_arrow(path: str, wanted: Wanted) -> Detected:
    """Columns of an Arrow file or stream, from its schema.

    Raises
    ------
    SourceError
        The file is neither, or is cut off.
    CaptionColumnError
        The caption column cannot be told.
    """
    try:
        with _open(path) as file:
            schema = _reader(file).schema
    except (pa.ArrowException, OSError) as error:
        reason = str(error).rstrip(".")
        raise DamagedSourceError(f"{path} is no whole Arrow file or stream: {reason}.") from error
    return columns_of_schema("arrow", path, schema, wanted)


def read_arrow(reading: Reading) -> Iterator[Batch]:
    """Batches of an Arrow file or stream."""
    source = reading.source
    with _open(source.path) as file:
        schema = _reader(file).schema
        names = {source.caption_column, reading.id_column, reading.scores_column} - {None}
        fields = sorted(schema.get_field_index(name) for name in names)
        file.seek(0)
        for batch in _batches(_reader(file, pa.ipc.IpcReadOptions(included_fields=fields))):
            for first in range(0, len(batch), BATCH_ROWS):
                rows = batch.slice(first, BATCH_ROWS)
                ids = to_ids(rows.column(reading.id_column)) if reading.id_column else None
                scores = rows.column(reading.scores_column) if reading.scores_column else None
                yield Batch(reading.texts(rows.column(source.caption_column)), ids, scores=scores)


@contextmanager
def _open(path: str) -> Iterator[pa.NativeFile]:
    if not is_url(path):
        with pa.memory_map(path) as file:
            yield file
        return
    with closing(open_binary(path)) as stream:
        yield pa.PythonFile(stream, mode="r")


def _reader(file: pa.NativeFile, options: pa.ipc.IpcReadOptions | None = None) -> Any:
    """A reader of whichever of the two formats it is."""
    is_file = file.read(len(_FILE_MAGIC)) == _FILE_MAGIC
    file.seek(0)
    return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(file, options=options)


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchStreamReader):
        yield from reader
        return
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)
