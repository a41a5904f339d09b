"""Which column holds the caption, and which the id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from conceptstats.errors import CaptionColumnError, SourceError
from conceptstats.sources.batch import Tags

CAPTION_NAMES = ("caption", "text", "top_caption", "title", "prompt")
ID_NAMES = ("sample_id", "uid", "key", "id", "image_id")


class Wanted(NamedTuple):
    """What the user asked for; None: to be detected."""

    caption_column: str | None = None
    id_column: str | None = None
    subset: str | None = None
    tags: Tags | None = None  # their column is the caption column

    @property
    def hint(self) -> str:
        """How to say which column it is."""
        return "--caption-column NAME" if self.tags is None else "--tags-column NAME"


class Detected(NamedTuple):
    """What a look at the head of a file told."""

    format: str
    caption_column: str
    id_column: str | None


def caption_column(path: str, names: Sequence[str], wanted: Wanted) -> str:
    """The column that holds the captions.

    Parameters
    ----------
    path : str
        The file, for the error.
    names : sequence of str
        The columns of the file.
    wanted : Wanted
        Has the column the user named. Without one, the first of `CAPTION_NAMES` is taken that is
        there, without regard to case.

    Raises
    ------
    CaptionColumnError
        No such column, or two that could be meant.
    """
    listed = f"(columns: {', '.join(names) or 'none'})"
    asked = wanted.caption_column
    if asked is not None:
        found = [name for name in names if name == asked]
        missing = f"{path}: no column {asked!r} {listed}."
    else:
        found = _first_known(names, CAPTION_NAMES)
        missing = f"{path}: no caption column, none of {', '.join(CAPTION_NAMES)} {listed}."
    if not found:
        raise CaptionColumnError(missing, wanted.hint)
    if len(found) > 1:
        raise CaptionColumnError(
            f"{path}: the captions could be in any of the columns {', '.join(found)} {listed}.",
            wanted.hint if len(set(found)) > 1 else "rename one of the columns",
        )
    return found[0]


def id_column(path: str, names: Sequence[str], wanted: str | None) -> str | None:
    """The column that identifies a row: the one asked for, or the first known one, or None.

    Raises
    ------
    SourceError
        The column asked for is not there, or there twice.
    """
    if wanted is None:
        found = _first_known(names, ID_NAMES)
        return found[0] if len(found) == 1 else None
    return _the_one(path, names, wanted, "--id-column NAME")


def scores_column(path: str, names: Sequence[str], wanted: Wanted) -> str | None:
    """The column of the tags' scores, if one was asked for.

    Raises
    ------
    SourceError
        It is not there, or there twice.
    """
    asked = wanted.tags.scores if wanted.tags is not None else None
    return None if asked is None else _the_one(path, names, asked, "--tag-scores NAME")


def _the_one(path: str, names: Sequence[str], wanted: str, hint: str) -> str:
    if names.count(wanted) != 1:
        problem = "two columns" if wanted in names else "no column"
        listed = f"(columns: {', '.join(names) or 'none'})"
        raise SourceError(f"{path}: {problem} {wanted!r} {listed}.", hint)
    return wanted


def _first_known(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """All columns that are the first known name which is there at all, without regard to case."""
    for candidate in known:
        found = [name for name in names if name.lower() == candidate]
        if found:
            return found
    return []
