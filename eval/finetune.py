"""Train an open_clip model on image-text pairs, from random weights."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conceptstats.errors import OutputExistsError, ParameterError
from conceptstats.progress import Progress, Silent
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import fingerprint
from conceptstats.tables import output_errors

from .training_data import TrainingData, find_shards, read_pairs

if TYPE_CHECKING:
    import torch

SMALL_CLIP = Path(__file__).with_name("small_clip.json")
CONFIG, WEIGHTS, LOG = "open_clip_config.json", "open_clip_model.safetensors", "training.csv"
_STATE, _TENSORS = "state.json", "state.safetensors"
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
        for name in ("steps", "batch_size", "learning_rate", "checkpoint_every"):
            if getattr(self, name) <= 0:
                raise ParameterError(f"{name} is {getattr(self, name)}, expected more than 0.")
        for name in ("weight_decay", "warmup", "seed"):
            if getattr(self, name) < 0:
                raise ParameterError(f"{name} is {getattr(self, name)}, expected 0 or more.")


class Trained(NamedTuple):
    """A model on disk."""

    path: Path  # a folder that open_clip loads as local-dir:PATH
    n_pairs: int
    steps: int
    loss: float  # mean over the last tenth of the steps, in nats


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
    training, progress, output = training or Training(), progress or Silent(), Path(output)
    if output.exists() and not (overwrite and (output / CONFIG).is_file()):
        raise OutputExistsError(f"{output} exists.", "choose another name, or --overwrite")
    paths = find_shards(shards)
    record = run_record(
        "eval finetune",
        {"from_scratch": True, **asdict(training)},
        {path: fingerprint(Path(path)) for path in [str(config), *paths]},
        training.seed,
        packages=("torch", "open_clip_torch", "timm"),
    )
    folder = output.with_name(f".{output.name}.partial")
    with output_errors(output):
        _prepare(folder, record, Path(config), progress)
        run = _start(folder, training, device)
        data = read_pairs(paths, run.geometry, run.tokenizer, memory, progress)
        if len(data) < training.batch_size:
            shutil.rmtree(folder)
            raise ParameterError(
                f"{len(data)} pairs are fewer than a batch of {training.batch_size}."
            )
        losses = _train(run, data, training, folder, progress)
        _finish(run, folder)
        if output.exists():
            shutil.rmtree(output)
        folder.rename(output)
    progress.close()
    tail = losses[-max(1, len(losses) // 10) :]
    return Trained(output, len(data), training.steps, float(np.mean(tail)))


class _Run(NamedTuple):
    model: Any  # CLIP, of open_clip
    optimizer: torch.optim.AdamW
    tokenizer: Any
    geometry: Any
    normalise: tuple[torch.Tensor, torch.Tensor]  # mean and deviation of pixels, 0..255
    device: str


def _prepare(folder: Path, record: dict[str, Any], config: Path, progress: Progress) -> None:
    """A folder of a run that was cut off, when it was of the same record, or an empty one."""
    if folder.exists():
        try:
            same = json.loads((folder / "run.json").read_text(encoding="utf-8")) == record
        except (OSError, ValueError):
            same = False
        if same and (folder / _STATE).is_file():
            progress.say(f"{folder}: going on from the last checkpoint")
            return
        shutil.rmtree(folder)
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"{config} cannot be read as JSON: {error}.") from error
    if missing := {"model_cfg", "preprocess_cfg"} - set(settings):
        raise ParameterError(
            f"{config} has no {' and no '.join(sorted(missing))} (keys: {', '.join(settings)})."
        )
    folder.mkdir(parents=True)
    dump_json(folder / CONFIG, settings)
    dump_json(folder / "run.json", record)


def _start(folder: Path, training: Training, device: str) -> _Run:
    """The model with its first weights; deterministic by seed."""
    import open_clip
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(training.seed)
    name = f"local-dir:{folder}"
    try:
        model, _, transform = open_clip.create_model_and_transforms(
            name, load_weights=False, device=device
        )
        tokenizer = open_clip.get_tokenizer(name)
    except (RuntimeError, TypeError, ValueError) as error:
        shutil.rmtree(folder)
        raise ParameterError(f"open_clip cannot build this model: {error}.") from error
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
    losses = _load_checkpoint(run, folder)
    progress.stage("training", "steps")
    for step in range(len(losses), training.steps):
        rows = _batch(step, len(data), training)
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(step, training)
        pixels = data.pixels[torch.from_numpy(rows)].to(run.device).permute(0, 3, 1, 2)
        images = (pixels.float() - run.normalise[0]) / run.normalise[1]
        texts = data.tokens[torch.from_numpy(data.caption[rows])].to(run.device)
        image_features, text_features, scale = run.model(images, texts)
        loss = loss_of(image_features, text_features, scale)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        with torch.no_grad():
            run.model.logit_scale.clamp_(0, _LARGEST_SCALE)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ParameterError(
                f"the loss is {losses[-1]} at step {step}.", "a smaller --learning-rate"
            )
        progress.advance(1, (step + 1) / training.steps)
        if (step + 1) % training.checkpoint_every == 0:
            progress.say(f"step {step + 1:,} of {training.steps:,}: loss {_recent(losses):.3f}")
            _save_checkpoint(run, losses, folder)
    _write_log(folder / LOG, losses, training)
    return losses


def _recent(losses: list[float]) -> float:
    return float(np.mean(losses[-100:]))


def learning_rate(step: int, training: Training) -> float:
    """Of a step: it rises over the warm-up and falls to zero as a cosine."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    rest = (step - training.warmup) / max(1, training.steps - training.warmup)
    return training.learning_rate * (1 + math.cos(math.pi * rest)) / 2


