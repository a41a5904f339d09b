"""Accessories: what may stand beside a key in a picture, chosen from the concepts of an index.

Qu & Xie (arXiv 2507.08000) keep nouns and adjectives that WordNet knows, without digits, without
"photo" or "image", that name no class. Their code takes the part of speech from a tagger that sees
the word alone; here it is WordNet's own: a word that has a noun or an adjective among its senses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.class_names import ClassNames, Tokens, named_file, read_lines, words_of
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.table_files import ENDINGS, conform, load_table
from conceptstats.tables import numbers
from conceptstats.wordnet import is_noun_or_adjective

KeyMatch = Literal["phrase", "paper"]

ACCESSORIES = pa.schema(
    [
        pa.field("accessory", pa.string(), nullable=False),
        pa.field("n_captions", pa.int64()),
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),  # why not; null: kept
        pa.field("answer", pa.string()),  # of the model that was asked, as it gave it
        pa.field("model", pa.string()),
        pa.field("seed", pa.int64()),  # of the answer
    ]
)
_DIGIT = re.compile(r"\d")


def filter_accessories(
    index: CaptionIndex,
    classes: ClassNames,
    *,
    key_match: KeyMatch = "phrase",
    min_count: int = 1,
) -> pa.Table:
    """Say of every concept of an index whether it may be an accessory, and why not.

    Parameters
    ----------
    index : CaptionIndex
    classes : ClassNames
        None of them may be named by an accessory.
    key_match : {"phrase", "paper"}
        phrase: an accessory is no phrase of a class, nor the last word of one, which names its kind
        ("bear" of "polar bear"). paper: it is no word of the name of a class.
    min_count : int
        Least captions.

    Returns
    -------
    Table
        `ACCESSORIES`, by falling count; ``kept`` where nothing speaks against it.

    Raises
    ------
    ParameterError
    ProfileError
        When WordNet is not installed.
    """
    if min_count < 1:
        raise ParameterError(f"min_count is {min_count}, expected 1 or more.")
    naming = naming_words(index, classes, key_match)
    names = index.vocabulary.column("concept").to_pylist()
    counts = numbers(index.vocabulary.column("n_captions")).tolist()
    checks: list[tuple[str, Callable[[str], bool]]] = [
        ("has a digit", lambda name: bool(_DIGIT.search(name))),
        ("has photo or image in it", lambda name: "photo" in name or "image" in name),
        ("names a class", lambda name: words_of(name) in naming),
        ("is no noun or adjective of WordNet", lambda name: not is_noun_or_adjective(name)),
    ]
    reasons = []
    for name, n in zip(names, counts, strict=True):
        found = (reason for reason, speaks_against in checks if speaks_against(name))
        few = f"is in fewer than {min_count:,} captions" if n < min_count else None
        reasons.append(few or next(found, None))
    columns = {
        "accessory": pa.array(names, pa.string()),
        "n_captions": pa.array(counts, pa.int64()),
        "kept": pa.array([reason is None for reason in reasons], pa.bool_()),
        "reason": pa.array(reasons, pa.string()),
    }
    return conform(pa.table(columns), ACCESSORIES, "accessories")


def naming_words(
    index: CaptionIndex, classes: ClassNames, key_match: KeyMatch
) -> frozenset[Tokens]:
    """Phrases, cut into words, that name a class, and the concepts that an index makes of them."""
    if key_match == "paper":
        return frozenset((word,) for word in published_words(classes))
    phrases = [words_of(p) for place in range(len(classes)) for p in classes.phrases(place)]
    naming = {phrase for phrase in phrases if phrase} | {phrase[-1:] for phrase in phrases}
    return frozenset(naming | lemmas_of(index, naming))


def lemmas_of(index: CaptionIndex, phrases: Iterable[Tokens]) -> set[Tokens]:
    """The concepts of an index that single words are forms of."""
    made = (index.profile.concepts_of(phrase[0]) for phrase in phrases if len(phrase) == 1)
    return {words_of(found[0]) for found in made if len(found) == 1}


def published_words(classes: ClassNames) -> frozenset[str]:
    r"""All words of the names of classes as published: split by ``\W+``, two characters or more."""
    words = (word for name in classes.names for word in re.split(r"\W+", name.lower()))
    return frozenset(word for word in words if len(word) > 1)


def read_accessories(text: str | Path) -> list[str]:
    """Accessories as a user gives them.

    A table as `conceptstats synth accessories` writes it (those that are kept), a file with one a
    line (what is behind a tab is left out), or names with commas between them.

    Raises
    ------
    ParameterError
        When there is none.
    TableError
    """
    text = str(text)
    path = named_file(text, (".txt", ".tsv", *ENDINGS))
    names = text.split(",") if path is None else _read_file(path)
    names = [" ".join(name.split()) for name in names]
    if not any(names):
        raise ParameterError(
            f"{text or 'an empty text'} names no accessory.",
            "a table of `conceptstats synth accessories` that keeps some, a file with one a line, "
            "or names with commas between them",
        )
    return names


def _read_file(path: Path) -> list[str]:
    if path.suffix not in ENDINGS or (path.suffix == ".csv" and not _is_table(path)):
        return [line.split("\t")[0] for line in read_lines(path)]
    kept = load_table(path, ACCESSORIES).filter(pc.field("kept"))
    names: list[str] = kept["accessory"].to_pylist()
    return names


def _is_table(path: Path) -> bool:
    """Whether a .csv has the columns of a table, or is a list of lines."""
    head = next(iter(read_lines(path)), "")
    return {"accessory", "kept"} <= {column.strip('"') for column in head.split(",")}
