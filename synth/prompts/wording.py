"""What writes prompts: templates, or a chat model that is asked for a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from conceptstats.class_names import read_lines
from conceptstats.errors import ParameterError

from .sampling import Sampling, uniforms

if TYPE_CHECKING:
    from .chat import ChatModel

TEMPLATES = (
    "A photo of a {key} and {accessory}, both in focus.",
    "A {key} together with {accessory}, seen from close by.",
    "A picture of {accessory} and a {key} in the middle of the scene.",
    "A detailed photograph that shows a {key} and {accessory}.",
)
SENTENCES = Sampling(temperature=0.1, min_p=0.05, max_new_tokens=50)  # as published

_ARTICLE = re.compile(r"\b([Aa]) (?=\{(?:key|accessory)\})")
QUESTION = (
    'Write one sentence that describes an image in which both "{key}" and "{accessory}" are in '
    'focus. Use the words "{key}" and "{accessory}" as they stand here, and name no other animal, '
    "plant or thing that could be taken for the subject. Answer with the sentence alone."
)


class Wanted(NamedTuple):
    """A prompt to write."""

    item: str  # the probe, and the number of the prompt
    key: str
    accessory: str
    seed: int


@dataclass(frozen=True, slots=True)
class Writer:
    """What writes prompts; each depends on what is wanted alone.

    Parameters
    ----------
    source : str
        template, or model.
    model : str, optional
    settings : dict
        All that the prompts depend on besides.
    write : callable
        From what is wanted to texts, in their order.
    """

    source: str
    model: str | None
    settings: dict[str, Any]
    write: Callable[[Sequence[Wanted]], list[str]]


def read_templates(path: str | Path) -> list[str]:
    """Templates of a file, one a line, in which ``{key}`` and ``{accessory}`` stand for the words.

    Raises
    ------
    ParameterError
        When there is none, or one lacks a word.
    """
    templates = [line.strip() for line in read_lines(path) if line.strip()]
    if not templates:
        raise ParameterError(f"{path} holds no template.", "one a line")
    for template in templates:
        if "{key}" not in template or "{accessory}" not in template:
            raise ParameterError(
                f"{path}: the template {template!r} lacks {{key}} or {{accessory}}.",
                "such as: A photo of a {key} and {accessory}.",
            )
    return templates


def fill(template: str, key: str, accessory: str) -> str:
    """The prompt that a template makes of a pair; "a" becomes "an" where that is usual.

    >>> fill("A {key} with {accessory}.", "otter", "hat")
    'An otter with hat.'
    """
    words = {"{key}": key, "{accessory}": accessory}

    def article(found: re.Match[str]) -> str:
        name = "{key}" if template.startswith("{key}", found.end()) else "{accessory}"
        return f"{found[1]}n " if words[name][:1].lower() in tuple("aeiou") else found[0]

    filled = _ARTICLE.sub(article, template)
    return re.sub(r"\{key\}|\{accessory\}", lambda found: words[found[0]], filled)


def template_writer(templates: Sequence[str] = TEMPLATES) -> Writer:
    """A writer that takes one of some templates, by the seed."""
    chosen = tuple(templates)

    def write(wanted: Sequence[Wanted]) -> list[str]:
        places = [int(uniforms(one.seed, 1)[0] * len(chosen)) for one in wanted]
        return [
            fill(chosen[place], one.key, one.accessory)
            for place, one in zip(places, wanted, strict=True)
        ]

    return Writer("template", None, {"templates": list(chosen)}, write)


def chat_writer(model: ChatModel, sampling: Sampling = SENTENCES) -> Writer:
    """A writer that asks a chat model for a sentence, and takes its first line."""
    from .chat import Question, Turn

    def write(wanted: Sequence[Wanted]) -> list[str]:
        questions = [
            Question(one.item, (Turn("user", fill(QUESTION, one.key, one.accessory)),), one.seed)
            for one in wanted
        ]
        return [first_line(answer) for answer in model.answer(questions, sampling)]

    settings = {**model.settings, "question": QUESTION, "sampling": asdict(sampling)}
    return Writer("model", model.name, settings, write)


def first_line(text: str) -> str:
    """The first line that is not empty, without quotes around it and with single blanks."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join(line.split()).strip("\"'“”‘’ ")


def choose_writer(
    model: str | Path | None, templates: str | Path | None, sampling: Sampling, **loading: Any
) -> Writer:
    """The writer that a user asks for: a chat model, templates of a file, or our own.

    Parameters
    ----------
    model : str or Path, optional
        As `chat.load_chat_model` takes it.
    templates : path, optional
    sampling : Sampling
    **loading
        As `chat.load_chat_model` takes it.

    Raises
    ------
    ParameterError
        When both are given.
    ModelError
    """
    if model is not None and templates is not None:
        raise ParameterError("both a model and templates are given.", "leave one out")
    if model is None:
        return template_writer(TEMPLATES if templates is None else read_templates(templates))
    from .chat import load_chat_model

    return chat_writer(load_chat_model(model, **loading), sampling)
