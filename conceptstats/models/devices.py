"""Where models run, in which precision, and whether memory suffices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, get_args

import torch

from conceptstats.errors import ModelError, ParameterError
from conceptstats.shards import Shard

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "bf16", "fp16"]
PrecisionOrAuto = Literal["auto", "fp32", "bf16", "fp16"]  # auto: as weights are stored

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Launched(NamedTuple):
    """A process among those that `accelerate launch` or `torchrun` started."""

    rank: int  # among all
    n: int
    local_rank: int  # on this machine: the number of its GPU


def launched() -> Launched:
    """What process this is, as its environment says; alone where nothing launched it."""
    rank, n, local = (
        int(os.environ.get(name, default))
        for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    )
    return Launched(rank, n, local)


def share_of(shard: Shard, process: Launched) -> Shard:
    """The share of a process, of the share that all processes of its launch have.

    >>> share_of(Shard(1, 2), Launched(2, 4, 2))
    Shard(index=5, n=8)
    """
    return Shard(shard.index + shard.n * process.rank, shard.n * process.n)


def find_device(device: str, local_rank: int = 0) -> torch.device:
    """Where a model runs: auto is a GPU where there is one; each process of a launch has its own.

    Raises
    ------
    ParameterError
        When it is none of auto, cpu and cuda, or there is no such device.
    """
    if device not in get_args(Device):
        raise ParameterError(f"device is {device!r}, expected auto, cpu or cuda.")
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu" or (device == "auto" and not n):
        return torch.device("cpu")
    if not n:
        raise ParameterError("device is 'cuda', and torch finds no GPU here.", "--device cpu")
    if local_rank >= n:
        raise ParameterError(
            f"process {local_rank} of this machine finds no GPU of its own: there are {n}.",
            "launch as many processes as there are GPUs",
        )
    return torch.device("cuda", local_rank)


def check_precision(precision: str, *, auto: bool = False) -> None:
    """Raise unless there is such a precision; auto, as weights are stored, only where it may be.

    Raises
    ------
    ParameterError
    """
    known = get_args(PrecisionOrAuto if auto else Precision)
    if precision not in known:
        raise ParameterError(f"precision is {precision!r}, expected {' or '.join(known)}.")


def is_full(error: BaseException) -> bool:
    """Whether memory ran out: torch has a kind of error for GPUs, and none for CPUs."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


@contextmanager
def enough_memory(
    name: str,
    device: torch.device,
    hint: str = "--precision bf16, or --device cpu; a run goes on where it stopped only with the "
    "same",
) -> Iterator[None]:
    """Say what can be done where a model runs out of memory.

    Raises
    ------
    ModelError
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_full(error):
            raise
        raise ModelError(f"too little memory for {name} on {device}.", hint) from error
