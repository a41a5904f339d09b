"""Pictures read from files, as a model is to see them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from conceptstats.errors import SourceError


def read_picture(path: Path, sha256: str | None = None) -> Image.Image:
    """The picture in a file: turned as its EXIF says, in RGB with 8 bits.

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
    """The picture in the bytes of a file.

    Transparency is dropped, as classifiers drop it. Grey values of 16 bits are scaled, which
    Pillow's own conversion would cut at 255. Of an animation, the first frame.
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
