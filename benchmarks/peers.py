"""The same counts from three general tools, each used as fast as we know how.

Every function takes a parquet file with the column ``TEXT`` and gives the `Counts` of its
captions: the top concepts by (falling n_captions, concept by code point), and every pair of them
that some caption holds. A concept is a lower-cased run of at least two letters or digits that are
not all digits, counted once a caption.

Heavy imports stand inside the functions, so that each process pays for the one tool it measures.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class Counts(NamedTuple):
    """What every contender has to find."""

    vocabulary: pa.Table  # concept_id, concept, n_captions
    pairs: pa.Table  # a < b (concept ids), n_captions; each pair once, in any order


def count_with_sklearn(path: str, max_concepts: int, cores: int) -> Counts:
    """Count with a binary document-term matrix X and XᵀX. It uses one core, whatever `cores` is.

    ``max_features`` would choose at random among the terms that tie at the cut, so the cut is made
    after fitting; what that costs is lost in the noise (three runs each).
    """
    import numpy as np
    import pyarrow.parquet as pq
    import scipy.sparse as sp
    from sklearn.feature_extraction.text import CountVectorizer

    captions = pq.read_table(path, columns=["TEXT"])["TEXT"].to_pylist()
    # not a number up to the token's end, then letters and digits
    vectorizer = CountVectorizer(
        binary=True, dtype=np.int32, token_pattern=r"(?!\d+(?![^\W_]))[^\W_]{2,}"
    )
    matrix = vectorizer.fit_transform(captions)
    terms = vectorizer.get_feature_names_out()  # by code point
    n_captions = np.bincount(matrix.indices, minlength=len(terms))
    top = np.argsort(-n_captions, kind="stable")[:max_concepts]  # stable: ties stay by code point
    matrix = matrix[:, top]
    upper = sp.triu(matrix.T @ matrix, k=1, format="coo")
    return Counts(
        pa.table(
            {
                "concept_id": np.arange(len(top), dtype=np.int32),
                "concept": terms[top],
                "n_captions": n_captions[top],
            }
        ),
        pa.table({"a": upper.row, "b": upper.col, "n_captions": upper.data}),
    )


def count_with_polars(path: str, max_concepts: int, cores: int) -> Counts:
    """Count with Polars as one writes it: extract, explode, unique, self-join, group by."""
    import polars as pl

    words = pl.col("TEXT").str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]{2,}")
    tokens = (
        pl.scan_parquet(path)
        .select(words.alias("concept"))
        .with_row_index("caption")
        .explode("concept")
        .filter(pl.col("concept").str.contains(r"\D"))
        .unique()
        .collect()
    )
    vocabulary = (
        tokens.group_by("concept")
        .len("n_captions")
        .sort("n_captions", "concept", descending=[True, False])
        .head(max_concepts)
        .with_row_index("concept_id")
    )
    ids = tokens.lazy().join(vocabulary.lazy(), on="concept").select("caption", a="concept_id")
    pairs = (
        ids.join(ids.rename({"a": "b"}), on="caption")
        .filter(pl.col("a") < pl.col("b"))
        .group_by("a", "b")
        .len("n_captions")
        .collect()
    )
    return Counts(vocabulary.to_arrow(), pairs.to_arrow())


def count_with_polars_tuned(path: str, max_concepts: int, cores: int) -> Counts:
    """Count with Polars' streaming engine; POLARS_MAX_THREADS has to be set to `cores` before.

    What made it faster than the plain pipeline: distinct words inside each caption's list rather
    than of all (caption, word) rows; ids before the self-join; one integer for a pair; and sorting
    those integers and measuring runs instead of grouping. For the pairs of a million captions the
    last two take 1.7 s to 1.2 s to 0.7 s on two cores.
    """
    import polars as pl

    def collect(frame: pl.LazyFrame) -> pl.DataFrame:
        return frame.collect(engine="streaming")

    words = pl.col("TEXT").str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]{2,}").list.unique()
    tokens = collect(
        pl.scan_parquet(path)
        .select(words.alias("concept"))
        .with_row_index("caption")
        .explode("concept")
    )
    vocabulary = collect(
        tokens.lazy()
        .group_by("concept")
        .len("n_captions")
        .filter(pl.col("concept").str.contains(r"\D"))  # nulls (no word at all) go as well
        .sort("n_captions", "concept", descending=[True, False])
        .head(max_concepts)
        .with_row_index("concept_id")
    )
    ids = collect(
        tokens.lazy()
        .join(vocabulary.lazy(), on="concept")
        .select("caption", pl.col("concept_id").alias("a"))
    ).lazy()
    key_type = pl.UInt32 if max_concepts < 2**16 else pl.UInt64
    keys = collect(
        ids.join(ids.rename({"a": "b"}), on="caption")
        .filter(pl.col("a") < pl.col("b"))
        .select((pl.col("a").cast(key_type) * max_concepts + pl.col("b")).alias("pair"))
    )["pair"]
    runs = keys.sort().rle().struct.unnest()
    pairs = runs.select(
        (pl.col("value") // max_concepts).alias("a"),
        (pl.col("value") % max_concepts).alias("b"),
        pl.col("len").alias("n_captions"),
    )
    return Counts(vocabulary.to_arrow(), pairs.to_arrow())


def count_with_duckdb(path: str, max_concepts: int, cores: int) -> Counts:
    r"""Count with DuckDB: distinct words a caption, ids, a self-join on the caption.

    RE2's ``\w`` is ASCII only, hence the Unicode classes.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {cores}; SET preserve_insertion_order = false")
    connection.execute(
        r"""
        CREATE TEMP TABLE tokens AS
        SELECT file_row_number AS caption,
               unnest(list_distinct(string_split_regex(lower(TEXT), '[^\p{L}\p{N}]+'))) AS concept
        FROM read_parquet($path, file_row_number = true)
        """,
        {"path": path},
    )
    connection.execute(
        """
        CREATE TEMP TABLE vocabulary AS
        SELECT (row_number() OVER (ORDER BY n_captions DESC, concept) - 1)::UINTEGER AS concept_id,
               concept, n_captions
        FROM (SELECT concept, count(*) AS n_captions
              FROM tokens
              WHERE length(concept) > 1 AND NOT regexp_full_match(concept, '[0-9]+')
              GROUP BY concept
              ORDER BY n_captions DESC, concept
              LIMIT $max_concepts)
        """,
        {"max_concepts": max_concepts},
    )
    connection.execute(
        """
        CREATE TEMP TABLE ids AS
        SELECT caption::UINTEGER AS caption, concept_id FROM tokens JOIN vocabulary USING (concept)
        """
    )
    pairs = connection.sql(
        """
        SELECT x.concept_id AS a, y.concept_id AS b, count(*) AS n_captions
        FROM ids x JOIN ids y ON x.caption = y.caption AND x.concept_id < y.concept_id
        GROUP BY ALL
        """
    ).to_arrow_table()
    vocabulary = connection.sql("FROM vocabulary ORDER BY concept_id").to_arrow_table()
    return Counts(vocabulary, pairs)
