"""Images held against the classes by a model, part by part, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ModelError, SourceError
from conceptstats.parts import Parts
from conceptstats.progress import Progress
from conceptstats.tables import PREDICTIONS

from .image_sources import ImageList
from .ranks import Floats, Ints, target_ranks, top_classes

if TYPE_CHECKING:
    from ..models import ZeroShotModel
    from .image_reading import Block

OnError = Literal["stop", "skip"]

# A model always gets this many images at once, each in the place that its number in the list gives
# it: the last digits of a product of matrices depend on both, and must depend on nothing else. A
# GPU rounds otherwise in any case, and is idle with few images.
SLOTS = {"cpu": 32, "cuda": 128}
_PART = 8  # blocks of a part that outlives a killed run
_PROMPTS_AT_ONCE = 512

JUDGED = pa.schema(
    [
        *[field.with_nullable(True) for field in list(PREDICTIONS)[:6]],  # all but the model's name
        pa.field("sha256", pa.string()),  # of the image's file
        pa.field("problem", pa.string()),  # why it could not be read; then the rest is null
    ]
)


@dataclass(frozen=True, slots=True)
class Task:
    """Images, and what they are held against.

    Parameters
    ----------
    images : ImageList
    names : tuple of str
        Of the classes.
    targets : array of int64
        Class of each image.
    twins : array of int64
        A number for each class, the same for those of one name.
    templates : tuple of str
    top_k : int
        Classes to keep of each image.
    on_error : {"stop", "skip"}
        What to do with an image that cannot be read.
    """

    images: ImageList
    names: tuple[str, ...]
    targets: Ints
    twins: Ints
    templates: tuple[str, ...]
    top_k: int
    on_error: OnError


def judge_images(
    parts: Parts,
    task: Task,
    model: ZeroShotModel,
    *,
    batch_size: int | None,
    workers: int,
    progress: Progress,
) -> pa.Table:
    """Judge the images that are in no part yet, and give the rows of all (`JUDGED`), in order.

    While the model has one block, the next is being read, and the rows of the last are made.

    Raises
    ------
    SourceError
        When an image cannot be read, and the task says to stop, or a process that reads died.
    ModelError
        When the model gives no numbers.
    """
    from .image_reading import read_blocks

    n, n_done, slots = len(task.images.ids), parts.n_done, SLOTS[model.device.type]
    first = min(n_done * _PART * slots, n)
    if task.on_error == "stop":
        _refuse_problems(parts.read(), task)
    classifier = parts.array("classifier", lambda: _classifier(model, task, progress))
    progress.stage("images", "images")
    blocks = read_blocks(
        task.images.places[first:], model.preprocess, slots=slots, batch_size=batch_size,
        workers=workers, pinned=model.device.type == "cuda",
    )  # fmt: skip
    judged = _ahead(_alive(blocks), model, classifier)
    for number, start in enumerate(range(first, n, _PART * slots), n_done):
        tables = []
        for at in range(start, min(start + _PART * slots, n), slots):
            tables.append(_rows_of(at, *next(judged), task))
            end = at + tables[-1].num_rows
            progress.advance(end - at, (end - first) / (n - first))
        parts.write(number, pa.concat_tables(tables))
    return parts.read()


def _alive(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks; says what to do when a process that reads them is killed."""
    try:
        yield from blocks
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        reason = " ".join(str(error).split()).rstrip(".")
        raise SourceError(
            f"a process that reads images died: {reason}.",
            "fewer --workers, or more shared memory (docker run --shm-size); what is done is kept",
        ) from error


def _ahead(
    blocks: Iterator[Block], model: ZeroShotModel, classifier: Floats
) -> Iterator[tuple[Block, Floats | None]]:
    """Blocks in order, with the probabilities of their slots; the model is one block ahead."""
    pending: list[tuple[Block, Future[Floats | None]]] = []
    with ThreadPoolExecutor(1) as thread:
        for block in blocks:
            pending.append((block, thread.submit(_run, model, block, classifier)))
            if len(pending) == 2:
                done, result = pending.pop(0)
                yield done, result.result()
        for done, result in pending:
            yield done, result.result()


def _run(model: ZeroShotModel, block: Block, classifier: Floats) -> Floats | None:
    return None if block.pixels is None else model.probabilities(block.pixels, classifier)


def _classifier(model: ZeroShotModel, task: Task, progress: Progress) -> Floats:
    """Rows of all classes, made of some hundred prompts at a time."""
    progress.stage("classes", "classes")
    step = max(_PROMPTS_AT_ONCE // len(task.templates), 1)
    rows = []
    for at in range(0, len(task.names), step):
        rows.append(model.classifier(task.names[at : at + step], task.templates))
        progress.advance(len(rows[-1]), (at + len(rows[-1])) / len(task.names))
    return np.concatenate(rows)


def _rows_of(first: int, block: Block, probabilities: Floats | None, task: Task) -> pa.Table:
    """Rows of one block of images, the first of which has the number ``first``."""
    ids = task.images.ids[first : first + len(block.problems)]
    bad = [
        {"example_id": identity, "sha256": sha256, "problem": problem}
        for identity, sha256, problem in zip(ids, block.sha256, block.problems, strict=True)
        if problem is not None
    ]
    failed = pa.Table.from_pylist(bad, schema=JUDGED)
    if task.on_error == "stop":
        _refuse_problems(failed, task)
    if probabilities is None:
        return failed
    good = [slot for slot, problem in enumerate(block.problems) if problem is None]
    found = probabilities[good]
    if not np.isfinite(found).all():
        raise ModelError(
            f"{ids[good[0]]} or an image behind it: the probabilities are no numbers.",
            "--precision fp32, or bf16, which reach further than fp16",
        )
    columns = {
        "example_id": [ids[slot] for slot in good],
        **_rows(found, task.targets[np.array(good) + first], task),
        "sha256": [block.sha256[slot] for slot in good],
        "problem": pa.nulls(len(good), pa.string()),
    }
    return pa.concat_tables([pa.table(columns, schema=JUDGED), failed])


def _rows(probabilities: Floats, targets: Ints, task: Task) -> dict[str, pa.Array]:
    """What predictions say of some images."""
    names = pa.array(task.names, pa.string())
    order = top_classes(probabilities, task.top_k)
    ends = pa.array(np.arange(len(order) + 1) * task.top_k, pa.int32())
    top = np.take_along_axis(probabilities, order, axis=1)
    of_target = np.take_along_axis(probabilities, targets[:, None], axis=1)
    return {
        "target": names.take(pa.array(targets)),
        "labels": pa.ListArray.from_arrays(ends, names.take(pa.array(order.ravel()))),
        "probabilities": pa.ListArray.from_arrays(ends, pa.array(top.ravel())),
        "target_rank": target_ranks(probabilities, targets, task.twins).astype(np.int32),
        "target_probability": of_target.ravel(),
    }


def _refuse_problems(table: pa.Table, task: Task) -> None:
    """Raise at the first image that could not be read."""
    bad = table.filter(pc.is_valid(table["problem"]))
    if bad.num_rows:
        identity = bad["example_id"][0].as_py()
        path = task.images.places[task.images.ids.index(identity)].path
        raise SourceError(
            f"{identity} cannot be read ({path}): {bad['problem'][0]}.",
            "--on-error skip leaves such images out, and lists them",
        )
