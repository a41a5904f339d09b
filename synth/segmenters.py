"""SAM, SAM 2 and their like, through transformers, which say what is not the background.

As in arXiv 2507.08000: the four corners of a picture are given as background, and the mask that the
model itself judges best is taken. A mask that holds a corner all the same is the background's: it
is taken only where there is no other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import transformers
from PIL import Image

from conceptstats.errors import SourceError
from conceptstats.models.devices import Device, Precision, check_precision, find_device
from conceptstats.models.loading import loading
from conceptstats.models.weights import fingerprint_of
from conceptstats.pasting import Pixels

from .vision import computing, load_module, no_number

Mask = npt.NDArray[np.bool_]


class Segmented(NamedTuple):
    """The mask of an object, as large as the picture, and how good the model holds it to be."""

    mask: Mask
    predicted_iou: float


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A model of SAM's kind with its processor.

    It sees one picture at a time, because the last digits of a mask depend on what is computed
    together; pictures of 1,024 pixels a side are work enough for a GPU.

    Parameters
    ----------
    name : str
        Of the model, or its folder.
    fingerprint : str
        Differs between models that may give different results.
    """

    name: str
    fingerprint: str
    module: Any
    processor: Any
    device: torch.device
    precision: Precision

    @torch.inference_mode()
    def segment(self, pixels: Pixels) -> Segmented:
        """The best mask of what is not at the corners of a picture.

        Parameters
        ----------
        pixels : (height, width, 3) uint8

        Raises
        ------
        SourceError
            When the model cannot take the picture, such as one that is too narrow to be scaled.
        ModelError
            When the model gives no numbers, or there is too little memory.
        """
        height, width = pixels.shape[:2]
        corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]]
        try:
            inputs = self.processor(
                images=Image.fromarray(pixels),
                input_points=[[corners]],
                input_labels=[[[0] * len(corners)]],
                return_tensors="pt",
            )
        except Exception as error:  # processors raise errors of every kind
            problem = f"{width} x {height} pixels: {type(error).__name__}: {error}"
            raise SourceError(problem) from error
        sizes = [inputs.pop(name).tolist() for name in ("original_sizes", "reshaped_input_sizes")
                 if name in inputs]  # fmt: skip
        # SAM's processor gives points in float64, which not every device has.
        moved = {name: (x.float() if x.is_floating_point() else x).to(self.device)
                 for name, x in inputs.items()}  # fmt: skip
        with computing(self.name, self.device, self.precision):
            outputs = self.module(**moved, multimask_output=True)
        scores = outputs.iou_scores.float().cpu().reshape(-1)
        logits = outputs.pred_masks.float().cpu()
        if not (scores.isfinite().all() and logits.isfinite().all()):
            raise no_number(f"a mask of {self.name}")
        (found,) = self.processor.post_process_masks(logits, *sizes)
        masks = np.asarray(found.reshape(-1, height, width).numpy(), np.bool_)
        return best_mask(masks, scores.tolist())


def best_mask(masks: npt.NDArray[np.bool_], scores: Sequence[float]) -> Segmented:
    """The mask that the model judges best, of those without a corner where there is one.

    Parameters
    ----------
    masks : (masks, height, width) bool
    scores : sequence of float
        Intersection over union that the model predicts for each.
    """
    order = sorted(range(len(scores)), key=lambda at: (holds_corner(masks[at]), -scores[at]))
    return Segmented(masks[order[0]], float(scores[order[0]]))


def holds_corner(mask: Mask) -> bool:
    """Whether a mask holds a corner of the picture, which is background."""
    return bool(mask[[0, 0, -1, -1], [0, -1, 0, -1]].any())


def load_segmenter(
    model: str | Path,
    revision: str | None = None,
    *,
    precision: Precision = "fp32",
    device: Device = "auto",
    quiet: bool = False,
) -> Segmenter:
    """Load a model with its weights; never one without.

    Parameters
    ----------
    model : str or Path
        Name on the Hugging Face hub, or a folder: SAM, SAM 2 and others that transformers uses to
        generate masks.
    revision : str, optional
        On the hub: a branch, a tag or a commit.
    precision : {"fp32", "bf16", "fp16"}
        What is computed in less than fp32 is what torch's autocast chooses.
    device : {"auto", "cpu", "cuda"}
    quiet : bool
        Show no progress of downloads.

    Raises
    ------
    ParameterError
        When precision or device is unknown, or there is no such device.
    ModelError
        When the model is none of these, or cannot be had.
    """
    check_precision(precision)
    place = find_device(device)
    with loading(str(model), quiet=quiet):
        config = transformers.AutoConfig.from_pretrained(model, revision=revision)
        kind: Any = transformers.AutoModelForMaskGeneration
        module = load_module(kind, model, revision, place, "a model that segments")
        processor = _processor(config.model_type).from_pretrained(model, revision=revision)
    settings = json.dumps(processor.image_processor.to_dict(), sort_keys=True, default=str)
    return Segmenter(
        name=f"{model}@{revision}" if revision else str(model),
        fingerprint=fingerprint_of(module, settings),
        module=module,
        processor=processor,
        device=place,
        precision=precision,
    )


def _processor(kind: str) -> Any:
    """The processor of pictures; weights of SAM 2 are published as those of its video model."""
    if kind in ("sam2", "sam2_video"):
        return transformers.Sam2Processor
    return transformers.AutoProcessor
