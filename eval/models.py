"""Models that classify images by text alone: what is asked of one, and those of open_clip."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from conceptstats.errors import ConceptStatsError, ModelError
from conceptstats.models.devices import (
    DTYPES,
    Device,
    Precision,
    check_precision,
    find_device,
    is_full,
)
from conceptstats.models.weights import fingerprint_of

from .zeroshot.classes import fill, near

Floats = npt.NDArray[np.float32]

_CONFIG = "open_clip_config.json"
_HUB = "hf-hub:"
_FOLDER = "local-dir:"


class ZeroShotModel(Protocol):
    """Says how probable each class is, given the names of the classes only.

    It must treat the images of a batch apart: none may change what another gets.
    """

    @property
    def name(self) -> str:
        """Name of the architecture, or of the folder that the model came from."""
        ...

    @property
    def pretrained(self) -> str | None:
        """Name of the weights, where that of the model does not say it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Differs between models that may give different results."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Turn an RGB picture into what `probabilities` takes, of the same shape for all."""
        ...

    def classifier(self, classes: Sequence[str], templates: Sequence[str]) -> Floats:
        """One row a class, which depends on its own name only."""
        ...

    def probabilities(self, images: torch.Tensor, classifier: Floats) -> Floats:
        """Probability of each class, (images, classes), each row with the sum 1."""
        ...


@dataclass(frozen=True, slots=True)
class OpenClip:
    """A model of open_clip, with its tokeniser and its image transform."""

    name: str
    pretrained: str | None
    fingerprint: str
    preprocess: Callable[[Image.Image], torch.Tensor]
    module: torch.nn.Module
    tokenizer: Callable[[list[str]], torch.Tensor]
    device: torch.device
    precision: Precision
    encode: Callable[[torch.Tensor], torch.Tensor]  # of the images, compiled or not

    def classifier(self, classes: Sequence[str], templates: Sequence[str]) -> Floats:
        """Normalised mean over the templates of the normalised embeddings of a class's prompts."""
        with _running():
            weights = open_clip.build_zero_shot_classifier(
                self.module,
                self.tokenizer,
                classes,
                [partial(fill, template) for template in templates],
                num_classes_per_batch=None,
                device=self.device,
            )
            found: Floats = weights.T.float().cpu().numpy()
        return found

    @torch.inference_mode()
    def probabilities(self, images: torch.Tensor, classifier: Floats) -> Floats:
        """Softmax of scaled cosines, in float32 whatever the precision of the model."""
        module: Any = self.module
        with _running():
            pixels = images.to(self.device, non_blocking=True).to(DTYPES[self.precision])
            embeddings = torch.nn.functional.normalize(self.encode(pixels).float(), dim=-1)
            weights = torch.from_numpy(classifier).to(self.device)
            logits = module.logit_scale.float().exp() * (embeddings @ weights.T)
            if module.logit_bias is not None:
                logits = logits + module.logit_bias.float()
            found: Floats = logits.softmax(dim=-1).cpu().numpy()
        return found


class _Wanted(NamedTuple):
    """What to ask open_clip for."""

    name: str  # with its schema
    tag: str | None  # name of weights, or a file with them
    checkpoint: Path | None  # to load into a model that is made of a folder
    shown: str  # name of the model in results


def load_model(
    model: str | Path,
    pretrained: str | Path | None = None,
    *,
    precision: Precision = "fp32",
    device: Device = "auto",
    compiled: bool = False,
) -> OpenClip:
    """Load a model with its weights; never one without.

    Parameters
    ----------
    model : str or Path
        Name of an architecture; ``hf-hub:org/name``; or a folder with ``open_clip_config.json``
        and weights, with or without ``local-dir:`` before it.
    pretrained : str or Path, optional
        Name of weights for the architecture, or a file with weights (.pt, .safetensors).
    precision : {"fp32", "bf16", "fp16"}
    device : {"auto", "cpu", "cuda"}
        auto: a GPU where there is one.
    compiled : bool
        Let torch compile the image tower, when the first images come. It may round otherwise.

    Raises
    ------
    ParameterError
        When precision or device is unknown, or there is no such device.
    ModelError
        When model or weights are unknown, or cannot be had.
    """
    check_precision(precision)
    place = find_device(device)
    wanted = _resolve(str(model), None if pretrained is None else str(pretrained))
    with _loading(wanted):
        module = open_clip.create_model(
            wanted.name,
            wanted.tag,
            load_weights=wanted.checkpoint is None,
            require_pretrained=wanted.checkpoint is None,
            pretrained_text=False,
            precision=precision,
            device=place,
        )
        if wanted.checkpoint is not None:
            open_clip.load_checkpoint(module, str(wanted.checkpoint))
        tokenizer = open_clip.get_tokenizer(wanted.name)
    module.eval().requires_grad_(False)
    preprocess = image_transform_v2(PreprocessCfg(**module.visual.preprocess_cfg), is_train=False)
    return OpenClip(
        name=wanted.shown,
        pretrained=None if pretrained is None else str(pretrained),
        fingerprint=fingerprint_of(module, repr(preprocess)),
        preprocess=preprocess,
        module=module,
        tokenizer=tokenizer,
        device=place,
        precision=precision,
        encode=torch.compile(module.encode_image, dynamic=False)
        if compiled
        else module.encode_image,
    )


