"""Pictures in files, read in one way everywhere: upright, with 8 bits a channel. Needs Pillow.

Grey values of 16 bits are scaled, which Pillow's own conversion would cut at 255; values whose
range is not known are refused. CMYK goes to RGB without a profile, as classifiers' own readers do
it. Of an animation, the first frame. Decoders raise errors of every kind, so who reads files of
others has to expect any.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from conceptstats.errors import SourceError

_WITH_ALPHA = frozenset(("RGBA", "LA", "PA", "RGBa", "La"))
_GREATEST = 65535  # of 16 bits


def read_picture(path: Path, sha256: str | None = None) -> Image.Image:
    """The picture in a file, as `decode_image` gives it.

    Parameters
    ----------
    path : Path
    sha256 : str, optional
        That the file must have.

    Raises
    ------
    SourceError
        When there is no such file, it is another than expected, or no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise SourceError(f"{path} is not the file that the table names: its sha256 differs")
    try:
        return decode_image(data)
    except Exception as error:  # decoders raise errors of every kind
        raise SourceError(f"{path}: {type(error).__name__}: {error}") from error


def decode_image(data: bytes) -> Image.Image:
    """The picture in the bytes of a file, in RGB; transparency is dropped, as classifiers do it."""
    image = _decode(data)
    if image.mode == "RGB":
        return image
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns of the direct way
    return image.convert("RGB")


def decode_on_white(data: bytes, *, upright: bool = True) -> Image.Image:
    """The picture in the bytes of a file, in RGB, on white where it is transparent.

    Parameters
    ----------
    data : bytes
    upright : bool
        Turn it as its EXIF says; annotations are of the picture as it is stored.
    """
    image = _decode(data, upright=upright)
    if _has_alpha(image):
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def decode_with_alpha(data: bytes) -> Image.Image:
    """The picture in the bytes of a file, in RGBA; opaque all over where nothing is transparent."""
    return _decode(data).convert("RGBA")


def _decode(data: bytes, *, upright: bool = True) -> Image.Image:
    """The picture with 8 bits a channel, in whatever mode the file has."""
    try:
        image: Image.Image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:  # its text has an address in memory
        raise UnidentifiedImageError("no picture of a known format") from error
    image.load()
    if upright:
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise ValueError("its values are floating-point numbers, whose range is not known")
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scaled(image)
    return image


def _scaled(image: Image.Image) -> Image.Image:
    """Grey values of 16 bits scaled to 8, transparent where one of them stands for nothing."""
    values = np.asarray(image, np.int64)
    if values.size and not 0 <= values.min() <= values.max() <= _GREATEST:
        raise ValueError("its values are integers beyond 16 bits, whose range is not known")
    grey = Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if (nothing := image.info.get("transparency")) is not None:
        grey.putalpha(Image.fromarray(values != nothing).convert("L"))
    return grey


def _has_alpha(image: Image.Image) -> bool:
    """Whether a picture can be transparent somewhere: by a channel, or by one of its colours."""
    return image.mode in _WITH_ALPHA or "transparency" in image.info
