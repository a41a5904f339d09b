"""Captions, and a small spaCy pipeline, that the tests of the text side share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from conceptstats.text.profile import Extracted

# Words at and around the eight bytes that the kernels read at once, every kind of script and case.
WORDS = [
    *("a", "I", "Dog", "dogs", "leaves", "women", "buses", "glass", "us", "two", "front", "the"),
    *("running", "climbing", "skatebOArd", "elephantelephant", "elephantelephants", "x" * 40),
    *("3", "42", "1985", "3d", "12345678", "31415926535897932", "½", "²", "三", "Ⅳ", "٣٤", "x86"),
    *("Ärger", "straße", "STRASSE", "ﬁsh", "Café", "cafés", "ΣΊΣΥΦΟΣ", "Σ", "ΑΣ", "ʰΣ", "İstanbul"),
    *("İ", "\u212a", "ÅNGSTRÖM", "Ⱥ", "наШ", "猫と犬", "कुत्ता", "𝔇𝔬𝔤", "𐐀", "e\u0301"),
]
BLANKS = [
    " ",
    "  ",
    "_",
    "-",
    ",",
    ". ",
    "'",
    "’",
    "\n",
    "\t",
    "\0",
    "\u00a0",
    "\u3000",
    "🐶",
    "\u200d",
]
LONGEST_PIECES = 12

unicode_text = st.text(st.characters(codec="utf-8"), max_size=24)
pieces = st.sampled_from(WORDS) | st.sampled_from(BLANKS) | unicode_text
captions = st.lists(pieces, max_size=LONGEST_PIECES).map("".join)
caption_lists = st.lists(st.none() | captions, max_size=8)


def string_rows(rows: Sequence[bytes], kind: pa.DataType | None = None) -> pa.Array:
    """Strings of exactly these bytes, UTF-8 or not, whose buffer ends where the text ends."""
    kind = kind or pa.string()
    offsets = np.cumsum([0, *map(len, rows)])
    offsets = offsets.astype(np.int64 if pa.types.is_large_string(kind) else np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(rows))]
    return pa.Array.from_buffers(kind, len(rows), buffers)


def rows_of(names: pa.Array, ids: np.ndarray, bounds: np.ndarray) -> list[list[str]]:
    """Names of each row's ids."""
    texts = names.to_pylist()
    return [[texts[i] for i in ids[begin:end]] for begin, end in pairwise(bounds)]


def concepts_in(extracted: Extracted) -> list[list[str]]:
    """Concepts of each caption."""
    return rows_of(extracted.concepts, extracted.ids, extracted.bounds)


def use_nltk_data(monkeypatch: pytest.MonkeyPatch, test_data: Path) -> None:
    """Let NLTK find its data among the test data, and nowhere else."""
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(test_data / "data" / "text" / "nltk_data")])


def save_noun_pipeline(folder: Path) -> Path:
    """Save a spaCy pipeline that knows a few nouns and names by heart."""
    spacy = pytest.importorskip("spacy")
    language = spacy.blank("en")
    ruler = language.add_pipe("attribute_ruler")
    for forms, lemma, tag in [
        ("dog dogs", "dog", "NOUN"),
        ("child children", "child", "NOUN"),
        ("man men", "man", "NOUN"),
        ("grass", "", "NOUN"),
        ("front side", "", "NOUN"),
        ("paris", "Paris", "PROPN"),
        ("running runs", "run", "VERB"),
        ("big", "big", "ADJ"),
    ]:
        attributes = {"POS": tag} | ({"LEMMA": lemma} if lemma else {})
        ruler.add([[{"LOWER": {"IN": forms.split()}}]], attributes)
    language.to_disk(folder)
    return folder
