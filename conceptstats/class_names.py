"""Names of classes in their order, with other phrases for each: what the keys of probes are.

A list of classes is one of

- text, one class a line, other phrases behind tabs: ``fire engine<tab>fire truck``; an empty line
  keeps the place of a class that is left out;
- text with a WordNet id in front of each line, as ImageNet's own list has them (``n01440764 tench,
  Tinca tinca``), or with the ids alone: then the names are those of WordNet;
- JSON: a list of names, an object of name: [phrases], or one of index: {"name", "alternates"};
- a list that an installed package brings under a name: ``imagenet``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import ParameterError
from conceptstats.reference import tokenize
from conceptstats.wordnet import names_of_synset

ENTRY_GROUP = "conceptstats.class_lists"  # of functions without arguments that give names
_WORDNET_LINE = re.compile(r"(n\d{8})(?:[\s,]+(.*))?")
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
_NAMED = 8  # names in a note

Tokens = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassNames:
    """Classes in their order.

    Parameters
    ----------
    names : tuple of str
        An empty one keeps a place.
    synonyms : tuple of tuple of str
        Other phrases for each.
    """

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        """How many places."""
        return len(self.names)

    def phrases(self, place: int) -> list[str]:
        """Name, readings and synonyms of a class, each once; none of a class that is left out."""
        name = self.names[place]
        if not name:
            return []
        return list(dict.fromkeys((name, *readings(name), *self.synonyms[place])))


class Settled(NamedTuple):
    """Which phrases mean which class."""

    phrases: list[list[str]]  # of each class, its name first; none of one left out, or of a twin
    home: list[int]  # the class itself, or the first one of the same name
    notes: list[str]


def class_names(names: Sequence[str]) -> ClassNames:
    """Classes without synonyms."""
    return ClassNames(tuple(names), ((),) * len(names))


def readings(name: str) -> list[str]:
    """What a name is when it is said: each side of a slash, and without what is in parentheses.

    >>> readings("swim trunks / shorts"), readings("kite (bird of prey)"), readings("dog")
    (['swim trunks', 'shorts'], ['kite'], [])
    """
    plain = _IN_PARENTHESES.sub(" ", name)
    sides = [" ".join(side.split()) for side in re.split(r"\s/\s", plain)]
    return [side for side in sides if side and side != name]


def words_of(phrase: str) -> Tokens:
    """A phrase as it is compared: its words in lower case."""
    return tuple(tokenize(phrase))


def listed(names: Sequence[str]) -> str:
    """Some names, for a message."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def settle(classes: ClassNames) -> Settled:
    """Give each phrase to one class.

    A phrase that is the name of a class belongs to it alone, and another that several classes have
    to none: captions with it would count for both. Of classes with one name the first has it.
    """
    first: dict[Tokens, int] = {}
    home = [
        first.setdefault(words_of(name), place) if name else place
        for place, name in enumerate(classes.names)
    ]
    claims: dict[Tokens, set[int]] = {}
    for place, at in enumerate(home):
        for phrase in classes.phrases(place):
            claims.setdefault(words_of(phrase), set()).add(at)
    phrases: list[list[str]] = [[] for _ in home]
    shared: dict[Tokens, str] = {}
    for place, at in enumerate(home):
        known = {words_of(phrase) for phrase in phrases[at]}
        for phrase in classes.phrases(place):
            words = words_of(phrase)
            if not words or words in known:
                continue
            if words in first and first[words] != at:
                continue  # the name of another class
            if words not in first and len(claims[words]) > 1:
                shared.setdefault(words, phrase)
                continue
            known.add(words)
            phrases[at].append(phrase)
    return Settled(phrases, home, _notes(classes, home, list(shared.values())))


def _notes(classes: ClassNames, home: list[int], shared: list[str]) -> list[str]:
    notes = []
    twins = [
        f"{classes.names[place]} ({at} and {place})" for place, at in enumerate(home) if at != place
    ]
    if twins:
        notes.append(
            f"Classes of one name, which no caption tells apart, are the first of them: "
            f"{listed(twins)}."
        )
    if shared:
        notes.append(
            f"Phrases that several classes have count for none ({len(shared):,}): {listed(shared)}."
        )
    return notes


