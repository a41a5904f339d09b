"""Samples of lm-evaluation-harness and lmms-eval (``--log_samples``): JSON lines, one a document.

Where a task has several filters, a document has one line for each. lmms-eval leaves out the
document itself, and the answers before filters where those change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import ParameterError

from ..json_files import as_text
from .account import Account, Options, Row
from .head import File
from .read_files import json_lines
from .shares import Share, read_share

NEEDED = ("doc_id", "filtered_resps")
_NO_METRICS = frozenset(
    "doc_id doc target arguments resps filtered_resps filter metrics doc_hash prompt_hash "
    "target_hash input token_counts submission".split()
)


class _Plan(NamedTuple):
    """What the first line says about all."""

    metric: str | None  # key whose value is the score
    id_from: tuple[str, ...]  # keys below which the id of a question stands


def recognise(file: File) -> bool:
    """Whether a file is of lm-evaluation-harness or lmms-eval."""
    return file.shape == "object" and set(NEEDED) <= set(file.columns)


def read(file: File, options: Options, account: Account) -> Iterator[Row]:
    """Rows of `conceptstats.tables.ANSWERS`, with the target and the filter.

    The question's id is that of the data set where a line has it (in ``doc``, or in a metric or
    submission that holds ``question_id``), else ``doc_id``. The answer is the filtered response;
    of a task with choices, the choice of the largest log-likelihood, by its number where the
    choices end alike (as of Winogrande, whose contexts differ). The score is that of one
    metric; a metric that is an object holds it under ``score``.

    Raises
    ------
    ParameterError
        When there are several metrics and none is chosen, or the chosen one is not there.
    TableError
        When a line is damaged, has no answer, or its score is no share in [0, 1].
    """
    path = file.path
    plan: _Plan | None = None
    filters: dict[str, int] = {}
    for place, sample in json_lines(path, account):
        if plan is None:
            plan = _plan(path, sample, options, account)
        which = sample.get("filter")
        filters[str(which)] = filters.get(str(which), 0) + 1
        if options.filter is not None and which != options.filter:
            account.leave_out(path, place, f"of the filter {which!r}")
            continue
        row = _read(sample, plan, options)
        if isinstance(row, str):
            account.bad(path, place, row)
            continue
        if _has_several(sample):
            account.note("of several responses to one document, the first is the answer")
        yield Row(place, row)
    if options.filter is not None and filters and options.filter not in filters:
        raise ParameterError(f"{path}: no filter {options.filter!r} ({', '.join(filters)}).")
    if len(filters) > 1 and options.filter is None:
        account.note(
            "a row a document and filter ("
            + ", ".join(f"{name}: {n:,}" for name, n in filters.items())
            + "); --filter keeps one of them"
        )


def _plan(path: Path, sample: dict[str, Any], options: Options, account: Account) -> _Plan:
    metric = _metric(path, sample, options)
    if metric is None:
        account.note("no metric, so no scores")
    for keys in (("doc", "question_id"), *((key, "question_id") for key in sample)):
        if _below(sample, keys) is not None:
            return _Plan(metric, keys)
    account.note("the id of a question is doc_id, its place in the data set as the tool read it")
    return _Plan(metric, ("doc_id",))


def _metric(path: Path, sample: dict[str, Any], options: Options) -> str | None:
    """The key of the score: the one that was chosen, or the only one."""
    listed = sample.get("metrics")
    if not isinstance(listed, list):
        listed = [key for key in sample if key not in _NO_METRICS]
    listed = [key for key in listed if key != "submission"]
    metrics = [key for key in listed if _score(sample.get(key), key).fault is None]
    if options.metric is not None:
        if options.metric not in sample or options.metric in _NO_METRICS:
            raise ParameterError(
                f"{path}: no metric {options.metric!r} (there are: {', '.join(metrics)})."
            )
        return options.metric
    if len(listed) == 1:
        return str(listed[0])
    if len(metrics) > 1:
        raise ParameterError(
            f"{path} has more than one metric: {', '.join(metrics)}.", f"--metric {metrics[0]}"
        )
    if not metrics and listed:
        raise ParameterError(
            f"{path}: no metric is a share from 0 to 1 (there are: {', '.join(listed)})."
        )
    return metrics[0] if metrics else None


def _read(sample: dict[str, Any], plan: _Plan, options: Options) -> dict[str, Any] | str:
    """The row of a sample, or what is wrong with it."""
    identity = as_text(_below(sample, plan.id_from))
    if identity is None:
        return f"no {'.'.join(plan.id_from)}"
    answer = _answer(sample)
    if answer is None:
        return "filtered_resps holds no answer"
    score = Share(None)
    if plan.metric is not None:
        if plan.metric not in sample:
            return f"no metric {plan.metric!r}"
        score = _score(sample[plan.metric], plan.metric)
    if score.fault:
        return score.fault
    name, metric = sample.get("filter"), plan.metric
    if metric is not None and name not in (None, "none"):
        metric = f"{metric},{name}"  # as the tool's own results call it
    target = sample.get("target")
    return {
        "question_id": identity,
        "answer": answer,
        "question": _prompt(sample),
        "image_id": as_text(_below(sample, ("doc", "image_id"))),
        "model": options.model,
        "score": score.value,
        "metric": metric,
        "target": None if target is None else str(target),
        "filter": as_text(name),
    }


def _below(sample: dict[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = sample
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _score(value: Any, name: str) -> Share:
    """A metric's value; other keys of a line hold texts and lists."""
    if isinstance(value, dict):
        value = value.get("score")
    if isinstance(value, int | float):
        return read_share(value, name)
    return Share(None, f"{name!r} is {value!r:.40}, expected a number from 0 to 1")


