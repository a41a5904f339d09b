"""The kernels of the text side against the reference.

Tests whose name has "small" run once more without numba's compiler: test_without_compiler.py.
"""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from text_cases import (
    WORDS,
    caption_lists,
    captions,
    concepts_in,
    rows_of,
    string_rows,
    unicode_text,
)

from conceptstats import reference
from conceptstats.text import _kernels
from conceptstats.text._unicode import CharacterTables, spaced_tables, word_tables
from conceptstats.text.interner import Interner, Tokens
from conceptstats.text.phrases import PhraseProfile

# Two 16-byte words with one key: found by turning the hash around, checked below.
SAME_KEY = ["elephantelephant", "wwyowksq9h4qpq3x"]
BROKEN = [
    *(b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x90"),  # never a start; cut short
    *(b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"),  # longer than need be
    *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"),  # surrogate; too high
]

small = settings(deadline=None, max_examples=100)
thorough = settings(deadline=None, max_examples=400)
each_kind = pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)


def tokens_of(
    strings: pa.Array,
    tables: CharacterTables | None = None,
    *,
    keep_all: bool = True,
    interner: Interner | None = None,
) -> tuple[list[list[str]], Tokens]:
    """Tokens of each row as text, and as the kernels give them."""
    interner = interner or Interner()
    tokens = interner.tokenize(strings, tables or word_tables(), keep_all=keep_all)
    names = interner.strings()
    names.validate(full=True)
    assert len(set(names.to_pylist())) == len(names) == interner.size
    return rows_of(names, tokens.ids, tokens.bounds), tokens


def words_in(caption: str | None, *, keep_all: bool = True) -> list[str]:
    """Words of a caption by the reference, all or those that a form profile looks at."""
    words = reference.tokenize(caption or "")
    return [word for word in words if keep_all or not (len(word) == 1 or word.isnumeric())]


def decoded(row: bytes) -> str | None:
    """Text of a row, or None where Python does not take it for UTF-8."""
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError:
        return None


@small
@given(caption_lists, st.booleans())
def test_small_lists_of_captions(rows: list[str | None], keep_all: bool) -> None:
    """Tokens are those of the reference; null and empty captions have none."""
    found, tokens = tokens_of(pa.array(rows, pa.string()), keep_all=keep_all)
    assert found == [words_in(row, keep_all=keep_all) for row in rows]
    assert tokens.invalid == ()


@thorough
@given(caption_lists, st.sampled_from([pa.string(), pa.large_string()]), st.data())
def test_slices_of_arrow_arrays(rows: list[str | None], kind: pa.DataType, data: st.DataObject):
    """An array that begins inside its buffers gives the tokens of its own rows."""
    begin = data.draw(st.integers(0, len(rows)))
    length = data.draw(st.integers(0, len(rows) - begin))
    found, _ = tokens_of(pa.array(rows, kind).slice(begin, length))
    assert found == [words_in(row) for row in rows[begin : begin + length]]


@each_kind
@pytest.mark.parametrize("last", ["", "a", "Z9", " ", "é", "Σ", "🐶", "-b"])
def test_small_lengths_around_eight_bytes(kind: pa.DataType, last: str) -> None:
    """Words of every length, at every place before the end of the buffer, ASCII or not behind."""
    rows = [("Ab3dEfgH" * 5)[:length] + last for length in range(34)]
    for row in rows:
        found, _ = tokens_of(string_rows([row.encode()], kind))
        assert found == [words_in(row)], row
    found, _ = tokens_of(string_rows([row.encode() for row in rows], kind))
    assert found == [words_in(row) for row in rows]


@pytest.mark.parametrize("n_before", range(10))
def test_small_words_behind_blanks(n_before: int) -> None:
    """A word may begin anywhere within eight bytes and reach over their end."""
    rows = [" " * n_before + "x" * length + " tail" for length in range(1, 20)]
    found, _ = tokens_of(string_rows([row.encode() for row in rows]))
    assert found == [words_in(row) for row in rows]


def test_rows_do_not_read_their_neighbours() -> None:
    """Rows that touch in the buffer stay apart, also within eight bytes."""
    rows = ["ab", "cd", "", "Α", "Σ", "Σ", "a", "e" * 8, "f" * 9, "g"]
    found, _ = tokens_of(string_rows([row.encode() for row in rows]))
    assert found == [["ab"], ["cd"], [], ["α"], ["σ"], ["σ"], ["a"], ["e" * 8], ["f" * 9], ["g"]]


@pytest.mark.parametrize("rows", [[], [None, None], ["", ""], [" . ", None]], ids=str)
@each_kind
def test_captions_without_words(rows: list[str | None], kind: pa.DataType) -> None:
    """Nothing comes of nothing."""
    found, tokens = tokens_of(pa.array(rows, kind))
    assert found == [[] for _ in rows]
    assert len(tokens.bounds) == len(rows) + 1


def test_null_rows_with_text_beneath_have_no_tokens() -> None:
    """Arrow may leave bytes under a null; they are no caption."""
    strings = pa.array(["dog", "cat"])
    _, offsets, text = strings.buffers()
    masked = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), offsets, text])
    assert masked.to_pylist() == [None, "cat"]
    assert tokens_of(masked)[0] == [[], ["cat"]]


