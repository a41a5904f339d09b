"""Checksums of an index: written when it is complete, compared on demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import xxhash

from conceptstats.errors import IndexFormatError
from conceptstats.index.layout import LOCK, PLAN, read_manifest
from conceptstats.index.staging import DEFAULT_MEMORY, check_resources
from conceptstats.runs import dump_json

_NAME = "checksums.json"
_CHUNK = 1 << 20


class Verified(NamedTuple):
    """Result of `verify_index`."""

    n_files: int
    n_bytes: int
    damaged: tuple[str, ...]  # "vocabulary.arrow: differs from its checksum"


def checksum(path: Path) -> tuple[int, str]:
    """Bytes of a file and their xxh3-128, read in pieces."""
    digest = xxhash.xxh3_128()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _files(index: Path) -> list[Path]:
    apart = (_NAME, LOCK, PLAN)
    return sorted(path for path in index.rglob("*") if path.is_file() and path.name not in apart)


def write_checksums(index: Path, workers: int) -> None:
    """Write size and xxh3-128 of every file of a finished index."""
    paths = _files(index)
    with ThreadPoolExecutor(workers) as executor:
        sums = list(executor.map(checksum, paths))
    files = {
        path.relative_to(index).as_posix(): {"bytes": size, "xxh3_128": digest}
        for path, (size, digest) in zip(paths, sums, strict=True)
    }
    dump_json(index / _NAME, files)


def verify_index(
    index: Path | str,
    workers: int | None = None,
    tick: Callable[[int], None] = lambda n_bytes: None,
) -> Verified:
    """Compare every file of an index with its checksum.

    Parameters
    ----------
    index : path
    workers : int, optional
        Threads; all cores by default.
    tick : callable
        Called with the bytes of each file that was read.

    Returns
    -------
    Verified
        ``damaged`` names files that differ, are missing, or do not belong there.

    Raises
    ------
    IndexFormatError
        When it is no index, or has no readable checksums.
    """
    index = Path(index)
    workers, _ = check_resources(workers, DEFAULT_MEMORY)
    read_manifest(index)
    try:
        expected = json.loads((index / _NAME).read_text(encoding="utf-8"))
        sums = {
            name: (int(sum_["bytes"]), str(sum_["xxh3_128"])) for name, sum_ in expected.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexFormatError(f"{index / _NAME} is missing or damaged: {error}.") from error

    def check(name: str) -> str | None:
        path = index / name
        if not path.is_file():
            return f"{name}: is missing"
        size, digest = checksum(path)
        tick(size)
        if size != sums[name][0]:
            return f"{name}: {size:,} bytes, expected {sums[name][0]:,}"
        return None if digest == sums[name][1] else f"{name}: differs from its checksum"

    with ThreadPoolExecutor(workers) as executor:
        damaged = [problem for problem in executor.map(check, sorted(sums)) if problem]
    extra = {path.relative_to(index).as_posix() for path in _files(index)} - set(sums)
    damaged += [f"{name}: does not belong to the index" for name in sorted(extra)]
    return Verified(len(sums), sum(size for size, _ in sums.values()), tuple(damaged))
