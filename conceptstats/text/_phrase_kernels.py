"""Numba kernels of phrase matching: token ids in, concept ids out."""

from __future__ import annotations

import numpy as np
from numba import njit

from conceptstats.text._kernels import _U32, _mix


@njit(nogil=True, cache=True)
def match_phrases(tokens, bounds, n_words, slots, concept_of, every, out, out_bounds):
    """Concepts of the phrases in each caption.

    Parameters
    ----------
    tokens, bounds : (n,) int32, (rows + 1,) int64
        Ids of all tokens; those of the phrases' own words are below ``n_words``.
    slots : (2 * capacity,) int64
        Open-addressing table of the trie: node * n_words + word, child node. The root is node 0,
        which is nobody's child.
    concept_of : (nodes,) int32
        Concept whose phrase ends at the node, or -1.
    every : bool
        Every phrase that occurs, also inside others; otherwise the longest from left to right.
    out : (room,) int32
        Receives concepts, by the place where their phrase begins.
    out_bounds : (rows + 1,) int64

    Returns
    -------
    n_needed : int
        Room that the concepts of all rows take; more than ``out.size`` means: call again with it.
    """
    mask = slots.size // 2 - 1
    n_out = 0
    for row in range(bounds.size - 1):
        out_bounds[row] = n_out
        begin = bounds[row]
        while begin < bounds[row + 1]:
            node = 0
            longest = begin
            concept = -1
            at = begin
            while at < bounds[row + 1] and tokens[at] < n_words:
                key = np.int64(node) * n_words + tokens[at]
                slot = np.int64(_mix(np.uint64(key)) >> _U32) & mask
                while slots[2 * slot + 1] != 0 and slots[2 * slot] != key:
                    slot = (slot + 1) & mask
                node = slots[2 * slot + 1]
                if node == 0:
                    break
                at += 1
                if concept_of[node] >= 0:
                    concept = concept_of[node]
                    longest = at
                    if every:
                        if n_out < out.size:
                            out[n_out] = concept
                        n_out += 1
            if concept >= 0 and not every:
                if n_out < out.size:
                    out[n_out] = concept
                n_out += 1
                begin = longest
            else:
                begin += 1
    out_bounds[bounds.size - 1] = n_out
    return n_out


@njit(nogil=True, cache=True)
def fill_trie(phrases, bounds, concepts, n_words, slots, concept_of):
    """Build the table that `match_phrases` walks.

    Parameters
    ----------
    phrases, bounds : (n,) int32, (phrases + 1,) int64
        Word ids of each phrase.
    concepts : (phrases,) int32
    slots : (2 * capacity,) int64
        Zeros; at least four entries for each word of a phrase.
    concept_of : (words + 1,) int32
        All -1; receives the concept of each node. No phrase belongs to two.
    """
    mask = slots.size // 2 - 1
    n_nodes = 1
    for phrase in range(bounds.size - 1):
        node = np.int64(0)
        for i in range(bounds[phrase], bounds[phrase + 1]):
            key = node * n_words + phrases[i]
            slot = np.int64(_mix(np.uint64(key)) >> _U32) & mask
            while slots[2 * slot + 1] != 0 and slots[2 * slot] != key:
                slot = (slot + 1) & mask
            if slots[2 * slot + 1] == 0:
                slots[2 * slot] = key
                slots[2 * slot + 1] = n_nodes
                n_nodes += 1
            node = slots[2 * slot + 1]
        concept_of[node] = concepts[phrase]
