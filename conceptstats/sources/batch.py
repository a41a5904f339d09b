"""What every reader yields, and what it says of the rows that it could not use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import pyarrow as pa

OnError = Literal["stop", "skip"]


class Problem(NamedTuple):
    """Something that was left out because it could not be read."""

    row: int  # first row concerned, from 0
    reason: str


class Batch(NamedTuple):
    """Consecutive rows of one source.

    Every row of the file is a row here, in file order: a row without a usable caption is null, so
    that row numbers stay those of the file.
    """

    captions: pa.Array  # string or large_string; null: no caption
    ids: pa.Array | None  # the id column, when it was asked for; of any type
    n_failed: int = 0  # rows that img2dataset could not download (their caption is null here)
    n_not_selected: int = 0  # rows outside --subset (their caption is null here)
    problems: tuple[Problem, ...] = ()  # with on_error="skip": what could not be read (null here)


@dataclass(frozen=True, slots=True)
class Source:
    """One caption file, detected: where it is, how it is read, where its captions are."""

    path: str  # absolute local path, or an fsspec URL
    format: str
    caption_column: str  # as the file names it; a description where the format has no names
    id_column: str | None
    size: int  # bytes on disk, compressed
    fingerprint: str  # xxh3-128 of the size and of the first and last 1 MiB
    subset: str | None = None
