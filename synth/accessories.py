"""Accessories chosen from an index: filtered by WordNet, then judged easy to see or not.

Qu & Xie (arXiv 2507.08000) let a language model judge from a few worked examples, with temperature
0.5 and top-p 0.9. A list of words that can be seen does as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from conceptstats.accessories import ACCESSORIES, KeyMatch, filter_accessories, lemmas_of
from conceptstats.class_names import ClassNames, words_of
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.parts import Parts, unfinished
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.table_files import check_output, fingerprint, save_table
from conceptstats.wordnet import wordnet_version

from .prompts.sampling import Sampling, text_seed

if TYPE_CHECKING:
    from .prompts.chat import ChatModel

JUDGEMENT = Sampling(temperature=0.5, top_p=0.9, max_new_tokens=8)  # the first two as published

_PART = 1024  # words of a part that outlives a killed run
_ANSWER = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_INSTRUCTION = (
    "You will be given one word at a time. Say whether it is easy to visualise: whether a "
    "photograph can show it so that people who see the photograph would agree that it is there. "
    "Answer with yes or no alone."
)
_EXAMPLES = {
    "umbrella": "yes",
    "justice": "no",
    "striped": "yes",
    "yearly": "no",
    "lighthouse": "yes",
    "discount": "no",
    "snowy": "yes",
    "method": "no",
}


@dataclass(frozen=True, slots=True)
class AccessorySummary:
    """What `choose_accessories` found."""

    output: Path
    n: int  # concepts of the index
    n_kept: int
    left_out: dict[str, int]  # how many, by reason

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "output": str(self.output),
            "n": self.n,
            "n_kept": self.n_kept,
            "left_out": self.left_out,
        }


def choose_accessories(
    index: str | Path,
    output: str | Path,
    *,
    classes: ClassNames,
    key_match: KeyMatch = "phrase",
    min_count: int = 1,
    visualisable: Sequence[str] | None = None,
    judge: ChatModel | None = None,
    sampling: Sampling = JUDGEMENT,
    retries: int = 3,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> AccessorySummary:
    """Choose what may stand beside a key, and say of every other concept why not.

    Parameters
    ----------
    index : path
        Of profile words or paper.
    output : path
        Table `conceptstats.accessories.ACCESSORIES`.
    classes, key_match, min_count
        As `conceptstats.accessories.filter_accessories` takes them.
    visualisable : sequence of str, optional
        Words that can be seen; no other is kept.
    judge : ChatModel, optional
        Is asked about each word that is left.
    sampling : Sampling
        How it answers.
    retries : int
        Further attempts, each with a seed of its own, when it says neither yes nor no.
    seed : int
        With the word, of an answer.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    AccessorySummary

    Raises
    ------
    ParameterError, ModelError, IndexFormatError, OutputExistsError, OutputError
    ProfileError
        When WordNet is not installed.
    """
    output = Path(output)
    check_output(output, overwrite=overwrite)
    if retries < 0 or seed < 0:
        raise ParameterError(f"retries is {retries} and seed {seed}, expected 0 or more.")
    progress = progress or Silent()
    opened = CaptionIndex.open(index)
    table = filter_accessories(opened, classes, key_match=key_match, min_count=min_count)
    rows = table.to_pylist()
    if visualisable is not None:
        _hold_against(rows, visualisable, opened)
    arguments: dict[str, Any] = {
        "classes": [classes.phrases(place) for place in range(len(classes))],
        "key_match": key_match,
        "min_count": min_count,
        "visualisable": None if visualisable is None else list(visualisable),
        "judge": None if judge is None else judge.name,
        "wordnet": wordnet_version(),
    }
    if judge is not None:
        arguments |= {**judge.settings, "sampling": asdict(sampling), "retries": retries}
        arguments |= {"instruction": _INSTRUCTION, "examples": _EXAMPLES}
    inputs = {str(index): fingerprint(Path(index))}
    plan = {**arguments, "seed": seed, "index": inputs[str(index)]}
    with closing(progress), unfinished(output, plan, ACCESSORIES, progress) as parts:
        if judge is not None:
            asked = [row for row in rows if row["kept"]]
            _judge_parts(parts, asked, judge, sampling, retries, seed, progress)
            judged = {row["accessory"]: row for row in parts.read().to_pylist()}
            rows = [judged.get(row["accessory"], row) for row in rows]
        record = run_record("synth accessories", arguments, inputs, seed, packages=("nltk",))
        made = pa.Table.from_pylist(rows, schema=ACCESSORIES)
        save_table(output, made, ACCESSORIES, record=record, overwrite=overwrite)
    reasons = Counter(row["reason"] for row in rows if not row["kept"])
    n_kept = sum(row["kept"] for row in rows)
    return AccessorySummary(output, len(rows), n_kept, dict(reasons.most_common()))


def _hold_against(
    rows: list[dict[str, Any]], visualisable: Sequence[str], index: CaptionIndex
) -> None:
    """Leave out words that are not in a list of words that can be seen."""
    seen = {words_of(name) for name in visualisable}
    seen |= lemmas_of(index, seen)
    for row in rows:
        if row["kept"] and words_of(row["accessory"]) not in seen:
            row.update(kept=False, reason="is not in the list of what can be seen")


def _judge_parts(
    parts: Parts,
    rows: list[dict[str, Any]],
    judge: ChatModel,
    sampling: Sampling,
    retries: int,
    seed: int,
    progress: Progress,
) -> None:
    """Ask about the words that are in no part yet."""
    progress.stage("words", "words")
    first = parts.n_done * _PART
    for number, start in enumerate(range(first, len(rows), _PART), parts.n_done):
        some = rows[start : start + _PART]
        _judge(some, judge, sampling, retries, seed)
        parts.write(number, pa.Table.from_pylist(some, schema=ACCESSORIES))
        progress.advance(len(some), (start + len(some) - first) / (len(rows) - first))


def _judge(
    rows: list[dict[str, Any]], judge: ChatModel, sampling: Sampling, retries: int, seed: int
) -> None:
    """Ask a model about words, again where it says neither yes nor no, and note its answers."""
    from .prompts.chat import Question, Turn

    shown = [
        turn
        for word, answer in _EXAMPLES.items()
        for turn in (Turn("user", f"Word: {word}"), Turn("assistant", answer))
    ]
    shown[0] = Turn("user", f"{_INSTRUCTION}\n\n{shown[0].text}")
    left = rows
    for attempt in range(retries + 1):
        seeds = [text_seed(seed, row["accessory"], attempt) for row in left]
        questions = [
            Question(row["accessory"], (*shown, Turn("user", f"Word: {row['accessory']}")), number)
            for row, number in zip(left, seeds, strict=True)
        ]
        answers = judge.answer(questions, sampling)
        for row, number, answer in zip(left, seeds, answers, strict=True):
            said = _ANSWER.match(answer)
            row.update(answer=answer, model=judge.name, seed=number, **_verdict(said))
        left = [row for row in left if row["reason"] == _UNCLEAR]
        if not left:
            break


_UNCLEAR = "the model said neither yes nor no"


def _verdict(said: re.Match[str] | None) -> dict[str, Any]:
    if said is None:
        return {"kept": False, "reason": _UNCLEAR}
    if said[1].lower() == "no":
        return {"kept": False, "reason": "is not easy to see, says the model"}
    return {"kept": True, "reason": None}
