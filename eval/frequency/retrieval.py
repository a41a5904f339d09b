"""Recall of retrieval by concept."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, TableError
from conceptstats.table_files import conform
from conceptstats.tables import ACCURACIES

RANKS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),  # of a caption, or an image
        pa.field("rank", pa.int64(), nullable=False),  # of the first right answer; 1: the best
    ]
)
QUERY_CONCEPTS = pa.schema(
    [
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("concept", pa.string(), nullable=False),
    ]
)


def recall_by_concept(
    ranks: pa.Table,
    concepts: pa.Table,
    k: int,
    *,
    dataset: str,
    model: str,
    pretrained: str | None = None,
    metric: str | None = None,
) -> pa.Table:
    """Recall@k of each concept: the share of queries with it whose right answer has rank k or less.

    A query counts once for each of its concepts, so concepts are not independent, and a concept
    without a query has no row.

    Parameters
    ----------
    ranks : Table
        query_id, rank (from 1).
    concepts : Table
        query_id, concept; a pair that stands twice counts once.
    k : int
    dataset, model, pretrained : str
        Of the rows that are made.
    metric : str, optional
        Its name; None: ``recall@k``.

    Returns
    -------
    Table
        `conceptstats.tables.ACCURACIES`: first the whole data set (concept null), then concepts in
        alphabetical order.

    Raises
    ------
    TableError
        When there are no queries, one has two ranks or a rank below 1, or a query with a concept
        has no rank.
    ParameterError
        When k is below 1.
    """
    if k < 1:
        raise ParameterError(f"k is {k}, expected 1 or more.")
    ranks = conform(ranks, RANKS, "ranks").select(RANKS.names)
    concepts = conform(concepts, QUERY_CONCEPTS, "concepts").select(QUERY_CONCEPTS.names)
    if not ranks.num_rows:
        raise TableError("ranks: there are no queries.")
    if pc.min(ranks["rank"]).as_py() < 1:
        raise TableError(f"ranks: a rank is {pc.min(ranks['rank']).as_py()}, expected 1 or more.")
    if pc.count_distinct(ranks["query_id"]).as_py() < ranks.num_rows:
        raise TableError("ranks: a query stands more than once.", "give one model's ranks")
    hits = ranks.append_column("value", pc.less_equal(ranks["rank"], k).cast(pa.float64()))
    pairs = concepts.group_by(["query_id", "concept"]).aggregate([])
    strangers = pairs.join(hits, "query_id", join_type="left anti")
    if strangers.num_rows:
        raise TableError(
            f"concepts: {strangers.num_rows:,} rows are of queries without a rank, such as "
            f"{strangers['query_id'][0].as_py()!r}."
        )
    by_concept = (
        pairs.join(hits, "query_id", join_type="inner")
        .group_by("concept")
        .aggregate([("value", "mean"), ("value", "count")])
        .sort_by("concept")
    )
    names = [None, *by_concept["concept"].to_pylist()]
    size = len(names)
    return pa.table(
        [
            pa.array([dataset] * size),
            pa.array(names, pa.string()),
            pa.array([metric or f"recall@{k}"] * size),
            pa.array([pc.mean(hits["value"]).as_py(), *by_concept["value_mean"].to_pylist()]),
            pa.array([hits.num_rows, *by_concept["value_count"].to_pylist()], pa.int64()),
            pa.array([model] * size),
            pa.array([pretrained] * size, pa.string()),
        ],
        schema=ACCURACIES,
    )
