"""The image tower of a model learns photographs by cross-entropy against the zero-shot head."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from conceptstats.errors import ModelError, ParameterError, SourceError
from conceptstats.progress import Progress

from .checkpoints import forget_checkpoints, load_checkpoint, save_checkpoint
from .schedule import seeded
from .tuning import Entry, Task, Tuning, mean_of

if TYPE_CHECKING:
    import torch

    from ..models import OpenClip
    from .photographs import Batch

OnError = Literal["stop", "skip"]

_PROMPTS_AT_ONCE = 512


class Run(NamedTuple):
    """A model that learns."""

    model: OpenClip
    optimizer: torch.optim.AdamW
    head: torch.Tensor  # (classes, dimensions)
    at_once: int
    bf16: bool
    pasted: torch.Tensor  # (classes, accessories) int64: how often


def make_ready(
    task: Task, model: OpenClip, tuning: Tuning, at_once: int, bf16: bool, progress: Progress
) -> Run:
    """The model made ready to learn."""
    import torch

    tower: torch.nn.Module = model.module.visual  # type: ignore[assignment]
    head = torch.from_numpy(_classifier(task, model, progress)).to(model.device)
    tower.requires_grad_(True).train()
    for layer in tower.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.eval()
    tower.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        tower.parameters(), tuning.learning_rate, weight_decay=tuning.weight_decay, fused=True
    )
    n_accessories = len(task.editor.files) if task.editor else 0
    pasted = torch.zeros((len(task.names), n_accessories), dtype=torch.int64)
    return Run(model, optimizer, head, at_once, bf16, pasted)


def _classifier(task: Task, model: OpenClip, progress: Progress) -> npt.NDArray[np.float32]:
    """Rows of all classes, made of some hundred prompts at a time."""
    progress.stage("classes", "classes")
    step = max(_PROMPTS_AT_ONCE // len(task.templates), 1)
    rows = []
    for at in range(0, len(task.names), step):
        rows.append(model.classifier(task.names[at : at + step], task.templates))
        progress.advance(len(rows[-1]), (at + len(rows[-1])) / len(task.names))
    return np.concatenate(rows)


def train_steps(
    run: Run,
    task: Task,
    tuning: Tuning,
    steps: int,
    workers: int,
    on_error: OnError,
    folder: Path,
    progress: Progress,
) -> list[Entry]:
    """All steps that are still to do; the log of all steps."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    from .photographs import Photographs, batches

    module: Any = run.model.module
    tower, device = module.visual, run.model.device
    tallies = {"pasted": run.pasted} if run.pasted.numel() else {}
    log = load_checkpoint(folder, tower, run.optimizer, device, tallies)
    transform = image_transform_v2(PreprocessCfg(**tower.preprocess_cfg), is_train=True)
    photographs = Photographs(task.images.places, task.places, transform, task.editor, tuning.seed)
    rest = range(len(log), steps)
    on_gpu = device.type == "cuda"
    progress.stage("fine-tuning", "steps")
    for step, batch in zip(
        rest, batches(photographs, rest, tuning.batch_size, workers, pinned=on_gpu), strict=True
    ):
        if on_error == "stop":
            _refuse_problems(batch, task)
        for group in run.optimizer.param_groups:
            group["lr"] = tuning.rate(step, steps)
        with seeded(device, tuning.seed, step):  # for what a model drops at random
            entry = _learn(run, batch, tuning.clip)
        if not math.isfinite(entry["loss"]):
            forget_checkpoints(folder)  # what goes on from there ends here
            raise ParameterError(
                f"the loss is {entry['loss']} at step {step}.", "a smaller --learning-rate"
            )
        for place, accessory in batch.pasted:
            run.pasted[place, accessory] += 1
        log.append(entry)
        progress.advance(1, (step + 1) / steps)
        if (step + 1) % tuning.checkpoint_every == 0:
            recent = log[-100:]
            progress.say(f"step {step + 1:,} of {steps:,}: loss {mean_of(recent, 'loss'):.3f}, "
                         f"{mean_of(recent, 'accuracy'):.1%} right")  # fmt: skip
            save_checkpoint(folder, tower, run.optimizer, log, tallies)
    return log


def _learn(run: Run, batch: Batch, clip: float) -> Entry:
    """One step."""
    import torch

    if batch.pixels is None:
        raise SourceError(f"no photograph of a batch can be read: {batch.problems[0][1]}.")
    module: Any = run.model.module
    n = len(batch.places)
    run.optimizer.zero_grad()
    loss, n_right = 0.0, 0
    with _enough_memory():
        for first in range(0, n, run.at_once):
            part = slice(first, first + run.at_once)
            places = batch.places[part].to(run.model.device, non_blocking=True)
            logits = _logits(run, batch.pixels[part])
            share = torch.nn.functional.cross_entropy(logits, places, reduction="sum") / n
            share.backward()  # type: ignore[no-untyped-call]
            loss += share.item()
            n_right += int((logits.argmax(1) == places).sum())
        norm = torch.nn.utils.clip_grad_norm_(module.visual.parameters(), clip)
        run.optimizer.step()
    return {
        "loss": loss if norm.isfinite() else math.nan,  # of the next step it would be, for sure
        "accuracy": n_right / n,
        "n_pasted": len(batch.pasted),
        "n_not_pasted": batch.n_failed,
        "problems": batch.problems,
    }


def _logits(run: Run, pixels: torch.Tensor) -> torch.Tensor:
    """Scaled cosines of photographs and classes, in float32."""
    import torch

    module: Any = run.model.module
    device = run.model.device
    pixels = pixels.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=run.bf16):
        embeddings = module.encode_image(pixels, normalize=False)
    embeddings = torch.nn.functional.normalize(embeddings.float(), dim=-1)
    found: torch.Tensor = module.logit_scale.exp().float() * (embeddings @ run.head.T)
    return found


@contextmanager
def _enough_memory() -> Iterator[None]:
    """Turn a GPU that is full into an error that says what to do."""
    import torch

    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(
            "the memory of the GPU does not suffice.", "--at-once 64, or --precision bf16"
        ) from error


def _refuse_problems(batch: Batch, task: Task) -> None:
    if batch.problems:
        row, reason = batch.problems[0]
        raise SourceError(
            f"{task.images.ids[row]} cannot be read ({task.images.places[row].path}): {reason}.",
            "--on-error skip leaves such photographs out, and lists them",
        )
