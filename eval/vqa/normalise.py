"""How answers are made comparable: the published rules of VQA and of TextVQA, odd points included.

Sources: Antol et al., "VQA: Visual Question Answering", arXiv 1505.00468, and the evaluation code
published with VQA v2 (GT-Vision-Lab/VQA, vqaEval.py); for TextVQA that of M4C (arXiv 1911.06258),
which LLaVA uses too. What is odd there, and kept here because published figures rest on it:

- A mark is deleted where the answer has it next to a blank, or has a comma between digits
  anywhere; otherwise a blank takes its place ("t-shirt" is "t shirt"). The apostrophe, the colon,
  "&", "%", "$" and "#" are no marks.
- A period goes unless a digit follows, so "3.5" stays and "p.m." is "pm"; 32 periods at most.
- "none" is the number 0. Articles go wherever they stand.
- Contractions get back one missing apostrophe of a list that has gaps ("shes", "lets") and one
  entry that is the wrong way round: "somebody'd" becomes "somebodyd".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_PERIOD = re.compile(r"\.(?!\d)")
_MOST_PERIODS = 32  # the code passes the value of a flag as the number of replacements
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_ARTICLES = frozenset(("a", "an", "the"))
_NUMBERS = {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"none": "0"}
_REMEMBERED = 1 << 18

# Stems by the ending that they are contracted with.
_CONTRACTED = {
    "n't": "ai are ca could did do does had has have is might must need ought sha should was were "
    "wo would",
    "'ve": "could might must not should they we what where who would you couldn't hadn't mightn't "
    "shouldn't wouldn't he'd it'd she'd somebody'd someone'd something'd there'd they'd we'd who'd "
    "you'd y'all'd",
    "'d": "he how it someone something there they where who you",
    "'ll": "how it somebody someone something they what who why you y'all",
    "'s": "he how somebody someone that there what when where who why",
    "'re": "there they what why you",
    "": "ma'am o'clock 'twas y'all 'ow's'at",
}


def _misspelt() -> Iterator[tuple[str, str]]:
    """Each contraction without one of its apostrophes, and as it should be."""
    for ending, stems in _CONTRACTED.items():
        for stem in stems.split():
            word = stem + ending
            for place, char in enumerate(word):
                if char == "'":
                    yield word[:place] + word[place + 1 :], word


_CONTRACTIONS = dict(_misspelt()) | {"somebody'd": "somebodyd"}


@lru_cache(_REMEMBERED)
def strip_marks(text: str) -> str:
    """Marks deleted or made blanks, and periods deleted, as the head of this module says.

    >>> strip_marks("1,000 t-shirts!"), strip_marks("t-shirt"), strip_marks("yes!")
    ('1000 tshirts', 't shirt', 'yes ')
    """
    in_number = _COMMA_IN_NUMBER.search(text) is not None
    stripped = text
    for mark in _MARKS:
        if mark in text:
            beside_blank = f"{mark} " in text or f" {mark}" in text
            stripped = stripped.replace(mark, "" if in_number or beside_blank else " ")
    return _PERIOD.sub("", stripped, count=_MOST_PERIODS)


def plain_words(text: str) -> str:
    """Lower case, number words as digits, no articles, contractions with their apostrophes."""
    words = (_NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


@lru_cache(_REMEMBERED)
def normalise(answer: str) -> str:
    """An answer of a model, as the official VQA evaluation compares it.

    >>> normalise("The two dogs."), normalise("none"), normalise("dont know")
    ('2 dogs', '0', "don't know")
    """
    flat = answer.replace("\n", " ").replace("\t", " ").strip()
    return plain_words(strip_marks(flat))


@lru_cache(_REMEMBERED)
def normalise_textvqa(answer: str) -> str:
    """An answer of a model or a person, as TextVQA's evaluation (M4C, LLaVA) compares it.

    Before the rules of VQA commas and question marks are deleted, and "'s" is split off.

    >>> normalise_textvqa("The Dog's 1,000 bones?")
    "dog 's 1000 bones"
    """
    flat = answer.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return normalise(flat.strip())
