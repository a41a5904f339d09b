"""A model between an original and what was fine-tuned from it: weight-space ensembles (WiSE-FT)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from conceptstats.errors import ModelError, ParameterError
from conceptstats.runs import dump_json, run_record
from conceptstats.tables import writing_folder

from .model_folder import CONFIG, RECORD, config_of, save_tokenizer, save_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from ..models import OpenClip

_NAMED = 3  # weights that an error shows


class Interpolated(NamedTuple):
    """A model on disk."""

    path: Path
    alpha: float
    n_weights: int  # numbers that differ between the two models
    distance: float  # norm of their differences over the norm of the original's weights

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        data = self._asdict()
        return {"model": str(data.pop("path")), **data}

    def facts(self) -> dict[str, object]:
        """The figures under names that people read."""
        return {
            "model": str(self.path),
            "alpha": self.alpha,
            "weights that differ": self.n_weights,
            "distance, of the original's norm": f"{self.distance:.2g}",
        }


def interpolate(
    original: str | Path,
    finetuned: str | Path,
    output: str | Path,
    *,
    alpha: float = 0.5,
    pretrained: str | Path | None = None,
    overwrite: bool = False,
) -> Interpolated:
    r"""Interpolate all weights of two models (Wortsman et al., arXiv 2109.01903, section 4).

    .. math:: \theta = (1 - \alpha) \theta_0 + \alpha \theta_1

    Parameters
    ----------
    original, finetuned : str or path
        As `models.load_model` takes models; of one architecture, and with the same transform.
    output : path
        Folder to write: ``open_clip_config.json``, ``open_clip_model.safetensors``, ``run.json``.
    alpha : float
        0: the original; 1: the fine-tuned model. 0.5 is what its authors recommend without data to
        choose by.
    pretrained : str or path, optional
        Weights of the original, where it is named by its architecture.
    overwrite : bool

    Raises
    ------
    ParameterError
        When alpha is outside [0, 1].
    ModelError
        When a model cannot be had, or the two do not go together.
    OutputExistsError, OutputError

    Notes
    -----
    Whole numbers, such as counts of batches, are those of the nearer model.
    """
    from ..models import load_model

    if not 0 <= alpha <= 1:
        raise ParameterError(f"alpha is {alpha}, expected a number from 0 to 1.")
    output = Path(output)
    with writing_folder(output, RECORD, overwrite=overwrite) as folder:
        models = (
            load_model(original, pretrained, device="cpu"),
            load_model(finetuned, device="cpu"),
        )
        _refuse_strangers(*models)
        first, second = (model.module.state_dict() for model in models)
        save_weights(folder, {name: _between(first[name], second[name], alpha) for name in first})
        dump_json(folder / CONFIG, config_of(models[1]))
        save_tokenizer(folder, models[1].tokenizer)
        dump_json(folder / RECORD, _record(*models, alpha))
    return Interpolated(output, alpha, *_difference(first, second))


def _refuse_strangers(original: OpenClip, finetuned: OpenClip) -> None:
    """Raise unless the models are of one architecture and take images alike."""
    first, second = (model.module.state_dict() for model in (original, finetuned))
    shapes = [{k: tuple(v.shape) for k, v in state.items()} for state in (first, second)]
    names = {**first, **second}
    unlike = [name for name in names if shapes[0].get(name) != shapes[1].get(name)]
    both = f"{original.name} and {finetuned.name}"
    if unlike:
        shown = ", ".join(
            f"{name} {shapes[0].get(name, 'missing')} and {shapes[1].get(name, 'missing')}"
            for name in unlike[:_NAMED]
        )
        raise ModelError(
            f"{both} are of different architectures: {len(unlike):,} weights differ in shape "
            f"({shown}).",
            "the original is the model that the other was fine-tuned from",
        )
    if str(original.module) != str(finetuned.module):
        raise ModelError(
            f"{both} have weights of the same shapes, but other layers, such as their activation.",
            "names that end in -quickgelu are architectures of their own",
        )
    cfgs = [_plain(model) for model in (original, finetuned)]
    if cfgs[0] != cfgs[1]:
        differing = [name for name in cfgs[0] if cfgs[0][name] != cfgs[1].get(name)]
        raise ModelError(f"{both} take images in different ways: {', '.join(differing)}.")


def _plain(model: OpenClip) -> dict[str, Any]:
    """How a model takes images, tuples as lists."""
    module: Any = model.module
    cfg = module.visual.preprocess_cfg
    return {k: list(v) if isinstance(v, tuple) else v for k, v in cfg.items()}


def _between(first: torch.Tensor, second: torch.Tensor, alpha: float) -> torch.Tensor:
    import torch

    if not first.is_floating_point():
        return second if alpha >= 0.5 else first
    return torch.lerp(first, second, alpha)  # exact at both ends


def _difference(
    first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]
) -> tuple[int, float]:
    n, apart, norm = 0, 0.0, 0.0
    for name, weight in first.items():
        if weight.is_floating_point():
            n += int((weight != second[name]).sum())
            apart += float((second[name] - weight).double().square().sum())
            norm += float(weight.double().square().sum())
    return n, (apart / norm) ** 0.5 if norm else 0.0


def _record(original: OpenClip, finetuned: OpenClip, alpha: float) -> dict[str, Any]:
    arguments = {
        "original": original.name,
        "pretrained": original.pretrained,
        "finetuned": finetuned.name,
        "alpha": alpha,
    }
    inputs = {"original": original.fingerprint, "finetuned": finetuned.fingerprint}
    return run_record("eval interpolate", arguments, inputs, packages=("torch", "open_clip_torch"))
