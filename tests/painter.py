"""Runs of `generate_images` with a painter in place of a model, for several test files."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from conceptstats.synth.generate import Generated, generate_images
from conceptstats.synth.images import ImageRequest, Refused
from conceptstats.table_files import save_table
from conceptstats.tables import PROBES

PAIRS = [("bus", "apple"), ("bus", "sun"), ("car", "apple"), ("car", "hat"), ("mug", "book")]


@dataclass
class Painter:
    """Paints two colours by the seed; some things go wrong with it.

    Parameters
    ----------
    backend : str
    broken : set of str
        Keys of which it raises an error, always.
    shaky : int
        So many calls raise an error before one does not.
    bad_seeds : set of int
        Which it refuses.
    stops_after : int
        Calls after which it is interrupted.
    asked : list of lists of ImageRequest
        What it was asked for in each call.
    """

    backend: str = "painter"
    broken: set[str] = field(default_factory=set)
    shaky: int = 0
    bad_seeds: set[int] = field(default_factory=set)
    stops_after: int = 10**9
    asked: list[list[ImageRequest]] = field(default_factory=list)

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Refused]:
        """A picture of 4 by 2 pixels for each."""
        if len(self.asked) >= self.stops_after:
            raise KeyboardInterrupt
        self.asked.append(list(requests))
        if self.shaky:
            self.shaky -= 1
            raise MemoryError("the GPU is full")
        if bad := [request.key for request in requests if request.key in self.broken]:
            raise ValueError(f"no {bad[0]} today")
        return [
            Refused("it is black") if request.seed in self.bad_seeds else paint(request.seed)
            for request in requests
        ]

    @property
    def prompts(self) -> list[str]:
        """What it was asked for, one after another."""
        return [request.prompt for call in self.asked for request in call]


def paint(seed: int) -> Image.Image:
    picture = Image.new("RGB", (4, 2), (seed % 256, seed // 256 % 256, 0))
    picture.putpixel((0, 0), (7, 7, 7))
    return picture


def write_probes(path: Path, names: Sequence[str] | None = None, *, reverse: bool = False) -> Path:
    """The pairs as probes, called after themselves unless they have names."""
    names = names or [f"{key}-{accessory}" for key, accessory in PAIRS]
    rows = [
        {"probe_id": name, "key": key, "accessory": accessory}
        for name, (key, accessory) in zip(names, PAIRS, strict=False)
    ]
    rows = rows[::-1] if reverse else rows
    save_table(path, pa.Table.from_pylist(rows, PROBES), PROBES, overwrite=True)
    return path


def make(
    probes: Path, output: Path, painter: Painter | None = None, **options: Any
) -> tuple[Generated, Painter]:
    """Three pictures a probe, unless it is said otherwise."""
    painter = painter or Painter()
    return generate_images(probes, output, painter, **{"per_probe": 3, **options}), painter


def assert_same(one: Path, other: Path) -> None:
    """Two folders have the same files with the same bytes."""
    names = {path.relative_to(one) for path in one.rglob("*")}
    assert names == {path.relative_to(other) for path in other.rglob("*")}
    files = [str(name) for name in names if (one / name).is_file()]
    assert len(files) > 2
    _, different, errors = filecmp.cmpfiles(one, other, files, shallow=False)
    assert (different, errors) == ([], [])
