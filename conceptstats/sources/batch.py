"""What every reader yields, and what it says of the rows that it could not use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from conceptstats.errors import ParameterError

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

    captions: pa.Array  # string or large_string; null: no caption. Of tags: one a line
    ids: pa.Array | None  # the id column, when it was asked for; of any type
    n_failed: int = 0  # rows that img2dataset could not download (their caption is null here)
    n_not_selected: int = 0  # rows outside --subset (their caption is null here)
    problems: tuple[Problem, ...] = ()  # with on_error="skip": what could not be read (null here)
    scores: pa.Array | None = None  # of tags, until those below the threshold are left out


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags of images, to be read in place of captions.

    Parameters
    ----------
    column : str
        Column of lists of tags, or of texts with a separator between tags.
    scores : str, optional
        Column of the tags' scores: lists of numbers, as long as those of the tags.
    threshold : float, optional
        Tags with this score or a higher one count. (The published code of arXiv 2404.04125 takes
        RAM++ tags above 0.7, without those at it.)
    separator : str
        What stands between tags where the column is of texts.

    Raises
    ------
    ParameterError
        When scores come without threshold or the other way round, or the separator is empty.
    """

    column: str
    scores: str | None = None
    threshold: float | None = None
    separator: str = ","

    def __post_init__(self) -> None:
        """Check what goes together."""
        if (self.scores is None) != (self.threshold is None):
            raise ParameterError(
                "scores of tags and their threshold go together.",
                "--tag-scores COLUMN --tag-threshold NUMBER",
            )
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ParameterError(f"the threshold of tags is {self.threshold}, expected a number.")
        if not self.separator:
            raise ParameterError("the separator of tags is empty.", "--tag-separator ','")


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
    tags: Tags | None = None  # the captions are tags

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Source:
        """From a dict of JSON types, as `dataclasses.asdict` makes it."""
        tags = data.get("tags")
        return cls(**{**data, "tags": None if tags is None else Tags(**tags)})
