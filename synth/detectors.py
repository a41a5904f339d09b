"""Open-vocabulary detectors of transformers, which say whether and where a thing is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import transformers
from PIL import Image

from conceptstats.errors import ModelError
from conceptstats.models.devices import Device, Precision, check_precision, find_device
from conceptstats.models.loading import loading, refuse_wordless
from conceptstats.models.weights import fingerprint_of

from .vision import computing, load_module, no_number

Tensors = Mapping[str, torch.Tensor]


class Finding(NamedTuple):
    """Where a detector sees a thing best."""

    score: float  # in [0, 1]
    box: tuple[float, float, float, float] | None  # left, top, right, bottom in pixels


class _Family(NamedTuple):
    """How detectors of one architecture are asked."""

    query: str  # as its authors ask
    threshold: float  # that transformers takes where none is given
    together: bool  # things asked for at once do not change each other's scores


_FAMILIES = {
    "owlv2": _Family("a photo of a {}", 0.1, together=True),
    "owlvit": _Family("a photo of a {}", 0.1, together=True),
    "grounding-dino": _Family("a {}", 0.25, together=False),
    "mm-grounding-dino": _Family("a {}", 0.25, together=False),
}


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector with its processor.

    It looks at one picture at a time, because the last digits of a score depend on what is computed
    together. These models cut a picture into 3,600 pieces and more, so that one should be work
    enough for a GPU (reckoned, not measured). OWL looks once for all queries; Grounding DINO, in
    which words change what is seen, once for each.

    Parameters
    ----------
    name : str
        Of the model, or its folder.
    fingerprint : str
        Differs between models that may give different results.
    query : str
        How it is usually asked for a thing, which stands for ``{}``.
    threshold : float
        Score from which a thing usually counts as found.
    """

    name: str
    fingerprint: str
    query: str
    threshold: float
    together: bool
    module: Any
    processor: Any
    device: torch.device
    precision: Precision

    def problem(self, query: str) -> str | None:
        """Why it cannot be asked this; None: it can."""
        tokenizer, text = self.processor.tokenizer, self._text(query)
        n = len(tokenizer(text, verbose=False)["input_ids"])
        if n > self._longest:
            return f"the query {query!r} has {n} tokens, and the model reads {self._longest}"
        if tokenizer.unk_token_id in tokenizer(text, add_special_tokens=False)["input_ids"]:
            return f"the query {query!r} has something that the model has no token for"
        return None

    def prepare(self, image: Image.Image) -> Tensors:
        """A picture in RGB as the model takes it. Several threads may call it."""
        tensors: Tensors = self.processor.image_processor(images=image, return_tensors="pt")
        return tensors

    @torch.inference_mode()
    def find(self, pixels: Tensors, size: tuple[int, int], queries: Sequence[str]) -> list[Finding]:
        """The best box of each thing.

        Parameters
        ----------
        pixels : mapping
            What `prepare` made of the picture.
        size : (int, int)
            Height and width of the picture.
        queries : sequence of str

        Raises
        ------
        ModelError
            When a score is no number, or there is too little memory.
        """
        asked = [list(queries)] if self.together else [[query] for query in queries]
        return [finding for some in asked for finding in self._ask(pixels, size, some)]

    def _ask(self, pixels: Tensors, size: tuple[int, int], queries: list[str]) -> list[Finding]:
        """Run the model once; with several queries, they are its classes."""
        texts = [self._text(query) for query in queries]
        fixed = {"padding": "max_length", "max_length": self._longest} if self.together else {}
        tokens = self.processor.tokenizer(texts, return_tensors="pt", **fixed)
        inputs = {name: x.to(self.device) for name, x in (*pixels.items(), *tokens.items())}
        with computing(self.name, self.device, self.precision):
            outputs = self.module(**inputs)
        logits, boxes = outputs.logits.float().cpu(), outputs.pred_boxes.float().cpu()
        # Processors leave out boxes without a number, which would look as if nothing was found.
        if not math.isfinite(logits.max()) or not boxes.isfinite().all():
            raise no_number(f"a score of {self.name}")
        if not self.together:
            return [strongest(self.processor, logits, boxes, size, tokens["input_ids"])]
        columns = logits.split(1, dim=-1)
        return [strongest(self.processor, column, boxes, size) for column in columns]

    def _text(self, query: str) -> str:
        """What the tokeniser gets: for Grounding DINO one phrase, in small letters, with a stop."""
        if self.together:
            return query
        return " ".join(query.lower().replace(".", " ").replace("?", " ").split()) + "."

    @property
    def _longest(self) -> int:
        """Most tokens of a query."""
        config = self.module.config
        longest = int(config.text_config.max_position_embeddings)
        return min(longest, getattr(config, "max_text_len", longest))


