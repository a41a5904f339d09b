"""What a manifest holds, and reading one with all its keys checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files as resource_files
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import ManifestError, ParameterError

UNKNOWN = "unknown"
KINDS = ("captions", "questions", "images", "model", UNKNOWN)
ACCESS = ("open", "licence", "withdrawn", UNKNOWN)
FORMATS = ("parquet", "tsv", "csv", "json", "jsonl")

_MANIFEST_KEYS = frozenset(
    "name title kind homepage licence access terms replaced_by citation size rows notes files "
    "columns sources".split()
)
_FILE_KEYS = frozenset(
    "path url hub revision sha256 sha256_prefix md5 bytes rows count format header records".split()
)
_DIGITS = {"sha256": (64, 64), "sha256_prefix": (8, 63), "md5": (32, 32)}
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class Hash(NamedTuple):
    """A published hash; of some files only the first digits are published."""

    algorithm: str  # "sha256" or "md5"
    digest: str

    @property
    def whole(self) -> bool:
        """Whether all digits are published."""
        return len(self.digest) == _DIGITS[self.algorithm][0]

    def __str__(self) -> str:
        """As pooch writes it: ``sha256:0f3c...``."""
        return f"{self.algorithm}:{self.digest}"


class Column(NamedTuple):
    """A column of the data, or a key of its records."""

    name: str
    type: str  # as Arrow names it in parquet; "unknown" is not compared
    meaning: str
    files: tuple[str, ...]  # patterns of the files that have it; none: all of them


class Source(NamedTuple):
    """Where facts of a manifest are from."""

    url: str
    gives: str


@dataclass(frozen=True, slots=True)
class File:
    """One file, or those that a pattern names; None is unknown."""

    path: str  # below the folder of the data; with * or ? a pattern of names on the hub
    url: str | None
    hub: str | None  # "datasets/OWNER/NAME", or "OWNER/NAME" of a model
    revision: str
    hash: Hash | None
    bytes: int | None
    rows: int | None
    count: int | None  # of files
    format: str | None  # None: by the ending
    header: bool  # of TSV and CSV: whether the first row names the columns
    records: str | None  # of JSON: the key under which the rows are

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for files whose names are not known beforehand."""
        return "*" in self.path or "?" in self.path


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of one data set or model; None is unknown."""

    name: str
    title: str
    kind: str
    homepage: str
    licence: str
    access: str
    terms: str | None  # what the user must do, or what became of it
    replaced_by: str | None
    citation: str
    size: str | None  # as published, where the bytes are not
    rows: int | None
    files: tuple[File, ...]
    columns: tuple[Column, ...]
    sources: tuple[Source, ...]
    notes: tuple[str, ...]

    @property
    def n_files(self) -> int | None:
        """Number of files."""
        return _sum(file.count for file in self.files)

    @property
    def bytes(self) -> int | None:
        """Bytes of all files together."""
        return _sum(file.bytes for file in self.files)

    def columns_of(self, path: str) -> tuple[Column, ...]:
        """The columns that one file should have."""
        return tuple(
            column
            for column in self.columns
            if not column.files or any(fnmatchcase(path, pattern) for pattern in column.files)
        )


def choose_files(name: str, files: Sequence[File], pattern: str | None) -> list[File]:
    """Those whose path a pattern matches, and entries whose names are not known beforehand.

    Raises
    ------
    ParameterError
        When there are none; ``name`` is that of the manifest.
    """
    chosen = [
        file
        for file in files
        if pattern is None or file.is_pattern or fnmatchcase(file.path, pattern)
    ]
    if not chosen:
        names = ", ".join(file.path for file in files[:10])
        raise ParameterError(f"no file of {name} matches {pattern!r} (files: {names}).")
    return chosen


def _sum(values: Iterator[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def shipped_names() -> list[str]:
    """Names of the manifests that come with the package."""
    folder = resource_files("conceptstats.data_manifests")
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def load_manifest(name: str) -> Manifest:
    """A manifest by the name of one that comes with the package, or by the path of another.

    Parameters
    ----------
    name : str
        A path where it ends in ``.toml``.

    Raises
    ------
    ManifestError
        When there is none, it is no TOML, a key is missing, unknown or of another type, or a value
        is none of those allowed.
    """
    if name.endswith(".toml"):
        try:
            return parse_manifest(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(
                f"{name} cannot be read: {getattr(error, 'strerror', error)}."
            ) from error
    names = shipped_names()
    if name not in names:
        raise ManifestError(
            f"no manifest is called {name!r} (there are {', '.join(names)}).",
            "a manifest of your own is given by its path, which ends in .toml",
        )
    entry = resource_files("conceptstats.data_manifests") / f"{name}.toml"
    return parse_manifest(entry.read_text(encoding="utf-8"), f"{name}.toml")


def parse_manifest(text: str, where: str) -> Manifest:
    """A manifest from its text; ``where`` is for messages.

    Raises
    ------
    ManifestError
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{where} is no TOML: {error}.") from error
    _check_keys(data, _MANIFEST_KEYS, where)
    access = _one_of(data, "access", ACCESS, where)
    terms = _text(data, "terms", where, default="")
    replaced_by = _text(data, "replaced_by", where, default="")
    if access in ("licence", "withdrawn") and not terms:
        raise ManifestError(f"{where}: access is {access!r}, so terms must say what to do.")
    files = [file for table in _tables(data, "files", where) for file in _files(table, where)]
    if not files:
        raise ManifestError(f"{where}: no [[files]].")
    if twice := [a for a, b in pairwise(sorted(file.path for file in files)) if a == b]:
        raise ManifestError(f"{where}: more than one file is called {twice[0]}.")
    return Manifest(
        name=_text(data, "name", where),
        title=_text(data, "title", where),
        kind=_one_of(data, "kind", KINDS, where),
        homepage=_url(data, "homepage", where),
        licence=_text(data, "licence", where),
        access=access,
        terms=terms or None,
        replaced_by=replaced_by or None,
        citation=_text(data, "citation", where),
        size=_known(_text(data, "size", where, default=UNKNOWN)),
        rows=_number(data, "rows", where),
        files=tuple(files),
        columns=tuple(_column(table, where) for table in _tables(data, "columns", where)),
        sources=tuple(
            Source(_url(table, "url", where), _text(table, "gives", where))
            for table in _tables(data, "sources", where)
        ),
        notes=tuple(_texts(data, "notes", where)),
    )


