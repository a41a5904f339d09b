"""What an image generator is asked for, and what it gives."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture to make."""

    prompt: str  # what a text-to-image model is asked for
    seed: int  # derives from the probe, never from the batch
    key: str | None = None  # the concept that a classifier must name
    accessory: str | None = None  # the concept beside it


class ImageGenerator(Protocol):
    """Makes pictures; each depends on its request alone, never on the batch it came in."""

    @property
    def backend(self) -> str:
        """Name of the generator, for records of how pictures were made."""
        ...

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image]:
        """Make one RGB picture per request, in their order."""
        ...


def image_seed(seed: int, probe_id: str, number: int) -> int:
    """Seed of one picture of a probe, below 2**62: of nothing but these three."""
    text = f"{seed}\0{probe_id}\0{number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 2


def png_bytes(image: Image.Image) -> bytes:
    """A picture as PNG, packed fast."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
