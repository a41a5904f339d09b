"""Writing a manifest of files that are there; a person adds what a tool cannot know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import ManifestError, ParameterError
from conceptstats.manifests.contents import Contents, UnreadableError, format_of, read_contents
from conceptstats.manifests.manifest import KINDS, UNKNOWN, parse_manifest
from conceptstats.manifests.verify import file_hash
from conceptstats.progress import Progress, Silent
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import check_ending, record_path
from conceptstats.tables import writing


class Described(NamedTuple):
    """What went into a manifest."""

    output: str
    n_files: int
    bytes: int
    rows: int | None  # None: not all files could be looked into


class _Seen(NamedTuple):
    path: str
    bytes: int
    sha256: str
    contents: Contents | None
    format: str | None
    header: bool


def describe(
    folder: Path,
    output: Path,
    *,
    kind: str = UNKNOWN,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Described:
    """Write a manifest of all files in a folder: SHA-256, bytes, rows and columns.

    Licence, citation, homepage and what columns mean are "unknown" in it, for a person to fill in.

    Parameters
    ----------
    folder : Path
        Hidden files and run records are left out.
    output : Path
        Ends in ``.toml``.
    kind : str
    overwrite : bool
    progress : Progress, optional

    Raises
    ------
    ParameterError
        When the kind is none of those known, or the name of the output does not end in .toml.
    ManifestError
        When the folder is none, empty, or a file in it is damaged.
    OutputExistsError, OutputError
    """
    check_ending(output, (".toml",))
    if kind not in KINDS:
        raise ParameterError(f"kind is {kind!r}, expected {', '.join(KINDS)}.")
    progress = progress or Silent()
    progress.stage("read", "bytes")
    apart = {output.resolve(), record_path(output).resolve()}
    seen = [_look(folder, path, progress) for path in _paths(folder, apart)]
    progress.close()
    if not seen:
        raise ManifestError(f"{folder} holds no files.")
    rows = [file.contents.rows for file in seen if file.contents]
    total = sum(rows) if len(rows) == len(seen) else None
    text = _manifest_text(folder.resolve().name or UNKNOWN, kind, seen, total)
    parse_manifest(text, str(output))
    with writing(output, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")
    inputs = {str(folder / file.path): f"sha256:{file.sha256}" for file in seen}
    record = run_record("data describe", {"folder": str(folder), "kind": kind}, inputs)
    with writing(record_path(output), overwrite=True) as partial:
        dump_json(partial, record)
    return Described(str(output), len(seen), sum(file.bytes for file in seen), total)


def _paths(folder: Path, apart: set[Path]) -> list[str]:
    if not folder.is_dir():
        raise ManifestError(f"{folder} is no folder.", "give the folder that holds the files")
    paths = [path for path in folder.rglob("*") if path.is_file() and path.resolve() not in apart]
    names = [path.relative_to(folder) for path in paths if not path.name.endswith(".run.json")]
    shown = [n.as_posix() for n in names if not any(part.startswith(".") for part in n.parts)]
    if odd := [name for name in shown if not _plain(name)]:
        raise ManifestError(f"{odd[0]!r} in {folder}: such a name cannot stand in a manifest.")
    return sorted(shown)


def _plain(name: str) -> bool:
    """Whether a name is Unicode, and would not be read as a pattern or range."""
    return name.isprintable() and not any(mark in name for mark in "*?{[")


def _look(folder: Path, name: str, progress: Progress) -> _Seen:
    path = folder / name
    format_, header = format_of(path), _has_header(path)
    try:
        contents = read_contents(path, format_, header=header)
    except UnreadableError as error:
        if format_ != "json":
            raise ManifestError(f"{path} cannot be read: {error}.") from error
        format_, contents = _json_lines(path)
    return _Seen(
        name, path.stat().st_size, file_hash(path, "sha256", progress), contents, format_, header
    )


def _has_header(path: Path) -> bool:
    """Whether the first row names the columns: in a TSV not where there is a URL in it."""
    if format_of(path) != "tsv":
        return True
    with path.open("rb") as file:
        return b"://" not in file.readline()


def _json_lines(path: Path) -> tuple[str | None, Contents | None]:
    """JSON lines are often called .json; other JSON, of one object too, has no rows."""
    with suppress(UnreadableError):
        contents = read_contents(path, "jsonl")
        if contents and contents.rows > 1:
            return "jsonl", contents
    return None, None


def _manifest_text(name: str, kind: str, seen: list[_Seen], rows: int | None) -> str:
    head = {
        "name": name, "title": name, "kind": kind, "homepage": UNKNOWN, "licence": UNKNOWN,
        "access": UNKNOWN, "citation": UNKNOWN, "rows": UNKNOWN if rows is None else rows,
    }  # fmt: skip
    parts = [_toml(head)]
    parts += [f"[[files]]\n{_toml(_file_table(file))}" for file in seen]
    parts += [f"[[columns]]\n{_toml(table)}" for table in _column_tables(seen)]
    return "\n".join(parts)


def _file_table(file: _Seen) -> dict[str, Any]:
    table: dict[str, Any] = {"path": file.path, "sha256": file.sha256, "bytes": file.bytes}
    if file.contents is None:
        return table | {"rows": UNKNOWN}
    table["rows"] = file.contents.rows
    if file.format != format_of(Path(file.path)):
        table["format"] = file.format
    if not file.header:
        table["header"] = False
    if file.contents.records:
        table["records"] = file.contents.records
    return table


def _column_tables(seen: list[_Seen]) -> Iterator[dict[str, Any]]:
    """Columns once for all files that have the same ones."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for file in seen:
        if file.contents:
            groups.setdefault(file.contents.columns, []).append(file.path)
    same = len(groups) == 1 and all(file.contents for file in seen)
    for columns, paths in groups.items():
        for number, (name, type_) in enumerate(columns, 1):
            table = {"name": name or f"column {number}", "type": type_, "meaning": UNKNOWN}
            yield table | ({} if same else {"files": paths})


def _toml(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items())


def toml_value(value: str | int | Iterable[str]) -> str:
    """A text, number, flag or list of texts as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):  # JSON's escapes are TOML's, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(toml_value(item) for item in value)}]"
