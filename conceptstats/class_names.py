"""Names of classes in their order, with other phrases for each: what the keys of probes are.

A list of classes is one of

- text, one class a line, other phrases behind tabs: ``fire engine<tab>fire truck``; an empty line
  keeps the place of a class that is left out;
- text with a WordNet id in front of each line, as ImageNet's own list has them (``n01440764 tench,
  Tinca tinca``), or with the ids alone: then the names are those of WordNet; an empty line keeps a
  place there too, but at the end;
- JSON: a list of names, an object of name: [phrases], or one of index: {"name", "alternates"};
- a list that an installed package brings under a name: ``imagenet``.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import ParameterError
from conceptstats.reference import tokenize
from conceptstats.wordnet import names_of_synset

ENTRY_GROUP = "conceptstats.class_lists"  # of functions without arguments that give names
WORD_PROFILES = ("words", "paper", "nouns")  # of an index: their concepts are single words
_FILES = (".txt", ".csv", ".tsv", ".json")  # endings of what is a file in any case
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
    ids : tuple of str
        WordNet id of each, empty where a place is kept; none where the list has no ids.
    """

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]
    ids: tuple[str, ...] = ()

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


def listed(names: Sequence[str], separator: str = ", ") -> str:
    """Some names, for a message."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{separator.join(names[:_NAMED])}{more}"


def settle(classes: ClassNames) -> Settled:
    """Give each phrase to one class.

    A phrase that is the name of a class belongs to it alone, and another that several classes have
    to none: captions with it would count for both. Of classes with one name the first has it. A
    name without a word, such as "!", has no phrase.
    """
    first: dict[Tokens, int] = {}
    home = [
        first.setdefault(words, place) if (words := words_of(name)) else place
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
    if wordless := [name for name in classes.names if name and not words_of(name)]:
        notes.append(f"Left out classes without a word ({len(wordless):,}): {listed(wordless)}.")
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
    return ClassNames(classes.names, tuple(more), classes.ids)


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
        When the file cannot be read or names no class, or the list is not installed.
    ProfileError
        When the file has ids of WordNet alone, and WordNet is not installed.
    """
    text = str(text)
    if (path := named_file(text, _FILES)) is not None:
        found = _from_rows(_parse_json(path)) if path.suffix == ".json" else _parse_lines(path)
    else:
        found = named_list(text) or _from_rows([name] for name in text.split(","))
    if not any(found.names):
        raise ParameterError(
            f"{text or 'an empty text'} names no class.",
            "a file with one name a line, or names with commas between them",
        )
    return found


def named_file(text: str, endings: Sequence[str]) -> Path | None:
    """The file that a text names: one that is there, or, without a comma, one that ends as such."""
    path = Path(text)
    is_there = os.path.isfile(text)  # noqa: PTH113  # of a text too long for a name it says no
    return path if is_there or ("," not in text and path.suffix in endings) else None


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


def read_lines(path: str | Path) -> list[str]:
    """Lines of a text file.

    Raises
    ------
    ParameterError
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{path} cannot be read: {error}.", "a UTF-8 file with one name a line"
        ) from error


def _parse_lines(path: Path) -> ClassNames:
    lines = read_lines(path)
    found = [_WORDNET_LINE.fullmatch(line.strip()) for line in lines]
    if not any(found):
        return _from_rows(line.split("\t") for line in lines)
    for number, (line, match) in enumerate(zip(lines, found, strict=True), 1):
        if line.strip() and not match:
            raise ParameterError(
                f"{path}, line {number:,}: {line!r} has no WordNet id, as other lines have.",
                "n01440764 tench, Tinca tinca",
            )
    last = max(number for number, match in enumerate(found) if match)
    kept = found[: last + 1]
    return _from_rows(
        [_wordnet_row(match[1], match[2]) if match else [""] for match in kept],
        tuple(match[1] if match else "" for match in kept),
    )


def _wordnet_row(wordnet_id: str, names: str | None) -> list[str]:
    if not names:
        return names_of_synset(wordnet_id)
    return re.split(r",\s|\t", names)


def _from_rows(rows: Iterable[Sequence[str]], ids: tuple[str, ...] = ()) -> ClassNames:
    """Names with their phrases, with single blanks."""
    plain = [[" ".join(phrase.split()) for phrase in row] for row in rows]
    return ClassNames(
        tuple(row[0] for row in plain),
        tuple(tuple(phrase for phrase in row[1:] if phrase) for row in plain),
        ids,
    )


def _parse_json(path: Path) -> list[list[str]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(name for name, _ in pairs)
        if twice := next((name for name, n in counts.items() if n > 1), None):
            raise ParameterError(
                f"{path} has the name {twice!r} more than once, and of these JSON keeps the last.",
                "as a list, or text with one class a line, classes may share a name",
            )
        return dict(pairs)

    try:
        data = json.loads("\n".join(read_lines(path)), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ParameterError(f"{path} is not valid JSON: {error}.") from error
    try:
        return _json_rows(data)
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise ParameterError(
            f"{path} holds no list of classes.",
            '["dog", ...], {"fire engine": ["fire truck", ...], ...}, or '
            '{"0": {"name": "tench", "alternates": [...]}, ...}',
        ) from error


def _json_rows(data: Any) -> list[list[str]]:
    found: list[tuple[Any, Any]]
    if isinstance(data, list):
        found = [(name, []) for name in data]
    elif all(name.isdigit() for name in data):  # a class of each index, whatever stands behind it
        values = [data[str(index)] for index in range(len(data))]
        found = [(value["name"], value["alternates"]) for value in values]
    else:
        found = list(data.items())
    if not all(isinstance(phrases, list | dict) for _, phrases in found):
        raise TypeError("phrases")  # a text would be taken for a list of letters
    rows = [[name, *phrases] for name, phrases in found]
    if not all(isinstance(phrase, str) for row in rows for phrase in row):
        raise TypeError("phrases")
    return rows
