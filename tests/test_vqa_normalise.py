from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats.eval.vqa import metrics, normalise, prompts
from conceptstats.eval.vqa.metrics import (
    count_yes_no,
    judge_gqa,
    judge_pope,
    judge_textvqa,
    judge_vqa,
    leave_one_out,
    says_yes,
)
from conceptstats.eval.vqa.normalise import normalise as official
from conceptstats.eval.vqa.normalise import normalise_textvqa, strip_marks
from conceptstats.eval.vqa.prompts import read_prompt

ANSWERS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=10, max_size=10)


@pytest.mark.parametrize("module", [metrics, normalise, prompts])
def test_examples_of_docstrings(module: object) -> None:
    """What the docstrings show is so."""
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t-shirt", "t shirt"),  # a blank for a mark within
        ("a t-shirt - red", "tshirt red"),  # beside a blank: deleted
        ("1,000 t-shirts", "1000 tshirts"),  # a comma between digits: all marks deleted
        ("1, 000", "1 000"),
        ("3.5", "3.5"),
        ("p.m.", "pm"),
        ("no. 5", "no 5"),
        (".5", ".5"),
        ("it's", "it's"),
        ("12:30 & 5%", "12:30 & 5%"),
        ("The None", "0"),
        ("ten an eleven", "10 eleven"),
        ("DONT", "don't"),
        ("shes", "shes"),
        ("somebody'd", "somebodyd"),
        ("couldn'tve y'allll", "couldn't've y'all'll"),
        ("line\nbreak\ttab ", "line break tab"),
        ("", ""),
    ],
)
def test_official_rules(text: str, expected: str) -> None:
    """Marks, periods, number words, articles and contractions, as vqaEval.py treats them."""
    assert official(text) == expected


def test_textvqa_differs() -> None:
    """Commas and question marks go first, so a comma deletes no other mark; "'s" is split off."""
    assert (official("1,000-x"), normalise_textvqa("1,000-x")) == ("1000x", "1000 x")
    assert (official("a,b"), normalise_textvqa("a,b")) == ("b", "ab")
    assert (official("joe's"), normalise_textvqa("Joe's")) == ("joe's", "joe 's")


def test_at_most_32_periods() -> None:
    """The code passes a flag where the number of replacements stands."""
    assert strip_marks("." * 40) == "." * 8


@given(st.text(st.sampled_from(list(" ,-.;/?!'0123abtheAN_\n")), max_size=20))
def test_marks_go(text: str) -> None:
    """No mark is left, no letter is lost, no capital and no double blank stays."""
    for rule in (official, normalise_textvqa):
        plain = rule(text)
        assert not set(plain) & set(';/[]"{}()=+\\_-><@`,?!')
        assert plain == plain.lower() == " ".join(plain.split())
    letters = re.sub(r"[\W_]", "", text)
    assert re.sub(r"[\W_]", "", strip_marks(text)) == letters


@given(ANSWERS)
def test_leave_one_out_by_hand(answers: list[str]) -> None:
    """The closed form is the mean over subsets of nine, each worked out."""
    subsets = [answers[:i] + answers[i + 1 :] for i in range(10)]
    expected = sum(min(1.0, nine.count("b") / 3) for nine in subsets) / 10
    assert leave_one_out(answers.count("b"), 10) == pytest.approx(expected, abs=1e-12)
    assert judge_textvqa("B", answers) == pytest.approx(expected, abs=1e-12)
    assert judge_vqa("B.", answers) == pytest.approx(expected, abs=1e-12)


def test_people_are_not_normalised_as_the_model_is() -> None:
    """VQA: people's articles and number words stay, so the model's answer cannot match them.

    TextVQA normalises both. "two" of 3 people and "2" of 2 are five of a kind there: 1. In VQA the
    model's "two" becomes "2", which 2 of ten said: (2 * 1/3 + 8 * 2/3) / 10 = 0.6.
    """
    people = ["two"] * 3 + ["2"] * 2 + ["three"] * 5
    assert judge_textvqa("two", people) == 1.0
    assert judge_vqa("two", people) == pytest.approx(0.6)
    assert judge_vqa("the cat", ["the cat"] * 9 + ["dog"]) == 0.0
    assert judge_textvqa("the cat", ["the cat"] * 9 + ["dog"]) == 1.0


def test_people_who_agree_keep_their_marks() -> None:
    """VQA: where all ten say the same, it is compared as it stands."""
    assert judge_vqa("t-shirt", ["t-shirt"] * 10) == 0.0
    assert judge_vqa("t-shirt", ["t-shirt"] * 9 + ["shirt"]) == 1.0
    assert judge_vqa("yes", ["yes!"] * 9 + ["no"]) == 0.0  # people's "yes " keeps its blank


def test_gqa() -> None:
    """Exact match of the answer in lower case without periods at its end; nothing else is changed.

    So a blank or an article makes it wrong.
    """
    assert [judge_gqa(text, ["cat"]) for text in ("Cat.", "cat..", "the cat", "cat ")] == [
        1,
        1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("No", False), ("no", False), ("No, it is red", False), ("It is not. Yes", False),
        ("Yes. No", True), ("Yes, no doubt", False), ("NO", True), ("no!", True), ("nothing", True),
        ("", True), ("No\nway", True), ("There is no\tdog", True),
    ],
)  # fmt: skip
def test_pope_reads_answers(text: str, yes: bool) -> None:
    """The first sentence says no with "No", "no" or "not" between blanks, and yes otherwise."""
    assert says_yes(text) is yes
    assert judge_pope(text, ["yes"]) == float(yes)
    assert judge_pope(text, ["no"]) == float(not yes)


def test_pope_figures() -> None:
    """Three yes of which two are right, of four labels yes: 66.7%, 50%, F1 57.1%, share 60%."""
    said = ["Yes", "Yes", "yes", "no", "no"]
    found = count_yes_no(said, ["yes", "yes", "no", "yes", "yes"])
    assert found == pytest.approx((200 / 3, 50.0, 400 / 7, 60.0))
    assert count_yes_no(["no"], ["yes"]) == (None, 0.0, 0.0, 0.0)
    assert count_yes_no(["no"], ["no"]) == (None, None, None, 0.0)


@pytest.mark.parametrize(
    ("prompt", "question", "tokens"),
    [
        ("What?\nReference OCR token: A, B-C, 10\nAnswer.", "What?", ["A", "B-C", "10"]),
        ("Reference OCR token: A\nWhat?\nAnswer.", "What?", ["A"]),
        ("What?\nReference OCR token: \nAnswer.", "What?", []),
        ("OCR tokens: A, B. Question: What? Short answer:", "What?", ["A", "B"]),
        ("<image>\nWhat?\nAnswer.", "What?", None),
        ("What?", "What?", None),
        ("Question: What?\nAnswer:", "What?", None),
        ("", "", None),
    ],
)
def test_prompts(prompt: str, question: str, tokens: list[str] | None) -> None:
    """Where the question and the OCR tokens stand in LLaVA's prompts, and in others."""
    assert read_prompt(prompt) == (question, tokens)