def strongest(
    processor: Any,
    logits: torch.Tensor,
    boxes: torch.Tensor,
    size: tuple[int, int],
    input_ids: torch.Tensor | None = None,
) -> Finding:
    """The best box, in pixels, of what a model gives for one picture and one query.

    The processor scales boxes back as it has scaled the picture: OWLv2 pads it to a square, the
    others do not. A box is cut at the edges of the picture, and one that lies beyond them, in what
    was padded, does not count.

    Parameters
    ----------
    processor : processor of transformers
    logits : tensor
        (1, boxes, 1 or tokens).
    boxes : tensor
        (1, boxes, 4): centre, width and height, as shares.
    size : (int, int)
        Height and width of the picture.
    input_ids : tensor, optional
        Of the query, where a box is held against each of its tokens.

    Returns
    -------
    Finding
        Without a box, and with score 0, where no box is in the picture.
    """
    tokens = {} if input_ids is None else {"input_ids": input_ids, "text_threshold": 1.0}
    (found,) = processor.post_process_grounded_object_detection(
        SimpleNamespace(logits=logits, pred_boxes=boxes),
        threshold=-1.0,  # all of them
        target_sizes=[size],
        **tokens,
    )
    height, width = size
    cut = found["boxes"].clamp(min=0).minimum(torch.tensor([width, height, width, height]))
    inside = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    if not inside.any():
        return Finding(0.0, None)
    best = int(found["scores"].masked_fill(~inside, -1.0).argmax())
    left, top, right, bottom = cut[best].tolist()
    return Finding(float(found["scores"][best]), (left, top, right, bottom))


def load_detector(
    model: str | Path,
    revision: str | None = None,
    *,
    precision: Precision = "fp32",
    device: Device = "auto",
    quiet: bool = False,
) -> Detector:
    """Load a detector with its weights; never one without.

    Parameters
    ----------
    model : str or Path
        Name on the Hugging Face hub, or a folder: OWLv2, OWL-ViT or (MM) Grounding DINO.
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
        family = _family(config.model_type, model)
        processors: Any = transformers.AutoProcessor
        processor = processors.from_pretrained(model, revision=revision)
        refuse_wordless(processor.tokenizer, str(model))
        kind = transformers.AutoModelForZeroShotObjectDetection
        module = load_module(kind, model, revision, place, "a detector")
    return Detector(
        name=f"{model}@{revision}" if revision else str(model),
        fingerprint=fingerprint_of(module, *_settings(processor)),
        query=family.query,
        threshold=family.threshold,
        together=family.together,
        module=module,
        processor=processor,
        device=place,
        precision=precision,
    )


def _family(kind: str, model: str | Path) -> _Family:
    if kind not in _FAMILIES:
        raise ModelError(
            f"{model} is of the architecture {kind}, expected {', '.join(_FAMILIES)}.",
            "detectors that can be asked for any word, such as google/owlv2-base-patch16-ensemble",
        )
    return _FAMILIES[kind]


def _settings(processor: Any) -> tuple[str, str]:
    """How pictures and words are prepared."""
    pictures = json.dumps(processor.image_processor.to_dict(), sort_keys=True, default=str)
    return pictures, processor.tokenizer.backend_tokenizer.to_str()
