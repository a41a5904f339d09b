"""Images held against the classes by a model, part by part, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
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
    import torch

    from ..models import ZeroShotModel
    from .image_reading import ReadImage

OnError = Literal["stop", "skip"]

# A model always gets this many images at once, each in the place that its number in the list gives
# it: the last digits of a product of matrices depend on both, and must depend on nothing else.
_AT_ONCE = 32
_PART = 8 * _AT_ONCE  # images of a part that outlives a killed run
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
    batch_size: int,
    workers: int,
    progress: Progress,
) -> pa.Table:
    """Judge the images that are in no part yet, and give the rows of all (`JUDGED`), in order.

    Raises
    ------
    SourceError
        When an image cannot be read, and the task says to stop.
    ModelError
        When the model gives no numbers.
    """
    from .image_reading import read_images

    n, n_done = len(task.images.ids), parts.n_done
    first = min(n_done * _PART, n)
    if task.on_error == "stop":
        _refuse_problems(parts.read(), task)
    classifier = parts.array("classifier", lambda: _classifier(model, task, progress))
    progress.stage("images", "images")
    images = read_images(
        task.images.places[first:], model.preprocess, batch_size=batch_size, workers=workers
    )
    for number, start in enumerate(range(first, n, _PART), n_done):
        tables = []
        for at in range(start, min(start + _PART, n), _AT_ONCE):
            block = list(islice(images, _AT_ONCE))
            tables.append(_judge(at, block, task, model, classifier))
            progress.advance(len(block), (at + len(block) - first) / (n - first))
        parts.write(number, pa.concat_tables(tables))
    return parts.read()


def _classifier(model: ZeroShotModel, task: Task, progress: Progress) -> Floats:
    """Rows of all classes, made of some hundred prompts at a time."""
    progress.stage("classes", "classes")
    step = max(_PROMPTS_AT_ONCE // len(task.templates), 1)
    rows = []
    for at in range(0, len(task.names), step):
        rows.append(model.classifier(task.names[at : at + step], task.templates))
        progress.advance(len(rows[-1]), (at + len(rows[-1])) / len(task.names))
    return np.concatenate(rows)


def _judge(
    first: int, block: Sequence[ReadImage], task: Task, model: ZeroShotModel, classifier: Floats
) -> pa.Table:
    """Rows of one block of images, the first of which has the number ``first``."""
    ids = task.images.ids[first : first + len(block)]
    bad = [
        {"example_id": identity, "sha256": image.sha256, "problem": image.problem}
        for identity, image in zip(ids, block, strict=True)
        if image.problem is not None
    ]
    failed = pa.Table.from_pylist(bad, schema=JUDGED)
    if task.on_error == "stop":
        _refuse_problems(failed, task)
    good = [slot for slot, image in enumerate(block) if image.pixels is not None]
    if not good:
        return failed
    probabilities = model.probabilities(_in_place(block), classifier)[good]
    if not np.isfinite(probabilities).all():
        raise ModelError(
            f"{ids[good[0]]} or an image behind it: the probabilities are no numbers.",
            "--precision fp32, or bf16, which reach further than fp16",
        )
    rows = _rows(probabilities, task.targets[np.array(good) + first], task)
    columns = {
        "example_id": [ids[slot] for slot in good],
        **rows,
        "sha256": [block[slot].sha256 for slot in good],
        "problem": pa.nulls(len(good), pa.string()),
    }
    return pa.concat_tables([pa.table(columns, schema=JUDGED), failed])


def _in_place(block: Sequence[ReadImage]) -> torch.Tensor:
    """Images as one tensor of the size that a model always gets; zeros where there is none."""
    found = {slot: image.pixels for slot, image in enumerate(block) if image.pixels is not None}
    like = next(iter(found.values()))
    pixels = like.new_zeros((_AT_ONCE, *like.shape))
    for slot, image in found.items():
        pixels[slot] = image
    return pixels


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
