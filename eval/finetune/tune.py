"""Fine-tune the image tower of a pretrained model on photographs, the zero-shot head held fixed."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from conceptstats.errors import ParameterError
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.table_files import fingerprint, save_table
from conceptstats.tables import check_folder, output_errors, replace_folder

from ..zeroshot.classes import (
    ClassesArgument,
    TemplatesArgument,
    fingerprints_of,
    read_templates,
    tell_classes,
)
from ..zeroshot.image_sources import ImagesArgument, find_images
from .checkpoints import forget_checkpoints, unfinished
from .editing import PASTED, Editor, prepare_editor, shares_by_level
from .learn import OnError, make_ready, train_steps
from .model_folder import CONFIG, LOG, RECORD, config_of, save_tokenizer, save_weights
from .schedule import decisive
from .tuning import Task, Tuned, Tuning, sum_up, unreadable_of, write_log, write_skipped

if TYPE_CHECKING:
    import torch

    from conceptstats.models.devices import Device

    from ..models import OpenClip

Autocast = Literal["auto", "fp32", "bf16"]

PASTED_TABLE, SKIPPED = "pasted.parquet", "skipped.csv"
_PLAN = "images.state.json"  # goes with the checkpoints: it depends on when files were written


def finetune(
    images: ImagesArgument,
    output: str | Path,
    *,
    model: str | Path,
    pretrained: str | Path | None = None,
    classes: ClassesArgument = None,
    templates: TemplatesArgument = "openai",
    target_key: str | None = None,
    accessories: str | Path | None = None,
    index: str | Path | None = None,
    edit_probability: float = 0.5,
    area: float = 0.1,
    tuning: Tuning | None = None,
    at_once: int | None = None,
    precision: Autocast = "auto",
    device: Device = "auto",
    workers: int = 0,
    on_error: OnError = "stop",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Tuned:
    """Fine-tune a model on photographs of classes, with accessories pasted into some of them.

    The image tower learns by cross-entropy against the zero-shot head, whose rows are embeddings of
    the names of the classes; head, text tower and temperature stay, so that the model is still one
    of two towers. Accessories are drawn evenly over levels of PMI with the class of the photograph,
    so none tells of a class (arXiv 2507.08000). The schedule is that of WiSE-FT (arXiv 2109.01903),
    which fine-tunes the head too. Batch normalisation keeps the statistics of the original, so that
    they fit all models between the two (`interpolate.interpolate`).

    What a photograph looks like derives from seed, epoch and photograph alone, and the same
    settings give the same weights on a CPU with as many threads, however often the run was killed:
    it goes on from its last checkpoint.

    Parameters
    ----------
    images : path or sequence of paths
        As `zeroshot.image_sources.find_images` takes them.
    output : path
        Folder to write: ``open_clip_config.json``, ``open_clip_model.safetensors``,
        ``training.csv``, ``run.json``, ``pasted.parquet``: how often which accessory was pasted
        into photographs of which class, and ``skipped.csv``: photographs that cannot be read.
    model, pretrained
        As `models.load_model` takes them.
    classes, templates, target_key
        As for `zeroshot.run.zeroshot`.
    accessories : path, optional
        Folder of cut-outs. None: no photograph is edited.
    index : path, optional
        Caption index that PMI comes from; goes with ``accessories``.
    edit_probability : float
        That a photograph is edited.
    area : float
        Share of a photograph that the box of an accessory takes.
    tuning : Tuning, optional
    at_once : int, optional
        Photographs that go through the model together, whose gradients add up to those of a batch.
        None: the batch.
    precision : {"auto", "fp32", "bf16"}
        bf16: mixed with fp32, by torch's autocast. auto: on a GPU that has it.
    device : {"auto", "cpu", "cuda"}
    workers : int
        Processes that read photographs; the result does not depend on it.
    on_error : {"stop", "skip"}
        What to do with a photograph that cannot be read.
    overwrite : bool
    progress : Progress, optional

    Raises
    ------
    ParameterError, SourceError, TableError, ModelError, IndexFormatError, OutputExistsError,
    OutputError
    """
    from conceptstats.models.devices import find_device

    from ..models import load_model

    tuning, progress, output = tuning or Tuning(), progress or Silent(), Path(output)
    _check(accessories, index, at_once, workers, precision, on_error)
    check_folder(output, RECORD, overwrite=overwrite)
    task = _prepare(images, classes, templates, target_key, progress)
    steps = tuning.steps(len(task.places))
    if accessories is not None and index is not None:
        made = prepare_editor(
            accessories, index, task.names, probability=edit_probability, area=area
        )
        task = task._replace(editor=made.editor)
        for note in made.notes:
            progress.say(note)
    bf16 = _is_bf16(precision, find_device(device))
    loaded = load_model(model, pretrained, device=device)
    record = _record(task, loaded, tuning, classes, templates, bf16)
    record["arguments"] |= {"at_once": at_once, "target_key": target_key}
    if task.editor is not None:
        record["arguments"] |= {"edit_probability": edit_probability, "area": area}
        record["inputs"] |= _edit_inputs(task.editor, str(accessories), str(index))
    plan = {CONFIG: config_of(loaded), RECORD: record, _PLAN: {"images": task.images.stamp()}}
    with (
        closing(progress),
        output_errors(output),
        unfinished(output.resolve(), plan, progress) as folder,
    ):
        run = make_ready(task, loaded, tuning, at_once or tuning.batch_size, bf16, progress)
        log = train_steps(run, task, tuning, steps, workers, on_error, folder, progress)
        write_log(folder / LOG, log, tuning)
        write_skipped(folder / SKIPPED, unreadable_of(task, log))
        save_weights(folder, loaded.module.state_dict())
        save_tokenizer(folder, loaded.tokenizer)
        by_level = {}
        if task.editor is not None:
            account = task.editor.account(run.pasted.numpy())
            save_table(folder / PASTED_TABLE, account, PASTED)
            by_level = shares_by_level(account)
        replace_folder(folder, output.resolve())
        forget_checkpoints(output)
    return sum_up(output, task, log, by_level)


def _check(
    accessories: str | Path | None,
    index: str | Path | None,
    at_once: int | None,
    workers: int,
    precision: str,
    on_error: str,
) -> None:
    if (accessories is None) != (index is None):
        raise ParameterError(
            "accessories and an index go together: PMI of the index says which are drawn.",
            "--accessories DIR --index INDEX, or neither",
        )
    if workers < 0 or (at_once is not None and at_once < 1):
        raise ParameterError(
            f"workers is {workers} and at_once {at_once}, expected 0 and 1 or more."
        )
    for name, value, known in (("precision", precision, Autocast), ("on_error", on_error, OnError)):
        if value not in get_args(known):
            raise ParameterError(f"{name} is {value!r}, expected {' or '.join(get_args(known))}.")


def _prepare(
    images: ImagesArgument,
    classes: ClassesArgument,
    templates: TemplatesArgument,
    target_key: str | None,
    progress: Progress,
) -> Task:
    """List photographs and classes, and see that they go together."""
    found = find_images(images, target_key)
    names, places, notes = tell_classes(found, classes)
    for note in notes:
        progress.say(note)
    return Task(found, names, read_templates(templates), places, None)


def _is_bf16(precision: Autocast, device: torch.device) -> bool:
    import torch

    if precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return precision == "bf16"


def _record(
    task: Task,
    model: OpenClip,
    tuning: Tuning,
    classes: ClassesArgument,
    templates: TemplatesArgument,
    bf16: bool,
) -> dict[str, Any]:
    """The record of the run, but for what concerns edits."""
    listed = hashlib.sha256()
    for identity, place in zip(task.images.ids, task.places.tolist(), strict=True):
        listed.update(f"{identity}\t{task.names[place]}\n".encode())
    inputs = {"images": f"sha256:{listed.hexdigest()}", "weights": model.fingerprint}
    inputs |= {**dict(task.images.inputs), **fingerprints_of(classes, templates)}
    settings = {
        "images": task.images.name,
        "model": model.name,
        "pretrained": model.pretrained,
        "classes": list(task.names),
        "templates": list(task.templates),
        "precision": "bf16" if bf16 else "fp32",
        "device": model.device.type,
        **decisive(tuning),
    }
    packages = ("torch", "open_clip_torch", "timm", "torchvision", "pillow")
    return run_record("eval finetune", settings, inputs, tuning.seed, packages=packages)


def _edit_inputs(editor: Editor, accessories: str, index: str) -> dict[str, str]:
    digest = hashlib.sha256()
    for name, files in zip(editor.pairing.accessories, editor.files, strict=True):
        for file in files:
            digest.update(f"{name}\t{fingerprint(Path(file))}\n".encode())
    return {accessories: f"sha256:{digest.hexdigest()}", index: fingerprint(Path(index))}
