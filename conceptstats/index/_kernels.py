"""Numba kernels of counting: arrays in, arrays out. They know nothing of files or Arrow.

Pairs are counted one row of the pair table at a time (Gustavson's sparse product of the caption
matrix with itself, doi:10.1145/355791.355796): for concept a, walk the captions that hold a and add
one to an accumulator for every larger concept in them. The accumulator of one row stays in cache,
whatever the size of the corpus, and the work is the number of pair events.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from conceptstats._machine import prefetch

LENGTH_BITS = 24  # of a posting: the number of concepts; their place is above it
LENGTH_MASK = (1 << LENGTH_BITS) - 1
AHEAD = 12  # postings


@njit(nogil=True, cache=True)
def count_singles(ids, bounds, counted, n_concepts):
    """Captions and occurrences of each concept.

    Parameters
    ----------
    ids, bounds : (n,) int32, (rows + 1,) int
        Concepts of each caption, with repeats.
    counted : (rows,) bool
        Rows that count.
    n_concepts : int

    Returns
    -------
    n_captions, n_occurrences : (n_concepts,) int32
        One part has far fewer than 2^31 rows and tokens.
    """
    n_captions = np.zeros(n_concepts, np.int32)
    n_occurrences = np.zeros(n_concepts, np.int32)
    last = np.full(n_concepts, -1, np.int32)
    for row in range(bounds.size - 1):
        if counted[row]:
            for i in range(bounds[row], bounds[row + 1]):
                concept = ids[i]
                n_occurrences[concept] += 1
                if last[concept] != row:
                    last[concept] = row
                    n_captions[concept] += 1
    return n_captions, n_occurrences


@njit(nogil=True, cache=True)
def add_counts(ids, counts, totals):
    """Add ``counts[i]`` to ``totals[ids[i]]`` wherever the id is not -1."""
    for i in range(ids.size):
        if ids[i] >= 0:
            totals[ids[i]] += counts[i]


@njit(nogil=True, cache=True)
def order_captions(
    ids, bounds, counted, concept_of, flat, flat_at, postings, post_at, starts, stops, events
):
    """Arrange one part so that the pairs of each concept can be read off.

    ``flat`` gets each caption's distinct vocabulary concepts, from the largest down. A posting of
    concept a names a caption with a by the place in ``flat`` and the number of its concepts that
    are larger than a. Two bucket passes do it, without a comparison: captions are listed by
    concept, then filled concept by concept.

    Parameters
    ----------
    ids, bounds, counted
        As for `count_singles`.
    concept_of : (local concepts,) int32
        Vocabulary id of each local concept, or -1.
    flat : (room,) int32
        Row r is written from ``flat_at + bounds[r]`` on.
    postings : (room,) int64
        Written from ``post_at`` on: place << LENGTH_BITS | number.
    starts, stops : (n_concepts,) int64
        Receive the bounds of each concept's postings.
    events : (n_concepts,) int64
        Receives the pair events of each concept as the smaller one.
    """
    n_concepts = starts.size
    starts[:] = 0
    for row in range(bounds.size - 1):
        if counted[row]:
            for i in range(bounds[row], bounds[row + 1]):
                concept = concept_of[ids[i]]
                if concept >= 0:
                    starts[concept] += 1
    at = post_at
    for concept in range(n_concepts):
        n_listed = starts[concept]
        starts[concept] = at
        stops[concept] = at
        at += n_listed
    for row in range(bounds.size - 1):
        if counted[row]:
            for i in range(bounds[row], bounds[row + 1]):
                concept = concept_of[ids[i]]
                if concept >= 0:
                    postings[stops[concept]] = row
                    stops[concept] += 1
    filled = np.zeros(bounds.size - 1, np.int32)
    for concept in range(n_concepts - 1, -1, -1):
        kept = starts[concept]
        total = 0
        for p in range(starts[concept], stops[concept]):
            row = postings[p]
            place = flat_at + bounds[row]
            larger = filled[row]
            if larger > 0:
                if flat[place + larger - 1] == concept:
                    continue  # named again in the same caption
                postings[kept] = (place << LENGTH_BITS) | larger
                kept += 1
                total += larger
            flat[place + larger] = concept
            filled[row] = larger + 1
        stops[concept] = kept
        events[concept] = total


@njit(inline="always")
def _emit(sums, touched, first, out_b, out_n, n_out):
    """Move the sums of one row to the output, ascending, and clear them."""
    for run in range(first // 16, touched.size):
        if touched[run]:
            touched[run] = 0
            for b in range(16 * run, 16 * run + 16):
                out_b[n_out] = b
                out_n[n_out] = sums[b]
                n_out += sums[b] != 0
                sums[b] = 0
    return n_out


@njit(nogil=True, cache=True)
def count_rows(flat, postings, starts, stops, first, last, out_b, out_n, sizes):
    """Pair counts of the concepts ``first`` to ``last - 1`` as the smaller of the pair.

    Parameters
    ----------
    flat, postings
        From `order_captions`.
    starts, stops : (parts, n_concepts) int64
    out_b, out_n : (room,) int32, uint32
        Receive the larger concept and the captions of each pair, by (a, b); room for the events of
        these rows and one more.
    sizes : (last - first,) int64
        Receives the number of pairs of each row.

    Returns
    -------
    n_out : int
    """
    n_concepts = starts.shape[1]
    sums = np.zeros((n_concepts // 16 + 1) * 16, np.uint32)
    touched = np.zeros(n_concepts // 16 + 1, np.uint8)  # which runs of 16 sums are not all zero
    n_out = 0
    for a in range(first, last):
        before = n_out
        for part in range(starts.shape[0]):
            stop = stops[part, a]
            for p in range(starts[part, a], stop):
                prefetch(flat, postings[min(p + AHEAD, stop - 1)] >> LENGTH_BITS)
                begin = postings[p] >> LENGTH_BITS
                for i in range(begin, begin + (postings[p] & LENGTH_MASK)):
                    b = np.uintp(flat[i])
                    sums[b] += np.uint32(1)
                    touched[b >> np.uintp(4)] = 1
        n_out = _emit(sums, touched, a, out_b, out_n, n_out)
        sizes[a - first] = n_out - before
    return n_out


@njit(nogil=True, cache=True)
def add_rows(all_b, all_n, starts, first, n_concepts, out_b, out_n, sizes):
    """Sum rows of several runs.

    Parameters
    ----------
    all_b, all_n : (n,) int32, uint32
        Larger concept and count.
    starts : (runs, rows + 1) int64
        Row r of run k is at ``starts[k, r]`` to ``starts[k, r + 1]``.
    first : int
        Concept of the first row.
    out_b, out_n : (n + 1,) int32, int64
    sizes : (rows,) int64

    Returns
    -------
    n_out : int
    """
    sums = np.zeros((n_concepts // 16 + 1) * 16, np.int64)
    touched = np.zeros(n_concepts // 16 + 1, np.uint8)
    n_out = 0
    for row in range(starts.shape[1] - 1):
        before = n_out
        for run in range(starts.shape[0]):
            for i in range(starts[run, row], starts[run, row + 1]):
                b = np.uintp(all_b[i])
                sums[b] += all_n[i]
                touched[b >> np.uintp(4)] = 1
        n_out = _emit(sums, touched, first + row, out_b, out_n, n_out)
        sizes[row] = n_out - before
    return n_out