def _resolve(model: str, pretrained: str | None) -> _Wanted:
    """Say what the user means by a model and its weights."""
    if model.startswith(_HUB):
        if pretrained is not None:
            raise ModelError(f"{model} brings its own weights.", "leave out --pretrained")
        return _Wanted(model, None, None, model)
    architecture = model.replace("/", "-")
    if architecture in open_clip.list_models():
        return _Wanted(architecture, _weights(architecture, pretrained), None, architecture)
    folder = Path(model.removeprefix(_FOLDER))
    if not folder.is_dir():
        raise ModelError(
            f"{model} is neither an architecture of open_clip nor a folder.",
            near(model, open_clip.list_models(), "architectures"),
        )
    if not (folder / _CONFIG).is_file():
        raise ModelError(
            f"{folder} holds no {_CONFIG}.",
            "open_clip saves models as folders with it",
        )
    if pretrained is not None:
        if not Path(pretrained).is_file():
            raise ModelError(f"{pretrained}: no such file, expected weights for {folder}.")
        return _Wanted(f"{_FOLDER}{folder}", None, Path(pretrained), str(folder))
    if not any(file.suffix in (".safetensors", ".bin", ".pth") for file in folder.iterdir()):
        raise ModelError(
            f"{folder} holds no weights (.safetensors, .bin, .pth); a model without is random.",
            "--pretrained FILE",
        )
    return _Wanted(f"{_FOLDER}{folder}", None, None, str(folder))


def _weights(architecture: str, pretrained: str | None) -> str:
    """Check that the weights of an architecture are known, and fit it."""
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained is None:
        raise ModelError(
            f"{architecture} is an architecture; without weights its answers are random.",
            f"--pretrained {'|'.join([*tags[:6], 'FILE'])}",
        )
    if open_clip.is_pretrained_cfg(architecture, pretrained):
        _refuse_other_activation(architecture, pretrained)
        return pretrained
    if Path(pretrained).is_file():
        return pretrained
    raise ModelError(
        f"{architecture} has no weights {pretrained!r}, and there is no such file.",
        near(pretrained, tags, "weights"),
    )


def _refuse_other_activation(architecture: str, tag: str) -> None:
    """Raise when the weights were trained with QuickGELU and the model has GELU.

    open_clip only warns of it, and the accuracy is some points lower.
    """
    trained = open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False)
    quick = f"{architecture}-quickgelu"
    if (
        trained
        and not open_clip.get_model_config(architecture).get("quick_gelu", False)
        and open_clip.is_pretrained_cfg(quick, tag)
    ):
        raise ModelError(
            f"the weights {tag!r} were trained with QuickGELU, which {architecture} does not have.",
            f"--model {quick}",
        )


@contextmanager
def _loading(wanted: _Wanted) -> Iterator[None]:
    """Turn what goes wrong as a model is loaded into errors; open_clip's log is not shown."""
    shown = f"{wanted.shown} {wanted.tag}" if wanted.tag else wanted.shown
    try:
        with log_off():
            yield
    except ConceptStatsError:
        raise
    except Exception as error:  # of open_clip, torch, safetensors, the hub, the network
        reason = shorten(" ".join(str(error).split()) or type(error).__name__, 300)
        if is_full(error):
            hint = "memory does not suffice: --precision bf16, or --device cpu"
        elif wanted.name.startswith(_HUB):
            hint = "without a network: get its files elsewhere, and name their folder"
        elif wanted.name.startswith(_FOLDER) or Path(wanted.tag or "").is_file():
            hint = "are these weights of this architecture, and whole?"
        else:
            hint = "without a network: get the file elsewhere, and give it with --pretrained"
        raise ModelError(f"{shown} cannot be loaded: {reason}", hint) from error


@contextmanager
def _running() -> Iterator[None]:
    """Turn what goes wrong as a model runs into errors."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_full(error):
            raise ModelError(
                "memory does not suffice to run the model.", "--precision bf16, or --device cpu"
            ) from error
        if isinstance(error, torch._dynamo.exc.TorchDynamoException):
            reason = shorten(" ".join(str(error).split()), 300)
            raise ModelError(
                f"torch cannot compile the model: {reason}", "leave out --compile"
            ) from error
        raise


@contextmanager
def log_off() -> Iterator[None]:
    """Show nothing of what open_clip logs, such as that a model is made without weights."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
