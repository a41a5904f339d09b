"""Images read, decoded and prepared for a model, in this process or in several."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from conceptstats.pictures import decode_image

from .image_sources import Place

Preprocess = Callable[[Image.Image], torch.Tensor]


class ReadImage(NamedTuple):
    """One image as a model takes it, or what is wrong with it."""

    pixels: torch.Tensor | None  # None: it cannot be read
    sha256: str | None  # of its file
    problem: str | None


class Block(NamedTuple):
    """Images as a model gets them, each in its slot."""

    pixels: torch.Tensor | None  # (slots, ...), zeros where there is no image; None: none at all
    sha256: list[str | None]
    problems: list[str | None]


def read_blocks(
    places: Sequence[Place],
    preprocess: Preprocess,
    *,
    slots: int,
    batch_size: int | None = None,
    workers: int = 0,
    pinned: bool = False,
) -> Iterator[Block]:
    """Read images in order, in blocks; the last one can have fewer images than slots.

    Parameters
    ----------
    places : sequence of Place
    preprocess : callable
        Turns a picture into a tensor, whose shape is the same for all.
    slots : int
        Images of a block.
    batch_size : int, optional
        Images that travel together from a process. None: a block, which is copied least.
    workers : int
        Processes, each of which reads two such ahead; 0 for none.
    pinned : bool
        Put blocks where a GPU can fetch them by itself.
    """
    size = batch_size or slots
    loader = torch.utils.data.DataLoader(
        _Images(places, preprocess),
        batch_size=size,
        num_workers=workers,
        collate_fn=partial(_to_block, slots=size),
        pin_memory=pinned,
    )
    if size == slots:
        yield from loader
        return
    images: list[ReadImage] = []
    for block in loader:
        images += _take_apart(block)
        while len(images) >= slots:
            yield _to_block(images[:slots], slots)
            del images[:slots]
    if images:
        yield _to_block(images, slots)


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
            return ReadImage(None, None, error.strerror or str(error) or type(error).__name__)
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            pixels = self.preprocess(decode_image(data))
        except Exception as error:  # decoders raise errors of every kind
            return ReadImage(None, sha256, f"{type(error).__name__}: {error}")
        return ReadImage(pixels, sha256, None)


def _read(place: Place) -> bytes:
    with Path(place.path).open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size)


def _to_block(images: Sequence[ReadImage], slots: int) -> Block:
    found = {slot: image.pixels for slot, image in enumerate(images) if image.pixels is not None}
    pixels = None
    if len(found) == slots:
        pixels = torch.utils.data.default_collate(list(found.values()))  # where others can read it
    elif found:
        like = next(iter(found.values()))
        pixels = like.new_zeros((slots, *like.shape))
        for slot, image in found.items():
            pixels[slot] = image
    return Block(pixels, [image.sha256 for image in images], [image.problem for image in images])


def _take_apart(block: Block) -> list[ReadImage]:
    return [
        ReadImage(None if problem or block.pixels is None else block.pixels[slot], sha256, problem)
        for slot, (sha256, problem) in enumerate(zip(block.sha256, block.problems, strict=True))
    ]
