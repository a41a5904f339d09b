"""Pictures by any text-to-image pipeline of diffusers: FLUX, Stable Diffusion and others."""

from __future__ import annotations

import difflib
import inspect
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from conceptstats.errors import ModelError, ParameterError
from conceptstats.models.devices import (
    DTYPES,
    Precision,
    check_precision,
    enough_memory,
    find_device,
)
from conceptstats.models.loading import quiet_libraries

from .diffusers_loading import load_pipeline, tokenizers
from .images import ImageRequest, Refused

PACKAGES = ("diffusers", "transformers", "torch")  # whose versions bear on pixels
# GenPairs of arXiv 2507.08000.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "genpairs": {
        "model": "black-forest-labs/FLUX.1-dev",
        "precision": "bf16",
        "width": 512,
        "height": 512,
        "guidance_scale": 5.0,
        "num_inference_steps": 28,
        "max_sequence_length": 512,
    }
}
_OURS = frozenset(  # arguments of pipelines that are not for users
    "self prompt generator output_type return_dict num_images_per_prompt latents callback "
    "callback_steps callback_on_step_end callback_on_step_end_tensor_inputs".split()
)


@dataclass(frozen=True, slots=True)
class DiffusersImages:
    """Makes pictures with a pipeline, each from the noise of a CPU generator with its own seed.

    A picture is made by itself, because the last bits of what a GPU or CPU computes depend on the
    batch: on small FLUX and Stable Diffusion pipelines in bf16, 1 to 14% of all pixel values differ
    by 1 or 2 between batches of 1 and 4. ``batched`` makes all requests in one call all the same.
    Large pipelines, such as FLUX, keep a GPU busy with one picture; small ones gain by it. On a CPU
    the last bits depend on the number of threads too (``OMP_NUM_THREADS``).

    Parameters
    ----------
    pipeline : diffusers.DiffusionPipeline
    arguments : mapping
        Of each call, besides prompt, generator and kind of output.
    device : torch.device
    batched : bool
    settings : mapping
        What the pixels depend on, for records.
    """

    pipeline: Any
    arguments: Mapping[str, Any]
    device: torch.device
    batched: bool
    settings: Mapping[str, Any]

    @property
    def backend(self) -> str:
        """Name of this generator."""
        return "diffusers"

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Refused]:
        """Make one picture per request.

        What is not finite, has one colour only, or was replaced by a safety checker is refused.

        Raises
        ------
        Exception
            Whatever the pipeline raises.
        """
        if self.batched:
            return self._call(requests)
        return [picture for request in requests for picture in self._call([request])]

    def read_in_part(self, prompts: Iterable[str]) -> list[str]:
        """Which prompts no text encoder reads to their end, as far as the tokenisers tell."""
        with quiet_libraries():
            return [prompt for prompt in prompts if self._cuts(prompt)]

    def _cuts(self, prompt: str) -> bool:
        at_most = self.settings["arguments"].get("max_sequence_length")
        cut = []
        for tokenizer in tokenizers(self.pipeline):
            longest = tokenizer.model_max_length
            if at_most is not None and "CLIP" not in type(tokenizer).__name__:  # its own length
                longest = min(longest, at_most)
            cut.append(len(tokenizer(prompt).input_ids) > longest)
        return bool(cut) and all(cut)

    def _call(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Refused]:
        """One call of the pipeline."""
        n = len(requests)
        prompts = [request.prompt for request in requests]
        noise = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        more = {
            # Several prompts need as many of their kind; one is a string, as pipelines expect it.
            name: [value] * n if n > 1 and "prompt" in name and isinstance(value, str) else value
            for name, value in self.arguments.items()
        }
        if "output_type" in _parameters(self.pipeline):
            more["output_type"] = "np"  # in which NaN can be told from black
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            with (
                quiet_libraries(),
                torch.random.fork_rng(devices),
                torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
            ):
                torch.manual_seed(requests[0].seed)  # for what does not draw from the generator
                made = self.pipeline(
                    prompt=prompts if n > 1 else prompts[0],
                    generator=noise if n > 1 else noise[0],
                    **more,
                )
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()  # before this is tried again
            raise
        if (images := getattr(made, "images", None)) is None:
            raise ModelError(f"{type(self.pipeline).__name__} makes no images.")
        pictures = [
            _judge(image, bad) for image, bad in zip(images, _replaced(made, n), strict=True)
        ]
        self._check_sizes(pictures)
        return pictures

    def _check_sizes(self, pictures: Sequence[Image.Image | Refused]) -> None:
        """Raise where a pipeline has rounded the size, of which it only warns."""
        size = self.arguments.get("width"), self.arguments.get("height")
        for picture in pictures:
            if isinstance(picture, Image.Image) and None not in size and picture.size != size:
                raise ParameterError(
                    f"{type(self.pipeline).__name__} makes pictures of {picture.width} x "
                    f"{picture.height} pixels where {size[0]} x {size[1]} were asked for.",
                    "--width and --height as it makes them; most models take multiples of 16",
                )


