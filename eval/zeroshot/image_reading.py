"""Images read, decoded and prepared for a model, in this process or in several."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from .image_sources import Place

Preprocess = Callable[[Image.Image], torch.Tensor]


class ReadImage(NamedTuple):
    """One image as a model takes it, or what is wrong with it."""

    pixels: torch.Tensor | None  # None: it cannot be read
    sha256: str | None  # of its file
    problem: str | None


class _Batch(NamedTuple):
    """Images together, as they travel from one process to another."""

    pixels: torch.Tensor | None  # of those that could be read
    sha256: list[str | None]
    problems: list[str | None]


def decode_image(data: bytes) -> Image.Image:
    """The picture in a file: turned as its EXIF says, in RGB with 8 bits.

    Transparency is dropped, as `torchvision` and `open_clip` drop it. Grey values of 16 bits are
    scaled, which Pillow's own conversion would cut at 255. Of an animation, the first frame.
    """
    image: Image.Image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode == "RGB":
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        return Image.fromarray(np.round(values / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns of the direct way
    return image.convert("RGB")


def read_images(
    places: Sequence[Place], preprocess: Preprocess, *, batch_size: int = 64, workers: int = 0
) -> Iterator[ReadImage]:
    """Read images in order.

    Parameters
    ----------
    places : sequence of Place
    preprocess : callable
        Turns a picture into a tensor, whose shape is the same for all.
    batch_size : int
        Images that travel together from a process.
    workers : int
        Processes; 0 for none.
    """
    loader = torch.utils.data.DataLoader(
        _Images(places, preprocess),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_together,
    )
    for batch in loader:
        rows = iter(batch.pixels if batch.pixels is not None else ())
        for sha256, problem in zip(batch.sha256, batch.problems, strict=True):
            yield ReadImage(next(rows) if problem is None else None, sha256, problem)


@dataclass(frozen=True, slots=True)
class _Images(torch.utils.data.Dataset[ReadImage]):
    """Images by number; what cannot be read is told, not raised."""

    places: Sequence[Place]
    preprocess: Preprocess

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    def __getitem__(self, number: int) -> ReadImage:
        """Read one."""
        try:
            data = _read(self.places[number])
        except OSError as error:
            return ReadImage(None, None, error.strerror or str(error))
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            image = decode_image(data)
        except Exception as error:  # decoders raise errors of every kind
            return ReadImage(None, sha256, f"{type(error).__name__}: {error}")
        return ReadImage(self.preprocess(image), sha256, None)


def _read(place: Place) -> bytes:
    with Path(place.path).open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def _together(images: list[ReadImage]) -> _Batch:
    pixels = [image.pixels for image in images if image.pixels is not None]
    return _Batch(
        torch.stack(pixels) if pixels else None,
        [image.sha256 for image in images],
        [image.problem for image in images],
    )
