"""What `long_tail` finds: one frozen dataclass a thing, and the JSON that figures draw from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..statistics.results import Estimate, plain

POOLED = "pooled"
WHERE: tuple[Literal["pretraining"], Literal["search"]] = ("pretraining", "search")


@dataclass(frozen=True, slots=True)
class Under:
    """Concepts that occur fewer than ``below`` times."""

    below: int
    n: int
    share: Estimate  # of concepts; Wilson's interval


@dataclass(frozen=True, slots=True)
class Top:
    """What the most frequent concepts hold of all occurrences."""

    share_of_concepts: float
    n: int
    share: Estimate  # of the sum of counts


@dataclass(frozen=True, slots=True)
class Zipf:
    """A discrete power law of the counts from ``x_min`` up, p(x) ~ x**-alpha.

    Parameters
    ----------
    alpha : Estimate
        Of greatest likelihood; the interval by bootstrap, with the cut chosen anew each time.
    x_min : int
        Lower cut, where the law lies closest to the counts.
    distance : float
        Of Kolmogorov and Smirnov there.
    n_tail : int
        Concepts with at least ``x_min``.
    rank_exponent : Estimate
        Of count ~ rank**-s, from alpha: s = 1 / (alpha - 1).
    rank_regression : Estimate
        The same by regression of ln(rank - 1/2) on ln(count).
    lognormal_mu, lognormal_sigma : float
        Of the log-normal over the same tail.
    log_ratio, vuong_z, vuong_p : float
        Log-likelihood of the power law less that of the log-normal, and Vuong's test of it.
    better : str
        "power law", "log-normal", or "neither": the test cannot tell.
    """

    alpha: Estimate
    x_min: int
    distance: float
    n_tail: int
    rank_exponent: Estimate
    rank_regression: Estimate
    lognormal_mu: float
    lognormal_sigma: float
    log_ratio: float
    vuong_z: float
    vuong_p: float
    better: str


@dataclass(frozen=True, slots=True)
class RankPoint:
    """The count of the concept of this rank, the most frequent first."""

    rank: int
    count: int


@dataclass(frozen=True, slots=True)
class Tail:
    """The frequencies of the concepts of one data set, or of all of them pooled.

    Parameters
    ----------
    dataset : str
        "pooled": all data sets, each name once.
    pretraining, search : str
        Where, and in what, they were counted; "" where that is not said.
    n_rows, n_repeated, n_disagreeing : int
        Rows of the table; those whose name stood before; of these, those with another count.
    n_concepts : int
        Distinct names.
    total : int
        Sum of their counts.
    greatest : int
    under : tuple of Under
    gini : Estimate
        0: all equal, 1: one concept holds everything; of all concepts, zeros too.
    top : tuple of Top
    zipf : Zipf or None
        None: too few counts (a note says so).
    curve : tuple of RankPoint
        Up to 200 ranks, evenly over their logarithm; no zeros.
    notes : tuple of str
    """

    dataset: str
    pretraining: str
    search: str
    n_rows: int
    n_repeated: int
    n_disagreeing: int
    n_concepts: int
    total: int
    greatest: int
    under: tuple[Under, ...]
    gini: Estimate
    top: tuple[Top, ...]
    zipf: Zipf | None
    curve: tuple[RankPoint, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What tells it from others."""
        return " ".join(filter(None, (self.pretraining, self.search, self.dataset)))


@dataclass(frozen=True, slots=True)
class LongTail:
    """What `long_tail` finds.

    Parameters
    ----------
    tails : tuple of Tail
        Of each data set, and pooled, within each pretraining and search.
    level : float
        Of every interval.
    n_bootstrap, seed : int
        Concepts are drawn.
    notes : tuple of str
    """

    tails: tuple[Tail, ...]
    level: float
    n_bootstrap: int
    seed: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {"kind": "long-tail", **plain(self)}

    def table(self) -> tuple[list[dict[str, object]], list[str]]:
        """Rows and columns that people read."""
        rows = [_row(tail) for tail in self.tails]
        same = {name for name in WHERE if len({row[name] for row in rows}) == 1}
        return rows, [name for name in rows[0] if name not in same]

    def all_notes(self) -> list[str]:
        """Notes on all, then those on single data sets."""
        return [*self.notes, *(f"{tail.name}: {x}" for tail in self.tails for x in tail.notes)]


def _row(tail: Tail) -> dict[str, object]:
    zipf = tail.zipf
    return {
        "pretraining": tail.pretraining,
        "search": tail.search,
        "dataset": tail.dataset,
        "concepts": tail.n_concepts,
        **{f"< {x.below:,}": f"{100 * (x.share.value or 0):.1f}%" for x in tail.under},
        "Gini": tail.gini,
        **{f"top {x.share_of_concepts:.0%} hold": x.share for x in tail.top},
        "alpha": zipf.alpha if zipf else None,
        "from": zipf.x_min if zipf else None,
        "concepts there": zipf.n_tail if zipf else None,
        "rank exponent": zipf.rank_exponent if zipf else None,
        "better": zipf.better if zipf else None,
    }
