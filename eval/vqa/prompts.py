"""What a prompt asks: the question in it, and the words that were read off the image for it."""

from __future__ import annotations

import re
from typing import NamedTuple

_REFERENCE = "Reference OCR token:"  # a line of LLaVA's prompts
_ASKS = "Question: "  # before the question, as many prompts have it
_SHORT_ANSWER = re.compile(r"OCR tokens: (.*?)\.? Question: (.*?) Short answer:", re.DOTALL)


class Prompt(NamedTuple):
    """A prompt, taken apart."""

    question: str
    ocr_tokens: list[str] | None  # None: it says nothing of them


def read_prompt(prompt: str) -> Prompt:
    r"""The question of a prompt and its OCR tokens.

    Known are LLaVA's two layouts of TextVQA, as its evaluation reads them: a line "Reference OCR
    token: A, B" before or behind the question, and "OCR tokens: A, B. Question: Q Short answer:".
    Of any other prompt the question is the first line, but for a line "<image>", and without
    "Question: " before it.

    >>> read_prompt("What is it?\nReference OCR token: ALE, 10\nAnswer briefly.")
    Prompt(question='What is it?', ocr_tokens=['ALE', '10'])
    """
    if found := _SHORT_ANSWER.match(prompt):
        return Prompt(found[2].strip(), _tokens(found[1]))
    lines = [line.strip() for line in prompt.strip().split("\n")]
    reference = [line for line in lines if line.startswith(_REFERENCE)]
    asked = [line for line in lines if line not in reference and line not in ("", "<image>")]
    tokens = _tokens(reference[0].removeprefix(_REFERENCE)) if reference else None
    return Prompt(asked[0].removeprefix(_ASKS) if asked else "", tokens)


def _tokens(listed: str) -> list[str]:
    return [token for part in listed.split(", ") if (token := part.strip())]
