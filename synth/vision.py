"""Models of transformers that look at pictures: loaded in fp32, run in a precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from conceptstats.errors import ModelError
from conceptstats.models.devices import DTYPES, Precision, enough_memory
from conceptstats.models.weights import refuse_random


def load_module(
    kind: Any, model: str | Path, revision: str | None, device: torch.device, what: str
) -> Any:
    """Load the weights of a model, all of them, for use on a device.

    Parameters
    ----------
    kind : class of transformers
        Such as AutoModelForMaskGeneration.
    model : str or Path
    revision : str, optional
    device : torch.device
    what : str
        What the model should be, for the error.

    Raises
    ------
    ModelError
        When weights are missing.
    """
    module, loaded = kind.from_pretrained(model, revision=revision, output_loading_info=True)
    refuse_random(module, loaded, str(model), what)
    return module.float().eval().requires_grad_(False).to(device)


@contextmanager
def computing(name: str, device: torch.device, precision: Precision) -> Iterator[None]:
    """Run a model; what is computed in less than fp32 is what torch's autocast chooses.

    Raises
    ------
    ModelError
        When there is too little memory.
    """
    dtype = DTYPES[precision]
    mixed = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    with enough_memory(name, device), mixed:
        yield


def no_number(what: str) -> ModelError:
    """The error where a model gives NaN."""
    return ModelError(
        f"{what} is no number.", "--precision fp32, or bf16, which reach further than fp16"
    )
