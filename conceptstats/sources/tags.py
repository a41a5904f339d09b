"""Tags of images: lists in a column, in place of captions; read as text of one tag a line."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import SourceError
from conceptstats.sources.batch import Batch, Problem, Tags
from conceptstats.sources.columns import Detected
from conceptstats.sources.reading import Reading
from conceptstats.sources.text import flat_lists, is_list, join_lines, null_where, to_strings

_WITH_LISTS = ("parquet", "img2dataset", "arrow", "jsonl")
_SEPARATED = ("csv", "tsv", "tsv-no-header", "flickr8k", "flickr30k", "text")


def check_format(path: str, detected: Detected, tags: Tags) -> None:
    """Raise where tags, or their scores, are not read from a format.

    Raises
    ------
    SourceError
    """
    if detected.format not in _WITH_LISTS + _SEPARATED:
        raise SourceError(
            f"{path}: tags are not read from this format ({detected.format}).",
            "put them into parquet, Arrow, JSON lines, CSV or text",
        )
    if tags.scores is not None and detected.format not in _WITH_LISTS:
        raise SourceError(
            f"{path}: this format ({detected.format}) has no lists of numbers, as scores are.",
            "put tags and scores into parquet, Arrow or JSON lines",
        )


def join_tags(batch: Batch, first_row: int, reading: Reading) -> Batch:
    """A batch of tags as one of captions: the tags of a row, one a line.

    A tag is one line, so line breaks within it become blanks. Null tags and those below the
    threshold are left out. A null list is a null caption, a list without tags an empty one.

    Parameters
    ----------
    batch : Batch
        Its captions are lists of texts, or texts with a separator between the tags.
    first_row : int
        Number of its first row.
    reading : Reading

    Raises
    ------
    SourceError
        With ``on_error="stop"``, where a row has another number of scores than of tags.
    """
    tags = reading.source.tags
    if tags is None:
        return batch
    lists = batch.captions
    if not is_list(lists.type):
        lists = pc.split_pattern(lists, pattern=tags.separator)
    problems: tuple[Problem, ...] = ()
    scores = batch.scores
    if scores is not None:
        problems = _different_lengths(lists, scores, first_row, reading)
        wrong = np.zeros(len(lists), np.bool_)
        wrong[[problem.row - first_row for problem in problems]] = True
        lists = null_where(pa.array(wrong), lists)
        scores, _ = flat_lists(null_where(lists.is_null(), scores))
    items, bounds = flat_lists(lists)
    items = to_strings(items)
    kept = items.is_valid()
    if scores is not None:
        kept = pc.and_(kept, _reaches(scores, tags))
    bounds = np.concatenate([[0], np.cumsum(kept.to_numpy(zero_copy_only=False))])[bounds]
    items = pc.replace_substring(items.filter(kept), "\n", " ")
    return batch._replace(
        captions=join_lines(items, bounds, lists.is_null()),
        scores=None,
        problems=(*batch.problems, *problems),
    )


def _different_lengths(
    lists: pa.Array, scores: pa.Array, first_row: int, reading: Reading
) -> tuple[Problem, ...]:
    """Rows that have tags, and another number of scores."""
    n_tags = pc.list_value_length(lists).cast(pa.int64())
    n_scores = pc.fill_null(pc.list_value_length(scores).cast(pa.int64()), 0)
    rows = pc.indices_nonzero(pc.fill_null(pc.not_equal(n_tags, n_scores), False))
    return tuple(
        reading.bad_row(first_row + row, f"{n_tags[row]} tags and {n_scores[row]} scores")
        for row in rows.to_pylist()
    )


def _reaches(scores: pa.Array, tags: Tags) -> pa.Array:
    """Which scores are at the threshold or above; null and nan are not.

    Compared in the precision of the scores: 0.7 is reached by what 0.7 is in a column of float32.
    """
    threshold = tags.threshold
    if pa.types.is_float16(scores.type):  # Arrow does not compare it
        threshold, scores = float(np.float16(threshold)), scores.cast(pa.float32())
    elif not pa.types.is_floating(scores.type):
        scores = scores.cast(pa.float64())
    above = pc.greater_equal(scores, pa.scalar(threshold, scores.type))
    return pc.fill_null(above, False)
