"""The forward index: which captions hold a set of concepts, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from conceptstats.errors import SourceError
from conceptstats.index.layout import Manifest, PartRecord
from conceptstats.index.part_files import read_ids, read_tokens
from conceptstats.sources.batch import Source


class FoundCaption(NamedTuple):
    """A caption, and where it is."""

    source: str  # path or URL
    row: int  # of the file, from 0
    id: str | None
    caption: str


def rows_with(folder: Path, part: PartRecord, concepts: Sequence[int]) -> npt.NDArray[np.int64]:
    """Rows of a part, ascending and from 0, that count and hold all of the concepts."""
    ids = read_ids(folder / part.name)
    tokens = read_tokens(folder / part.name, in_memory=False)
    rows: npt.NDArray[np.int64] | None = None
    for concept in concepts:
        local = np.flatnonzero(ids == concept)
        if not len(local):
            return np.zeros(0, np.int64)
        places = np.flatnonzero(tokens.ids == local[0])
        mine = np.unique(np.searchsorted(tokens.bounds, places, "right") - 1)
        rows = mine if rows is None else np.intersect1d(rows, mine, assume_unique=True)
    return rows[tokens.counted[rows]] if rows is not None else np.zeros(0, np.int64)


def count_rows_with(folder: Path, parts: Sequence[PartRecord], concepts: Sequence[int]) -> int:
    """Captions of all parts that hold all of the concepts."""
    return sum(len(rows_with(folder, part, concepts)) for part in parts)


def find_rows_with(
    folder: Path, manifest: Manifest, concepts: Sequence[int], k: int
) -> list[FoundCaption]:
    """The first captions that hold all of the concepts, by source and row.

    Raises
    ------
    SourceError
        When a source is gone or has changed since it was indexed.
    """
    wanted: dict[int, list[int]] = {}
    missing = k
    for part in manifest.parts:
        if missing <= 0:
            break
        rows = rows_with(folder, part, concepts)[:missing]
        if len(rows):
            wanted.setdefault(part.source, []).extend((rows + part.first_row).tolist())
            missing -= len(rows)
    from conceptstats.sources import read_rows

    found = []
    for number, numbers in wanted.items():
        source = manifest.sources[number]
        check_unchanged(source)
        texts = read_rows(source, numbers)
        for row in numbers:
            caption, sample_id = texts[row]
            if caption is None:
                raise SourceError(
                    f"{source.path}: row {row} has no caption any more; the file has changed since "
                    "it was indexed.",
                    "build the index again",
                )
            if source.tags is not None:
                caption = caption.replace("\n", ", ")
            found.append(FoundCaption(source.path, row, sample_id, caption))
    return found


def check_unchanged(source: Source) -> None:
    """Raise unless a source is what it was when it was indexed.

    Raises
    ------
    SourceError
    """
    from conceptstats.sources.files import size_and_fingerprint

    try:
        _, fingerprint = size_and_fingerprint(source.path)
    except OSError as error:
        raise SourceError(
            f"{source.path} cannot be read any more: {error}.", "put it back where it was"
        ) from error
    if fingerprint != source.fingerprint:
        raise SourceError(
            f"{source.path} has changed since it was indexed.", "build the index again"
        )
