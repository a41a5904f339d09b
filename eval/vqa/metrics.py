"""The published metrics: how right one answer is, and what POPE counts over many.

Sources: VQA, arXiv 1505.00468; TextVQA as M4C and LLaVA evaluate it, arXiv 1911.06258; GQA, arXiv
1902.09506; POPE, arXiv 2305.10355; and the evaluation code published with each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .normalise import normalise, normalise_textvqa, strip_marks

_ENOUGH = 3  # people who must say the same for an answer to be right


Answers = Sequence[str]


class Metric(NamedTuple):
    """How answers are judged."""

    judge: Callable[[str, Answers], float]  # answer, people's answers: 0 wrong, 1 right
    n_answers: int  # of people to a question
    normalise: Callable[[str], str]  # what makes people's answers the same
    labels: Answers = ()  # what people's answers can be; empty: anything
    figures: Callable[[Answers, Answers], dict[str, Any]] | None = None  # answers, labels: the rest


def leave_one_out(n_matches: int, n_answers: int) -> float:
    """Mean of min(1, matches / 3) over the subsets that leave out one of people's answers.

    Of ten people 1, 2, 3, 4 who say the same as the model give 0.3, 0.6, 0.9, 1.

    >>> [round(leave_one_out(n, 10), 3) for n in (0, 1, 2, 3, 4, 10)]
    [0.0, 0.3, 0.6, 0.9, 1.0, 1.0]
    """
    without = n_matches * min(1.0, max(n_matches - 1, 0) / _ENOUGH)
    with_all = (n_answers - n_matches) * min(1.0, n_matches / _ENOUGH)
    return (without + with_all) / n_answers


def judge_textvqa(answer: str, answers: Answers) -> float:
    """TextVQA accuracy: both sides go through `normalise_textvqa`."""
    own = normalise_textvqa(answer)
    return leave_one_out(sum(normalise_textvqa(other) == own for other in answers), len(answers))


def judge_vqa(answer: str, answers: Answers) -> float:
    """Official VQA accuracy, with its asymmetry.

    The model's answer goes through all of `normalise`; people's answers lose their marks alone, and
    not even these where all of them are one and the same. So people who said "none", "the cat" or
    "two" are never matched.
    """
    own = normalise(answer)
    if len(set(answers)) > 1:
        answers = [strip_marks(other) for other in answers]
    return leave_one_out(list(answers).count(own), len(answers))


def clean_gqa(answer: str) -> str:
    """An answer as LLaVA hands it in to GQA: lower case, without periods at its end."""
    return answer.rstrip(".").lower()


def judge_gqa(answer: str, answers: Answers) -> float:
    """Exact match. GQA's code changes neither side; here the model's answer is cleaned."""
    return float(clean_gqa(answer) == answers[0])


def says_yes(answer: str) -> bool:
    """What an answer to POPE is taken for, as its code reads it.

    Up to the first period and without commas, the words between blanks "No", "no" or "not" make it
    no; *everything else* is yes: also "NO", "no!" and an empty answer.

    >>> [says_yes(text) for text in ("No, it is red.", "There is not.", "NO", "")]
    [False, False, True, True]
    """
    words = answer.split(".")[0].replace(",", "").split(" ")
    return not {"No", "no", "not"}.intersection(words)


def judge_pope(answer: str, answers: Answers) -> float:
    """1 where what the answer is taken for is the label."""
    return float(says_yes(answer) == (answers[0] == "yes"))


class YesNo(NamedTuple):
    """POPE's figures, in percent; None where nothing was there to take a share of."""

    precision: float | None  # of the answers yes, those that are right
    recall: float | None  # of the questions whose label is yes, those that were answered so
    f1: float | None
    yes_share: float


def count_yes_no(answers: Answers, labels: Answers) -> YesNo:
    """POPE's figures of answers and labels, "yes" being what is looked for."""
    said = [says_yes(text) for text in answers]
    n_said, n_label = sum(said), list(labels).count("yes")
    hits = sum(yes and label == "yes" for yes, label in zip(said, labels, strict=True))
    return YesNo(
        precision=100 * hits / n_said if n_said else None,
        recall=100 * hits / n_label if n_label else None,
        f1=200 * hits / (n_said + n_label) if n_said + n_label else None,
        yes_share=100 * n_said / len(said),
    )


def _pope_figures(answers: Answers, labels: Answers) -> dict[str, Any]:
    return count_yes_no(answers, labels)._asdict()


def _gqa_figures(answers: Answers, labels: Answers) -> dict[str, Any]:
    """What cleaning changes."""
    same = [text == label for text, label in zip(answers, labels, strict=True)]
    return {
        "accuracy_as_given": 100 * sum(same) / len(same),
        "n_cleaned": sum(text != clean_gqa(text) for text in answers),
    }


METRICS = {
    "textvqa": Metric(judge_textvqa, 10, normalise_textvqa),
    "vqav2": Metric(judge_vqa, 10, normalise),
    "gqa": Metric(judge_gqa, 1, str, figures=_gqa_figures),
    "pope": Metric(judge_pope, 1, str, labels=("yes", "no"), figures=_pope_figures),
}
