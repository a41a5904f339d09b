"""Whether data sets agree on how frequent concepts are, joined on the concepts' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from conceptstats.errors import ParameterError
from conceptstats.runs import dump_json, run_record
from conceptstats.tables import writing

from ..statistics.bins import pearson
from ..statistics.columns import Floats, Ints
from ..statistics.resampling import bootstrap, expanded_interval
from ..statistics.results import Estimate, plain
from .concept_counts import (
    Concepts,
    Part,
    check_one,
    name_concepts,
    read_concept_counts,
    split_by,
)
from .input_files import fingerprints

TOP = (10, 100, 1_000)
MIN_CONCEPTS = 10  # joined, for intervals
_LEAST = 3  # for figures: of two concepts r is always 1 or -1
_MOST_POINTS = 2_000  # of a pair, for pictures
_MOST_SETS = 12
_NAMED = 5  # concepts that are named as being in one data set only


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


_NOTES = (
    "Names are joined without regard to case, underscores and repeated blanks, and nothing else: "
    "a plural, a synonym or a lemma is another name.",
    "A concept that only one data set names has no count in the other, which is not 0; it is "
    "counted and left out.",
    "Intervals draw concepts, as if they were a random sample; ties among the most frequent are "
    "broken by name, alike in both.",
)


def agreement_files(
    paths: Mapping[str, Path],
    output: Path | None,
    *,
    by: Part = "pretraining",
    pretraining: str | None = None,
    search: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Agreement:
    """`agreement` of files, written as JSON with its run record; None: not written.

    Parameters
    ----------
    paths : mapping
        By label, as for `conceptstats.eval.frequency.concept_counts.read_concept_counts`.
    output : Path or None
    by : {"pretraining", "search", "dataset"}
        A file with several values of it is as many data sets.
    pretraining, search : str, optional
        Only counts of these.
    overwrite : bool
    options
        Of `agreement`.

    Raises
    ------
    ParameterError, TableError, StatisticsError, OutputExistsError, OutputError
    """

    def compute() -> Agreement:
        sets = read_sets(paths, by=by, pretraining=pretraining, search=search)
        return agreement(sets, **options)

    if output is None:
        return compute()
    with writing(output, overwrite=overwrite) as partial:
        found = compute()
        arguments = {"by": by, "pretraining": pretraining, "search": search, **options}
        inputs = fingerprints(paths.values())
        record = run_record("eval agreement", arguments, inputs, found.seed)
        dump_json(partial, {**found.to_json(), "run": record})
    return found


def read_sets(
    paths: Mapping[str, Path], *, by: Part, pretraining: str | None, search: str | None
) -> dict[str, Concepts]:
    """Data sets of files by label; see `agreement_files`."""
    if by not in get_args(Part):
        raise ParameterError(f"by is {by!r}, expected {', '.join(get_args(Part))}.")
    sets: dict[str, Concepts] = {}
    # What is joined on the name alone may come from several benchmarks, but from one count.
    alike: list[Part] = [name for name in ("pretraining", "search") if name != by]
    for label, path in paths.items():
        table = read_concept_counts(path, pretraining=pretraining, search=search)
        check_one(table, alike, path)
        parts = split_by(table, [by])
        for (value,), part in parts:
            own = label if len(parts) == 1 else value if len(paths) == 1 else f"{label} {value}"
            sets[own] = name_concepts(part)
    return sets


def agreement(
    sets: Mapping[str, Concepts],
    *,
    top: Sequence[int] = TOP,
    n_bootstrap: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Agreement:
    """Compare the frequencies of the concepts that data sets share, pair by pair.

    Parameters
    ----------
    sets : mapping
        Two or more, by label.
    top : sequence of int
        The numbers of most frequent concepts whose overlap is given, where there are as many.
    n_bootstrap : int
        0: no intervals.
    seed : int
    level : float

    Raises
    ------
    ParameterError
        When there are fewer than two data sets, or a setting is outside its range.
    """
    if not 2 <= len(sets) <= _MOST_SETS:
        raise ParameterError(
            f"{len(sets)} data sets, expected 2 to {_MOST_SETS}.",
            "give more files, or --by search or --by dataset to part one file",
        )
    if n_bootstrap < 0:
        raise ParameterError(f"n_bootstrap is {n_bootstrap}, expected 0 or more.")
    if not 0 < level < 1:
        raise ParameterError(f"level is {level}, expected a share between 0 and 1.")
    if any(k < 1 for k in top):
        raise ParameterError(f"top is {min(top)}, expected 1 or more.")
    counted = tuple(
        Counted(label, c.n_rows, c.n_repeated, c.n_disagreeing, len(c.n), int((c.n == 0).sum()))
        for label, c in sets.items()
    )
    settings = _Settings(tuple(top), n_bootstrap, level)
    pairs = tuple(
        _pair((a, b), (sets[a], sets[b]), settings, np.random.default_rng([seed, place]))
        for place, (a, b) in enumerate(combinations(sets, 2))
    )
    return Agreement(counted, pairs, level, n_bootstrap, seed, _NOTES)


class _Settings(NamedTuple):
    top: tuple[int, ...]
    n_bootstrap: int
    level: float


def _pair(
    labels: tuple[str, str],
    sets: tuple[Concepts, Concepts],
    settings: _Settings,
    rng: np.random.Generator,
) -> Pair:
    names, row_a, row_b = np.intersect1d(
        np.array(sets[0].names), np.array(sets[1].names), assume_unique=True, return_indices=True
    )
    n_a, n_b = sets[0].n[row_a], sets[1].n[row_b]
    size = len(names)
    top = [k for k in settings.top if k <= size]

    def statistics(drawn: Floats) -> Floats:
        rows = np.repeat(np.arange(size), drawn.astype(np.int64))
        return _statistics(n_a[rows], n_b[rows], rows, top)

    values = _statistics(n_a, n_b, np.arange(size), top)
    n_bootstrap = settings.n_bootstrap if size >= MIN_CONCEPTS else 0
    replicates = bootstrap(statistics, len(values), size, n_bootstrap, rng)
    pearson_log, floored, spearman, kendall, *shares = (
        Estimate.of(value, *expanded_interval(column, size, settings.level))
        for value, column in zip(values, replicates.T, strict=True)
    )
    shown = np.arange(size)
    if size > _MOST_POINTS:
        shown = np.sort(rng.choice(size, _MOST_POINTS, replace=False))
    only = [_only(own, rows) for own, rows in zip(sets, (row_a, row_b), strict=True)]
    return Pair(
        *labels,
        n_both=size,
        n_a_only=len(sets[0].n) - size,
        n_b_only=len(sets[1].n) - size,
        a_only=only[0],
        b_only=only[1],
        n_zero_a=int((n_a == 0).sum()),
        n_zero_b=int((n_b == 0).sum()),
        n_zero_both=int(((n_a == 0) & (n_b == 0)).sum()),
        n_used=int(((n_a > 0) & (n_b > 0)).sum()),
        pearson_log=pearson_log,
        pearson_log_zeros_as_one=floored,
        spearman=spearman,
        kendall=kendall,
        overlaps=tuple(Overlap(k, share, k / size) for k, share in zip(top, shares, strict=True)),
        n_points=len(shown),
        points=tuple(Point(str(names[k]), int(n_a[k]), int(n_b[k])) for k in shown),
    )


def _only(concepts: Concepts, joined: Ints) -> tuple[str, ...]:
    """The most frequent concepts that the other data set does not name."""
    alone = np.setdiff1d(np.arange(len(concepts.n)), joined)
    first = alone[np.argsort(-concepts.n[alone], kind="stable")][:_NAMED]
    return tuple(concepts.names[k] for k in first)


def _statistics(n_a: Ints, n_b: Ints, order: Ints, top: Sequence[int]) -> Floats:
    """All figures of joined concepts, which come in order of their names; nan where none is."""
    from scipy.stats import kendalltau, rankdata

    if len(n_a) < _LEAST:
        return np.full(4 + len(top), np.nan)
    x, y = (np.log(np.maximum(n, 1)) for n in (n_a, n_b))
    seen = (n_a > 0) & (n_b > 0)
    found = [
        pearson(x[seen], y[seen]) if seen.sum() >= _LEAST else np.nan,
        pearson(x, y),
        pearson(rankdata(n_a), rankdata(n_b)),
        kendalltau(n_a, n_b, method="asymptotic").statistic,
    ]
    ranked = [np.argsort(-n, kind="stable") for n in (n_a, n_b)]
    for k in top:
        # A bootstrap holds a concept several times: as often as it stands in both, it is shared.
        held = [np.bincount(order[ranks[:k]], minlength=order[-1] + 1) for ranks in ranked]
        found.append(float(np.minimum(*held).sum()) / k)
    return np.array(found)
