"""Questions put to a model, part by part, so that a killed run goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from conceptstats.errors import ModelError, SourceError
from conceptstats.parts import Parts
from conceptstats.pictures import decode_image
from conceptstats.progress import Progress

from .lmm import Lmm

OnError = Literal["stop", "skip"]

PART = 64  # questions of a part that outlives a killed run, and the most that are asked at once

# How a question is rounded depends on those beside it. Where some token led the next best by less
# than this, in nats, rounding might have decided, so the question is asked again by itself.
CLOSE = {"fp32": 0.01, "fp16": 0.1, "bf16": 0.5}

ASKED = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),  # of the question in its file
        pa.field("answer", pa.string()),
        pa.field("is_cut", pa.bool_()),  # the model had more to say
        pa.field("is_again", pa.bool_()),  # asked again by itself
        pa.field("sha256", pa.string()),  # of the image's file
        pa.field("problem", pa.string()),  # why there is no answer
    ]
)


@dataclass(frozen=True, slots=True)
class Task:
    """Questions to be asked.

    Parameters
    ----------
    numbers : list of int
        Their places in the file.
    ids : list of str
        For messages; LLaVA's can stand more than once.
    prompts : list of str
    images : list of Path
    system : str, optional
        What the conversation begins with.
    max_new_tokens : int
    on_error : {"stop", "skip"}
        What to do with a question that cannot be asked.
    """

    numbers: list[int]
    ids: list[str]
    prompts: list[str]
    images: list[Path]
    system: str | None
    max_new_tokens: int
    on_error: OnError


class _Item(NamedTuple):
    """A question on its way to the model."""

    place: int  # in the task
    sha256: str | None  # of the image's file
    text: str
    image: Any
    problem: str | None  # why it cannot be asked


class _Batch(NamedTuple):
    """Questions as the model takes them."""

    inputs: Any  # None: there is none
    items: list[_Item]
    failed: list[_Item]


def ask_questions(
    parts: Parts, task: Task, lmm: Lmm, *, batch_size: int, progress: Progress
) -> pa.Table:
    """Ask what is in no part yet, and give the rows of all (`ASKED`), in order.

    While the model answers one batch, a thread prepares the next.

    Raises
    ------
    SourceError
        When a question cannot be asked, and the task says to stop.
    ModelError
        When the model gives no numbers, or memory does not suffice.
    """
    n, n_done = len(task.numbers), parts.n_done
    first = min(n_done * PART, n)
    _refuse_problems(parts.read().to_pylist(), task)
    progress.stage("questions", "questions")
    with ThreadPoolExecutor(1) as thread:
        batches = _ahead(thread, task, lmm, _cut(first, n, batch_size))
        for number, start in enumerate(range(first, n, PART), n_done):
            rows: list[dict[str, Any]] = []
            while len(rows) < min(PART, n - start):
                made = _answer(next(batches), task, lmm, thread)
                _refuse_problems(made, task)
                rows += made
                progress.advance(len(made), (start + len(rows) - first) / (n - first))
            parts.write(number, pa.Table.from_pylist(rows, ASKED))
    return parts.read()


def _cut(first: int, n: int, batch_size: int) -> list[range]:
    """Places of the questions of each batch, none of which is in two parts."""
    return [
        range(at, min(at + batch_size, start + PART, n))
        for start in range(first, n, PART)
        for at in range(start, min(start + PART, n), batch_size)
    ]


def _ahead(thread: Executor, task: Task, lmm: Lmm, batches: Sequence[range]) -> Iterator[_Batch]:
    """Batches in order; when one is given, the next is being prepared."""
    pending = [thread.submit(_prepare, task, lmm, batch) for batch in batches[:1]]
    for following in batches[1:]:
        pending.append(thread.submit(_prepare, task, lmm, following))
        yield pending.pop(0).result()
    for last in pending:
        yield last.result()


def _prepare(task: Task, lmm: Lmm, places: Sequence[int]) -> _Batch:
    """Read images, render prompts and encode both; what cannot be asked is told, not raised."""
    items = [_read(task, lmm, place) for place in places]
    failed = [item for item in items if item.problem is not None]
    good = [item for item in items if item.problem is None]
    inputs, reason = _encode(task, lmm, good)
    if reason is not None:  # of some of them: of which?
        items = [item._replace(problem=_encode(task, lmm, [item])[1]) for item in good]
        failed += [item for item in items if item.problem is not None]
        good = [item for item in items if item.problem is None]
        inputs, reason = _encode(task, lmm, good)
    if reason is not None:
        raise ModelError(f"{len(good)} questions cannot be put together: {reason}.",
                         "--batch-size 1")  # fmt: skip
    return _Batch(inputs, good, failed)


def _read(task: Task, lmm: Lmm, place: int) -> _Item:
    """One question, with its image and its text."""
    item = _Item(place, None, lmm.render(task.prompts[place], task.system), None, None)
    token = lmm.image_token
    if token is not None and (n := item.text.count(token)) != 1:
        return item._replace(problem=f"the prompt holds {token} {n} times, expected once")
    try:
        data = task.images[place].read_bytes()
        item = item._replace(sha256=hashlib.sha256(data).hexdigest())
        return item._replace(image=decode_image(data))
    except Exception as error:  # decoders raise errors of every kind
        reason = f"{type(error).__name__}: {error}"
        return item._replace(problem=f"{task.images[place]} cannot be read: {reason}")


def _encode(task: Task, lmm: Lmm, items: Sequence[_Item]) -> tuple[Any, str | None]:
    """Tensors of some questions, or why there are none."""
    if not items:
        return None, None
    try:
        inputs = lmm.encode([item.text for item in items], [item.image for item in items])
    except Exception as error:  # processors raise errors of every kind
        return None, f"{type(error).__name__}: {error}"
    longest = int(inputs["attention_mask"].sum(dim=1).max())
    if lmm.max_length is not None and longest + task.max_new_tokens > lmm.max_length:
        return None, (
            f"prompt and image take {longest:,} tokens, which leaves fewer than "
            f"{task.max_new_tokens:,} of the model's {lmm.max_length:,} for an answer"
        )
    return inputs, None


def _answer(batch: _Batch, task: Task, lmm: Lmm, thread: Executor) -> list[dict[str, Any]]:
    """Rows of the questions of a batch, in order."""
    rows = {item.place: _row(task, item, problem=item.problem) for item in batch.failed}
    if batch.items:
        found = lmm.answer(batch.inputs, task.max_new_tokens)
        answers = zip(batch.items, found.texts, found.is_cut, found.margins, strict=True)
        for item, text, is_cut, margin in answers:
            is_close = len(batch.items) > 1 and margin < CLOSE[lmm.precision]
            if is_close:  # one processor is not for two threads
                alone = thread.submit(_encode, task, lmm, [item]).result()[0]
                (text,), (is_cut,), _ = lmm.answer(alone, task.max_new_tokens)
            rows[item.place] = _row(task, item, answer=text, is_cut=is_cut, is_again=is_close)
    return [rows[place] for place in sorted(rows)]


def _row(task: Task, item: _Item, **columns: Any) -> dict[str, Any]:
    return {"number": task.numbers[item.place], "sha256": item.sha256, **columns}


def _refuse_problems(rows: Sequence[dict[str, Any]], task: Task) -> None:
    """Raise at the first question that could not be asked, when the task says to stop."""
    bad = [row for row in rows if row.get("problem") is not None]
    if bad and task.on_error == "stop":
        identity = task.ids[task.numbers.index(bad[0]["number"])]
        raise SourceError(
            f"question {identity}: {bad[0]['problem']}.",
            "--on-error skip leaves such questions out, and lists them",
        )
