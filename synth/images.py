"""What an image generator is asked for, and what it gives."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from PIL import Image
from PIL.PngImagePlugin import PngInfo


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture to make."""

    prompt: str  # what a text-to-image model is asked for
    seed: int  # derives from the probe, never from the batch
    key: str | None = None  # the concept that a classifier must name
    accessory: str | None = None  # the concept beside it


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that a generator made and does not stand for; another seed may do."""

    reason: str


class ImageGenerator(Protocol):
    """Makes pictures; each depends on its request alone, never on the batch it came in."""

    @property
    def backend(self) -> str:
        """Name of the generator, for records of how pictures were made."""
        ...

    def generate(self, requests: Sequence[ImageRequest]) -> Sequence[Image.Image | Refused]:
        """Make one RGB picture per request, in their order."""
        ...


def image_seed(seed: int, probe_id: str, number: int, attempt: int = 0) -> int:
    """Seed of one picture of a probe, below 2**62: of nothing but these four."""
    text = f"{seed}\0{probe_id}\0{number}" + (f"\0{attempt}" if attempt else "")
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2


def png_bytes(image: Image.Image, texts: Mapping[str, str] | None = None) -> bytes:
    """A picture as PNG, packed fast, with texts inside (chunks tEXt, or iTXt beyond Latin-1)."""
    chunks = PngInfo()
    for name, text in (texts or {}).items():
        chunks.add_text(name, text)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, pnginfo=chunks)
    return buffer.getvalue()


class PngHead(NamedTuple):
    """What a PNG says of its picture."""

    size: tuple[int, int]  # width and height
    texts: dict[str, str]


def read_png_head(data: bytes) -> PngHead | None:
    """Size and texts of a PNG whose checksums are right; None where it is damaged, or none."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            info: dict[Any, Any] = image.info
            texts = {name: str(text) for name, text in info.items() if isinstance(text, str)}
            head = PngHead(image.size, texts)
            image.verify()
    except (OSError, SyntaxError, ValueError):  # Pillow's for what is damaged
        return None
    return head
