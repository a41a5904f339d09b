"""Profile `concepts`: a given list of phrases, with synonyms if wanted.

A concept file is one of

- text, one concept a line, its synonyms behind tabs: ``fire truck<tab>fire engine<tab>firetruck``
- JSON: a list of phrases, or an object of concept: [synonyms].

A concept's own name is a phrase of it too; "t-shirt" and "t shirt" are one concept, under the name
that comes first. Phrases are compared token by token, either by words
(lower-cased runs of letters and digits) or spaced (MetaCLIP's way: between blanks, case kept; a
caption's marks are padded with blanks and a phrase's are not, so "St. Louis" matches nothing).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unicodedata import unidata_version

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from conceptstats import reference
from conceptstats.errors import ProfileError
from conceptstats.text import _phrase_kernels
from conceptstats.text._unicode import spaced_tables, word_tables
from conceptstats.text.interner import Bounds, Ids, Interner, Tokens
from conceptstats.text.profile import Extracted

Match = Literal["longest", "all"]
Split = Literal["words", "spaced"]


@dataclass(frozen=True, slots=True)
class _Trie:
    """The phrases' words, interned, and the table that walks over them."""

    words: Interner
    n_words: int
    slots: npt.NDArray[np.int64]
    concept_of: Ids


@dataclass(frozen=True, slots=True)
class PhraseProfile:
    """A profile whose concepts are those of a list.

    Parameters
    ----------
    phrases : dict of str to list of str
        Concept: its phrases, the name itself among them.
    match : {"longest", "all"}
        The longest phrase from left to right ("fire truck" alone), or every phrase that occurs
        ("fire truck" and "truck").
    split : {"words", "spaced"}
        How captions and phrases are cut into tokens.

    Raises
    ------
    ProfileError
        When a phrase has no token, or belongs to two concepts.
    """

    phrases: dict[str, list[str]]
    match: Match = "longest"
    split: Split = "words"
    name: str = "concepts"
    _table: dict[tuple[str, ...], str] = field(init=False, repr=False)
    _trie: list[_Trie] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        """Cut the phrases into tokens."""
        table: dict[tuple[str, ...], str] = {}
        for concept, phrases in self.phrases.items():
            for phrase in phrases:
                _check_text(phrase, concept)
                tokens = tuple(self._phrase_tokens(phrase))
                if not any(token.strip() for token in tokens):
                    raise ProfileError(
                        f"the phrase {phrase!r} of concept {concept!r} has no word in it.",
                        "remove it from the concept file",
                    )
                if table.setdefault(tokens, concept) != concept:
                    raise ProfileError(
                        f"the phrase {phrase!r} belongs to two concepts: {table[tokens]!r} and "
                        f"{concept!r}.",
                        "give each phrase to one concept (phrases are compared "
                        f"{'in lower case, ' if self.split == 'words' else ''}token by token)",
                    )
        object.__setattr__(self, "_table", table)

    @property
    def options(self) -> dict[str, Any]:
        """The list itself, and how it is matched."""
        return {"phrases": self.phrases, "match": self.match, "split": self.split}

    @property
    def versions(self) -> dict[str, str]:
        """Digest of the list, and the version of Unicode that says what a word is."""
        text = json.dumps(self.phrases, sort_keys=True).encode()
        return {"phrases": xxhash.xxh3_128_hexdigest(text), "unicode": unidata_version}

    def concepts_of(self, text: str) -> list[str]:
        """Concepts of one text, in order, with repeats."""
        return reference.phrases(self._tokens(text), self._table, every=self.match == "all")

    def whole(self, text: str) -> str | None:
        """The concept that a text is a phrase of as a whole, or None."""
        return self._table.get(tuple(self._tokens(text)))

    def meaning(self, name: str) -> list[str]:
        """The concept that a name is a phrase of as a whole, if any."""
        concept = self.whole(name)
        return [] if concept is None else [concept]

    def extract(self, captions: pa.Array) -> Extracted:
        """Concepts of every caption."""
        trie = self._built_trie()
        words = trie.words.copy()
        tokens = self._tokenize(words, captions)
        ids, bounds = self._matches(trie, tokens)
        used = np.zeros(len(self.phrases), np.bool_)
        used[ids] = True
        local = (np.cumsum(used) - 1).astype(np.int32)
        names = pa.array(list(self.phrases), pa.large_string()).filter(pa.array(used))
        forms, form_ids = self._forms(used, local)
        return Extracted(names, local[ids], bounds, forms, form_ids, tokens.invalid)

    def _phrase_tokens(self, phrase: str) -> list[str]:
        return reference.tokenize(phrase) if self.split == "words" else phrase.split(" ")

    def _tokens(self, text: str) -> list[str]:
        if self.split == "words":
            return reference.tokenize(text)
        return reference.spaced_tokens(text)

    def _tokenize(self, words: Interner, captions: pa.Array) -> Tokens:
        if self.split == "words":
            return words.tokenize(captions, word_tables(), keep_all=True)
        padded = pc.replace_substring_regex(captions, pattern=r"([,.;:?!`])", replacement=r" \1 ")
        return words.tokenize(padded, spaced_tables(), keep_all=True)

    def _built_trie(self) -> _Trie:
        if not self._trie:
            self._trie.append(_build_trie(self._table, list(self.phrases)))
        return self._trie[0]

    def _matches(self, trie: _Trie, tokens: Tokens) -> tuple[Ids, Bounds]:
        bounds = np.zeros(len(tokens.bounds), np.int64)
        room = len(tokens.ids)
        while True:
            ids = np.empty(room, np.int32)
            needed = _phrase_kernels.match_phrases(
                tokens.ids, tokens.bounds, trie.n_words, trie.slots, trie.concept_of,
                self.match == "all", ids, bounds,
            )  # fmt: skip
            if needed <= room:
                return ids[:needed], bounds
            room = needed

    def _forms(self, used: npt.NDArray[np.bool_], local: Ids) -> tuple[pa.Array, Ids]:
        """Phrases that are not spelt as their concept, of the concepts that occur."""
        forms, ids = [], []
        for i, (concept, phrases) in enumerate(self.phrases.items()):
            if used[i]:
                others = [phrase for phrase in phrases if phrase != concept]
                forms += others
                ids += [local[i]] * len(others)
        return pa.array(forms, pa.large_string()), np.array(ids, np.int32)


