from __future__ import annotations

import re
import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from text_cases import rows_of

from conceptstats import reference
from conceptstats.text._unicode import (
    CAPITAL_I_WITH_DOT,
    CAPITAL_SIGMA,
    SEPARATOR,
    spaced_tables,
    word_tables,
)
from conceptstats.text.interner import Interner

SURROGATES = range(0xD800, 0xE000)
CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if code not in SURROGATES]
CODES = np.array([ord(char) for char in CHARACTERS])
IN_WORDS = [char for char in CHARACTERS if char.isalnum()]


def tokens_of(captions: list[str]) -> list[list[str]]:
    """All tokens of each caption, by the kernels."""
    interner = Interner()
    tokens = interner.tokenize(pa.array(captions, pa.string()), word_tables(), keep_all=True)
    assert tokens.invalid == ()
    return rows_of(interner.strings(), tokens.ids, tokens.bounds)


def assert_tokens_agree(captions: list[str]) -> None:
    """Compare with the reference, and show only captions that differ."""
    expected = map(reference.tokenize, captions)
    rows = zip(captions, tokens_of(captions), expected, strict=True)
    assert [row for row in rows if row[1] != row[2]] == []


def test_words_are_made_of_what_re_calls_a_word_character() -> None:
    r"""For every code point: part of a word if and only if `[^\W_]` matches."""
    matches = set(re.findall(r"[^\W_]", "".join(CHARACTERS)))
    expected = np.array([char in matches for char in CHARACTERS])
    np.testing.assert_array_equal(word_tables().output[CODES] != SEPARATOR, expected)


def test_surrogates_are_in_no_word() -> None:
    """Half characters cannot come from UTF-8; the tables take them for separators."""
    assert not word_tables().output[SURROGATES.start : SURROGATES.stop].any()


def test_numeric_is_str_isnumeric() -> None:
    """For every code point."""
    expected = np.array([char.isnumeric() for char in CHARACTERS])
    np.testing.assert_array_equal(word_tables().numeric[CODES], expected)


def test_lower_case_is_str_lower() -> None:
    """For every code point of a word but the two that need more than a table."""
    codes = np.array([ord(char) for char in IN_WORDS])
    lower = [char.lower() for char in IN_WORDS]
    simple = ~np.isin(codes, [CAPITAL_I_WITH_DOT, CAPITAL_SIGMA])
    expected = np.array([ord(text[0]) for text in lower])
    np.testing.assert_array_equal(word_tables().output[codes][simple], expected[simple])
    assert [char for char, text in zip(IN_WORDS, lower, strict=True) if len(text) > 1] == ["İ"]


def test_spaced_tokens_hold_every_character_as_it_is() -> None:
    """Only white space as MetaCLIP sees it separates; no case is changed."""
    output = spaced_tables().output
    separators = [ord(char) for char in "\0\t\n\r "]
    assert np.flatnonzero(output == SEPARATOR).tolist() == separators
    others = np.setdiff1d(CODES, separators)
    np.testing.assert_array_equal(output[others], others)


@pytest.mark.parametrize("pattern", ["a{}a", "A{}", "{}B", "{}"])
def test_every_character_in_a_word(pattern: str) -> None:
    """Each letter and digit there is, inside a word, at its ends, and alone."""
    assert_tokens_agree([pattern.format(char) for char in IN_WORDS])


@pytest.mark.parametrize("pattern", ["{}Σ", "a{}Σ", "aΣ{}", "aΣ{}a", "aΣ{}1", "Σ{}Σ"])
def test_capital_sigma_beside_every_character(pattern: str) -> None:
    """A final sigma depends on the neighbours being cased, passed over, or neither."""
    assert_tokens_agree([pattern.format(char) for char in IN_WORDS])


def test_separators_end_the_sight_of_a_capital_sigma() -> None:
    """An apostrophe or a combining mark, passed over inside a text, separates words here."""
    assigned = (char for char in CHARACTERS if unicodedata.category(char) not in ("Cn", "Co"))
    others = [char for char in assigned if not char.isalnum()]
    assert_tokens_agree([f"aΣ{char}a{char}Σ" for char in others])


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("ΟΔΥΣΣΕΥΣ", ["οδυσσευς"]),  # final
        ("ΣΑΣΑ", ["σασα"]),  # first and inside
        ("Σ", ["σ"]),  # alone
        ("ΑΣ ΣΑ", ["ας", "σα"]),
        ("1Σ", ["1σ"]),  # no letter before
        ("Α1Σ", ["α1σ"]),  # a digit is not passed over
        ("ΑʰΣ", ["αʰς"]),  # a modifier letter is, before it
        ("ΑΣʰΑ", ["ασʰα"]),  # and behind it
        ("ΑΣʰ", ["αςʰ"]),
        ("ʰΣ", ["ʰσ"]),
        ("Α\u0301Σ", ["α", "σ"]),  # a combining mark is no part of a word
        ("Α'Σ", ["α", "σ"]),
        ("İ", ["i\u0307"]),  # two characters
        ("DİŞ", ["di\u0307ş"]),
        ("300\u212a", ["300k"]),  # the Kelvin sign is three bytes, its lower case one
        ("ȺȾ", ["\u2c65\u2c66"]),  # and these grow from two bytes to three
        ("Straße STRASSE ẞ", ["straße", "strasse", "ß"]),  # lower case, not folded
        ("ﬁsh ﬀ", ["ﬁsh", "ﬀ"]),  # ligatures stay
        ("ǅ", ["ǆ"]),  # title case
        ("𐐀𝔇", ["𐐨𝔇"]),  # four bytes
        ("snake_case‿x", ["snake", "case", "x"]),  # every connector is \W or _
        ("½ ² 三 Ⅳ", ["½", "²", "三", "ⅳ"]),
    ],
)
def test_characters_worked_by_hand(caption: str, expected: list[str]) -> None:
    """Lower case as Unicode defines it, in kernel and reference."""
    assert reference.tokenize(caption) == expected
    assert tokens_of([caption]) == [expected]


def test_i_with_dot_counts_as_two_characters() -> None:
    """The lower case of İ is i and a combining dot, so it is no one-character word."""
    interner = Interner()
    tokens = interner.tokenize(pa.array(["İ I ½½ İ1"]), word_tables(), keep_all=False)
    names = interner.strings()
    assert rows_of(names, tokens.ids, tokens.bounds) == [["i\u0307", "i\u03071"]]
