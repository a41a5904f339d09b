"""The tables that everything here passes on: their schemas, and reading and writing them safely.

A table is written beside its place and moved there when it is complete, so that a reader never
sees half a table; nothing is overwritten unless that was asked for.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats.errors import OutputError, OutputExistsError, TableError

_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR,
             errno.ENAMETOOLONG)  # fmt: skip

VOCABULARY = pa.schema(
    [
        ("concept_id", pa.int32()),  # by falling n_captions, then concept
        ("concept", pa.large_string()),
        ("n_captions", pa.int64()),  # captions that hold it
        ("n_occurrences", pa.int64()),
    ]
)
FORMS = pa.schema([("form", pa.large_string()), ("concept_id", pa.int32())])  # sorted by form
PAIRS = pa.schema(
    [("a", pa.int32()), ("b", pa.int32()), ("n_captions", pa.int64())]  # a < b; sorted by (a, b)
)
PMI = pa.schema(
    [
        ("concept_a", pa.string()),
        ("concept_b", pa.string()),
        ("n", pa.int64()),
        ("n_a", pa.int64()),
        ("n_b", pa.int64()),
        ("n_ab", pa.int64()),
        ("pmi", pa.float64()),
        ("npmi", pa.float64()),
        ("llr", pa.float64()),
        ("pmi_low", pa.float64()),
        ("pmi_high", pa.float64()),
    ]
)

# Tables that pass between commands. A column that can be null may also be missing.
PROBES = pa.schema(
    [
        pa.field("probe_id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("accessory", pa.string(), nullable=False),
        pa.field("class_index", pa.int32()),  # of the key, in the list of classes
        pa.field("n_key", pa.int64()),
        pa.field("n_accessory", pa.int64()),
        pa.field("n_pair", pa.int64()),
        pa.field("pmi", pa.float64()),  # -inf: never seen together; null: unknown
        pa.field("stratum", pa.int32()),  # 0: never seen together; from 1 by rising PMI
    ]
)
PROMPTS = pa.schema(
    [
        pa.field("probe_id", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("source", pa.string()),  # template, or model
        pa.field("model", pa.string()),
        pa.field("seed", pa.int64()),
    ]
)
IMAGES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # relative to the table
        pa.field("probe_id", pa.string()),
        pa.field("target", pa.string()),  # name of the class that it shows
        pa.field("sha256", pa.string()),
        pa.field("backend", pa.string()),
        pa.field("seed", pa.int64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("key_found", pa.bool_()),
        pa.field("accessory_found", pa.bool_()),
    ]
)
PREDICTIONS = pa.schema(
    [
        pa.field("example_id", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("labels", pa.list_(pa.string()), nullable=False),  # of the top k
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),  # over all classes
        pa.field("target_rank", pa.int32()),  # 1: right; null: wrong, none of the labels
        pa.field("target_probability", pa.float32()),  # null: unknown
        pa.field("model", pa.string(), nullable=False),
        pa.field("pretrained", pa.string()),
    ]
)
EXAMPLES = pa.schema(
    [
        pa.field("example_id", pa.string(), nullable=False),
        pa.field("outcome", pa.float64(), nullable=False),  # in [0, 1]
    ]
)  # and predictors (numbers) and clusters (strings) under any name
COUNTS = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),  # whose concepts they are
        pa.field("concept", pa.string(), nullable=False),
        pa.field("n_captions", pa.int64(), nullable=False),  # samples that hold it
        pa.field("pretraining", pa.string()),  # where it was counted
        pa.field("search", pa.string()),  # by text, by tags, by both
    ]
)
ACCURACIES = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("concept", pa.string()),  # null: the whole data set
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),  # shares in [0, 1]
        pa.field("n", pa.int64()),  # examples that it is over
        pa.field("model", pa.string(), nullable=False),
        pa.field("pretrained", pa.string()),
    ]
)
QUESTIONS = pa.schema(
    [
        pa.field("question_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string()),
        pa.field("question", pa.string(), nullable=False),
        pa.field("answers", pa.list_(pa.string())),  # of people, in their order
        pa.field("ocr_tokens", pa.list_(pa.string())),
    ]
)
ANSWERS = pa.schema(
    [
        pa.field("question_id", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),  # as the model gave it
        pa.field("question", pa.string()),  # or prompt, as it was put to the model
        pa.field("image_id", pa.string()),
        pa.field("model", pa.string()),
        pa.field("score", pa.float64()),  # in [0, 1], where a tool has judged it
        pa.field("metric", pa.string()),  # of the score
    ]
)
JOINT = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("accessory", pa.string(), nullable=False),
        pa.field("p", pa.float64(), nullable=False),  # of a picture with both
        pa.field("p_key", pa.float64(), nullable=False),
        pa.field("p_accessory", pa.float64(), nullable=False),
        pa.field("pmi", pa.float64(), nullable=False),  # over captions; -inf: never together
    ]
)

# One part of the forward index: consecutive rows of one source. Concepts are numbered within it.
PART_CAPTIONS = pa.schema([("concepts", pa.list_(pa.int32()))])  # null: the row has no caption
PART_CONCEPTS = pa.schema([("concept", pa.large_string())])
PART_FORMS = pa.schema([("form", pa.large_string()), ("concept", pa.int32())])
PART_IDS = pa.schema([("concept_id", pa.int32())])  # of each local concept; -1 outside vocabulary
PART_COUNTS = pa.schema([("n_captions", pa.int32()), ("n_occurrences", pa.int32())])
PART_DUPLICATES = pa.schema([("row", pa.int32())])


def check_schema(table: pa.Table, schema: pa.Schema, where: object) -> None:
    """Raise unless the table has the columns of the schema, with their types, in any order.

    Raises
    ------
    TableError
        Says which column is missing or of another type.
    """
    for field in schema:
        if field.name not in table.schema.names:
            raise TableError(
                f"{where}: no column {field.name!r} (columns: {', '.join(table.schema.names)})."
            )
        found = table.schema.field(field.name).type
        if found != field.type:
            raise TableError(f"{where}: column {field.name!r} is {found}, expected {field.type}.")


@contextmanager
def writing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write a file atomically: yields the place to write to, which is moved to ``path`` at the end.

    Raises
    ------
    OutputExistsError
        When ``path`` exists and overwriting was not asked for.
    OutputError
        When it cannot be written; nothing is left behind.
    """
    with output_errors(path):
        exists = path.exists()
    if exists and not overwrite:
        raise OutputExistsError(f"{path} exists.", "choose another name, or --overwrite")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def writing_folder(path: Path, mark: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Write a folder atomically: yields the place to write to, which is moved at the end.

    Parameters
    ----------
    path : Path
    mark : str
        A file that every such folder holds: a folder without it is never replaced.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        When ``path`` exists and overwriting was not asked for, or it is no such folder.
    OutputError
        When it cannot be written; nothing is left behind.
    """
    check_folder(path, mark, overwrite=overwrite)
    path = path.resolve()  # where a link points to
    partial = path.with_name(f".{path.name}.partial")
    try:
        with output_errors(path):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            yield partial
            replace_folder(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def check_folder(path: Path, mark: str, *, overwrite: bool) -> None:
    """Raise unless a folder may be written there; an empty one may be overwritten.

    Raises
    ------
    OutputExistsError, OutputError
    """
    with output_errors(path):
        exists = path.exists()
    if not exists:
        return
    if not overwrite:
        raise OutputExistsError(f"{path} exists.", "choose another name, or --overwrite")
    if not (path / mark).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputExistsError(
            f"{path} has no {mark}, so it is not replaced.", "choose another name, or remove it"
        )


def replace_folder(new: Path, path: Path) -> None:
    """Move a finished folder to its place; what was there goes when the new one stands."""
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into errors that say what to do.

    Raises
    ------
    OutputError
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"the disk is full: {path} could not be written.",
                "free some space, or write to another disk",
            ) from error
        if error.errno in _REFUSALS:
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        if error.errno == errno.EFBIG:
            raise OutputError(f"{path} is larger than the limit on files here.") from error
        raise


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, without a copy where it is one chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}  # Arrow's names


def numbers(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column of numbers without nulls as a NumPy array, without a copy where it is one chunk.

    Unlike ``to_numpy`` it does not import pandas, which takes longer than most questions.
    """
    if isinstance(column, pa.ChunkedArray):
        column = one_array(column)
    name = str(column.type)
    dtype = np.dtype(_FLOATS.get(name, name))
    if not len(column):
        return np.zeros(0, dtype)
    return np.frombuffer(column.buffers()[1], dtype)[column.offset : column.offset + len(column)]


def write_table(path: Path, table: pa.Table, schema: pa.Schema, *, overwrite: bool = False) -> None:
    """Write an Arrow IPC file, atomically, after checking its schema.

    Raises
    ------
    TableError, OutputExistsError, OutputError
    """
    check_schema(table, schema, path)
    with writing(path, overwrite=overwrite) as partial:
        dump_table(partial, table)


def dump_table(path: Path, table: pa.Table) -> None:
    """Write an Arrow IPC file in place; for folders that are moved when they are complete."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path, schema: pa.Schema, *, in_memory: bool = False) -> pa.Table:
    """Read an Arrow IPC file, memory-mapped unless ``in_memory``, and check its schema.

    Raises
    ------
    TableError
        When the file is missing, damaged, or has other columns.
    """
    try:
        source = pa.OSFile(str(path)) if in_memory else pa.memory_map(str(path))
        table = pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise TableError(f"{path} is missing or damaged: {error}.") from error
    check_schema(table, schema, path)
    return table
