"""Fingerprints of what counts were read from: files, indexes, and folders of many files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from conceptstats.table_files import fingerprint

from .concept_counts import is_index


def fingerprints(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each input by path; of a folder that is no index, of its files' names and digests.

    Raises
    ------
    TableError
        When one cannot be read.
    """
    return {str(path): _of(path) for path in paths}


def _of(path: Path) -> str:
    if not path.is_dir() or is_index(path):
        return fingerprint(path)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(path).as_posix()} {fingerprint(file)}\n".encode())
    return f"sha256:{digest.hexdigest()}"