def _build_trie(table: dict[tuple[str, ...], str], concepts: list[str]) -> _Trie:
    rank = {concept: i for i, concept in enumerate(concepts)}
    words = Interner()
    flat = words.add(pa.array([word for phrase in table for word in phrase], pa.large_string()))
    bounds = np.zeros(len(table) + 1, np.int64)
    np.cumsum([len(phrase) for phrase in table], out=bounds[1:])
    capacity = 1 << max(4, int(4 * len(flat)).bit_length())
    slots = np.zeros(2 * capacity, np.int64)
    concept_of = np.full(len(flat) + 1, -1, np.int32)
    owners = np.array([rank[concept] for concept in table.values()], np.int32)
    _phrase_kernels.fill_trie(flat, bounds, owners, words.size, slots, concept_of)
    return _Trie(words, words.size, slots, concept_of)


def _check_text(phrase: str, concept: str) -> None:
    """Raise for what no caption can hold: NULs and halves of surrogate pairs."""
    if "\0" in phrase or any("\ud800" <= char <= "\udfff" for char in phrase + concept):
        raise ProfileError(
            f"the phrase {phrase!r} of concept {concept!r} is not valid text.",
            "remove it from the concept file",
        )


def read_concept_file(path: Path) -> dict[str, list[str]]:
    """Concepts of a file, each with its phrases, its own name first.

    Raises
    ------
    ProfileError
        When the file is missing, not UTF-8, not valid, or empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"cannot read the concept file {path}: {error}.") from error
    lines: list[list[str]]
    if path.suffix == ".json":
        lines = _parse_json(path, text)
    else:
        lines = [[part.strip() for part in line.split("\t")] for line in text.splitlines()]
    phrases: dict[str, list[str]] = {}
    for line in lines:
        kept = [phrase for phrase in line if phrase]
        if kept:
            known = phrases.setdefault(kept[0], [])
            known += [phrase for phrase in dict.fromkeys(kept) if phrase not in known]
    if not phrases:
        raise ProfileError(
            f"the concept file {path} holds no concept.", "one concept a line, synonyms behind tabs"
        )
    return phrases


def _parse_json(path: Path, text: str) -> list[list[str]]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProfileError(f"the concept file {path} is not valid JSON: {error}.") from error
    if isinstance(data, list):
        lines = [[phrase] for phrase in data]
    elif isinstance(data, dict):
        lines = [[concept, *(s if isinstance(s, list) else [s])] for concept, s in data.items()]
    else:
        lines = [[data]]
    if not all(isinstance(phrase, str) for line in lines for phrase in line):
        raise ProfileError(
            f"the concept file {path} holds something that is not a phrase.",
            'a list ["dog", …] or an object {"fire truck": ["fire engine", …], …}',
        )
    return lines


def phrase_profile(
    concepts: Path | str | None = None,
    phrases: dict[str, list[str]] | None = None,
    match: str = "longest",
    split: str = "words",
) -> PhraseProfile:
    """Profile `concepts`, from a file or from phrases that were read before.

    Raises
    ------
    ProfileError
        When there is no list, or an option is unknown.
    """
    if phrases is None:
        if concepts is None:
            raise ProfileError(
                "profile 'concepts' needs a list of concepts.", "give it with --concepts FILE"
            )
        phrases = read_concept_file(Path(concepts))
    if match not in ("longest", "all") or split not in ("words", "spaced"):
        raise ProfileError(
            f"unknown way to match concepts: {match!r}, {split!r}.",
            "match is 'longest' or 'all', split is 'words' or 'spaced'",
        )
    return PhraseProfile(_one_name_each(phrases, split), match, split)  # type: ignore[arg-type]


def _one_name_each(phrases: dict[str, list[str]], split: str) -> dict[str, list[str]]:
    """The concepts, those whose names are the same tokens as one under the first name."""
    if split == "spaced":
        return phrases
    first: dict[tuple[str, ...], str] = {}
    merged: dict[str, list[str]] = {}
    for concept, own in phrases.items():
        known = merged.setdefault(first.setdefault(tuple(reference.tokenize(concept)), concept), [])
        known += [phrase for phrase in own if phrase not in known]
    return merged
