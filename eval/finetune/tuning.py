"""The settings of fine-tuning, what is learned, and what came of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from conceptstats.errors import ParameterError

from ..zeroshot.image_sources import ImageList
from .editing import Editor
from .schedule import learning_rate


class Entry(TypedDict):
    """What is kept of a step."""

    loss: float  # nats
    accuracy: float
    n_pasted: int
    n_not_pasted: int
    problems: list[tuple[int, str]]  # row and reason of each photograph that cannot be read


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a model is fine-tuned: AdamW, warm-up, then a cosine to zero, as in arXiv 2109.01903."""

    epochs: int = 10
    batch_size: int = 512
    learning_rate: float = 3e-5
    weight_decay: float = 0.1
    warmup: int = 500  # steps
    clip: float = 1.0  # norm of the gradient
    seed: int = 0
    checkpoint_every: int = 500  # steps

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name in ("epochs", "batch_size", "learning_rate", "clip", "checkpoint_every"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} is {getattr(self, name)}, expected more than 0.")
        for name in ("weight_decay", "warmup", "seed"):
            if not getattr(self, name) >= 0:
                raise ParameterError(f"{name} is {getattr(self, name)}, expected 0 or more.")

    def steps(self, n: int) -> int:
        """Steps over ``n`` photographs; what is left over of an epoch is left out.

        Raises
        ------
        ParameterError
            When there are fewer photographs than a batch, or the warm-up never ends.
        """
        if n < self.batch_size:
            raise ParameterError(
                f"{n:,} photographs are fewer than a batch of {self.batch_size}.", "--batch-size"
            )
        steps = self.epochs * (n // self.batch_size)
        if self.warmup >= steps:
            raise ParameterError(
                f"the warm-up takes {self.warmup} steps, and {self.epochs} epochs of {n:,} "
                f"photographs are {steps}: the learning rate would never be reached.",
                "a smaller --warmup or --batch-size, or more --epochs",
            )
        return steps

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step."""
        return learning_rate(step, steps, self.warmup, self.learning_rate)


class Tuned(NamedTuple):
    """A fine-tuned model on disk."""

    path: Path  # a folder that open_clip loads as local-dir:PATH
    n: int  # photographs
    n_classes: int
    steps: int
    loss: float  # mean over the last tenth of the steps, in nats
    accuracy: float  # on the photographs of these steps, edited and cropped
    n_pasted: int  # photographs that were edited, each as often as it was
    pasted_by_level: dict[str, float]
    n_not_pasted: int  # that were to be edited, and no cut-out fitted or none went with the class
    unreadable: tuple[tuple[str, str], ...]  # id and reason

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        data = self._asdict() | {"unreadable": [list(row) for row in self.unreadable]}
        return {"model": str(data.pop("path")), **data}

    def facts(self) -> dict[str, object]:
        """The figures under names that people read."""
        levels = ", ".join(f"{name} {share:.0%}" for name, share in self.pasted_by_level.items())
        return {
            "model": str(self.path),
            "photographs": self.n,
            "classes": self.n_classes,
            "steps": self.steps,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "accessories pasted": f"{self.n_pasted:,}" + (f" ({levels})" if self.n_pasted else ""),
            "not pasted, as none fits or goes with the class": self.n_not_pasted,
            "skipped": len(self.unreadable),
        }


class Task(NamedTuple):
    """What is learned."""

    images: ImageList
    names: tuple[str, ...]
    templates: tuple[str, ...]
    places: npt.NDArray[np.int64]  # class of each image
    editor: Editor | None


def mean_of(log: Sequence[Entry], name: Literal["loss", "accuracy"]) -> float:
    """Mean over some steps."""
    return float(np.mean([entry[name] for entry in log]))


def write_log(path: Path, log: Sequence[Entry], tuning: Tuning) -> None:
    """Write what became of each step."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow("step loss accuracy learning_rate n_pasted n_not_pasted".split())
        for step, entry in enumerate(log):
            rate = tuning.rate(step, len(log))
            writer.writerow([step + 1, f"{entry['loss']:.6f}", f"{entry['accuracy']:.4f}",
                             f"{rate:.3e}", entry["n_pasted"], entry["n_not_pasted"]])  # fmt: skip


def write_skipped(path: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """List the photographs that were not learned from, where there are any."""
    if not skipped:
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "reason"])
        writer.writerows(skipped)


def unreadable_of(task: Task, log: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
    """Id and reason of each photograph that could not be read."""
    problems = {row: reason for entry in log for row, reason in entry["problems"]}
    return tuple((task.images.ids[row], why) for row, why in sorted(problems.items()))


def sum_up(output: Path, task: Task, log: Sequence[Entry], by_level: dict[str, float]) -> Tuned:
    """What came of a run."""
    tail = log[-max(1, len(log) // 10) :]
    return Tuned(
        path=output,
        n=len(task.places),
        n_classes=len(task.names),
        steps=len(log),
        loss=mean_of(tail, "loss"),
        accuracy=mean_of(tail, "accuracy"),
        n_pasted=sum(entry["n_pasted"] for entry in log),
        pasted_by_level=by_level,
        n_not_pasted=sum(entry["n_not_pasted"] for entry in log),
        unreadable=unreadable_of(task, log),
    )
