"""What a training run does at which step: learning rates, rows, random numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

    from .train import Training
    from .tuning import Tuning


def decisive(settings: Training | Tuning) -> dict[str, Any]:
    """All settings that bear on the weights."""
    return {name: value for name, value in asdict(settings).items() if name != "checkpoint_every"}


def learning_rate(step: int, steps: int, warmup: int, highest: float) -> float:
    """Of a step: it rises over the warm-up and falls to zero as a cosine."""
    if step < warmup:
        return highest * (step + 1) / warmup
    rest = (step - warmup) / max(1, steps - warmup)
    return highest * (1 + math.cos(math.pi * rest)) / 2


def rows_of_step(step: int, n: int, batch_size: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of a step: each epoch is a permutation of its own, of which the rest is left out."""
    epoch, place = divmod(step, n // batch_size)
    return _order(n, seed, epoch)[place * batch_size : (place + 1) * batch_size]


@lru_cache(maxsize=1)  # a million rows take longer to shuffle than a batch to train on
def _order(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(n)


@contextmanager
def seeded(device: torch.device, seed: int, step: int | None = None) -> Iterator[None]:
    """Random numbers of torch by seed and step alone; the caller's own stay as they were."""
    import torch

    if step is not None:
        seed = int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng([torch.cuda.current_device()] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
