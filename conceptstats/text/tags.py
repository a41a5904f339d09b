"""Profile `tags`: every tag of an image is one concept, however many words it has.

A tag is a line of the text, as `conceptstats.sources` gives tags. With a list of concepts only
those tags count that are, as a whole, a phrase of the list; they are compared word by word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import unidata_version

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats import reference
from conceptstats.text.phrases import PhraseProfile, phrase_profile
from conceptstats.text.profile import Extracted


@dataclass(frozen=True, slots=True)
class TagProfile:
    """A profile whose concepts are whole tags, in lower case and with single blanks.

    Parameters
    ----------
    listed : PhraseProfile, optional
        Only tags that are a phrase of this list count, under the name of its concept.
    """

    listed: PhraseProfile | None = None
    name: str = "tags"

    @property
    def options(self) -> dict[str, Any]:
        """The list, if there is one."""
        return {} if self.listed is None else {"phrases": self.listed.phrases}

    @property
    def versions(self) -> dict[str, str]:
        """Version of Unicode, which says what lower case is, and digest of the list."""
        return {"unicode": unidata_version} if self.listed is None else self.listed.versions

    def concept_of(self, tag: str) -> str | None:
        """Concept of one tag, or None where it has none."""
        return reference.tag(tag) or None if self.listed is None else self.listed.whole(tag)

    def concepts_of(self, text: str) -> list[str]:
        """Concepts of one text, in order, with repeats."""
        concepts = map(self.concept_of, text.split("\n"))
        return [concept for concept in concepts if concept is not None]

    def meaning(self, name: str) -> list[str]:
        """The concept of a name as one tag, if any."""
        concept = self.concept_of(name)
        return [] if concept is None else [concept]

    def extract(self, captions: pa.Array) -> Extracted:
        """Concepts of every row of tags."""
        lines = pc.split_pattern(captions, "\n")
        lengths = pc.fill_null(pc.list_value_length(lines), 0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(captions)), lengths)
        # The same tags come again and again, so each is looked at once.
        encoded = pc.list_flatten(lines).cast(pa.large_binary()).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        texts = [_decode(tag) for tag in encoded.dictionary.to_pylist()]
        concepts = [None if text is None else self.concept_of(text) for text in texts]
        is_bad = np.zeros(len(captions), np.bool_)
        is_bad[rows[_marked(texts)[codes]]] = True
        kept = ~(_marked(concepts)[codes] | is_bad[rows])
        rows, codes = rows[kept], codes[kept]
        names, ids = _numbered(concepts, codes)
        forms, form_ids = self._forms(names)
        bounds = np.searchsorted(rows, np.arange(len(captions) + 1))
        invalid = tuple(np.flatnonzero(is_bad).tolist())
        return Extracted(pa.array(names, pa.large_string()), ids, bounds, forms, form_ids, invalid)

    def _forms(self, names: Sequence[str]) -> tuple[pa.Array, npt.NDArray[np.int32]]:
        """Phrases of the list that are not spelt as their concept."""
        listed = {} if self.listed is None else self.listed.phrases
        forms = [
            (phrase, i)
            for i, name in enumerate(names)
            for phrase in listed.get(name, ())
            if phrase != name
        ]
        ids = np.array([i for _, i in forms], np.int32)
        return pa.array([form for form, _ in forms], pa.large_string()), ids


def _decode(tag: bytes) -> str | None:
    """A tag as text; None where it is not UTF-8."""
    try:
        return tag.decode()
    except UnicodeDecodeError:
        return None


def _marked(values: Sequence[str | None]) -> npt.NDArray[np.bool_]:
    """Which values are None."""
    return np.array([value is None for value in values], np.bool_)


def _numbered(
    concepts: Sequence[str | None], codes: npt.NDArray[np.integer]
) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Names of the concepts that occur, and their numbers in place of the codes."""
    number: dict[str, int] = {}
    numbers = np.full(len(concepts), -1, np.int32)
    for code in np.unique(codes):
        concept = concepts[code]
        if concept is not None:
            numbers[code] = number.setdefault(concept, len(number))
    return list(number), numbers[codes]


def tag_profile(
    concepts: Path | str | None = None, phrases: dict[str, list[str]] | None = None
) -> TagProfile:
    """Profile `tags`, of all tags or of those in a list.

    Raises
    ------
    ProfileError
        When the list cannot be read.
    """
    if concepts is None and phrases is None:
        return TagProfile()
    return TagProfile(phrase_profile(concepts, phrases))
