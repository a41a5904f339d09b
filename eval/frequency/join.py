"""Counts and results, joined on the names of concepts; every row is accounted for.

Names are compared letter by letter first, then with case, underscores and runs of blanks levelled,
then under an alias. Never by position.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from conceptstats.errors import ParameterError, TableError

from .results import POINTS, JoinedDataset

ALIASES = {"plane": "airplane"}  # CIFAR-10's results and counts, in what [U] publishes
_NAMED = 3  # names that a message shows

Unknown = Mapping[tuple[str, str], str]  # why a data set's concept has no count


class JoinedPoints(NamedTuple):
    """Concepts with count and value, and how each data set's rows were matched."""

    points: pa.Table  # `results.POINTS`, in the order of the results
    datasets: tuple[JoinedDataset, ...]


class _Names(NamedTuple):
    """The counts of one data set, by name."""

    exact: dict[str, int]
    levelled: dict[str, list[str]]


def level_name(name: str) -> str:
    """A name without what spellings differ in: case, underscores, blanks.

    Examples
    --------
    >>> level_name("African_chameleon") == level_name("african  chameleon")
    True
    """
    return " ".join(name.casefold().replace("_", " ").split())


def join_points(
    counts: pa.Table,
    results: pa.Table,
    *,
    aliases: Mapping[str, str] = ALIASES,
    unknown: Unknown | None = None,
    max_unmatched: float = 0.0,
) -> JoinedPoints:
    """Set the value of each concept beside its count.

    Parameters
    ----------
    counts : Table
        `conceptstats.tables.COUNTS`, of one pretraining and search.
    results : Table
        `conceptstats.tables.ACCURACIES`, of one model and metric; rows of whole data sets (concept
        null) are passed over.
    aliases : mapping
        Name in the results: name in the counts; tried where no name fits.
    unknown : mapping, optional
        Why a (data set, concept) of the results has no count, where that is known.
    max_unmatched : float
        Largest share of results without a count.

    Raises
    ------
    TableError
        When a concept stands twice in a data set, a spelling fits several counts, too many results
        have no count, or none has one.
    ParameterError
        When ``max_unmatched`` is no share.
    """
    if not 0 <= max_unmatched <= 1:
        raise ParameterError(f"max_unmatched is {max_unmatched}, expected a share from 0 to 1.")
    named = _by_dataset(counts)
    shapes = {level_name(k): level_name(v) for k, v in aliases.items()}
    rows: list[tuple[str, str, int, float, int | None]] = []
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    used: dict[str, set[str]] = defaultdict(set)
    lost: dict[str, list[str]] = defaultdict(list)
    for dataset, concept, value, n in _results(results):
        tally = tallies[dataset]
        how, name = _find(named.get(level_name(dataset)), concept, shapes, dataset)
        tally[how] += 1
        if name is None:
            lost[dataset].append(concept)
            continue
        used[level_name(dataset)].add(name)
        count = named[level_name(dataset)].exact[name]
        tally["zero"] += count == 0
        rows.append((dataset, concept, count, value, n))
    _check(sum(map(len, lost.values())), len(rows), lost, unknown or {}, max_unmatched)
    columns = zip(*rows, strict=True)
    points = pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, POINTS, strict=True)], schema=POINTS
    )
    without = {key: len(names.exact) - len(used[key]) for key, names in named.items()}
    reasons = {
        dataset: _reason(dataset, names, level_name(dataset) in named, unknown or {})
        for dataset, names in lost.items()
    }
    return JoinedPoints(points, _datasets(counts, tallies, without, reasons))


def _by_dataset(counts: pa.Table) -> dict[str, _Names]:
    named: dict[str, _Names] = defaultdict(lambda: _Names({}, defaultdict(list)))
    columns = (counts[name].to_pylist() for name in ("dataset", "concept", "n_captions"))
    for dataset, concept, n in zip(*columns, strict=True):
        names = named[level_name(dataset)]
        if concept in names.exact:
            raise TableError(f"counts: {concept!r} of {dataset!r} stands more than once.")
        if n < 0:
            raise TableError(f"counts: {concept!r} of {dataset!r} has the count {n}.")
        names.exact[concept] = n
        names.levelled[level_name(concept)].append(concept)
    return dict(named)


