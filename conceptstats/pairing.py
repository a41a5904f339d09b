"""Classes set against accessories: how often captions have both, in levels of PMI for each class.

What chooses accessories for photographs draws from these levels, so that a class meets those that
captions tie to it, those that they do not, and those that they never name with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats import pmi as measures
from conceptstats.accessories import naming_words
from conceptstats.class_names import ClassNames, settle, words_of
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.index.searches import make_search

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BARRED, NEVER = -1, 0  # levels besides those of PMI, which count from 1
PAIRED = pa.schema(
    [
        pa.field("class", pa.string(), nullable=False),
        pa.field("accessory", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),  # captions
        pa.field("n_class", pa.int64(), nullable=False),
        pa.field("n_accessory", pa.int64(), nullable=False),
        pa.field("n_pair", pa.int64(), nullable=False),
        pa.field("pmi", pa.float64(), nullable=False),  # nats; -inf: never together
        pa.field("level", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Pairing:
    """What captions say of each class with each accessory.

    Parameters
    ----------
    classes, accessories : tuple of str
        In the order in which they were given; accessories without those that are left out.
    n : int
        Captions.
    n_class, n_accessory : (classes,) and (accessories,) int64
    n_pair : (classes, accessories) int64
    pmi : (classes, accessories) float64
        In nats; -inf: never together.
    level : (classes, accessories) int8
        `NEVER`: never together. 1, 2, ...: by rising PMI, each with as many accessories of the
        class. `BARRED`: the accessory shares a concept with the class, or no caption holds the
        class.
    left_out : tuple of (str, str)
        Accessories that go with no class, and why.
    """

    classes: tuple[str, ...]
    accessories: tuple[str, ...]
    n: int
    n_class: Ints
    n_accessory: Ints
    n_pair: Ints
    pmi: Floats
    level: npt.NDArray[np.int8]
    left_out: tuple[tuple[str, str], ...]

    def to_table(self) -> pa.Table:
        """One row for each class and accessory that may go with it: `PAIRED`."""
        row, column = np.nonzero(self.level != BARRED)
        columns = {
            "class": np.array(self.classes, object)[row],
            "accessory": np.array(self.accessories, object)[column],
            "n": np.full(len(row), self.n),
            "n_class": self.n_class[row],
            "n_accessory": self.n_accessory[column],
            "n_pair": self.n_pair[row, column],
            "pmi": self.pmi[row, column],
            "level": self.level[row, column].astype(np.int32),
        }
        return pa.table({k: pa.array(v) for k, v in columns.items()}, schema=PAIRED)


def pair_up(
    index: CaptionIndex, classes: ClassNames, accessories: Sequence[str], *, n_levels: int = 3
) -> Pairing:
    """Count each class with each accessory, in one pass over the captions.

    A name means what it means to the index: one concept, or several, of which a caption must hold
    all ("sports car" under profile words). Counts are of the captions themselves, so they are exact
    beyond a cut vocabulary too.

    Parameters
    ----------
    index : CaptionIndex
    classes : ClassNames
        Those of one name count as one.
    accessories : sequence of str
        Left out are those that mean nothing to the index, that no caption holds, and that name a
        class, or its kind ("bear" of "polar bear"): they would make the right answer doubtful.
    n_levels : int
        Of PMI, besides `NEVER`.

    Raises
    ------
    ParameterError
        When no accessory is left, or ``n_levels`` is below 1.
    """
    if n_levels < 1:
        raise ParameterError(f"n_levels is {n_levels}, expected 1 or more.")
    settled = settle(classes)
    phrases = [settled.phrases[home] for home in settled.home]
    naming = naming_words(index, classes, "phrase")
    kept, left_out = [], []
    for name in dict.fromkeys(accessories):
        meant = index.concepts_in(name)
        if not meant:
            left_out.append((name, "it means nothing to the index"))
        elif words_of(name) in naming or (len(meant) == 1 and words_of(meant[0]) in naming):
            left_out.append((name, "it names a class, or its kind"))
        else:
            kept.append(name)
    n_class, n_accessory, n_pair = count_together(index, phrases, [[name] for name in kept])
    unseen = n_accessory == 0
    left_out += [(kept[at], "no caption holds it") for at in np.flatnonzero(unseen)]
    names = [kept[at] for at in np.flatnonzero(~unseen)]
    if not names:
        raise ParameterError(
            f"none of {len(left_out):,} accessories can go with a class, the first "
            f"({left_out[0][0]}) because {left_out[0][1]}."
            if left_out
            else "there are no accessories."
        )
    n_accessory, n_pair = n_accessory[~unseen], n_pair[:, ~unseen]
    pmi = measures.pmi(index.n, np.maximum(n_class, 1)[:, None], n_accessory[None, :], n_pair)
    barred = _share_a_concept(index, phrases, names) | (n_class == 0)[:, None]
    level = pmi_levels(pmi, barred, n_levels)
    return Pairing(
        classes.names, tuple(names), index.n, n_class, n_accessory, n_pair, pmi, level,
        tuple(left_out),
    )  # fmt: skip


def count_together(
    index: CaptionIndex, classes: Sequence[Sequence[str]], accessories: Sequence[Sequence[str]]
) -> tuple[Ints, Ints, Ints]:
    """Captions of each class, of each accessory, and of each with each.

    Parameters
    ----------
    index : CaptionIndex
    classes, accessories : sequence of sequence of str
        Phrases of each, of which a caption must hold one.

    Returns
    -------
    (classes,), (accessories,) and (classes, accessories) int64
    """
    phrases = [*classes, *accessories]
    search = make_search(index, {str(number): names for number, names in enumerate(phrases)})
    n = len(classes)
    singles = np.zeros(len(phrases), np.int64)
    pairs = np.zeros((n, len(accessories)), np.int64)
    for part in index.manifest.parts:
        held = search.block(part).held
        singles += np.asarray(held.sum(axis=0), np.int64)
        pairs += (held[:, :n].T @ held[:, n:]).toarray()
    return singles[:n], singles[n:], pairs


def _share_a_concept(
    index: CaptionIndex, phrases: Sequence[Sequence[str]], names: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Whether a phrase of a class and an accessory have a concept in common, as two balls do."""
    own = [frozenset(index.concepts_in(name)) for name in names]
    theirs = [{c for phrase in found for c in index.concepts_in(phrase)} for found in phrases]
    return np.array([[bool(a & b) for a in own] for b in theirs], np.bool_)


def pmi_levels(
    pmi: Floats, barred: npt.NDArray[np.bool_], n_levels: int = 3
) -> npt.NDArray[np.int8]:
    """Level of each accessory among those of its class; ties go by their order.

    Parameters
    ----------
    pmi : (classes, accessories) float64
    barred : (classes, accessories) bool
    n_levels : int
        A class that was seen with fewer accessories has fewer levels, from 1 on.

    Returns
    -------
    (classes, accessories) int8
        As in `Pairing`.

    Examples
    --------
    >>> pmi_levels(np.array([[2.0, -np.inf, 0.0, 1.0, 3.0]]), np.zeros((1, 5), bool), 2)
    array([[2, 0, 1, 1, 2]], dtype=int8)
    """
    level = np.where(barred, BARRED, NEVER).astype(np.int8)
    for row, values in enumerate(pmi):
        seen = np.flatnonzero(~barred[row] & np.isfinite(values))
        ranked = seen[np.argsort(values[seen], kind="stable")]
        for number, part in enumerate(np.array_split(ranked, n_levels), 1):
            level[row, part] = number
    return level
