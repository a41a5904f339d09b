from __future__ import annotations

import doctest
from importlib import import_module
from math import inf, log

import pytest

from conceptstats import reference

CORPUS = [
    "A dog and a frisbee",
    "Dogs, DOGS and a frisbee!",
    "The dog on grass",
    "A cat on the grass",
    "a cat, 2 cats & 10",
    "",
]
STOP_WORDS = frozenset("a and the on".split())
LEMMAS = {"dogs": "dog", "cats": "cat"}


@pytest.fixture
def captions() -> list[list[str]]:
    """The corpus as concepts."""
    return [
        reference.words(
            caption, STOP_WORDS, lambda word: LEMMAS.get(word, word), filters_lemmas=True
        )
        for caption in CORPUS
    ]


@pytest.fixture
def counts(captions: list[list[str]]) -> reference.Counts:
    """Counts of the whole corpus."""
    return reference.count(captions)


def test_captions_become_concepts(captions: list[list[str]]) -> None:
    """Stop words and numbers go, lemmas come, repeats stay.

    "Dogs, DOGS and a frisbee!" -> dogs dogs and a frisbee -> dog dog frisbee;
    "a cat, 2 cats & 10" -> a cat 2 cats 10 -> cat cat.
    """
    assert captions == [
        ["dog", "frisbee"],
        ["dog", "dog", "frisbee"],
        ["dog", "grass"],
        ["cat", "grass"],
        ["cat", "cat"],
        [],
    ]


def test_counts_worked_by_hand(counts: reference.Counts) -> None:
    """A concept counts once a caption, a pair too; the empty caption is one of the n = 6.

    dog is in captions 1, 2, 3, twice in 2: 3 captions, 4 occurrences. frisbee 1, 2; grass 3, 4;
    cat 4, 5, twice in 5. By falling captions, then alphabet: dog, cat, frisbee, grass.
    dog & frisbee stand in 1 and 2, dog & grass in 3, cat & grass in 4; no other pair does.
    """
    assert counts == reference.Counts(
        n=6,
        n_captions={"dog": 3, "frisbee": 2, "grass": 2, "cat": 2},
        n_occurrences={"dog": 4, "frisbee": 2, "grass": 2, "cat": 3},
        vocabulary=["dog", "cat", "frisbee", "grass"],
        n_pairs={("dog", "frisbee"): 2, ("dog", "grass"): 1, ("cat", "grass"): 1},
    )


def test_the_vocabulary_is_cut_over_the_whole_corpus(captions: list[list[str]]) -> None:
    """With three concepts grass goes: of the three with 2 captions it is last by alphabet."""
    counts = reference.count(captions, max_concepts=3)
    assert counts.vocabulary == ["dog", "cat", "frisbee"]
    assert counts.n_pairs == {("dog", "frisbee"): 2}
    assert (counts.n, counts.n_captions["grass"]) == (6, 2)


def test_pmi_worked_by_hand() -> None:
    """PMI = ln(n_ab n / (n_a n_b)).

    dog, frisbee: ln(2 * 6 / (3 * 2)) = ln 2. dog, grass: ln(1 * 6 / (3 * 2)) = ln 1 = 0.
    cat, grass: ln(1 * 6 / (2 * 2)) = ln 1.5. dog, cat: never together, -inf.
    """
    assert reference.pmi(6, 3, 2, 2) == pytest.approx(log(2))
    assert reference.pmi(6, 3, 2, 1) == 0
    assert reference.pmi(6, 2, 2, 1) == pytest.approx(log(1.5))
    assert reference.pmi(6, 3, 2, 0) == -inf


def test_smoothed_pmi_worked_by_hand() -> None:
    """With alpha = 1 and V = 4 each of 16 cells gets 1, each marginal 4, the total 16.

    dog, frisbee: ln((2 + 1)(6 + 16) / ((3 + 4)(2 + 4))) = ln(66 / 42) = ln(11 / 7).
    dog, cat: ln(1 * 22 / 42) = ln(11 / 21), finite.
    """
    assert reference.pmi(6, 3, 2, 2, alpha=1, n_concepts=4) == pytest.approx(log(11 / 7))
    assert reference.pmi(6, 3, 2, 0, alpha=1, n_concepts=4) == pytest.approx(log(11 / 21))


def test_npmi_worked_by_hand() -> None:
    """NPMI = PMI / -ln(n_ab / n).

    dog, frisbee: ln 2 / -ln(2/6) = ln 2 / ln 3 = 0.63. Independent: 0. Never together: -1.
    Only together, in 2 of 6: ln(2 * 6 / (2 * 2)) / ln 3 = 1. Together in each caption: 1.
    """
    assert reference.npmi(6, 3, 2, 2) == pytest.approx(log(2) / log(3))
    assert reference.npmi(6, 3, 2, 1) == 0
    assert reference.npmi(6, 3, 2, 0) == -1
    assert reference.npmi(6, 2, 2, 2) == pytest.approx(1)
    assert reference.npmi(6, 6, 6, 6) == 1


def test_llr_worked_by_hand() -> None:
    """G^2 = 2 sum k ln(k n / (row column)) over the four kinds of caption.

    dog, frisbee: both 2, dog alone 1, frisbee alone 0, neither 3.
    2 ln(2 * 6 / (3 * 2)) + 1 ln(1 * 6 / (3 * 4)) + 0 + 3 ln(3 * 6 / (3 * 4))
    = 2 ln 2 - ln 2 + 3 ln 1.5 = ln 6.75, so G^2 = 2 ln 6.75 = 3.82. Independent: 0.
    """
    assert reference.llr(6, 3, 2, 2) == pytest.approx(2 * log(6.75))
    assert reference.llr(6, 3, 2, 1) == pytest.approx(0, abs=1e-12)


def test_paper_pmi_worked_by_hand(counts: reference.Counts) -> None:
    """Singles are marginals of the pair table: f_dog = 2 + 1 = 3, f_frisbee = 2, f_cat = 1.

    K = 3.2e9^2 / (3.2e9 (3.2e9 - 1)) = 1 / (1 - 1/3.2e9), which is 1 but for 3e-10.
    dog, frisbee: ln(3 / (1003 * 1002)) = -12.72. dog, cat: ln(1 / (1003 * 1001)) = -13.82.
    Two words that were never seen: ln(1e-6) = -13.8155.
    """
    f = {name: sum(n for pair, n in counts.n_pairs.items() if name in pair)
         for name in counts.vocabulary}  # fmt: skip
    assert f == {"dog": 3, "cat": 1, "frisbee": 2, "grass": 2}
    assert reference.paper_pmi(3, 2, 2) == pytest.approx(log(3 / (1003 * 1002)), abs=1e-9)
    assert reference.paper_pmi(3, 1, 0) == pytest.approx(log(1 / (1003 * 1001)), abs=1e-9)
    assert reference.paper_pmi(0, 0, 0) == pytest.approx(-13.8155, abs=1e-4)


def test_an_empty_corpus_has_no_counts() -> None:
    """Nothing is counted, and nothing fails."""
    assert reference.count([]) == reference.Counts(0, {}, {}, [], {})


def test_phrases_with_nothing_to_find() -> None:
    """No phrases, or no tokens, give no concepts."""
    assert reference.phrases(["dog"], {}, every=True) == []
    assert reference.phrases([], {("dog",): "dog"}, every=False) == []


@pytest.mark.parametrize("name", ["conceptstats.reference", "conceptstats.text.words"])
def test_examples_in_docstrings(name: str) -> None:
    """They run, and give what they say."""
    results = doctest.testmod(import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
