"""Pictures in files as arrays: upright, with 8 bits a channel, with or without transparency."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from conceptstats.pasting import Pixels

_WITH_ALPHA = frozenset(("RGBA", "LA", "PA", "RGBa", "La"))
_INTEGERS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


class Decoded(NamedTuple):
    """The picture in a file."""

    pixels: Pixels  # (height, width, 3 or 4)
    sha256: str  # of the file


def read_photo(path: Path, *, upright: bool = True) -> Decoded:
    """A photograph in RGB, on white where it is transparent.

    Parameters
    ----------
    path : Path
    upright : bool
        Turn it as its EXIF says; annotations are of the picture as it is stored.

    Raises
    ------
    Exception
        Of any kind: decoders raise them all.
    """
    image, sha256 = _open(path, upright)
    if has_alpha(image):
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return Decoded(np.asarray(image.convert("RGB"), np.uint8), sha256)


def read_cut_out(path: Path) -> Decoded:
    """An object in RGBA; opaque all over where the file has no transparency.

    Raises
    ------
    Exception
        Of any kind: decoders raise them all.
    """
    image, sha256 = _open(path, upright=True)
    return Decoded(np.asarray(image.convert("RGBA"), np.uint8), sha256)


def has_alpha(image: Image.Image) -> bool:
    """Whether a picture can be transparent somewhere: by a channel, or by one of its colours."""
    return image.mode in _WITH_ALPHA or "transparency" in image.info


def _open(path: Path, upright: bool) -> tuple[Image.Image, str]:
    """The picture, of an animation the first, with 8 bits a channel.

    CMYK goes to RGB without a profile, as classifiers' own readers do it.
    """
    data = path.read_bytes()
    image: Image.Image = Image.open(io.BytesIO(data))
    image.load()
    if upright:
        image = ImageOps.exif_transpose(image)
    if image.mode in _INTEGERS:
        image = _from_integers(image)
    elif image.mode == "F":
        raise ValueError("its values are floating-point numbers, whose range is not known")
    return image, hashlib.sha256(data).hexdigest()


def _from_integers(image: Image.Image) -> Image.Image:
    """Grey values of 16 bits scaled to 8; Pillow's own conversion would cut them at 255."""
    values = np.asarray(image, np.int64)
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise ValueError("its values are integers beyond 16 bits, whose range is not known")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))