def with_synonyms(classes: ClassNames, others: ClassNames) -> ClassNames:
    """Add the phrases of another list of the same classes, in the same order.

    Raises
    ------
    ParameterError
        When the lists are not equally long.
    """
    if len(classes) != len(others):
        raise ParameterError(
            f"{len(classes):,} classes and {len(others):,} lines of synonyms, expected as many.",
            "the lists are put together line by line",
        )
    more = (
        tuple(p for p in dict.fromkeys((*own, *others.phrases(place))) if p != name)
        for place, (name, own) in enumerate(zip(classes.names, classes.synonyms, strict=True))
    )
    return ClassNames(classes.names, tuple(more))


def strangers(classes: ClassNames, others: ClassNames) -> list[str]:
    """Classes whose name shares no word with any phrase of another list at the same place."""
    found = []
    for place, name in enumerate(classes.names):
        theirs = {word for phrase in others.phrases(place) for word in tokenize(phrase)}
        if name and theirs and theirs.isdisjoint(tokenize(name)):
            found.append(name)
    return found


def read_classes(text: str | Path) -> ClassNames:
    """Classes as a user gives them: a file, a list by its name, or names with commas between them.

    Raises
    ------
    ParameterError
        When the file cannot be read, or the list is not installed.
    ProfileError
        When the file has ids of WordNet alone, and WordNet is not installed.
    """
    text = str(text)
    path = Path(text)
    if "," not in text and (path.is_file() or path.suffix in (".txt", ".csv", ".tsv", ".json")):
        return _parse_json(path) if path.suffix == ".json" else _parse_lines(read_lines(path))
    if "," in text or (found := named_list(text)) is None:
        return class_names([name.strip() for name in text.split(",")])
    return found


def named_list(name: str) -> ClassNames | None:
    """A list of classes that an installed package brings; None: no package has one of this name.

    Raises
    ------
    ParameterError
        When it is ``imagenet``, and nothing brings that.
    """
    for point in entry_points(group=ENTRY_GROUP, name=name):
        return class_names([str(one) for one in point.load()()])
    if name == "imagenet":
        raise ParameterError(
            "no installed package brings the list of classes imagenet.",
            "pip install 'conceptstats[eval]', or give a file with one name a line",
        )
    return None


def read_lines(path: Path) -> list[str]:
    """Lines of a text file.

    Raises
    ------
    ParameterError
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{path} cannot be read: {error}.", "a UTF-8 file with one name a line"
        ) from error


def _parse_lines(lines: list[str]) -> ClassNames:
    found = [_WORDNET_LINE.fullmatch(line.strip()) for line in lines if line.strip()]
    if found and all(found):
        rows = [_wordnet_row(match[1], match[2]) for match in found if match]
    else:
        rows = [[part.strip() for part in line.split("\t")] for line in lines]
    return _from_rows(rows)


def _wordnet_row(wordnet_id: str, names: str | None) -> list[str]:
    if not names:
        return names_of_synset(wordnet_id)
    return [name.strip() for name in re.split(r",\s|\t", names)]


def _from_rows(rows: list[list[str]]) -> ClassNames:
    rows = [row or [""] for row in rows]
    return ClassNames(
        tuple(row[0] for row in rows),
        tuple(tuple(phrase for phrase in row[1:] if phrase) for row in rows),
    )


def _parse_json(path: Path) -> ClassNames:
    try:
        data = json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        raise ParameterError(f"{path} is not valid JSON: {error}.") from error
    try:
        return _from_rows(_json_rows(data))
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise ParameterError(
            f"{path} holds no list of classes.",
            '["dog", ...], {"fire engine": ["fire truck", ...], ...}, or '
            '{"0": {"name": "tench", "alternates": [...]}, ...}',
        ) from error


def _json_rows(data: Any) -> list[list[str]]:
    if isinstance(data, list):
        rows = [[name] for name in data]
    elif all(isinstance(value, dict) for value in data.values()):
        indices = sorted(int(index) for index in data)
        if indices != list(range(len(indices))):
            raise ValueError("indices")
        values = [data[str(index)] for index in indices]
        rows = [[value["name"], *value["alternates"]] for value in values]
    else:
        rows = [[name, *phrases] for name, phrases in data.items()]
    if not all(isinstance(phrase, str) for row in rows for phrase in row):
        raise TypeError("phrases")
    return rows
