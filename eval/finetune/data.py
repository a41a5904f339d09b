"""Image-text pairs of webdataset shards, decoded once and held as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conceptstats.errors import ParameterError, SourceError
from conceptstats.progress import Progress

from ..zeroshot.shards import read_captioned

if TYPE_CHECKING:
    import torch


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
    """Paths of shards, each once: names, globs (sorted), or braces such as ``{00000..00003}.tar``.

    Raises
    ------
    SourceError
        When a name or pattern stands for no file.
    """
    found: list[str] = []
    for pattern in patterns:
        for name in _names(pattern):
            files = [name]
            if not Path(name).is_file():
                matches = sorted(glob(name, recursive=True))  # noqa: PTH207  # absolute ones too
                files = [match for match in matches if Path(match).is_file()]
            if not files:
                raise SourceError(f"{name}: no such shard.", "a name, a glob, or {00000..03}.tar")
            found += files
    return list(dict.fromkeys(found))


def _names(pattern: str) -> list[str]:
    """What a pattern with braces stands for; globs stay as they are."""
    from webdataset.shardlists import expand_urls

    if Path(pattern).is_file():
        return [pattern]
    try:
        return list(expand_urls(pattern))
    except (ValueError, AssertionError) as error:
        raise SourceError(f"{pattern!r} cannot be understood: {error}.") from error


def read_pairs(
    shards: Sequence[str], geometry: Any, tokenizer: Any, memory: int, progress: Progress
) -> TrainingData:
    """Read all pairs, in order.

    Parameters
    ----------
    shards : sequence of str
    geometry : callable
        Brings an RGB picture to the size of the model.
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

    from conceptstats.pictures import decode_image

    pixels = bytearray()
    shape: tuple[int, ...] = ()
    caption: list[int] = []
    captions: dict[str, int] = {}
    progress.stage("reading", "images")
    for shard in shards:
        for pair in read_captioned(shard):
            try:
                picture = np.asarray(geometry(decode_image(pair.image)))
            except Exception as error:  # decoders raise errors of every kind
                reason = f"{type(error).__name__}: {error}"
                raise SourceError(
                    f"{shard}: the image of sample {pair.key} cannot be read ({reason})."
                ) from error
            shape = picture.shape
            pixels += picture.tobytes()
            caption.append(captions.setdefault(pair.caption, len(captions)))
            if len(pixels) > memory:
                raise ParameterError(
                    f"the images take more than {memory:,} bytes ({len(caption):,} of them read).",
                    "a larger --memory; for data beyond it train with open_clip and evaluate here",
                )
            progress.advance(1)
    if not caption:
        raise SourceError(f"{', '.join(shards)}: no image.")
    held = np.frombuffer(pixels, np.uint8).reshape(len(caption), *shape)
    return TrainingData(torch.from_numpy(held), tokenizer(list(captions)), np.array(caption))
