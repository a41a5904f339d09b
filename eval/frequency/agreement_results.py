"""What `agreement` finds: one frozen dataclass a thing, and the JSON that figures draw from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..statistics.results import Estimate, plain


@dataclass(frozen=True, slots=True)
class Counted:
    """One data set."""

    label: str
    n_rows: int
    n_repeated: int  # rows whose name stood before
    n_disagreeing: int  # of these, with another count: the largest is taken
    n_concepts: int
    n_zero: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of the k most frequent joined concepts are the same in both."""

    k: int
    share: Estimate
    by_chance: float  # of the joined concepts


@dataclass(frozen=True, slots=True)
class Point:
    """One concept with its counts."""

    concept: str
    n_a: int
    n_b: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two data sets, a and b, joined on the concepts' names.

    Parameters
    ----------
    a, b : str
        Labels.
    n_both, n_a_only, n_b_only : int
        Concepts; they add up to those of each.
    a_only, b_only : tuple of str
        The most frequent of those.
    n_zero_a, n_zero_b, n_zero_both : int
        Joined concepts that are counted as 0 in a, in b, and in both.
    n_used : int
        Joined concepts that occur in both.
    pearson_log : Estimate
        Pearson's r of the logarithms over ``n_used``: a count of 0 has none.
    pearson_log_zeros_as_one : Estimate
        The same over all joined concepts, with counts of 0 as 1.
    spearman, kendall : Estimate
        Over all joined concepts; tau-b, and 0 ranks lowest.
    overlaps : tuple of Overlap
    n_points : int
        Of ``points``: all joined concepts, or some of them at random.
    points : tuple of Point
    """

    a: str
    b: str
    n_both: int
    n_a_only: int
    n_b_only: int
    a_only: tuple[str, ...]
    b_only: tuple[str, ...]
    n_zero_a: int
    n_zero_b: int
    n_zero_both: int
    n_used: int
    pearson_log: Estimate
    pearson_log_zeros_as_one: Estimate
    spearman: Estimate
    kendall: Estimate
    overlaps: tuple[Overlap, ...]
    n_points: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What `agreement` finds: each data set, and each pair of them."""

    sets: tuple[Counted, ...]
    pairs: tuple[Pair, ...]
    level: float
    n_bootstrap: int
    seed: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {"kind": "agreement", **plain(self)}

    def set_table(self) -> tuple[list[dict[str, object]], list[str]]:
        """Rows and columns of the data sets."""
        rows: list[dict[str, object]] = [
            {
                "data set": one.label,
                "rows": one.n_rows,
                "repeated": one.n_repeated,
                "disagreeing": one.n_disagreeing,
                "concepts": one.n_concepts,
                "of count 0": one.n_zero,
            }
            for one in self.sets
        ]
        return rows, list(rows[0])

    def pair_table(self) -> tuple[list[dict[str, object]], list[str]]:
        """Rows and columns of the pairs of data sets."""
        rows: list[dict[str, object]] = [
            {
                "a": pair.a,
                "b": pair.b,
                "both": pair.n_both,
                "a only": pair.n_a_only,
                "b only": pair.n_b_only,
                "0 in a or b": pair.n_both - pair.n_used,
                "r of logs": pair.pearson_log,
                "zeros as 1": pair.pearson_log_zeros_as_one,
                "Spearman": pair.spearman,
                "Kendall": pair.kendall,
                **{f"top {x.k:,}": x.share for x in pair.overlaps},
            }
            for pair in self.pairs
        ]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return [dict.fromkeys(columns) | row for row in rows], columns
