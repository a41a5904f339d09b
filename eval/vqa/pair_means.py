"""PMI of the pairs within sets of concepts, summed up set by set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np

from conceptstats import pmi as measures
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.tables import numbers

from ..statistics.columns import Flags, Floats, Ints

Formula = Literal["document", "paper"]
_BLOCK = 1 << 23  # pairs that are looked up at once, about; 8 bytes each, some ten times


class Sets(NamedTuple):
    """Concepts of each set, sorted by (set, concept), each once."""

    owner: Ints  # number of the set: 0, 1, ...
    concept: Ints
    in_answer: Flags
    in_question: Flags


class PairMeans(NamedTuple):
    """Of each set: (n,). PMI in nats; nan: no pair; -inf: no pair that was ever seen."""

    pmi: Floats
    pmi_min: Floats  # -inf where one pair was never seen
    pmi_answer_question: Floats
    n_pairs: Ints
    n_unseen_pairs: Ints


class _Pairs(NamedTuple):
    owner: Ints
    a: Ints  # a < b
    b: Ints
    across: Flags  # one in the answer, the other in the question


def check_formula(formula: str, smoothing: float) -> None:
    """Raise unless `pair_means` takes them.

    Raises
    ------
    ParameterError
    """
    if formula not in get_args(Formula):
        raise ParameterError(f"formula is {formula!r}, expected {' or '.join(get_args(Formula))}.")
    if not 0 <= smoothing < np.inf:
        raise ParameterError(f"smoothing is {smoothing}, expected a number of captions from 0.")
    if smoothing and formula == "paper":
        raise ParameterError("formula paper has constants of its own, and takes no smoothing.")


def pair_means(
    index: CaptionIndex,
    sets: Sets,
    n_sets: int,
    *,
    formula: Formula = "document",
    smoothing: float = 0.0,
) -> PairMeans:
    r"""Mean and least PMI over the pairs of distinct concepts of each set.

    Parameters
    ----------
    index : CaptionIndex
    sets : Sets
    n_sets : int
    formula : {"document", "paper"}
        As `conceptstats.pmi.pmi` and `conceptstats.pmi.paper_pmi`.
    smoothing : float
        Captions k, with formula "document". 0: PMI as it is defined; a pair that was never seen has
        -inf, is left out of the means and counted in ``n_unseen_pairs``. Above 0 every pair
        counts, with the information component (Norén, Hopstadius & Bate, Stat. Methods Med. Res.
        22, 2013), which shrinks PMI towards 0 where little is to be expected:

        .. math:: \ln \frac{n_{ab} + k}{n_a n_b / n + k}

    Returns
    -------
    PairMeans
    """
    check_formula(formula, smoothing)
    marginals = index.pairs.marginals(index.n_concepts) if formula == "paper" else None
    singles = np.asarray(numbers(index.vocabulary["n_captions"]), np.int64)

    def value(pairs: _Pairs, n_ab: Ints) -> Floats:
        if marginals is not None:
            return measures.paper_pmi(marginals[pairs.a], marginals[pairs.b], n_ab)
        n_a, n_b = singles[pairs.a], singles[pairs.b]
        if not smoothing:
            return measures.pmi(index.n, n_a, n_b, n_ab)
        expected = n_a * (n_b / index.n)
        return np.asarray(np.log((n_ab + smoothing) / (expected + smoothing)), np.float64)

    total = np.zeros((2, n_sets))  # of all pairs, and of those across
    n_counted = np.zeros((2, n_sets), np.int64)
    n_pairs = np.zeros((2, n_sets), np.int64)
    n_unseen = np.zeros(n_sets, np.int64)
    least = np.full(n_sets, np.inf)
    for pairs in _blocks(sets):
        n_ab = count_pairs(index, pairs.a, pairs.b)
        pmi = value(pairs, n_ab)
        counted = np.isfinite(pmi)
        for row, chosen in enumerate((np.ones_like(counted), pairs.across)):
            n_pairs[row] += np.bincount(pairs.owner[chosen], minlength=n_sets)
            owner = pairs.owner[chosen & counted]
            n_counted[row] += np.bincount(owner, minlength=n_sets)
            total[row] += np.bincount(owner, pmi[chosen & counted], n_sets)
        n_unseen += np.bincount(pairs.owner[n_ab == 0], minlength=n_sets)
        np.minimum.at(least, pairs.owner, pmi)
    mean = np.where(n_pairs > 0, -np.inf, np.nan)
    np.divide(total, n_counted, out=mean, where=n_counted > 0)
    least[n_pairs[0] == 0] = np.nan
    return PairMeans(mean[0], least, mean[1], n_pairs[0], n_unseen)


def _blocks(sets: Sets) -> Iterator[_Pairs]:
    """All pairs within sets, a limited number at a time; a set stays whole."""
    starts = np.flatnonzero(np.append(True, sets.owner[1:] != sets.owner[:-1]))
    starts = starts[: len(sets.owner)]
    sizes = np.diff(np.append(starts, len(sets.owner)))
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    block = ends // _BLOCK
    for number in np.unique(block):
        here = block == number
        yield _pairs(sets, starts[here], sizes[here])


def _pairs(sets: Sets, starts: Ints, sizes: Ints) -> _Pairs:
    """Pairs within the sets that begin at some places, those of equal size together."""
    first, second = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes[sizes > 1]):
        low, high = np.triu_indices(size, 1)
        begin = starts[sizes == size][:, None]
        first.append((begin + low).ravel())
        second.append((begin + high).ravel())
    i, j = np.concatenate(first), np.concatenate(second)
    across = (sets.in_answer[i] & sets.in_question[j]) | (sets.in_answer[j] & sets.in_question[i])
    return _Pairs(sets.owner[i], sets.concept[i], sets.concept[j], across)


def count_pairs(index: CaptionIndex, a: Ints, b: Ints) -> Ints:
    """Captions with both of two concepts, for many pairs in one pass over the pair table.

    Parameters
    ----------
    index : CaptionIndex
    a, b : (n,) int64
        Ids, a < b.

    Returns
    -------
    (n,) int64
        0 where the pair was never seen.
    """
    size = index.n_concepts
    wanted, place = np.unique(a * size + b, return_inverse=True)
    found = np.zeros(len(wanted), np.int64)
    for batch in index.pairs.batches():
        if not len(batch.a):
            continue
        ends = np.array([batch.a[0], batch.a[-1] + 1], np.int64) * size
        low, high = np.searchsorted(wanted, ends)
        if low == high:
            continue
        keys = batch.a.astype(np.int64) * size + batch.b
        at = np.minimum(np.searchsorted(keys, wanted[low:high]), len(keys) - 1)
        hits = keys[at] == wanted[low:high]
        found[low:high][hits] = batch.n[at[hits]]
    return found[place]
