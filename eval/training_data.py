"""Image-text pairs of webdataset shards, decoded once and held as bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptstats.errors import ParameterError, SourceError
from conceptstats.progress import Progress

if TYPE_CHECKING:
    import torch

_IMAGES = ("png", "jpg", "jpeg", "webp")


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Images with their captions as tokens.

    Parameters
    ----------
    pixels : (n, height, width, 3) uint8 tensor
    tokens : (distinct captions, context length) int64 tensor
    caption : (n,) int64 array
        Row of `tokens` of each image.
    """

    pixels: torch.Tensor
    tokens: torch.Tensor
    caption: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.caption)


def find_shards(patterns: Sequence[str]) -> list[str]:
    """Paths of shards, sorted: names, globs, or braces such as ``{00000..00003}.tar``.

    Raises
    ------
    SourceError
        When there is none.
    """
    from webdataset.shardlists import expand_urls

    found: list[str] = []
    for pattern in patterns:
        for name in expand_urls(pattern):
            path = Path(name)
            paths = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
            if not paths:
                raise SourceError(f"{name}: no such shard.", "a name, a glob, or {00000..03}.tar")
            found += map(str, paths)
    return found


def read_pairs(
    shards: Sequence[str], geometry: Any, tokenizer: Any, memory: int, progress: Progress
) -> TrainingData:
    """Read all pairs, in order.

    Parameters
    ----------
    shards : sequence of str
    geometry : callable
        Brings a PIL image to the size of the model.
    tokenizer : callable
        Captions to tokens.
    memory : int
        Bytes that the pixels may take.
    progress : Progress

    Raises
    ------
    SourceError
        When a sample lacks an image or a caption, or cannot be read.
    ParameterError
        When they take more than ``memory``.
    """
    import torch
    import webdataset

    pixels: list[npt.NDArray[np.uint8]] = []
    captions: list[str] = []
    n_bytes = 0
    progress.stage("reading", "images")
    for sample in webdataset.WebDataset(list(shards), shardshuffle=False):
        image, caption = _pair(sample)
        try:
            pixels.append(np.asarray(geometry(image)))
        except OSError as error:
            raise SourceError(f"{_name(sample)}: the image is damaged: {error}.") from error
        captions.append(caption)
        n_bytes += pixels[-1].nbytes
        if n_bytes > memory:
            raise ParameterError(
                f"the images take more than {memory:,} bytes ({len(pixels):,} of them read).",
                "a larger --memory; for data beyond it train with open_clip and evaluate here",
            )
        progress.advance(1)
    if not pixels:
        raise SourceError(f"{', '.join(shards)}: no image.")
    distinct, caption_of = np.unique(captions, return_inverse=True)
    return TrainingData(
        torch.from_numpy(np.stack(pixels)), tokenizer(distinct.tolist()), caption_of
    )


def _pair(sample: dict[str, Any]) -> tuple[Any, str]:
    from PIL import Image, UnidentifiedImageError

    kind = next((kind for kind in _IMAGES if kind in sample), None)
    if kind is None or "txt" not in sample:
        members = ", ".join(name for name in sample if not name.startswith("__"))
        raise SourceError(
            f"{_name(sample)} has {members or 'nothing'}, expected an image and a caption.",
            f"members end in .txt and in one of .{', .'.join(_IMAGES)}",
        )
    try:
        return Image.open(io.BytesIO(sample[kind])), sample["txt"].decode("utf-8")
    except (UnidentifiedImageError, UnicodeDecodeError) as error:
        raise SourceError(f"{_name(sample)} cannot be read: {error}.") from error


def _name(sample: dict[str, Any]) -> str:
    return f"{sample.get('__url__')}, sample {sample.get('__key__')}"
