"""Pictures in files as arrays, with the digests of the files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from conceptstats.pasting import Pixels
from conceptstats.pictures import decode_on_white, decode_with_alpha


class Decoded(NamedTuple):
    """The picture in a file."""

    pixels: Pixels  # (height, width, 3 or 4)
    sha256: str  # of the file


def read_photo(path: Path, *, upright: bool = True) -> Decoded:
    """A photograph in RGB, as `conceptstats.pictures.decode_on_white` gives it.

    Raises
    ------
    Exception
        Of any kind: decoders raise them all.
    """
    data = path.read_bytes()
    pixels = np.asarray(decode_on_white(data, upright=upright), np.uint8)
    return Decoded(pixels, hashlib.sha256(data).hexdigest())


def read_cut_out(path: Path) -> Decoded:
    """An object in RGBA; opaque all over where the file has no transparency.

    Raises
    ------
    Exception
        Of any kind: decoders raise them all.
    """
    data = path.read_bytes()
    pixels = np.asarray(decode_with_alpha(data), np.uint8)
    return Decoded(pixels, hashlib.sha256(data).hexdigest())