def _has_several(sample: dict[str, Any]) -> bool:
    """Whether there are several responses, and not one to each choice."""
    responses = sample["filtered_resps"]
    if not isinstance(responses, list) or _is_likelihood(responses[0]):
        return False
    return len(responses) > 1 or (isinstance(responses[0], list) and len(responses[0]) > 1)


def _answer(sample: dict[str, Any]) -> str | None:
    """What the model said; of choices, the text of the likeliest, or its number from 0."""
    responses = sample.get("filtered_resps")
    if not isinstance(responses, list):
        return as_text(responses)
    if responses and all(_is_likelihood(each) for each in responses):
        return _likeliest(sample, [float(each[0]) for each in responses])
    first = responses[0] if responses else None
    if isinstance(first, list):  # of repeats
        first = first[0] if first and not _is_likelihood(first) else None
    return as_text(first)


def _likeliest(sample: dict[str, Any], likelihoods: list[float]) -> str | None:
    """The choice of the largest log-likelihood; its number where the texts do not tell choices."""
    if len(likelihoods) < 2 or any(map(math.isnan, likelihoods)):  # one is no choice
        return None
    best = likelihoods.index(max(likelihoods))
    choices = [_argument(sample, number, 1) for number in range(len(likelihoods))]
    choice = choices[best]
    return str(best) if choice is None or choices.count(choice) > 1 else choice.strip()


def _is_likelihood(response: Any) -> bool:
    """Whether a response is a log-likelihood and whether it is the greedy one."""
    if not isinstance(response, list) or len(response) != 2:
        return False
    if str(response[1]) not in ("True", "False"):
        return False
    try:
        return not float(response[0]) > 0  # also of NaN
    except (TypeError, ValueError):
        return False


def _argument(sample: dict[str, Any], request: int, argument: int) -> str | None:
    """An argument of a request; older versions write a list of lists."""
    found = _below(sample, ("arguments", f"gen_args_{request}", f"arg_{argument}"))
    listed = sample.get("arguments")
    if isinstance(listed, list) and len(listed) > request and len(listed[request]) > argument:
        found = listed[request][argument]
    return found if isinstance(found, str) else None


def _prompt(sample: dict[str, Any]) -> str | None:
    """The question of the document, or else the prompt."""
    question = _below(sample, ("doc", "question"))
    return as_text(question if question is not None else sample.get("input")) or _argument(
        sample, 0, 0
    )