def test_tables_grow_with_the_vocabulary() -> None:
    """50,000 distinct words, most of them long, in two goes and one huge caption."""
    chance = random.Random(1)
    shared = "sameprefix" * 2
    words = [
        f"{shared}{i}x{chance.randrange(10**6)}"[chance.choice([0, 12]) :] for i in range(50_000)
    ]
    assert len(set(words)) == len(words)
    rows = [" ".join(words[i : i + 10]) for i in range(0, 20_000, 10)] + [" ".join(words)]
    interner = Interner()
    for part in (rows[:1000], rows[900:]):
        found, _ = tokens_of(pa.array(part), interner=interner)
        assert found == [row.split() for row in part]
    assert interner.size == len(words)


def test_small_words_with_one_key_are_two_words() -> None:
    """Long words whose hashes are equal are told apart by their bytes."""
    keys = {int(_kernels._key(np.frombuffer(word.encode(), np.uint8), 0, 16)) for word in SAME_KEY}
    assert len(keys) == 1, "the hash has changed: find another pair"
    first, second = SAME_KEY
    row = f"{first} {second} {second.upper()} {first}é {first}"
    found, _ = tokens_of(pa.array([row]))
    assert found == [[first, second, second, first + "é", first]]
    interner = Interner()
    assert interner.add(pa.array([first, second, first])).tolist() == [0, 1, 0]
    assert interner.find(pa.array([second, first])).tolist() == [1, 0]


@thorough
@given(st.lists(st.lists(st.sampled_from(BROKEN) | st.binary(max_size=3) | captions.map(str.encode),
                         max_size=4).map(b"".join), max_size=6), st.booleans())  # fmt: skip
@example([b"dog", b"zebra \xff cat", b"dog cat"], True)
@example([b"caf\xc3", b"\xa9 dog"], True)  # a character cut by the end of a row
@example(["ΑΣ".encode() + b"\xcc"], True)  # while looking past a sigma
def test_small_rows_that_are_not_utf8(rows: list[bytes], spaced: bool) -> None:
    """Rows are reported exactly where Python cannot decode them; the others are unharmed."""
    texts = [decoded(row) for row in rows]
    tables = spaced_tables() if spaced else word_tables()
    interner = Interner()
    tokens = interner.tokenize(string_rows(rows), tables, keep_all=True)
    assert tokens.invalid == tuple(i for i, text in enumerate(texts) if text is None)
    found = rows_of(interner.strings(), tokens.ids, tokens.bounds)
    split = _between_blanks if spaced else reference.tokenize
    assert found == [[] if text is None else split(text) for text in texts]


