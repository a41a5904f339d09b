r"""Probes whose keys are classes: the whole name as a phrase, or the last word as published.

The published code (Qu & Xie, arXiv 2507.08000) splits names of classes by ``\W+``, keeps pairs in
which exactly one word is in that set, and gives a pair to one of the classes whose name ends with
its word, at random. So a pair of "bear" stands for a polar bear as well as for a brown one, and its
PMI is that of "bear". By default a class is what captions call by its whole name or a synonym.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.accessories import KeyMatch, published_words
from conceptstats.class_names import WORD_PROFILES, ClassNames, listed, settle, words_of
from conceptstats.errors import ParameterError, UnknownConceptError
from conceptstats.index import CaptionIndex
from conceptstats.probes import Probes, probe_id, select_probes

Missing = Literal["stop", "skip"]


def select_class_probes(
    index: CaptionIndex,
    classes: ClassNames,
    accessories: Sequence[str] | None = None,
    *,
    key_match: KeyMatch = "phrase",
    missing: Missing = "stop",
    seed: int = 0,
    **selection: Any,
) -> Probes:
    """Choose pairs of a class and an accessory, as many at every level of PMI.

    Parameters
    ----------
    index : CaptionIndex
    classes : ClassNames
        In the order that ``class_index`` counts in.
    accessories : sequence of str, optional
        By default every concept of the vocabulary that names no class, nor its kind, as the last
        word of a name does ("bear" of "polar bear").
    key_match : {"phrase", "paper"}
        phrase: a class is the concept of its whole name. paper: the last word of its name, which
        classes share; then ``key`` and ``class_index`` are a class drawn among those that share
        it, and the column ``key_word`` is the word whose counts and PMI the row has.
    missing : {"stop", "skip"}
        What to do when a class is no concept under the profile of the index. One that no caption
        holds, or that is outside a cut vocabulary, is left out with a note in any case.
    seed : int
    **selection
        As `select_probes` takes them.

    Returns
    -------
    Probes

    Raises
    ------
    ParameterError
        When a class is no concept of the index, or as `select_probes` does.
    """
    if key_match not in get_args(KeyMatch) or missing not in get_args(Missing):
        raise ParameterError(
            f"key_match is {key_match!r} and missing {missing!r}, expected phrase or paper, and "
            "stop or skip."
        )
    if key_match == "paper":
        return _by_last_word(index, classes, accessories, seed, selection)
    return _by_phrase(index, classes, accessories, missing, seed, selection)


def _by_phrase(
    index: CaptionIndex,
    classes: ClassNames,
    accessories: Sequence[str] | None,
    missing: Missing,
    seed: int,
    selection: dict[str, Any],
) -> Probes:
    settled = settle(classes)
    keys = [
        name if home == place else ""
        for place, (name, home) in enumerate(zip(classes.names, settled.home, strict=True))
    ]
    notes = list(settled.notes)
    unknown = [place for place, name in enumerate(keys) if name and not _is_whole(index, name)]
    if unknown:
        names = [keys[place] for place in unknown]
        if missing == "stop":
            raise _no_concepts(index, names, len([name for name in keys if name]))
        notes.append(
            f"Left out keys that are no concept of the index as a whole ({len(names):,}): "
            f"{listed(names)}."
        )
        for place in unknown:
            keys[place] = ""
    others = [p for place in range(len(classes)) for p in classes.phrases(place)]
    if accessories is None:
        others += [words[-1] for phrase in others if (words := words_of(phrase))]
    naming = [found for phrase in others if (found := _concept(index, phrase)) is not None]
    probes = select_probes(index, keys, accessories, not_accessories=naming, seed=seed, **selection)
    return replace(probes, notes=notes + probes.notes)


def _is_whole(index: CaptionIndex, name: str) -> bool:
    """Whether a name can be one concept of the index, none of its words left out."""
    profile = index.profile
    if profile.name in WORD_PROFILES:
        return len(words_of(name)) == 1 and len(set(profile.meaning(name))) == 1
    return bool(profile.meaning(name))


def _no_concepts(index: CaptionIndex, names: list[str], n: int) -> ParameterError:
    profile = index.profile.name
    why = "which counts single words" if profile in WORD_PROFILES else "in whose list they are not"
    return ParameterError(
        f"{len(names):,} of {n:,} classes are no concept of {index.path}, of profile {profile}, "
        f"{why}: {listed(names)}.",
        "conceptstats concepts CLASSES --index WORDS_INDEX --accessories FILE -o concepts.txt "
        "lists classes and accessories; index build --profile concepts --concepts concepts.txt "
        "counts them. Or --missing skip, or --key-match paper",
    )


def _concept(index: CaptionIndex, phrase: str) -> int | None:
    """The concept that a phrase is as a whole, if any."""
    if not _is_whole(index, phrase):
        return None
    try:
        return index.concept_id(phrase)
    except UnknownConceptError:
        return None


def _by_last_word(
    index: CaptionIndex,
    classes: ClassNames,
    accessories: Sequence[str] | None,
    seed: int,
    selection: dict[str, Any],
) -> Probes:
    in_names = published_words(classes)
    sharing: dict[str, list[int]] = {}
    for place, name in enumerate(classes.names):
        if words := name.lower().split():
            sharing.setdefault(words[-1], []).append(place)
    column = index.vocabulary.column("concept")
    in_vocabulary = pc.is_in(column, pa.array(sorted(in_names), column.type))
    concepts = set(column.filter(in_vocabulary).to_pylist())
    known = [word for word in sharing if word in concepts and _means_itself(index, word)]
    notes = _word_notes(sharing, known, concepts)
    if not known:
        raise ParameterError(
            "no class ends with a word of the vocabulary. " + " ".join(notes),
            "--key-match paper takes an index of words",
        )
    named = np.flatnonzero(in_vocabulary.to_numpy())
    probes = select_probes(
        index, known, accessories, not_accessories=named.tolist(), seed=seed, **selection
    )
    table = _assign(probes.table, classes, sharing, seed)
    return replace(probes, table=table, notes=notes + probes.notes)


def _means_itself(index: CaptionIndex, word: str) -> bool:
    """Whether a concept is what its own name means: "us" is the form of a concept "u"."""
    try:
        return index.concept(index.concept_id(word)) == word
    except UnknownConceptError:
        return False


def _word_notes(sharing: dict[str, list[int]], known: list[str], concepts: set[str]) -> list[str]:
    """What the published rule leaves out."""
    notes = []
    lost = [word for word in sharing if word not in known]
    if lost:
        n = sum(len(sharing[word]) for word in lost)
        notes.append(
            f"{n:,} classes end with a word outside the vocabulary ({len(lost):,}): {listed(lost)}."
        )
    if rest := sorted(concepts.difference(sharing)):
        notes.append(
            "Words of names of classes that are neither key nor accessory, as no name ends with "
            f"them ({len(rest):,}): {listed(rest)}."
        )
    return notes


def _assign(
    table: pa.Table, classes: ClassNames, sharing: dict[str, list[int]], seed: int
) -> pa.Table:
    """Give each pair one of the classes that end with its word, by seed and pair alone."""
    words, others = table["key"].to_pylist(), table["accessory"].to_pylist()
    places = []
    for word, other in zip(words, others, strict=True):
        text = f"{seed}\0{word}\0{other}".encode()
        draw = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        places.append(sharing[word][draw % len(sharing[word])])
    keys = [classes.names[place] for place in places]
    ids = [probe_id(key, other) for key, other in zip(keys, others, strict=True)]
    new = {
        "probe_id": pa.array(ids, pa.string()),
        "key": pa.array(keys, pa.string()),
        "class_index": pa.array(places, pa.int32()),
    }
    for name, column in new.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), column)
    table = table.append_column("key_word", pa.array(words, pa.string()))
    return table.sort_by([(name, "ascending") for name in ("stratum", "key", "accessory")])
