"""Whether data sets agree on how frequent concepts are, joined on the concepts' names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from ..statistics.results import Estimate
from .agreement_results import Agreement, Counted, Overlap, Pair, Point
from .concept_counts import (
    Concepts,
    Part,
    check_one,
    name_concepts,
    read_concept_counts,
    split_by,
)
from .input_files import fingerprints
from .settings import check_bootstrap

TOP = (10, 100, 1_000)
MIN_CONCEPTS = 10  # joined, for intervals
_LEAST = 3  # for figures: of two concepts r is always 1 or -1
_MOST_POINTS = 2_000  # of a pair, for pictures
_MOST_SETS = 12
_NAMED = 5  # concepts that are named as being in one data set only


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
            if own in sets:
                raise ParameterError(f"two data sets are called {own!r}.", "give them other labels")
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
        The numbers of most frequent concepts whose overlap is given, where as many occur in both.
    n_bootstrap : int
        0: no intervals.
    seed : int
    level : float

    Raises
    ------
    ParameterError
        When there are fewer than two data sets or more than 12, or a setting is outside its range.
    """
    if not 2 <= len(sets) <= _MOST_SETS:
        raise ParameterError(
            f"the number of data sets is {len(sets)}, expected 2 to {_MOST_SETS}.",
            "give more files, or --by search or --by dataset to part one file"
            if len(sets) < 2
            else "give fewer files, or tables of some of the data sets",
        )
    check_bootstrap(n_bootstrap, seed, level)
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
    return Agreement(
        counted,
        pairs,
        level,
        n_bootstrap,
        seed,
        (*_NOTES, *(note for pair in pairs for note in _few(pair))),
    )


def _few(pair: Pair) -> Iterator[str]:
    """What a pair has no figures of, and why."""
    who = f"{pair.a} and {pair.b}"
    if pair.n_both < _LEAST:
        yield f"{who} share {pair.n_both:,} concepts, of which nothing can be said."
    elif pair.n_used < _LEAST:
        yield f"{who} share {pair.n_used:,} concepts that occur in both, so there is no r of logs."
    elif pair.n_both < MIN_CONCEPTS:
        yield f"{who} share {pair.n_both:,} concepts, too few for intervals."


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
    # Among concepts that never occur none is more frequent than another.
    top = [k for k in settings.top if k <= min((n_a > 0).sum(), (n_b > 0).sum())]

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