def test_utf8_of_every_form() -> None:
    """All pairs and triples of bytes from a lead on, and the bounds of quadruples."""
    tails = range(0x70, 0xD0)  # beyond both ends of 0x80 to 0xBF
    few = (0x7F, 0x80, 0x8F, 0x90, 0xBF, 0xC0)
    rows = [bytes(pair) for pair in product(range(0x80, 0x100), range(0x100))]
    rows += [bytes(triple) for triple in product(range(0xDF, 0xF1), tails, tails)]
    rows += [bytes(four) for four in product(range(0xEF, 0xF9), tails, few, few)]
    texts = [decoded(row) for row in rows]
    found, tokens = tokens_of(string_rows(rows))
    assert tokens.invalid == tuple(i for i, text in enumerate(texts) if text is None)
    assert found == [words_in(text) for text in texts]


@pytest.mark.parametrize("last", ["", "a", ".", "²", "é"])
def test_small_numbers_of_every_length(last: str) -> None:
    """Numeric words are dropped, however long; one letter, wherever it stands, keeps a word."""
    digits = "1234567890" * 3
    rows = [digits[:length] + last for length in range(27)]
    rows += [digits[:at] + "x" + digits[at:20] + last for at in range(21)]
    for row in rows:
        found, _ = tokens_of(string_rows([row.encode()]), keep_all=False)
        assert found == [words_in(row, keep_all=False)], row


def _between_blanks(text: str) -> list[str]:
    for char in "\t\n\r\0":
        text = text.replace(char, " ")
    return text.split(" ")


@small
@given(st.lists(captions, max_size=6))
@example(["dog, cat", "a  b ", " ", "", "x\0\ty"])
def test_small_spaced_tokens(rows: list[str]) -> None:
    """Between single blanks, case kept, with the gaps."""
    padded = [" ".join(reference.spaced_tokens(row)) for row in rows]
    found, _ = tokens_of(string_rows([row.encode() for row in padded]), spaced_tables())
    assert found == [reference.spaced_tokens(row) for row in rows]


@small
@given(st.lists(st.lists(st.sampled_from([*WORDS, *SAME_KEY, "", "\0", "a\0"]) | unicode_text)),
       st.lists(unicode_text | st.sampled_from(WORDS)))  # fmt: skip
def test_small_whole_strings_are_a_dict(batches: list[list[str]], asked: list[str]) -> None:
    """Strings are numbered as a dict would number them, whatever they hold, and found again."""
    interner = Interner()
    known: dict[str, int] = {}
    for batch in batches:
        expected = [known.setdefault(text, len(known)) for text in batch]
        assert interner.add(pa.array(batch, pa.large_string())).tolist() == expected
    assert interner.strings().to_pylist() == list(known)
    asked = [*asked, *known]
    found = interner.find(pa.array(asked, pa.string()))
    assert found.tolist() == [known.get(text, -1) for text in asked]


def test_whole_strings_make_the_table_grow() -> None:
    """Many strings at once, from a slice."""
    texts = [f"concept number {i}" for i in range(30_000)]
    interner = Interner()
    ids = interner.add(pa.array(["no", *texts]).slice(1))
    assert ids.tolist() == list(range(30_000))
    assert interner.find(pa.array(texts[::-1])).tolist() == ids[::-1].tolist()


def test_a_copy_grows_on_its_own() -> None:
    """What a copy learns, the original does not, nor the other way round."""
    first = Interner()
    first.add(pa.array(["dog", "cat"]))
    names = first.strings()
    second = first.copy()
    assert second.add(pa.array(["owl", "cat"])).tolist() == [2, 1]
    assert first.add(pa.array(["fox", "dog"])).tolist() == [2, 0]
    assert first.strings().to_pylist() == ["dog", "cat", "fox"]
    assert second.strings().to_pylist() == ["dog", "cat", "owl"]
    assert names.to_pylist() == ["dog", "cat"]


phrase_texts = st.text(st.sampled_from("aAb b,.-'ß"), min_size=1, max_size=6)


