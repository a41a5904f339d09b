"""Train an open_clip model on image-text pairs, from random weights."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conceptstats.errors import ParameterError
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.table_files import fingerprint
from conceptstats.tables import check_folder, output_errors, replace_folder

from .checkpoints import forget_checkpoints, load_checkpoint, save_checkpoint, unfinished
from .data import TrainingData, find_shards, read_pairs
from .model_folder import CONFIG, LOG, RECORD, save_weights
from .schedule import decisive, learning_rate, rows_of_step, seeded

if TYPE_CHECKING:
    import torch

SMALL_CLIP = Path(__file__).with_name("small_clip.json")
_PARTS = "model_cfg", "preprocess_cfg"
_LARGEST_SCALE = math.log(100)  # of the logits, as in the paper on CLIP (arXiv 2103.00020)


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is trained: AdamW, warm-up, then a cosine to zero."""

    steps: int = 1500
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 50  # steps
    seed: int = 0
    checkpoint_every: int = 500  # steps

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("steps", "learning_rate", "checkpoint_every"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} is {getattr(self, name)}, expected more than 0.")
        for name in ("weight_decay", "warmup", "seed"):
            if not getattr(self, name) >= 0:
                raise ParameterError(f"{name} is {getattr(self, name)}, expected 0 or more.")
        if self.batch_size < 2:
            raise ParameterError(
                f"batch_size is {self.batch_size}, expected 2 or more: each pair is told from the "
                "others of its batch."
            )

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return learning_rate(step, self.steps, self.warmup, self.learning_rate)


class Trained(NamedTuple):
    """A model on disk."""

    path: Path  # a folder that open_clip loads as local-dir:PATH
    n_pairs: int
    steps: int
    loss: float  # mean over the last tenth of the steps, in nats

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {
            "model": str(self.path),
            "pairs": self.n_pairs,
            "steps": self.steps,
            "loss": self.loss,
        }


