"""Caption files of every common layout, read as batches of Arrow strings."""

from conceptstats.sources.batch import Batch, Problem, Source
from conceptstats.sources.find import Found, find_sources
from conceptstats.sources.read import read_batches, read_rows

__all__ = [
    "Batch",
    "Found",
    "Problem",
    "Source",
    "find_sources",
    "read_batches",
    "read_rows",
]