def split_at_blanks(phrase: str) -> list[str]:
    """Tokens of a phrase of the list, where captions are spaced."""
    return phrase.split(" ")


@st.composite
def phrase_lists(draw: st.DrawFn, split: str) -> dict[str, list[str]]:
    """Concepts with synonyms; no phrase is empty or belongs to two of them."""
    cut = reference.tokenize if split == "words" else split_at_blanks
    concepts: dict[str, list[str]] = {}
    seen: set[tuple[str, ...]] = set()
    for text in draw(st.lists(phrase_texts, max_size=8)):
        tokens = tuple(cut(text))
        if any(token.strip() for token in tokens) and tokens not in seen:
            seen.add(tokens)
            if concepts and draw(st.booleans()):
                concepts[draw(st.sampled_from(sorted(concepts)))].append(text)
            else:
                concepts[text] = [text]
    return concepts


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_small_phrase_lists_as_substrings(data: st.DataObject) -> None:
    """Spaced and all: exactly the phrases that are substrings between blanks (arXiv 2309.16671)."""
    phrases = data.draw(phrase_lists("spaced"))
    rows = data.draw(st.lists(st.text(st.sampled_from("aAb b,.-'\t"), max_size=24), max_size=6))
    profile = PhraseProfile(phrases, "all", "spaced")
    expected = []
    for row in rows:
        text = f" {row} "
        for mark in ",.;:?!`":
            text = text.replace(mark, f" {mark} ")
        text = text.replace("\t", " ")
        expected.append({c for c, texts in phrases.items() if any(f" {t} " in text for t in texts)})
    found = concepts_in(profile.extract(pa.array(rows, pa.string())))
    assert [set(concepts) for concepts in found] == expected


@pytest.mark.parametrize("split", ["words", "spaced"])
@pytest.mark.parametrize("match", ["longest", "all"])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_small_phrase_lists(match: str, split: str, data: st.DataObject) -> None:
    """Every phrase is found where the reference finds it, and none is elsewhere."""
    phrases = data.draw(phrase_lists(split))
    texts = st.text(st.sampled_from("aAb b,.-'ß"), max_size=24)
    rows = data.draw(st.lists(st.none() | texts, max_size=6))
    profile = PhraseProfile(phrases, match, split)
    cut = reference.tokenize if split == "words" else reference.spaced_tokens
    cut_phrase = reference.tokenize if split == "words" else split_at_blanks
    table = {tuple(cut_phrase(text)): name for name, texts in phrases.items() for text in texts}
    expected = [reference.phrases(cut(row or ""), table, every=match == "all") for row in rows]
    assert concepts_in(profile.extract(pa.array(rows, pa.string()))) == expected


@pytest.mark.parametrize("match", ["longest", "all"])
def test_small_phrases_inside_phrases_need_more_room_than_tokens(match: str) -> None:
    """With `all`, 5 words can hold 15 phrases; all of them are there, and the next row's."""
    phrases = {name: [name] for name in (" ".join("x" * length) for length in range(1, 6))}
    found = concepts_in(PhraseProfile(phrases, match).extract(pa.array(["x x x x x", None, "x"])))
    runs = [" ".join("x" * length) for start in range(5) for length in range(1, 6 - start)]
    assert found == [runs if match == "all" else ["x x x x x"], [], ["x"]]


@pytest.mark.parametrize("split", ["words", "spaced"])
def test_phrases_and_rows_that_are_not_utf8(split: str) -> None:
    """A bad row is reported by its number and has no concepts; its neighbours keep theirs."""
    profile = PhraseProfile({"dog": ["dog"], "fire truck": ["fire truck"]}, split=split)
    rows = [b"a dog", b"a dog \xe2\x82", b"\x80", "fire truck é".encode()]
    extracted = profile.extract(string_rows(rows))
    assert extracted.invalid == (1, 2)
    assert concepts_in(extracted) == [["dog"], [], [], ["fire truck"]]
