"""Import files of other tools as one table, every row accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, TableError
from conceptstats.runs import run_record
from conceptstats.table_files import check_ending, conform, fingerprint, save_table

from .account import Account, LeftOut, OnError, Options, Row
from .detect import Detected, Format, Kind, detect, named_format, with_annotations
from .head import look_at
from .read_files import require

_ENDINGS = (".json", ".jsonl", ".csv", ".tsv", ".xlsx")  # of files that are looked at in folders
_BATCH_ROWS = 8192
_SHOWN = 3
_PLACE = "place in its file"  # a column that is dropped again


class ImportedFile(NamedTuple):
    """A file that was read."""

    path: str
    format: str
    n_imported: int
    annotations: tuple[str, ...]  # files that were read with it


@dataclass(frozen=True, slots=True)
class Imported:
    """A table of what was imported, and what became of the rest."""

    table: pa.Table
    kind: Kind
    files: tuple[ImportedFile, ...]
    not_imported: tuple[str, ...]  # files in folders that are of no known format
    n_read: int  # rows; of accuracies, numbers
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All but the table."""
        return {
            "kind": self.kind.name,
            "formats": sorted({each.format for each in self.files}),
            "n_read": self.n_read,
            "n_imported": self.table.num_rows,
            "n_left_out": sum(each.n for each in self.left_out),
            "left_out": [each._asdict() for each in self.left_out],
            "notes": list(self.notes),
            "files": [each._asdict() for each in self.files],
            "not_imported": list(self.not_imported),
        }


def import_files(
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    format: str = "auto",
    on_error: OnError = "stop",
    options: Options | None = None,
    overwrite: bool = False,
) -> Imported:
    """`read_inputs`, written as a table with its run record.

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    """
    output, options = Path(output), options or Options()
    check_ending(output)
    imported = read_inputs(inputs, format=format, on_error=on_error, options=options)
    read = [path for each in imported.files for path in (each.path, *each.annotations)]
    record = run_record(
        "eval import",
        {"format": format, "on_error": on_error, **asdict(options)},
        {path: fingerprint(Path(path)) for path in read},
        packages=("openpyxl",) if any(path.endswith(".xlsx") for path in read) else (),
    )
    record["found"] = imported.to_json()
    save_table(output, imported.table, imported.kind.schema, record=record, overwrite=overwrite)
    return imported


def read_inputs(
    inputs: Sequence[str | Path],
    *,
    format: str = "auto",
    on_error: OnError = "stop",
    options: Options | None = None,
) -> Imported:
    """Read files of other tools as one table.

    Parameters
    ----------
    inputs : sequence of path
        Files, and folders, of which all files are taken whose format is known.
    format : str
        ``"auto"``: told from what a file holds; or the name of a format, for all.
    on_error : {"stop", "skip"}
        What a row that cannot be used does.
    options : Options, optional
        What the files do not say.

    Raises
    ------
    ParameterError
        When an option is missing, or is none of the format.
    TableError
        When a file is damaged or of no known format, files make different tables, a row stands
        twice, or nothing is left.
    """
    if on_error not in get_args(OnError):
        raise ParameterError(f"on_error is {on_error!r}, expected stop or skip.")
    options, account = options or Options(), Account(on_error)
    detected, unknown = _detect_all(inputs, named_format(format))
    kind = _one_kind(detected)
    _check_options(detected, options)
    detected = with_annotations(detected)
    parts = [_read(each, options, account) for each in detected]
    table = pa.concat_tables(parts, promote_options="default")
    if not table.num_rows:
        why = "; ".join(f"{each.n:,}: {each.reason}" for each in account.left_out) or "no rows"
        raise TableError(f"nothing of {', '.join(map(str, inputs))} can be imported ({why}).")
    _check_unique(detected, parts)
    return Imported(
        table=conform(table.drop_columns([_PLACE]), kind.schema, "the import"),
        kind=kind,
        files=tuple(
            ImportedFile(str(each.file.path), each.format.name, part.num_rows,
                         tuple(map(str, each.file.annotations)))
            for each, part in zip(detected, parts, strict=True)
        ),
        not_imported=tuple(map(str, unknown)),
        n_read=account.n_read,
        left_out=account.left_out,
        notes=tuple(account.notes),
    )  # fmt: skip