def train_from_scratch(
    shards: Sequence[str],
    output: str | Path,
    *,
    config: str | Path = SMALL_CLIP,
    training: Training | None = None,
    device: str = "auto",
    memory: int = 4 << 30,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """Train a model of random weights by open_clip's contrastive loss (arXiv 2103.00020).

    The same settings give the same weights on a CPU with as many threads, however often the run
    was killed: it goes on from its last checkpoint.

    Parameters
    ----------
    shards : sequence of str
        webdataset shards with images and .txt captions: names, globs or braces.
    output : path
        Folder to write: ``open_clip_config.json``, ``open_clip_model.safetensors``,
        ``training.csv`` and ``run.json``.
    config : path
        JSON with ``model_cfg`` and ``preprocess_cfg``, as open_clip has them.
    training : Training, optional
    device : str
        "auto" takes a GPU when there is one.
    memory : int
        Bytes that the decoded images may take.
    overwrite : bool
    progress : Progress, optional

    Raises
    ------
    ParameterError, SourceError, OutputExistsError, OutputError
    """
    from conceptstats.models.devices import find_device

    training, progress, output = training or Training(), progress or Silent(), Path(output)
    check_folder(output, RECORD, overwrite=overwrite)
    where = find_device(device)
    settings = _read_config(Path(config))
    paths = find_shards(shards)
    named = {str(config) if config != SMALL_CLIP else SMALL_CLIP.name: fingerprint(Path(config))}
    record = run_record(
        "eval finetune",
        {"from_scratch": True, **decisive(training), "device": where.type},
        named | {path: fingerprint(Path(path)) for path in paths},
        training.seed,
        packages=("torch", "open_clip_torch", "timm", "torchvision", "pillow"),
    )
    with (
        closing(progress),
        output_errors(output),
        unfinished(output.resolve(), {CONFIG: settings, RECORD: record}, progress) as folder,
    ):
        run = _start(folder, training, where)
        data = read_pairs(paths, run.geometry, run.tokenizer, memory, progress)
        if len(data) < training.batch_size:
            raise ParameterError(
                f"{len(data)} pairs are fewer than a batch of {training.batch_size}."
            )
        losses = _train(run, data, training, folder, progress)
        save_weights(folder, run.model.state_dict())
        replace_folder(folder, output.resolve())
        forget_checkpoints(output)
    tail = losses[-max(1, len(losses) // 10) :]
    return Trained(output, len(data), training.steps, float(np.mean(tail)))


class _Run(NamedTuple):
    model: Any  # CLIP, of open_clip
    optimizer: torch.optim.AdamW
    tokenizer: Any
    geometry: Any
    normalise: tuple[torch.Tensor, torch.Tensor]  # mean and deviation of pixels, 0..255
    device: torch.device


def _read_config(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} cannot be read as JSON: {error}.") from error
    found: dict[str, Any] = settings if isinstance(settings, dict) else {}
    if lacking := [name for name in _PARTS if not isinstance(found.get(name), dict)]:
        raise ParameterError(
            f"{path} has no {' and no '.join(lacking)} (keys: {', '.join(found) or 'none'})."
        )
    return found


def _start(folder: Path, training: Training, device: torch.device) -> _Run:
    """The model with its first weights; deterministic by seed."""
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2

    from ..models import log_off

    name = f"local-dir:{folder}"
    try:
        with log_off(), seeded(device, training.seed):
            model = open_clip.create_model(
                name, load_weights=False, pretrained_text=False, device=device
            )
            tokenizer = open_clip.get_tokenizer(name)
        preprocess_cfg = PreprocessCfg(**model.visual.preprocess_cfg)
        transform = image_transform_v2(preprocess_cfg, is_train=False)
    except Exception as error:  # of open_clip, timm, torch, for any mistake in the JSON
        reason = shorten(f"{type(error).__name__}: {error}", 300)
        raise ParameterError(f"open_clip cannot build this model ({reason}).") from error
    if not isinstance(model, open_clip.CLIP | open_clip.CustomTextCLIP) or (
        model.logit_bias is not None
    ):
        raise ParameterError(
            "this is a model of two towers and another loss.",
            "expected two towers without multimodal_cfg and init_logit_bias",
        )
    model.output_dict = False
    model = model.to(memory_format=torch.channels_last).train()
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, training.learning_rate, betas=(0.9, 0.98), fused=True)
    *geometry, _, normalise = transform.transforms  # ..., to a tensor, normalise

    def to_size(image: Any) -> Any:
        for step in geometry:
            image = step(image)
        return image

    mean, deviation = (
        255 * torch.tensor(values, device=device).view(1, 3, 1, 1)
        for values in (normalise.mean, normalise.std)
    )
    return _Run(model, optimizer, tokenizer, to_size, (mean, deviation), device)


def _train(
    run: _Run, data: TrainingData, training: Training, folder: Path, progress: Progress
) -> list[float]:
    """All steps that are still to do; the losses of all steps."""
    import open_clip
    import torch

    loss_of = open_clip.ClipLoss()
    losses = load_checkpoint(folder, run.model, run.optimizer, run.device)
    progress.stage("training", "steps")
    for step in range(len(losses), training.steps):
        rows = rows_of_step(step, len(data), training.batch_size, training.seed)
        for group in run.optimizer.param_groups:
            group["lr"] = training.rate(step)
        pixels = data.pixels[torch.from_numpy(rows)].to(run.device).permute(0, 3, 1, 2)
        images = (pixels.float() - run.normalise[0]) / run.normalise[1]
        texts = data.tokens[torch.from_numpy(data.caption[rows])].to(run.device)
        with seeded(run.device, training.seed, step):  # for what a model drops at random
            image_features, text_features, scale = run.model(images, texts)
        loss = loss_of(image_features, text_features, scale)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        with torch.no_grad():
            run.model.logit_scale.clamp_(0, _LARGEST_SCALE)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            forget_checkpoints(folder)  # what goes on from there ends here
            raise ParameterError(
                f"the loss is {losses[-1]} at step {step}.", "a smaller --learning-rate"
            )
        progress.advance(1, (step + 1) / training.steps)
        if (step + 1) % training.checkpoint_every == 0:
            progress.say(f"step {step + 1:,} of {training.steps:,}: loss {_recent(losses):.3f}")
            save_checkpoint(folder, run.model, run.optimizer, losses)
    _write_log(folder / LOG, losses, training)
    return losses


def _recent(losses: list[float]) -> float:
    return float(np.mean(losses[-100:]))


def _write_log(path: Path, losses: list[float], training: Training) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss", "learning_rate"])
        for step, loss in enumerate(losses):
            writer.writerow([step + 1, f"{loss:.6f}", f"{training.rate(step):.3e}"])