def _results(results: pa.Table) -> list[tuple[str, str, float, int | None]]:
    columns = (results[name].to_pylist() for name in ("dataset", "concept", "value", "n"))
    rows = [row for row in zip(*columns, strict=True) if row[1] is not None]
    twice = [key for key, n in Counter(row[:2] for row in rows).items() if n > 1]
    if twice:
        raise TableError(
            f"results: {len(twice):,} concepts have several values, such as {twice[0][1]!r} of "
            f"{twice[0][0]!r}.",
            "--prompts NAME takes one set of prompts; otherwise give the results of one run",
        )
    return rows


def _find(
    names: _Names | None, concept: str, aliases: Mapping[str, str], dataset: str
) -> tuple[str, str | None]:
    """How a concept was matched, and its name in the counts."""
    if names is None:
        return "lost", None
    if concept in names.exact:
        return "exact", concept
    shape = level_name(concept)
    for how, wanted in (("spelling", shape), ("alias", aliases.get(shape, shape))):
        found = names.levelled.get(wanted, [])
        if len(found) > 1:
            raise TableError(
                f"counts: {concept!r} of {dataset!r} could be {' or '.join(map(repr, found))}.",
                "spell the concept in the results as in the counts",
            )
        if found:
            return how, found[0]
    return "lost", None


def _check(
    n_lost: int, n_matched: int, lost: Mapping[str, list[str]], unknown: Unknown, limit: float
) -> None:
    total = n_lost + n_matched
    if not total:
        raise TableError("the results have no concept: only values of whole data sets.")
    if n_lost <= limit * total and n_matched:
        return
    shown = [(dataset, concept) for dataset, names in lost.items() for concept in names]
    named = ", ".join(f"{concept!r} of {dataset!r}" for dataset, concept in shown[:_NAMED])
    why = Counter(unknown[key] for key in shown if key in unknown)
    because = "".join(f"; {n:,} {reason}" for reason, n in why.most_common())
    raise TableError(
        f"{n_lost:,} of {total:,} results have no count, such as {named}{because}; at most "
        f"{limit:.0%} may.",
        "build the index with `--profile concepts --concepts FILE` that lists them, or allow it "
        "with --max-unmatched"
        if why
        else "give an --alias NAME=NAME, or a larger --max-unmatched",
    )


def _datasets(
    counts: pa.Table,
    tallies: Mapping[str, Counter[str]],
    without_result: Mapping[str, int],
    reasons: Mapping[str, str],
) -> tuple[JoinedDataset, ...]:
    """Those of the results in their order, then those of the counts alone."""
    rows = [
        JoinedDataset(
            dataset=dataset,
            n_matched=tally["exact"] + tally["spelling"] + tally["alias"],
            n_by_spelling=tally["spelling"],
            n_by_alias=tally["alias"],
            n_without_count=tally["lost"],
            n_without_result=without_result.get(level_name(dataset), 0),
            n_zero=tally["zero"],
            reason=reasons.get(dataset),
        )
        for dataset, tally in tallies.items()
    ]
    seen = {level_name(dataset) for dataset in tallies}
    for dataset in dict.fromkeys(counts["dataset"].to_pylist()):
        if level_name(dataset) not in seen:
            seen.add(level_name(dataset))
            n = without_result[level_name(dataset)]
            rows.append(JoinedDataset(dataset, 0, 0, 0, 0, n, 0, None))
    return tuple(rows)


def _reason(dataset: str, lost: list[str], has_counts: bool, unknown: Unknown) -> str:
    known = Counter(unknown[dataset, name] for name in lost if (dataset, name) in unknown)
    if known:
        return "; ".join(f"{n:,} {reason}" for reason, n in known.most_common())
    if not has_counts:
        return "the counts do not have this data set"
    return f"no count under these names, such as {', '.join(map(repr, lost[:_NAMED]))}"
