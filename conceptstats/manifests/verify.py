"""Whether the files in a folder are those that a manifest describes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from conceptstats.errors import ManifestError, ParameterError
from conceptstats.manifests.contents import Contents, UnreadableError, read_contents
from conceptstats.manifests.manifest import UNKNOWN, Column, File, Manifest, choose_files
from conceptstats.progress import Progress, Silent

OK, MISSING, DIFFERENT, UNVERIFIABLE = "ok", "missing", "different", "unverifiable"
PARTIAL = ".partial"  # folder of downloads that are not complete
_BLOCK = 1 << 20


class Checked(NamedTuple):
    """One file against its manifest."""

    path: str
    status: str  # ok, missing, different, unverifiable: no hash is published
    bytes: int | None
    rows: int | None  # None: not looked into
    detail: str  # what differs, or what was compared


class Verified(NamedTuple):
    """Result of `verify`."""

    name: str
    folder: Path
    files: list[Checked]

    def paths(self, *statuses: str) -> list[str]:
        """Files of these statuses."""
        return [file.path for file in self.files if file.status in statuses]

    @property
    def ok(self) -> bool:
        """Whether no file is missing or different."""
        return not self.paths(MISSING, DIFFERENT)

    def check(self, manifest: str) -> None:
        """Raise unless all is as described; ``manifest`` is its name or path, for the hint.

        Raises
        ------
        ManifestError
        """
        if not self.ok:
            wrong = len(self.paths(MISSING, DIFFERENT))
            raise ManifestError(
                f"{wrong:,} of {len(self.files):,} files in {self.folder} are missing or "
                "different.",
                f"conceptstats data fetch {manifest} -o {self.folder}",
            )


def verify(
    manifest: Manifest,
    folder: Path,
    *,
    pattern: str | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Compare files with a manifest: presence, size, hash, rows and columns.

    Parameters
    ----------
    manifest : Manifest
    folder : Path
        Files lie in it under the paths of the manifest. Other files there are not looked at.
    pattern : str, optional
        Only files whose path it matches, with ``*`` and ``?``.
    progress : Progress, optional

    Returns
    -------
    Verified
        One row for each file. A file whose hash is not published is "unverifiable" where nothing
        else differs.

    Raises
    ------
    ManifestError
        When there is no such folder.
    ParameterError
        When no file matches the pattern.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder} is no folder.", "give the folder that holds the files")
    progress = progress or Silent()
    progress.stage("compare", "bytes")
    checked: list[Checked] = []
    for file in choose_files(manifest.name, manifest.files, pattern):
        checked += _check_entry(manifest, file, folder, pattern, progress)
    progress.close()
    if not checked:
        raise ParameterError(f"no file of {manifest.name} in {folder} matches {pattern!r}.")
    return Verified(manifest.name, folder, checked)


def _check_entry(
    manifest: Manifest, file: File, folder: Path, wanted: str | None, progress: Progress
) -> Iterator[Checked]:
    """Check one entry of a manifest: a file, or those that its pattern finds and are wanted."""
    if not file.is_pattern:
        yield _check(file, folder, manifest.columns_of(file.path), progress)
        return
    paths = [path for path in _paths(folder) if fnmatchcase(path, file.path)]
    for path in paths:
        if wanted is not None and not fnmatchcase(path, wanted):
            continue
        single = replace(file, path=path, bytes=None, rows=None, hash=None)
        yield _check(single, folder, manifest.columns_of(path), progress)
    if not paths:
        yield Checked(file.path, MISSING, None, None, "no file has such a name")
    elif wanted is None and file.count is not None and len(paths) != file.count:
        detail = f"{len(paths):,} files, expected {file.count:,}"
        yield Checked(file.path, DIFFERENT, None, None, detail)


def _paths(folder: Path) -> list[str]:
    relative = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(p.as_posix() for p in relative if not any(x.startswith(".") for x in p.parts))


def _check(file: File, folder: Path, columns: Sequence[Column], progress: Progress) -> Checked:
    """Check one file that has a name."""
    path = folder / file.path
    if not path.is_file():
        return Checked(file.path, MISSING, None, None, "not there")
    size = path.stat().st_size
    differences, compared = compare_bytes(file, path, progress)
    contents, unlike = _compare_contents(file, path, columns, compared)
    differences += unlike
    rows = None if contents is None else contents.rows
    if differences:
        return Checked(file.path, DIFFERENT, size, rows, "; ".join(differences))
    agreed = f"{', '.join(compared)} as published" if compared else "nothing to compare with"
    if file.hash is None:
        return Checked(file.path, UNVERIFIABLE, size, rows, f"no hash is published; {agreed}")
    return Checked(file.path, OK, size, rows, agreed)


def compare_bytes(
    file: File, path: Path, progress: Progress | None = None
) -> tuple[list[str], list[str]]:
    """How size and hash differ from what is published, and what of them was compared."""
    size, compared = path.stat().st_size, []
    if file.bytes is not None:
        compared.append("bytes")
        if size != file.bytes:
            return [f"{size:,} bytes, expected {file.bytes:,}"], compared
    if file.hash is not None:
        compared.append(file.hash.algorithm + ("" if file.hash.whole else " (first digits)"))
        found = file_hash(path, file.hash.algorithm, progress)
        if not found.startswith(file.hash.digest):
            return [f"{file.hash.algorithm} {found}, expected {file.hash.digest}"], compared
    return [], compared


def _compare_contents(
    file: File, path: Path, columns: Sequence[Column], compared: list[str]
) -> tuple[Contents | None, list[str]]:
    """What is in the file, and how it differs."""
    try:
        contents = read_contents(path, file.format, header=file.header, records=file.records)
    except UnreadableError as error:
        expected = file.rows is not None or columns or file.format
        return None, [f"cannot be read: {error}"] if expected else []
    if contents is None:
        return None, []
    differences = []
    if file.rows is not None:
        compared.append("rows")
        if contents.rows != file.rows:
            differences.append(f"{contents.rows:,} rows, expected {file.rows:,}")
    if columns:
        compared.append("columns")
        differences += _compare_columns(contents.columns, columns, header=file.header)
    return contents, differences


def _compare_columns(
    found: tuple[tuple[str, str], ...], columns: Sequence[Column], *, header: bool
) -> list[str]:
    if not header:
        if len(found) == len(columns):
            return []
        return [f"{len(found)} columns, expected {len(columns)}"]
    types = dict(found)
    if absent := [column.name for column in columns if column.name not in types]:
        return [f"no column {', '.join(absent)} (columns: {', '.join(types)})"]
    return [
        f"column {column.name} is {types[column.name]}, expected {column.type}"
        for column in columns
        if column.type not in (UNKNOWN, types[column.name])
    ]


def file_hash(path: Path, algorithm: str, progress: Progress | None = None) -> str:
    """Hash of a file in hexadecimal digits, read in pieces."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            if progress is not None:
                progress.advance(len(block))
    return digest.hexdigest()
