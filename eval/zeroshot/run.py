"""Zero-shot classification: how probable a model finds each class of every image."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, SourceError
from conceptstats.parts import unfinished
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.shards import PLACE, Shard
from conceptstats.table_files import LIST_ENDINGS, check_output, save_table
from conceptstats.tables import PREDICTIONS, numbers

from ..statistics.results import Estimate
from ..statistics.wilson import share_estimate
from .classes import (
    ClassesArgument,
    TemplatesArgument,
    fingerprints_of,
    read_templates,
    tell_classes,
)
from .image_sources import ImagesArgument, find_images
from .judging import JUDGED, SLOTS, OnError, Task, judge_images

if TYPE_CHECKING:
    from conceptstats.models.devices import Device, Precision

    from ..models import ZeroShotModel

_PACKAGES = ("torch", "open_clip_torch", "pillow")


@dataclass(frozen=True, slots=True)
class ZeroShotSummary:
    """What `zeroshot` found."""

    output: Path
    n: int
    skipped: tuple[tuple[str, str], ...]  # id and reason of each image that could not be read
    n_classes: int
    accuracy: Estimate  # share of rank 1
    top5: float
    mean_target_probability: float
    model: str
    pretrained: str | None

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "output": str(self.output),
            "n": self.n,
            "n_skipped": len(self.skipped),
            "n_classes": self.n_classes,
            "accuracy": self.accuracy.value,
            "accuracy_low": self.accuracy.low,
            "accuracy_high": self.accuracy.high,
            "top5": self.top5,
            "mean_target_probability": self.mean_target_probability,
            "model": self.model,
            "pretrained": self.pretrained,
            "skipped": [list(pair) for pair in self.skipped],
        }


def zeroshot(
    images: ImagesArgument,
    output: str | Path,
    *,
    model: str | Path | ZeroShotModel,
    pretrained: str | Path | None = None,
    classes: ClassesArgument = None,
    templates: TemplatesArgument = "openai",
    top_k: int = 5,
    batch_size: int | None = None,
    workers: int = 0,
    precision: Precision = "fp32",
    device: Device = "auto",
    compiled: bool = False,
    shard: Shard | None = None,
    on_error: OnError = "stop",
    target_key: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ZeroShotSummary:
    """Classify images by the names of the classes, and write a table of predictions.

    A run that is killed goes on when it is started again with the same settings. Neither that, nor
    ``batch_size``, nor ``workers`` changes a bit of the result.

    Parameters
    ----------
    images : path or sequence of paths
        As `image_sources.find_images` takes them.
    output : path
        Table `conceptstats.tables.PREDICTIONS` (.parquet or .arrow): one row an image, in order.
    model, pretrained
        As `models.load_model` takes them; or any `models.ZeroShotModel`, without ``pretrained``.
    classes, templates
        As `classes.read_classes` and `classes.read_templates` take them.
    top_k : int
        How many classes to keep of each image; 0: all.
    batch_size : int, optional
        Images that are read and prepared together. None: as many as the model gets.
    workers : int
        Processes that read and prepare images; 0: none but this one.
    precision : {"fp32", "bf16", "fp16"}
        Of the model; probabilities come from logits in float32.
    device : {"auto", "cpu", "cuda"}
    compiled : bool
        Let torch compile the image tower, which takes a minute and may round otherwise.
    shard : Shard, optional
        Every n-th block of images, of 32 on a CPU and 128 on a GPU.
    on_error : {"stop", "skip"}
        What to do with an image that cannot be read.
    target_key : str, optional
        Column, or field of a shard's .json, that holds the target.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    ZeroShotSummary

    Raises
    ------
    ParameterError, SourceError, TableError, OutputExistsError, OutputError
    ModelError
        When a model cannot be had, or gives no numbers.

    Notes
    -----
    Probabilities are a softmax over *all* classes. ``target_rank`` is 1 + the number of other
    classes that are as probable or more, so a tie counts against the model; `ranks.target_ranks`
    says what becomes of classes of the same name.
    """
    output = Path(output)
    _check(output, overwrite, top_k, batch_size, workers, on_error)
    progress, shard = progress or Silent(), shard or Shard()
    task = _prepare(images, classes, templates, top_k, on_error, target_key, progress)
    loaded, settings = _load(model, pretrained, precision, device, compiled)
    rows = _rows_of(shard, len(task.images.ids), SLOTS[loaded.device.type])
    task = _share(task, rows)
    plan = {
        "model": [loaded.name, loaded.pretrained, loaded.fingerprint],
        "settings": settings,
        "classes": list(task.names),
        "targets": hashlib.sha256(task.targets.tobytes()).hexdigest(),
        "templates": list(task.templates),
        "top_k": top_k,
        "images": task.images.stamp(),
        "shard": [str(shard), SLOTS[loaded.device.type]],
        "versions": {name: version(name) for name in _PACKAGES},
    }
    arguments = {
        "images": task.images.name,
        "model": loaded.name,
        "pretrained": loaded.pretrained,
        "classes": _as_json(classes),
        "templates": _as_json(templates),
        "top_k": top_k,
        "on_error": on_error,
        "target_key": target_key,
        "shard": str(shard),
        **settings,
    }
    with closing(progress), unfinished(output, plan, JUDGED, progress) as parts:
        judged = judge_images(
            parts, task, loaded, batch_size=batch_size, workers=workers, progress=progress
        )
        inputs = _inputs(task, judged, loaded, classes, templates)
        record = run_record("eval zeroshot", arguments, inputs, packages=_PACKAGES)
        place_of = dict(zip(task.images.ids, rows, strict=True))  # what is skipped ends its block
        places = [place_of[identity] for identity in judged["example_id"].to_pylist()]
        judged = judged.append_column(PLACE, pa.array(places, pa.int64()))
        return _finish(judged, task, loaded, output, record, overwrite=overwrite)


def _check(
    output: Path, overwrite: bool, top_k: int, batch_size: int | None, workers: int, on_error: str
) -> None:
    check_output(output, LIST_ENDINGS, overwrite=overwrite)
    if top_k < 0 or (batch_size is not None and batch_size < 1) or workers < 0:
        raise ParameterError(
            f"top_k is {top_k}, batch_size {batch_size} and workers {workers}; expected 0, 1 and 0 "
            "or more."
        )
    if on_error not in get_args(OnError):
        raise ParameterError(f"on_error is {on_error!r}, expected stop or skip.")


def _prepare(
    images: ImagesArgument,
    classes: ClassesArgument,
    templates: TemplatesArgument,
    top_k: int,
    on_error: OnError,
    target_key: str | None,
    progress: Progress,
) -> Task:
    """List images, classes and prompts, and see that they go together."""
    found = find_images(images, target_key)
    names, targets, notes = tell_classes(found, classes)
    for note in notes:
        progress.say(note)
    return Task(
        images=found,
        names=names,
        targets=targets,
        twins=np.unique(np.array(names), return_inverse=True)[1].astype(np.int64),
        templates=read_templates(templates),
        top_k=min(top_k or len(names), len(names)),
        on_error=on_error,
    )


def _rows_of(shard: Shard, n: int, slots: int) -> list[int]:
    """Every n-th block of images, so that each is in the slot that it has in the whole."""
    starts = shard.take(range(0, n, slots))
    rows = [row for start in starts for row in range(start, min(start + slots, n))]
    if not rows:
        raise ParameterError(
            f"shard {shard} is empty: {n:,} images make {-(-n // slots):,} blocks of {slots}."
        )
    return rows


def _share(task: Task, rows: list[int]) -> Task:
    """A task with some of its images."""
    images = replace(
        task.images,
        ids=[task.images.ids[row] for row in rows],
        targets=[task.images.targets[row] for row in rows],
        places=[task.images.places[row] for row in rows],
    )
    return replace(task, images=images, targets=task.targets[rows])


def _load(
    model: str | Path | ZeroShotModel,
    pretrained: str | Path | None,
    precision: Precision,
    device: Device,
    compiled: bool,
) -> tuple[ZeroShotModel, dict[str, Any]]:
    """The model, and the settings with which it was loaded."""
    if not isinstance(model, str | Path):
        if pretrained is not None:
            raise ParameterError(f"pretrained is {pretrained!s}, but the model is loaded already.")
        return model, {}
    from ..models import load_model

    loaded = load_model(model, pretrained, precision=precision, device=device, compiled=compiled)
    settings = {"precision": precision, "device": loaded.device.type, "compiled": compiled}
    return loaded, settings


def _as_json(value: ClassesArgument) -> str | list[str] | None:
    if value is None or isinstance(value, str | Path):
        return None if value is None else str(value)
    return list(value)


def _inputs(
    task: Task,
    judged: pa.Table,
    model: ZeroShotModel,
    classes: ClassesArgument,
    templates: TemplatesArgument,
) -> dict[str, str]:
    """Fingerprints of all that the predictions come from."""
    digest = hashlib.sha256()
    for row in judged.select(["example_id", "sha256"]).to_pylist():
        digest.update(f"{row['example_id']}\t{row['sha256']}\n".encode())
    inputs = {"images": f"sha256:{digest.hexdigest()}", "weights": model.fingerprint}
    return inputs | dict(task.images.inputs) | fingerprints_of(classes, templates)


def _finish(
    judged: pa.Table,
    task: Task,
    model: ZeroShotModel,
    output: Path,
    record: dict[str, Any],
    *,
    overwrite: bool,
) -> ZeroShotSummary:
    """Write predictions and run record, and sum them up."""
    is_read = pc.is_null(judged["problem"])
    bad = judged.filter(pc.invert(is_read)).select(["example_id", "problem"]).to_pylist()
    skipped = tuple((row["example_id"], row["problem"]) for row in bad)
    record["skipped"] = [list(pair) for pair in skipped]
    record["n_classes"] = len(task.names)
    table = judged.filter(is_read).drop_columns(["sha256", "problem"])
    n = table.num_rows
    if not n:
        raise SourceError(
            f"none of {len(skipped):,} images can be read, the first because of: {skipped[0][1]}."
        )
    for column, value in (("model", model.name), ("pretrained", model.pretrained)):
        table = table.append_column(column, pa.repeat(pa.scalar(value, pa.string()), n))
    save_table(output, table, PREDICTIONS, record=record, overwrite=overwrite)
    return summarise(output, table, record)


def summarise(output: Path, table: pa.Table, record: Mapping[str, Any]) -> ZeroShotSummary:
    """Sum up predictions.

    Parameters
    ----------
    output : Path
    table : Table
        As `zeroshot` wrote it.
    record : mapping
        The run record beside it.
    """
    ranks = numbers(table["target_rank"])
    return ZeroShotSummary(
        output=output,
        n=table.num_rows,
        skipped=tuple((identity, reason) for identity, reason in record["skipped"]),
        n_classes=record["n_classes"],
        accuracy=share_estimate(int((ranks == 1).sum()), table.num_rows),
        top5=float((ranks <= 5).mean()),
        mean_target_probability=pc.mean(table["target_probability"]).as_py(),
        model=table["model"][0].as_py(),
        pretrained=table["pretrained"][0].as_py(),
    )
