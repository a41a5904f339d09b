"""Texts to concepts of an index, all at once, through the profile of its captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.index import CaptionIndex
from conceptstats.reference import tokenize
from conceptstats.tables import numbers

from ..statistics.columns import Flags, Ints

_KEPT = ("yes", "no")  # answers, though a profile may drop them as stop words


class Mentions(NamedTuple):
    """Distinct concepts of each text, sorted by (text, concept)."""

    text: Ints
    concept: Ints  # places in `names`; the known ones are ids of the index, and come first
    names: pa.Array
    n_known: int  # concepts from here on are not in the vocabulary of the index

    @property
    def known(self) -> Flags:
        """Of each mention, whether the index has its concept."""
        return self.concept < self.n_known


def find_mentions(index: CaptionIndex, texts: Sequence[str]) -> Mentions:
    """Concepts of texts.

    "yes" and "no" are concepts, whatever the profile's stop words: where it drops one of them, it
    is an unknown concept, and so is counted.

    Parameters
    ----------
    index : CaptionIndex
        Its profile turns the texts into concepts, its vocabulary says which are known.
    texts : sequence of str

    Returns
    -------
    Mentions
    """
    found = index.profile.extract(pa.array(texts, pa.large_string()))
    text = np.repeat(np.arange(len(texts), dtype=np.int64), np.diff(found.bounds))
    local = np.asarray(found.ids, np.int64)
    dropped = [word for word in _KEPT if not index.profile.concepts_of(word)]
    kept = [
        (row, len(found.concepts) + place)
        for row, words in enumerate(texts if dropped else ())
        for place, word in enumerate(dropped)
        if word in words.lower() and word in tokenize(words)
    ]
    more = np.array(kept, np.int64).reshape(-1, 2)
    text, local = np.append(text, more[:, 0]), np.append(local, more[:, 1])
    own = pa.concat_arrays([found.concepts, pa.array(dropped, pa.large_string())])
    names, concept = _number(index, own)
    distinct = np.unique(text * max(len(names), 1) + concept[local])
    text, concept = np.divmod(distinct, max(len(names), 1))
    return Mentions(text, concept, names, index.n_concepts)


def _number(index: CaptionIndex, own: pa.Array) -> tuple[pa.Array, Ints]:
    """All names, those of the index first, and the number of each own concept among them."""
    vocabulary = index.vocabulary["concept"].combine_chunks()
    place = pc.index_in(own, vocabulary)
    unknown = own.filter(pc.is_null(place))
    numbered = np.asarray(numbers(pc.fill_null(place, -1)), np.int64).copy()
    numbered[numbered < 0] = index.n_concepts + np.arange(len(unknown))
    return pa.concat_arrays([vocabulary, unknown]), numbered
