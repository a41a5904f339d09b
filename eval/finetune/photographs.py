"""Photographs on their way into training: read, edited, cropped, by seed, epoch and row alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from conceptstats.pictures import decode_image

from ..zeroshot.image_sources import Place
from .editing import Editor
from .schedule import rows_of_step

_ITEM = 1  # tells the random numbers of a photograph from those of the order of an epoch


class Turn(NamedTuple):
    """A photograph in an epoch."""

    epoch: int
    row: int


class _Taken(NamedTuple):
    turn: Turn
    pixels: torch.Tensor | None  # None: it cannot be read
    accessory: int | None
    failed: bool
    problem: str | None


class Batch(NamedTuple):
    """Photographs of one step."""

    pixels: torch.Tensor | None  # (n, 3, height, width), normalised; None: none can be read
    places: torch.Tensor  # (n,) int64: of their classes
    pasted: list[tuple[int, int]]  # class and accessory of each that is edited
    n_failed: int  # that were to be edited, and no cut-out fitted
    problems: list[tuple[int, str]]  # row and reason of each that cannot be read


@dataclass(frozen=True, slots=True)
class Photographs(torch.utils.data.Dataset[_Taken]):
    """All photographs, each as its turn has it.

    Parameters
    ----------
    files : sequence of Place
    places : (n,) int64
        Class of each.
    transform : callable
        Makes a tensor of an RGB picture, with random numbers of torch.
    editor : Editor or None
    seed : int
    """

    files: Sequence[Place]
    places: npt.NDArray[np.int64]
    transform: Callable[[Image.Image], torch.Tensor]
    editor: Editor | None
    seed: int

    def __len__(self) -> int:
        """How many there are."""
        return len(self.files)

    def __getitem__(self, turn: Turn) -> _Taken:
        """Read one, edit and crop it; what cannot be read is told, not raised."""
        file = self.files[turn.row]
        try:
            with Path(file.path).open("rb") as source:
                source.seek(file.offset)
                image = decode_image(source.read(file.size))
        except Exception as error:  # decoders raise errors of every kind
            return _Taken(turn, None, None, False, f"{type(error).__name__}: {error}")
        rng = np.random.default_rng([self.seed, turn.epoch, turn.row, _ITEM])
        crop = int(rng.integers(2**62))
        accessory, failed = None, False
        if self.editor is not None:
            edited = self.editor.edit(np.asarray(image), int(self.places[turn.row]), rng)
            accessory, failed = edited.accessory, edited.failed
            image = Image.fromarray(edited.pixels) if accessory is not None else image
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(crop)
            return _Taken(turn, self.transform(image), accessory, failed, None)

    def gather(self, taken: list[_Taken]) -> Batch:
        """Put the photographs of a step together."""
        read = [one for one in taken if one.pixels is not None]
        places = [int(self.places[one.turn.row]) for one in read]
        return Batch(
            torch.stack([one.pixels for one in read if one.pixels is not None]) if read else None,
            torch.tensor(places, dtype=torch.int64),
            [
                (place, one.accessory)
                for place, one in zip(places, read, strict=True)
                if one.accessory is not None
            ],
            sum(one.failed for one in read),
            [(one.turn.row, one.problem) for one in taken if one.problem is not None],
        )


@dataclass(frozen=True, slots=True)
class _Turns:
    """Which photographs each step takes."""

    n: int
    batch_size: int
    steps: range
    seed: int

    def __iter__(self) -> Iterator[list[Turn]]:
        per_epoch = self.n // self.batch_size
        for step in self.steps:
            rows = rows_of_step(step, self.n, self.batch_size, self.seed)
            yield [Turn(step // per_epoch, int(row)) for row in rows]


def batches(
    photographs: Photographs, steps: range, batch_size: int, workers: int, *, pinned: bool
) -> Iterator[Batch]:
    """The photographs of some steps; neither workers nor the first step change what a step gets.

    Parameters
    ----------
    photographs : Photographs
    steps : range
        Counted over all epochs.
    batch_size : int
    workers : int
        Processes that read; 0: none but this one.
    pinned : bool
        Put batches where a GPU can fetch them by itself.
    """
    loader = torch.utils.data.DataLoader(
        photographs,
        batch_sampler=_Turns(len(photographs), batch_size, steps, photographs.seed),
        num_workers=workers,
        collate_fn=photographs.gather,
        pin_memory=pinned,
        generator=torch.Generator(),  # or it would take random numbers of the caller's
    )
    yield from loader
