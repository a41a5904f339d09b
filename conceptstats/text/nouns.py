"""Profile `nouns`: lemmas of nouns and proper nouns by a spaCy pipeline (arXiv 2404.04125)."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from conceptstats.errors import ProfileError
from conceptstats.text.profile import Extracted

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

DEFAULT_PIPELINE = "en_core_web_sm"
_TAGGERS = frozenset({"tagger", "morphologizer", "attribute_ruler"})


@dataclass(frozen=True, slots=True)
class NounProfile:
    """A profile whose concepts are the lemmas, in lower case, of NOUN and PROPN tokens.

    Parameters
    ----------
    pipeline : str
        Name of an installed spaCy pipeline, or the folder of a saved one.
    versions : dict
    """

    pipeline: str
    versions: dict[str, str]
    _language: Language = field(repr=False)
    name: str = "nouns"

    @property
    def options(self) -> dict[str, Any]:
        """Name of the pipeline."""
        return {"pipeline": self.pipeline}

    def concepts_of(self, text: str) -> list[str]:
        """Concepts of one text, in order, with repeats."""
        return [lemma for lemma, _ in self._nouns(self._language(text))]

    def meaning(self, name: str) -> list[str]:
        """Concepts of the words of a name."""
        return self.concepts_of(name)

    def extract(self, captions: pa.Array) -> Extracted:
        """Concepts of every caption."""
        known: dict[str, int] = {}
        forms: dict[str, int] = {}
        ids: list[int] = []
        bounds = np.zeros(len(captions) + 1, np.int64)
        invalid: list[int] = []
        texts = (self._text(scalar, row, invalid) for row, scalar in enumerate(captions))
        for row, doc in enumerate(self._language.pipe(texts)):
            for lemma, form in self._nouns(doc):
                concept = known.setdefault(lemma, len(known))
                ids.append(concept)
                if form != lemma:
                    forms.setdefault(form, concept)
            bounds[row + 1] = len(ids)
        return Extracted(
            pa.array(list(known), pa.large_string()),
            np.array(ids, np.int32),
            bounds,
            pa.array(list(forms), pa.large_string()),
            np.array(list(forms.values()), np.int32),
            tuple(invalid),
        )

    @staticmethod
    def _text(scalar: pa.Scalar, row: int, invalid: list[int]) -> str:
        try:
            return scalar.as_py() or ""
        except UnicodeDecodeError:
            invalid.append(row)
            return ""

    @staticmethod
    def _nouns(doc: Doc) -> list[tuple[str, str]]:
        """Lemma and surface form of each noun, in lower case."""
        return [
            ((token.lemma_ or token.text).strip().lower(), token.text.lower())
            for token in doc
            if token.pos_ in ("NOUN", "PROPN") and (token.lemma_ or token.text).strip()
        ]


def noun_profile(pipeline: str = DEFAULT_PIPELINE) -> NounProfile:
    """Profile `nouns`.

    Parameters
    ----------
    pipeline : str
        Name of an installed spaCy pipeline, or the folder of a saved one.

    Raises
    ------
    ProfileError
        When spaCy or the pipeline is missing.
    """
    try:
        import spacy
    except ModuleNotFoundError as error:
        raise ProfileError(
            "profile 'nouns' needs spaCy, which is not installed.",
            'pip install "conceptstats[text]"',
        ) from error
    try:
        language = spacy.load(pipeline, exclude=["ner"])
    except OSError as error:
        raise ProfileError(
            f"profile 'nouns' needs the spaCy pipeline {pipeline!r}, which is not installed.",
            f"python -m spacy download {pipeline}, or --pipeline NAME_OR_FOLDER",
        ) from error
    if not _TAGGERS.intersection(language.pipe_names):
        raise ProfileError(
            f"the spaCy pipeline {pipeline!r} does not tag parts of speech "
            f"(it has: {', '.join(language.pipe_names) or 'nothing'}).",
            f"choose one with {', '.join(sorted(_TAGGERS))}",
        )
    language.max_length = 1 << 30  # characters; captions are bounded by their source
    meta = language.meta
    versions = {"spacy": version("spacy"), meta["name"]: meta["version"]}
    return NounProfile(pipeline, versions, language)
