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
from conceptstats.sources.files import suffix_of
from conceptstats.table_files import check_ending, conform, fingerprint, save_table

from ..json_files import NOT_UNICODE, is_unicode
from .account import Account, LeftOut, OnError, Options, Row
from .detect import Detected, Format, Kind, detect, named_format, with_annotations
from .head import NoFormatError, look_at
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
    not_imported: tuple[str, ...]  # files in folders that are of no format that is looked for
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
        Files, and folders, of which all files are taken whose format is known, but hidden ones.
    format : str
        ``"auto"``: told from what a file holds; or the name of a format, for all that are given by
        name, and for those of folders that are known as such.
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
    detected, unknown = _detect_all(inputs, named_format(format), account)
    kind = _one_kind(detected)
    _check_options(detected, options)
    detected = with_annotations(detected)
    parts = [_read(each, options, account) for each in detected]
    table = pa.concat_tables(parts, promote_options="default")
    if not table.num_rows:
        raise _nothing(inputs, account)
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
    inputs: Sequence[str | Path], format: Format | None, account: Account
) -> tuple[list[Detected], list[Path]]:
    """Files and their formats, and the files of folders that are of none."""
    named = [path for path in map(Path, inputs) if not path.is_dir()]
    inside = [path for place in map(Path, inputs) if place.is_dir() for path in _inside(place)]
    detected: list[Detected] = []
    unknown: list[Path] = []
    for path in dict.fromkeys([*named, *inside]):
        try:
            detected.append(_detected(path, format, in_folder=path not in named))
        except NoFormatError:
            if path in named:
                raise
            unknown.append(path)
        except TableError as error:
            _lose_rest(path, error, account)
    if not detected:
        if account.left_out:
            raise _nothing(inputs, account)
        raise TableError(f"{', '.join(map(str, inputs))}: no file of a known format.")
    return detected, unknown


def _detected(path: Path, format: Format | None, *, in_folder: bool) -> Detected:
    """A file and its format, which may be given; in a folder there can be files of others too."""
    if format is None:
        return detect(path)
    file = look_at(path)
    if in_folder and not format.recognise(file):
        raise NoFormatError(f"{path} is not of {format.name}.")
    return Detected(file, format)


def _nothing(inputs: Sequence[str | Path], account: Account) -> TableError:
    why = "; ".join(f"{each.n:,}: {each.reason}" for each in account.left_out) or "no rows"
    return TableError(f"nothing of {', '.join(map(str, inputs))} can be imported ({why}).")


def _inside(folder: Path) -> list[Path]:
    """Files of a folder, but for hidden ones and the records of runs."""
    return sorted(
        path
        for path in folder.rglob("*")
        if suffix_of(str(path)).kind in _ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.name.endswith(".run.json")
    )


def _one_kind(detected: Sequence[Detected]) -> Kind:
    first = {each.format.kind.name: each for each in reversed(detected)}
    if len(first) > 1:
        shown = "; ".join(
            f"{each.file.path} ({each.format.name}): {name}" for name, each in first.items()
        )
        raise TableError(
            f"the files make different tables: {shown}.",
            "import one kind of table at a time; --format NAME takes one kind of a folder",
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
    """Rows before the damage, if there is any; JSON can hold text that is none, which is bad."""
    try:
        for row in rows:
            if all(is_unicode(value) for value in row.values.values() if isinstance(value, str)):
                yield row
            else:
                account.bad(path, row.place, NOT_UNICODE)
    except TableError as error:
        _lose_rest(path, error, account)


def _lose_rest(path: Path, error: TableError, account: Account) -> None:
    """Count what nothing can be read of as one row, or stop there."""
    if account.on_error == "stop":
        raise error
    account.n_read += 1
    account.leave_out(path, "from here on", error.message.rstrip("."))


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
                "give each row once; are there files of two runs, or of two tasks?",
            )


def _places(rows: pa.Table, key: dict[str, Any], detected: Sequence[Detected]) -> str:
    """Where the rows of a key stand."""
    for name, value in key.items():
        column = rows[name]
        rows = rows.filter(pc.is_null(column) if value is None else pc.equal(column, value))
    where = [
        ", ".join(filter(None, (str(detected[row["file"]].file.path), row[_PLACE])))
        for row in rows.slice(0, _SHOWN).to_pylist()
    ]
    name = ", ".join(str(value) for value in key.values() if value is not None)
    return f"{name!r} ({'; '.join(dict.fromkeys(where))})"
