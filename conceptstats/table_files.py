"""Tables as files that users keep and bring: parquet, CSV or Arrow, with their run record beside.

A schema says which columns must be there: those that cannot be null. The others are filled with
nulls where a file lacks them. Columns beyond the schema are kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.runs import dump_json
from conceptstats.tables import output_errors, writing

ENDINGS = (".parquet", ".csv", ".arrow")  # of tables
LIST_ENDINGS = (".parquet", ".arrow")  # of tables with lists, which do not go into .csv


def fingerprint_files(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 of the names, within a folder, and the contents of files, in their order."""
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(folder).as_posix()
        digest.update(f"{name}\t{fingerprint(file)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def check_ending(path: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    """Raise unless the name of a table ends as one of the formats does.

    Raises
    ------
    ParameterError
    """
    if path.suffix not in endings:
        raise ParameterError(
            f"{path} does not end in {' or '.join(endings)}.",
            "the ending says the format; choose one of these",
        )


def check_output(
    path: Path, endings: tuple[str, ...] = ENDINGS, *, overwrite: bool = False
) -> None:
    """Raise where a table could not be written in the end: before the work, not after it.

    Raises
    ------
    ParameterError, OutputExistsError, OutputError
    """
    check_ending(path, endings)
    with output_errors(path):
        exists = path.exists()
    if exists and not overwrite:
        raise OutputExistsError(f"{path} exists.", "choose another name, or --overwrite")


def relocated(images: pa.Table, old: Path, new: Path) -> pa.Table:
    """An images table with the paths of its pictures, relative to `old`, relative to `new`."""
    old, new = old.resolve(), new.resolve()
    paths = [
        path if Path(path).is_absolute() else Path(os.path.relpath(old / path, new)).as_posix()
        for path in images["path"].to_pylist()
    ]
    at = images.schema.get_field_index("path")
    return images.set_column(at, images.schema.field(at), pa.array(paths, pa.string()))


def save_table(
    path: str | Path,
    table: pa.Table,
    schema: pa.Schema,
    *,
    record: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a table atomically, in the format of its ending, and ``NAME.run.json`` beside it.

    Parameters
    ----------
    path : path
        ``.parquet``, ``.csv`` (tables without lists) or ``.arrow``.
    table : Table
        Cast to the schema; columns beyond it are kept.
    schema : Schema
    record : mapping, optional
        As `conceptstats.runs.run_record` makes it. None: the record of a table that stood there
        before is removed.
    overwrite : bool

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    """
    path = Path(path)
    check_ending(path)
    table = conform(table, schema, path)
    with writing(path, overwrite=overwrite) as partial:
        if path.suffix == ".parquet":
            pq.write_table(table, partial)
        elif path.suffix == ".csv":
            try:
                pa_csv.write_csv(table, partial)
            except pa.ArrowException as error:
                raise TableError(f"{path}: {error}.", "write .parquet, which has lists") from error
        else:
            with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
                out.write_table(table)
    if record is None:
        with output_errors(path):
            record_path(path).unlink(missing_ok=True)
        return
    with writing(record_path(path), overwrite=True) as partial:
        dump_json(partial, record)


def load_table(path: str | Path, schema: pa.Schema) -> pa.Table:
    """Read a table from ``.parquet``, ``.csv`` or ``.arrow`` and cast it to a schema.

    Raises
    ------
    ParameterError
        When the name has another ending.
    TableError
        When the file is missing or damaged, lacks a column, or a column cannot be cast.
    """
    path = Path(path)
    check_ending(path)
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
        elif path.suffix == ".csv":
            table = pa_csv.read_csv(path, convert_options=_csv_options(schema))
        else:
            with pa.OSFile(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowException) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error
        raise TableError(f"{path} is missing or damaged: {reason}.") from error
    return conform(table, schema, path)


def _csv_options(schema: pa.Schema) -> pa_csv.ConvertOptions:
    """An empty cell is null, of texts too, unless it is quoted: so tables come back as written."""
    return pa_csv.ConvertOptions(
        column_types={f.name: f.type for f in schema if not pa.types.is_list(f.type)},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def conform(table: pa.Table, schema: pa.Schema, where: object) -> pa.Table:
    """A table with the columns of a schema first, cast to its types, and its own others behind.

    Raises
    ------
    TableError
        When a column that cannot be null is missing or has nulls, one cannot be cast, or two have
        one name.
    """
    names = table.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TableError(f"{where}: more than one column is called {' or '.join(twice)}.")
    columns, fields = [], []
    for field in schema:
        if field.name in names:
            columns.append(_cast(table.column(field.name), field, where))
        elif field.nullable:
            columns.append(pa.nulls(table.num_rows, field.type))
        else:
            raise TableError(f"{where}: no column {field.name!r} (columns: {', '.join(names)}).")
        fields.append(field)
    for field in table.schema:
        if field.name not in schema.names:
            columns.append(table.column(field.name))
            fields.append(field)
    return pa.table(columns, schema=pa.schema(fields))


def _cast(column: pa.ChunkedArray, field: pa.Field, where: object) -> pa.ChunkedArray:
    if column.null_count and not field.nullable:
        raise TableError(f"{where}: column {field.name!r} has {column.null_count} nulls.")
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise TableError(
            f"{where}: column {field.name!r} is {column.type}, expected {field.type}: {error}."
        ) from error


def record_path(path: Path) -> Path:
    """Where the run record of an output stands."""
    return path.with_name(f"{path.name}.run.json")


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of the manifest of an index."""
    if path.is_dir():
        path = path / "index.json"
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}.") from error
    return f"sha256:{digest.hexdigest()}"