def _files(table: Mapping[str, Any], where: str) -> Iterator[File]:
    """The file of an entry; those of a range such as ``part-{00..31}``, one by one."""
    path = _text(table, "path", where)
    where = f"{where}: files: {path}"
    _check_keys(table, _FILE_KEYS, where)
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ManifestError(f"{where}: a path below the folder of the data is expected.")
    url = _url(table, "url", where, default=UNKNOWN)
    hub = _text(table, "hub", where, default="")
    found_range = _RANGE.search(path)
    pattern = "*" in path or "?" in path
    if pattern and (url != UNKNOWN or found_range):
        raise ManifestError(f"{where}: a pattern is for names on a hub, without url and range.")
    if url != UNKNOWN and hub:
        raise ManifestError(f"{where}: url and hub exclude each other.")
    for name in _names_of(found_range):
        yield File(
            path=_RANGE.sub(name, path),
            url=None if url == UNKNOWN else _RANGE.sub(name, url),
            hub=hub or None,
            revision=_text(table, "revision", where, default="main"),
            hash=_hash(table, where),
            bytes=_number(table, "bytes", where),
            rows=_number(table, "rows", where),
            count=_number(table, "count", where) if pattern else 1,
            format=_one_of(table, "format", FORMATS, where) if "format" in table else None,
            header=_flag(table, "header", where),
            records=_text(table, "records", where, default="") or None,
        )


def _names_of(found: re.Match[str] | None) -> list[str]:
    """The numbers of a range, as wide as its first."""
    if found is None:
        return [""]
    first, last = found.groups()
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


def _hash(table: Mapping[str, Any], where: str) -> Hash | None:
    given = [key for key in _DIGITS if _text(table, key, where, default=UNKNOWN) != UNKNOWN]
    if not given:
        return None
    if len(given) > 1:
        raise ManifestError(f"{where}: one hash is expected, not {' and '.join(given)}.")
    key, digest = given[0], table[given[0]]
    least, most = _DIGITS[key]
    if not re.fullmatch(r"[0-9a-f]+", digest) or not least <= len(digest) <= most:
        length = f"{least}" if least == most else f"{least} to {most}"
        raise ManifestError(f"{where}: {key} is {digest!r}, expected {length} digits 0-9a-f.")
    return Hash(key.removesuffix("_prefix"), digest)


def _column(table: Mapping[str, Any], where: str) -> Column:
    name = _text(table, "name", where)
    where = f"{where}: columns: {name}"
    _check_keys(table, frozenset(("name", "type", "meaning", "files")), where)
    return Column(
        name,
        _text(table, "type", where),
        _text(table, "meaning", where),
        tuple(_texts(table, "files", where)),
    )


def _check_keys(table: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    if unknown := sorted(set(table) - allowed):
        raise ManifestError(
            f"{where}: no key {unknown[0]!r} is known.",
            f"the keys are {', '.join(sorted(allowed))}",
        )


def _text(table: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        raise ManifestError(f"{where}: {key} is missing.", f'what is not known is "{UNKNOWN}"')
    if not isinstance(value, str) or (not value.strip() and key in table):
        raise ManifestError(f"{where}: {key} is {value!r}, expected a text that is not empty.")
    return value


def _texts(table: Mapping[str, Any], key: str, where: str) -> list[str]:
    values = table.get(key, [])
    if not isinstance(values, list) or any(not isinstance(v, str) or not v for v in values):
        raise ManifestError(f"{where}: {key} is {values!r}, expected a list of texts.")
    return values


def _url(table: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    url = _text(table, key, where, default)
    if url != UNKNOWN and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise ManifestError(f"{where}: {key} is {url!r}, expected https://... or {UNKNOWN!r}.")
    return url


def _number(table: Mapping[str, Any], key: str, where: str) -> int | None:
    value = table.get(key, UNKNOWN)
    if value == UNKNOWN:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ManifestError(f"{where}: {key} is {value!r}, expected a number or {UNKNOWN!r}.")
    return value


def _flag(table: Mapping[str, Any], key: str, where: str) -> bool:
    value = table.get(key, True)
    if not isinstance(value, bool):
        raise ManifestError(f"{where}: {key} is {value!r}, expected true or false.")
    return value


def _one_of(table: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    value = _text(table, key, where)
    if value not in allowed:
        raise ManifestError(f"{where}: {key} is {value!r}, expected {', '.join(allowed)}.")
    return value


def _tables(data: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    tables = data.get(key, [])
    if not isinstance(tables, list) or any(not isinstance(table, dict) for table in tables):
        raise ManifestError(f"{where}: {key} must be written as [[{key}]].")
    return tables


def _known(value: str) -> str | None:
    return None if value == UNKNOWN else value
