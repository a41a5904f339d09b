"""Which accessories go into the photographs of a class: by the PMI of the two in the captions.

Of the accessories that captions name together with the class, by rising PMI: the last third is the
stratum ``high``, the first third ``low``; ``zero`` are those that no caption names with it. From
``matched``, the lower half, the accessory is taken whose own frequency is nearest to that of the
photograph's high one, so that these two versions differ in PMI and hardly in frequency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from conceptstats import pmi as measures
from conceptstats.class_names import ClassNames, settle
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.pairing import count_together
from conceptstats.reference import tokenize

from .listing import CutOut, Problem

Stratum = Literal["high", "low", "zero", "matched"]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STRATA: tuple[Stratum, ...] = get_args(Stratum)
_THIRDS = 3


@dataclass(frozen=True, slots=True)
class Association:
    """A class of photographs, and all accessories that may go with it.

    Parameters
    ----------
    name : str
        Of the class.
    class_index : int
        The first of its name: no caption tells classes of one name apart.
    n, n_key : int
        Captions: all, with the class.
    accessories : tuple of str
        Sorted.
    n_accessory, n_pair : (accessories,) int64
    pmi : (accessories,) float64
        In nats; -inf: never together.
    expected : (accessories,) float64
        Captions with both, were the two independent.
    """

    name: str
    class_index: int
    n: int
    n_key: int
    accessories: tuple[str, ...]
    n_accessory: Ints
    n_pair: Ints
    pmi: Floats
    expected: Floats

    def candidates(self, stratum: Stratum, min_expected: float = 0.0) -> Ints:
        """Places of the accessories of a stratum, those that were seen by rising PMI.

        Parameters
        ----------
        stratum : {"high", "low", "zero", "matched"}
        min_expected : float
            Accessories with fewer expected captions are left out.
        """
        enough = self.expected >= min_expected
        if stratum == "zero":
            return np.flatnonzero(enough & (self.n_pair == 0))
        seen = np.flatnonzero(enough & (self.n_pair > 0))
        seen = seen[np.argsort(self.pmi[seen], kind="stable")]
        if stratum == "matched":
            return seen[: len(seen) // 2]
        if len(seen) == 1:  # neither the most nor the least: its sign says which
            return seen if (self.pmi[seen[0]] > 0) == (stratum == "high") else seen[:0]
        third = max(1, len(seen) // _THIRDS)
        return seen[-third:] if stratum == "high" else seen[:third]

    def level(self, place: int) -> int:
        """Stratum of an accessory as `tables.PROBES` has it: 0 never seen, then thirds of PMI."""
        if not self.n_pair[place]:
            return 0
        seen = self.candidates("low"), self.candidates("high")
        return 1 if place in seen[0] else _THIRDS if place in seen[1] else 2


@dataclass(frozen=True, slots=True)
class Associations:
    """What an index knows of classes and accessories.

    Parameters
    ----------
    of_class : dict of int to Association
        By place of the class; those that captions hold.
    unknown : dict of int to str
        Reason why nothing is known of a class.
    accessory_of : dict of str to str
        For each concept of a cut-out that is used, the accessory that it is one concept with.
    problems : list of Problem
        Accessories that are left out.
    notes : list of str
    """

    of_class: dict[int, Association]
    unknown: dict[int, str]
    accessory_of: dict[str, str]
    problems: list[Problem]
    notes: list[str]


def associate(
    index: CaptionIndex,
    classes: ClassNames,
    shown: Sequence[int],
    cut_outs: Sequence[CutOut],
    *,
    min_count: int = 1,
) -> Associations:
    """Count classes, accessories, and each with each, in one pass over the captions.

    A name means what it means to the index: one concept, or several ("sports car" is two under
    profile words), and a caption holds it when it holds all of these. Counts are of the captions
    themselves, so they are exact for what a vocabulary was cut off from too. Left out, and listed:
    accessories that no caption holds, that mean nothing to the index, or that are a class or a word
    of its name, which would make the right answer doubtful. An accessory that shares a concept with
    one class ("tennis ball" and "golf ball") is left out for that class only.

    Parameters
    ----------
    index : CaptionIndex
    classes : ClassNames
        All that the photographs are told apart from, shown or not.
    shown : sequence of int
        Places of those that photographs show.
    cut_outs : sequence of CutOut
    min_count : int
        Least captions of a class and of an accessory.

    Raises
    ------
    ParameterError
        When ``min_count`` is below 1.
    """
    if min_count < 1:
        raise ParameterError(f"min_count is {min_count}, expected 1 or more.")
    problems: list[Problem] = []
    settled = settle(classes)
    named = [name for names in settled.phrases for name in names]
    kept, notes, accessory_of = _kept(index, named, cut_outs, problems)
    places = sorted(set(shown))
    phrases = [settled.phrases[settled.home[place]] for place in places]
    meanings = [[m for name in names if (m := _meaning(index, name))] for names in phrases]
    n_key, n_accessory, n_pair = count_together(index, phrases, [[name] for name in kept])
    few = n_accessory < min_count
    for name, n in zip(np.array(kept, object)[few], n_accessory[few], strict=True):
        reason = "no caption holds it" if not n else f"fewer than {min_count:,} captions hold it"
        problems.append(Problem("accessory", name, None, reason))
    own = [_meaning(index, name) for name in kept]
    found: dict[int, Association] = {}
    unknown: dict[int, str] = {}
    for row, place in enumerate(places):
        if not meanings[row]:
            unknown[place] = "its class means nothing to the index"
        elif n_key[row] < min_count:
            n = int(n_key[row])
            few_captions = f"fewer than {min_count:,} captions hold its class"
            unknown[place] = few_captions if n else "no caption holds its class"
        else:
            apart = np.array([not any(m & theirs for theirs in meanings[row]) for m in own], bool)
            usable = np.flatnonzero(apart & ~few)
            n_a, n_ab = n_accessory[usable], n_pair[row, usable]
            found[place] = Association(
                name=classes.names[settled.home[place]],
                class_index=settled.home[place],
                n=index.n,
                n_key=int(n_key[row]),
                accessories=tuple(kept[at] for at in usable),
                n_accessory=n_a,
                n_pair=n_ab,
                pmi=np.atleast_1d(measures.pmi(index.n, n_key[row], n_a, n_ab)),
                expected=n_key[row] / index.n * n_a,
            )
    used = set(np.array(kept, object)[~few])
    accessory_of = {concept: name for concept, name in accessory_of.items() if name in used}
    return Associations(found, unknown, accessory_of, problems, settled.notes + notes)


def _meaning(index: CaptionIndex, name: str) -> frozenset[str]:
    return frozenset(index.concepts_in(name))


def _kept(
    index: CaptionIndex,
    named: Sequence[str],
    cut_outs: Sequence[CutOut],
    problems: list[Problem],
) -> tuple[list[str], list[str], dict[str, str]]:
    """Accessories that name no class, sorted; what is one concept goes under one name."""
    by_meaning: dict[frozenset[str], str] = {}
    accessory_of: dict[str, str] = {}
    notes = []
    class_meanings = [_meaning(index, name) for name in named]
    class_words = [frozenset(tokenize(name)) for name in named]
    for concept in sorted({item.accessory for item in cut_outs}):
        meant, words = _meaning(index, concept), frozenset(tokenize(concept))
        if not meant:
            problems.append(Problem("accessory", concept, None, "it means nothing to the index"))
        elif any(meant <= theirs for theirs in class_meanings) or any(
            words and words <= theirs for theirs in class_words
        ):
            reason = "it is a class, or a word of the name of one"
            problems.append(Problem("accessory", concept, None, reason))
        else:
            accessory_of[concept] = by_meaning.setdefault(meant, concept)
            if accessory_of[concept] != concept:
                notes.append(f"{concept} and {accessory_of[concept]} are one concept of the index.")
    return sorted(by_meaning.values()), notes, accessory_of
