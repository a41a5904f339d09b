"""Which prompts are fit: those that name key and accessory, and no other class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from conceptstats.class_names import ClassNames, Tokens, class_names, readings, settle
from conceptstats.errors import ParameterError
from conceptstats.reference import phrases, tokenize
from conceptstats.text.words import noun_lemma

_KEY, _ACCESSORY = "\0key", "\0accessory"  # labels that no class has


class Problem(NamedTuple):
    """Why a prompt is not fit."""

    reason: str
    detail: str | None = None


class PromptCheck:
    """Says whether prompts are fit, given the names of all classes.

    Words are compared by their lemmas as nouns, so "polar bears" names the class "polar bear", and
    the longest phrase counts: "hot dog" does not name the class "dog". Every phrase of the key's
    own class names the key; so does that of a class of the same name.

    Parameters
    ----------
    classes : ClassNames
    """

    def __init__(self, classes: ClassNames) -> None:
        settled = settle(classes)
        self._home = settled.home
        self._own = [[_lemmas(phrase) for phrase in found] for found in settled.phrases]
        self._table = {
            words: classes.names[place]
            for place, found in enumerate(self._own)
            for words in found
            if words
        }

    def problem(
        self, text: str, key: str, accessory: str, class_index: int | None
    ) -> Problem | None:
        """Why a prompt is not fit; None: it is.

        Parameters
        ----------
        text : str
        key, accessory : str
        class_index : int, optional
            Class of the key.
        """
        if not text:
            return Problem("is empty")
        table = dict(self._table)
        own = [] if class_index is None else self._own[self._home[class_index]]
        table |= dict.fromkeys((_lemmas(key), *own), _KEY)
        for reading in readings(key):  # one that is the name of another class is not its own
            table.setdefault(_lemmas(reading), _KEY)
        table.setdefault(_lemmas(accessory), _ACCESSORY)
        named = dict.fromkeys(phrases(_lemmas(text), table, every=False))
        if _KEY not in named:
            return Problem("does not name the key")
        if others := [name for name in named if name not in (_KEY, _ACCESSORY)]:
            return Problem("names another class", ", ".join(others))
        if _ACCESSORY not in named:
            return Problem("does not name the accessory")
        return None


def _lemmas(text: str) -> Tokens:
    return tuple(_lemma(word) for word in tokenize(text))


_lemma = cache(noun_lemma)


def classes_of_probes(
    keys: Sequence[str], indices: Sequence[int | None], classes: ClassNames | None
) -> tuple[ClassNames, list[int | None]]:
    """The classes, and that of each probe; without a list, the keys of the probes are the classes.

    Raises
    ------
    ParameterError
        When the class at the index of a probe is not that of its key.
    """
    if classes is None:
        distinct = list(dict.fromkeys(keys))
        place = {key: number for number, key in enumerate(distinct)}
        return class_names(distinct), [place[key] for key in keys]
    for key, index in zip(keys, indices, strict=True):
        if index is None:
            continue
        name = classes.names[index] if 0 <= index < len(classes) else None
        if name is None or tokenize(name) != tokenize(key):
            raise ParameterError(
                f"the key {key!r} is class {index} of the probes, which is {name!r} among the "
                f"{len(classes):,} classes given.",
                "--classes as the probes were chosen with",
            )
    places = {tuple(tokenize(name)): at for at, name in reversed(list(enumerate(classes.names)))}
    found = [
        places.get(tuple(tokenize(key))) if index is None else index
        for key, index in zip(keys, indices, strict=True)
    ]
    return classes, found