def _batch(step: int, n: int, training: Training) -> Any:
    """Rows of a step: each epoch is a permutation of its own, of which the rest is left out."""
    per_epoch = n // training.batch_size
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([training.seed, epoch]).permutation(n)
    return order[place * training.batch_size : (place + 1) * training.batch_size]


def _save_checkpoint(run: _Run, losses: list[float], folder: Path) -> None:
    """Weights and optimizer as safetensors; the state that names them is moved there last."""
    from safetensors.torch import save_file

    tensors = {f"model.{k}": v.contiguous() for k, v in run.model.state_dict().items()}
    for number, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v.contiguous() for k, v in state.items()}
    name = f"{len(losses)}.{_TENSORS}"
    save_file(tensors, folder / name)
    dump_json(folder / f".{_STATE}", {"tensors": name, "losses": losses})
    (folder / f".{_STATE}").replace(folder / _STATE)
    for other in folder.glob(f"*.{_TENSORS}"):
        if other.name != name:
            other.unlink()


def _load_checkpoint(run: _Run, folder: Path) -> list[float]:
    """Losses so far; none without a checkpoint."""
    from safetensors.torch import load_file

    if not (folder / _STATE).is_file():
        return []
    state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    model: dict[str, torch.Tensor] = {}
    optimizer: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in load_file(folder / state["tensors"], device=run.device).items():
        kind, _, rest = name.partition(".")
        if kind == "model":
            model[rest] = tensor
        else:
            number, _, key = rest.partition(".")
            optimizer.setdefault(int(number), {})[key] = tensor
    run.model.load_state_dict(model)
    groups = run.optimizer.state_dict()["param_groups"]
    run.optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
    losses: list[float] = state["losses"]
    return losses


def _finish(run: _Run, folder: Path) -> None:
    """Leave what open_clip loads, and take away what only a resumed run needs."""
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous() for name, tensor in run.model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    for path in (*folder.glob(f"*{_TENSORS}"), *folder.glob(f"*{_STATE}")):
        path.unlink()


def _write_log(path: Path, losses: list[float], training: Training) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss", "learning_rate"])
        for step, loss in enumerate(losses):
            writer.writerow([step + 1, f"{loss:.6f}", f"{learning_rate(step, training):.3e}"])
