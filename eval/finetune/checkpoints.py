"""A training run that can be killed: its folder, and the last state that it goes on from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptstats.errors import OutputError
from conceptstats.parts import take_lock
from conceptstats.progress import Progress
from conceptstats.runs import dump_json

if TYPE_CHECKING:
    import torch

_STATE, _TENSORS, _LOCK = "state.json", "state.safetensors", "lock"


@contextmanager
def unfinished(
    output: Path, plan: Mapping[str, Mapping[str, object]], progress: Progress
) -> Iterator[Path]:
    """The folder of a run, locked: as one of the same plan left it that was cut off, or new.

    After an error it stays where there is a checkpoint to go on from.

    Parameters
    ----------
    output : Path
        The folder is beside it, and hidden.
    plan : mapping
        JSON files of the folder, by name: all that the run depends on.
    progress : Progress
        Is told what becomes of an earlier run.

    Raises
    ------
    OutputError
        When another process writes the same output.
    """
    folder = output.with_name(f".{output.name}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        take_lock(lock, output)
        try:
            _prepare(folder, plan, progress)
            yield folder
        except BaseException:
            if not (folder / _STATE).is_file():
                shutil.rmtree(folder, ignore_errors=True)
            raise


def _prepare(folder: Path, plan: Mapping[str, Mapping[str, object]], progress: Progress) -> None:
    has_state = (folder / _STATE).is_file()
    try:
        files = {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in plan}
    except (OSError, ValueError):
        files = {}
    if has_state and files == plan:
        progress.say(f"{folder}: going on from the last checkpoint")
        return
    if has_state:
        progress.say(f"{folder}: an unfinished run is dropped, as its settings or inputs differ")
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
    for name, data in plan.items():
        dump_json(folder / name, data)


def save_checkpoint(
    folder: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    log: Sequence[Any],
    tallies: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Keep a state; the small file that names the large one comes last.

    Parameters
    ----------
    folder : Path
    model : Module
    optimizer : Optimizer
    log : sequence
        Of JSON types, one item a step.
    tallies : mapping, optional
        What is counted on the way.
    """
    from safetensors.torch import save_file

    tensors = {f"model.{k}": v.contiguous() for k, v in model.state_dict().items()}
    tensors |= {f"tally.{k}": v for k, v in (tallies or {}).items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v.contiguous() for k, v in state.items()}
    name = f"{len(log)}.{_TENSORS}"
    save_file(tensors, folder / name)
    dump_json(folder / f".{_STATE}", {"tensors": name, "log": list(log)})
    (folder / f".{_STATE}").replace(folder / _STATE)
    for other in folder.glob(f"*.{_TENSORS}"):
        if other.name != name:
            other.unlink()


def load_checkpoint(
    folder: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    tallies: Mapping[str, torch.Tensor] | None = None,
) -> list[Any]:
    """Put model, optimizer and tallies in the state of the last checkpoint.

    Returns
    -------
    list
        The log so far; empty without a checkpoint.

    Raises
    ------
    OutputError
        When it is damaged, as a machine that went down can leave it.
    """
    if not (folder / _STATE).is_file():
        return []
    log, tensors = _read_checkpoint(folder, device)
    weights: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "model":
            weights[rest] = tensor
        elif kind == "tally":
            (tallies or {})[rest].copy_(tensor)
        else:
            number, _, key = rest.partition(".")
            laid_out = _laid_out_as(parameters[int(number)], tensor)
            moments.setdefault(int(number), {})[key] = laid_out
    model.load_state_dict(weights)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return log


def _read_checkpoint(
    folder: Path, device: torch.device
) -> tuple[list[Any], dict[str, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        return state["log"], load_file(folder / state["tensors"], device=str(device))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise OutputError(
            f"the last checkpoint in {folder} is damaged: {error}.",
            "remove that folder, and the run begins anew",
        ) from error


def _laid_out_as(parameter: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, in memory as the parameter is: a fused optimizer walks both side by side."""
    import torch

    if tensor.shape != parameter.shape:  # the number of steps
        return tensor
    return torch.empty_like(parameter).copy_(tensor)


def forget_checkpoints(folder: Path) -> None:
    """Take away what only a resumed run needs."""
    for path in (*folder.glob(f"*{_TENSORS}"), *folder.glob(f"*{_STATE}"), folder / _LOCK):
        path.unlink(missing_ok=True)