def _detect_all(
    inputs: Sequence[str | Path], format: Format | None
) -> tuple[list[Detected], list[Path]]:
    """Files and their formats, and the files of folders that are of none."""
    detected: list[Detected] = []
    unknown: list[Path] = []
    for place in dict.fromkeys(map(Path, inputs)):
        for path in _inside(place) if place.is_dir() else [place]:
            found = Detected(look_at(path), format) if format else detect(path)
            if found is not None:
                detected.append(found)
            elif place.is_dir():
                unknown.append(path)
            else:
                shown = ", ".join(look_at(path).columns[:8])
                raise TableError(
                    f"{path} is of no known format (it has {shown}).",
                    "--format NAME says which it should be",
                )
    if not detected:
        raise TableError(f"{', '.join(map(str, inputs))}: no file of a known format.")
    return detected, unknown


def _inside(folder: Path) -> list[Path]:
    """Files of a folder, but for hidden ones and the records of runs."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    return sorted(
        path
        for path in found
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(".run.json")
    )


def _one_kind(detected: Sequence[Detected]) -> Kind:
    first = {each.format.kind.name: each for each in reversed(detected)}
    if len(first) > 1:
        shown = "; ".join(
            f"{each.file.path} ({each.format.name}): {name}" for name, each in first.items()
        )
        raise TableError(
            f"the files make different tables: {shown}.", "import one kind of table at a time"
        )
    return detected[0].format.kind


def _check_options(detected: Sequence[Detected], options: Options) -> None:
    takes = {name for each in detected for name in each.format.takes}
    for name, value in asdict(options).items():
        if value is not None and name not in takes:
            formats = sorted({each.format.name for each in detected})
            raise ParameterError(
                f"{name} is given, and files of {', '.join(formats)} do not take it.",
                f"leave out --{name}",
            )


def _read(each: Detected, options: Options, account: Account) -> pa.Table:
    """The rows of a file, each with its place."""
    path, format = each.file.path, each.format
    texts = [pa.field(name, pa.string()) for name in (*format.extra, _PLACE)]
    schema = pa.schema([*format.kind.schema, *texts])
    try:
        require(path, each.file.columns, format.needs)
        found = format.read(each.file, options, account)
    except TableError as error:
        _lose_rest(path, error, account)
        return schema.empty_table()
    if isinstance(found, pa.Table):
        account.n_read += found.num_rows
        return found.append_column(_PLACE, pa.nulls(found.num_rows, pa.string()))
    rows = _up_to_damage(path, found, account)
    batches = [pa.RecordBatch.from_pylist(chunk, schema) for chunk in _chunks(rows)]
    return pa.Table.from_batches(batches, schema)


def _up_to_damage(path: Path, rows: Iterator[Row], account: Account) -> Iterator[Row]:
    try:
        yield from rows
    except TableError as error:
        _lose_rest(path, error, account)


def _lose_rest(path: Path, error: TableError, account: Account) -> None:
    """Count what nothing can be read of as one row, or stop there."""
    if account.on_error == "stop":
        raise error
    account.n_read += 1
    account.leave_out(path, "from here on", error.message)


def _chunks(rows: Iterator[Row]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, _BATCH_ROWS)):
        yield [{**row.values, _PLACE: row.place} for row in chunk]


def _check_unique(detected: Sequence[Detected], parts: Sequence[pa.Table]) -> None:
    """Raise where two rows of one format have the same key, and show where they stand."""
    for format in {each.format.name: each.format for each in detected}.values():
        key = list(format.key)
        own = [i for i, each in enumerate(detected) if each.format.name == format.name]
        rows = pa.concat_tables(
            parts[i].select([*key, _PLACE]).append_column(
                "file", pa.repeat(pa.scalar(i, pa.int32()), parts[i].num_rows)
            )
            for i in own
        )  # fmt: skip
        counts = rows.group_by(key).aggregate([([], "count_all")])
        twice = counts.filter(pc.greater(counts["count_all"], 1))
        if twice.num_rows:
            first = {name: twice[name][0].as_py() for name in key}
            example = _places(rows, first, detected)
            raise TableError(
                f"{twice.num_rows:,} rows stand more than once, such as {example}.",
                "give each row once; are there files of two runs?",
            )


def _places(rows: pa.Table, key: dict[str, Any], detected: Sequence[Detected]) -> str:
    """Where the rows of a key stand."""
    for name, value in key.items():
        column = rows[name]
        rows = rows.filter(pc.is_null(column) if value is None else pc.equal(column, value))
    shown = rows.slice(0, _SHOWN).to_pylist()
    where = [
        ", ".join(filter(None, (str(detected[row["file"]].file.path), row[_PLACE])))
        for row in shown
    ]
    name = ", ".join(str(value) for value in key.values() if value is not None)
    return f"{name!r} ({'; '.join(where)})"
