"""Profiles `words` and `paper`: every word is a concept, under its lemma.

Both split a caption into words, drop stop words, one-character and numeric words, and map each
remaining *form* to its noun lemma, once a form. They differ in the stop list, in where the lemmas
come from, and in what happens to a lemma that is itself a stop word or too short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.reference import tokenize
from conceptstats.text import _kernels
from conceptstats.text._unicode import word_tables
from conceptstats.text.interner import Ids, Interner
from conceptstats.text.profile import Extracted

_REMEMBERED = 1 << 18  # lemmas; those of common forms come back at once
_BYTES_PER_FORM = 64  # of text for each new form, about, in 100,000 web captions
# A form that WordNet's noun rules can change ends so, or is listed as an exception.
_INFLECTED_ENDINGS = ("s", "men")


@dataclass(frozen=True, slots=True)
class FormProfile:
    """A profile whose concepts are lemmas of single words.

    Parameters
    ----------
    name : str
    versions : dict
    stop_words : frozenset of str
    exceptions : frozenset of str
        Forms with a lemma of their own, whatever their ending.
    lemmatize : callable
        Noun lemma of a lower-case form.
    filters_lemmas : bool
        Drop a lemma that is a stop word or has one character.
    """

    name: str
    versions: dict[str, str]
    stop_words: frozenset[str]
    exceptions: frozenset[str]
    lemmatize: Callable[[str], str]
    filters_lemmas: bool
    options: dict[str, Any] = field(default_factory=dict)
    _lemmas: dict[str, str | None] = field(default_factory=dict, init=False, repr=False)
    _listed: pa.Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare the list of forms that are looked at one by one."""
        listed = pa.array(sorted(self.exceptions | self.stop_words), pa.large_string())
        object.__setattr__(self, "_listed", listed)

    def lemma(self, form: str) -> str | None:
        """Concept of a lower-case form, or None where it is dropped."""
        if form in self.stop_words or len(form) < 2 or form.isnumeric():
            return None
        lemma = self.lemmatize(form)
        if self.filters_lemmas and (lemma in self.stop_words or len(lemma) < 2):
            return None
        return lemma

    def concepts_of(self, text: str) -> list[str]:
        """Concepts of one text, in order, with repeats."""
        return [lemma for form in tokenize(text) if (lemma := self.lemma(form)) is not None]

    def meaning(self, name: str) -> list[str]:
        """Concepts of the words of a name."""
        return self.concepts_of(name)

    def extract(self, captions: pa.Array) -> Extracted:
        """Concepts of every caption."""
        interner = Interner(room=captions.nbytes // _BYTES_PER_FORM)
        tokens = interner.tokenize(captions, word_tables(), keep_all=False)
        forms = interner.strings()
        concept_of, changed = self._map_forms(forms, interner)
        if tokens.invalid:  # what stands before the fault was interned, yet does not occur
            occurs = np.zeros(len(forms), np.bool_)
            occurs[tokens.ids] = True
            concept_of[~occurs] = -1
        names, concept_of, ids = _renumber(interner, tokens.ids, tokens.bounds, concept_of)
        changed = changed[concept_of[changed] >= 0]
        return Extracted(
            names,
            ids,
            tokens.bounds,
            forms.take(pa.array(changed)),
            concept_of[changed],
            tokens.invalid,
        )

    def _remembered(self, form: str) -> str | None:
        try:
            return self._lemmas[form]
        except KeyError:  # never seen, or another thread has just made room
            if len(self._lemmas) >= _REMEMBERED:
                self._lemmas.clear()
            lemma = self._lemmas[form] = self.lemma(form)
            return lemma

    def _map_forms(self, forms: pa.Array, interner: Interner) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Token id of each form's lemma (or -1), and which forms are not their own lemma."""
        concept_of = np.arange(len(forms), dtype=np.int32)
        suspect = pc.is_in(forms, self._listed)
        for ending in _INFLECTED_ENDINGS:
            suspect = pc.or_(suspect, pc.ends_with(forms, ending))
        suspects = np.flatnonzero(suspect.to_numpy(zero_copy_only=False))
        texts = forms.take(pa.array(suspects)).to_pylist()
        lemmas = [self._remembered(text) for text in texts]
        kept = [lemma for lemma in lemmas if lemma is not None]
        is_kept = np.array([lemma is not None for lemma in lemmas], np.bool_)
        lemma_ids = interner.add(pa.array(kept, pa.large_string()))
        concept_of[suspects[~is_kept]] = -1
        concept_of[suspects[is_kept]] = lemma_ids
        changed = suspects[is_kept]
        return concept_of, changed[concept_of[changed] != changed]


def _renumber(
    interner: Interner, ids: Ids, bounds: npt.NDArray[np.int64], concept_of: Ids
) -> tuple[pa.Array, Ids, Ids]:
    """Number the concepts that occur, in the order of their token ids, and map the captions."""
    used = np.zeros(interner.size, np.bool_)
    used[concept_of[concept_of >= 0]] = True
    local = np.cumsum(used, dtype=np.int32) - 1
    concept_of = np.where(concept_of >= 0, local[concept_of], -1).astype(np.int32)
    n_kept = _kernels.map_tokens(ids, bounds, concept_of)
    names = interner.strings()
    if not used.all():
        names = names.filter(pa.array(used))
    return names, concept_of, ids[:n_kept]