def load_generator(
    model: str | Path,
    revision: str | None = None,
    *,
    precision: Precision = "fp32",
    device: str = "auto",
    local_rank: int = 0,
    offload: bool = False,
    batched: bool = False,
    arguments: Mapping[str, Any] | None = None,
    preset: str | None = None,
    quiet: bool = False,
) -> DiffusersImages:
    """Load a pipeline, and check what it is to be called with.

    Parameters
    ----------
    model : str or Path
        Name on the Hugging Face hub, or a folder with ``model_index.json``.
    revision : str, optional
        On the hub: a branch, a tag or a commit.
    precision : {"fp32", "bf16", "fp16"}
    device : {"auto", "cpu", "cuda"}
    local_rank : int
        Number of the GPU.
    offload : bool
        Keep on the GPU only the model that is at work: slower, in a fraction of the memory, with
        the same pixels.
    batched : bool
        As `DiffusersImages` says.
    arguments : mapping, optional
        Of the pipeline's call; those that are not given have its defaults.
    preset : str, optional
        Of `PRESETS`, whose arguments are among them: an error names it.
    quiet : bool
        Show no progress of downloads.

    Raises
    ------
    ParameterError
        When the pipeline has no such argument, or there is no such device.
    ModelError
        When the pipeline cannot be had, or takes no prompt and no seed.
    """
    check_precision(precision)
    place = find_device(device, local_rank)
    if offload and place.type == "cpu":
        raise ParameterError("offload moves models from a GPU, and there is none.", "--device cuda")
    pipeline, found = load_pipeline(model, revision, DTYPES[precision], quiet=quiet)
    arguments = dict(arguments or {})
    _check_arguments(pipeline, arguments, preset)
    _place(pipeline, place, offload=offload, name=str(model))
    pipeline.set_progress_bar_config(disable=True)
    settings = {
        "model": str(model),
        "revision": found,
        "pipeline": type(pipeline).__name__,
        "precision": precision,
        "device": place.type,
        "arguments": _defaults(pipeline) | arguments,
    }
    return DiffusersImages(pipeline, arguments, place, batched, settings)


def parse_argument(text: str) -> tuple[str, Any]:
    """An argument as a user writes it: a value in JSON, or else a text.

    >>> parse_argument("true_cfg_scale=4.0"), parse_argument("prompt_2=a blue sky")
    (('true_cfg_scale', 4.0), ('prompt_2', 'a blue sky'))

    Raises
    ------
    ParameterError
    """
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ParameterError(f"argument is {text!r}, expected NAME=VALUE.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(type(pipeline).__call__).parameters


def _check_arguments(pipeline: Any, arguments: Mapping[str, Any], preset: str | None) -> None:
    """Raise unless a pipeline makes pictures of a prompt and a seed, and takes these arguments."""
    name, there = type(pipeline).__name__, _parameters(pipeline)
    if missing := {"prompt", "generator"} - there.keys():
        raise ModelError(
            f"{name} takes no {' and no '.join(sorted(missing))}, so it is no pipeline for this.",
            "a text-to-image pipeline",
        )
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    usable = sorted(x for x, kind in there.items() if x not in _OURS and kind.kind in kinds)
    for argument, value in arguments.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ParameterError(f"{argument} is {value}, expected a number.")
        if argument not in usable and preset and argument in PRESETS[preset]:
            raise ParameterError(
                f"{name} takes no argument {argument!r}, which is of the preset {preset}.",
                f"leave out --preset {preset}, which is for {PRESETS[preset]['model']}, and give "
                "--precision, --width, --height, --guidance and --steps as you want them",
            )
        if argument not in usable:
            near = difflib.get_close_matches(argument, usable, 3)
            meant = f"do you mean {' or '.join(near)}? " if near else ""
            raise ParameterError(
                f"{name} takes no argument {argument!r} here.",
                f"{meant}it takes {', '.join(usable)}",
            )
    if ("width" in arguments) != ("height" in arguments):
        raise ParameterError(
            "width and height are not both given; some pipelines ignore one without the other."
        )
    scale = arguments.get("true_cfg_scale", _defaults(pipeline).get("true_cfg_scale", 2))
    if "negative_prompt" in arguments and scale is not None and scale <= 1:
        raise ParameterError(
            f"{name} does not heed a negative prompt when true_cfg_scale is {scale}.",
            "--set true_cfg_scale=4.0, which takes twice the time",
        )


def _defaults(pipeline: Any) -> dict[str, Any]:
    """Plain defaults of a pipeline's call, which are part of how a picture was made."""
    return {
        name: parameter.default
        for name, parameter in _parameters(pipeline).items()
        if name not in _OURS and isinstance(parameter.default, bool | int | float | str)
    }


def _place(pipeline: Any, device: torch.device, *, offload: bool, name: str) -> None:
    """Move a pipeline to its device."""
    with enough_memory(name, device, "--precision bf16, or --offload"), quiet_libraries():
        if offload:
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)


def _replaced(made: Any, n: int) -> list[bool]:
    """Which pictures a safety checker has made black."""
    for name in ("nsfw_content_detected", "nsfw_detected"):  # the second of DeepFloyd IF
        if (found := getattr(made, name, None)) is not None:
            flags: Iterable[Any] = found
            return [bool(flag) for flag in flags]
    return [False] * n


def _judge(picture: Any, replaced: bool) -> Image.Image | Refused:
    """A picture of a pipeline, if there is anything in it."""
    if replaced:
        return Refused("the safety checker has replaced it")
    if isinstance(picture, Image.Image):
        image = picture.convert("RGB")
    else:
        if not np.isfinite(picture).all():
            return Refused("its pixels are no numbers; --precision bf16 or fp32 reaches further")
        values = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
        image = Image.fromarray(values.squeeze(-1) if values.shape[-1] == 1 else values)
        image = image.convert("RGB")
    extrema: Any = image.getextrema()
    if all(low == high for low, high in extrema):
        return Refused("it has one colour only")
    return image
