"""Caption files of every common layout, read as batches of Arrow strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conceptstats.sources.batch import Batch, Problem, Source, Tags

if TYPE_CHECKING:
    from conceptstats.sources.find import Found, find_sources
    from conceptstats.sources.read import read_batches, read_rows

__all__ = [
    "Batch",
    "Found",
    "Problem",
    "Source",
    "Tags",
    "find_sources",
    "read_batches",
    "read_rows",
]


def __getattr__(name: str) -> Any:
    """Import the readers only when one is asked for: an index opens without them."""
    if name in ("Found", "find_sources"):
        from conceptstats.sources import find

        return getattr(find, name)
    if name in ("read_batches", "read_rows"):
        from conceptstats.sources import read

        return getattr(read, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
