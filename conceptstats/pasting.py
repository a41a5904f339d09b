"""An object pasted into a photograph: how large it becomes, where it goes, how its edge is blended.

Pure functions of arrays, for pictures on disk and for pictures in training alike. What Qu & Xie
(arXiv 2507.08000) do to make "ImageNet-Paste" is kept: the box of the object is scaled to a share
of the photograph's area, and placed at random. Here it always fits, and what does not is an error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from conceptstats.errors import ParameterError

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

OPAQUE = 128  # alpha from which a pixel is part of the object
_LEAST_SIDE = 8  # pixels of a pasted object; less shows nothing
_LEAST_AREA = 0.5  # of the share that was wanted; less is another experiment


class Box(NamedTuple):
    """Pixels from left to right and from top to bottom, the last of each not included."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """Pixels in it; 0 where nothing is."""
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)


class Fit(NamedTuple):
    """How large an object becomes."""

    width: int
    height: int
    scale: float  # sides of the object in the photograph over those that it has by itself
    share: float  # of the photograph's area that its box takes


@dataclass(frozen=True, slots=True)
class Pasted:
    """A photograph with an object in it.

    Parameters
    ----------
    pixels : (height, width, 3) uint8
    box : Box
        Of the object.
    scale, share : float
        As in `Fit`.
    overlap : float or None
        Largest share of one of the boxes to avoid that the object's box covers; None: there was
        none to avoid.
    """

    pixels: Pixels
    box: Box
    scale: float
    share: float
    overlap: float | None


def paste_accessory(
    photo: Pixels,
    cut_out: Pixels,
    rng: np.random.Generator,
    *,
    area: float = 0.1,
    avoid: Sequence[Box] = (),
    max_overlap: float = 0.5,
    max_enlarge: float = math.inf,
    harmonise: float = 0.0,
) -> Pasted:
    """Paste an object into a photograph.

    Two numbers are drawn from ``rng``, whatever the object, so that generators in the same state
    put several objects at the same place, as far as their shapes allow.

    Parameters
    ----------
    photo : (height, width, 3) uint8
        Is not changed.
    cut_out : (height, width, 4) uint8
        Red, green, blue and alpha, not multiplied; what is transparent around the object is cut.
    rng : Generator
    area : float
        Share of the photograph's area that the object's box takes; less where it would not fit, but
        never below half of it.
    avoid : sequence of Box
        What must stay visible.
    max_overlap : float
        Largest share of one of these boxes that may be covered, where it cannot be spared.
    max_enlarge : float
        Largest scale; beyond it objects look coarse.
    harmonise : float
        0: the object's colours are kept; 1: they get the mean and spread of the photograph's
        (`harmonised`); between, a mixture.

    Returns
    -------
    Pasted

    Raises
    ------
    ParameterError
        When the object cannot be pasted, and why.
    """
    own = cut_out[_slices(object_box(cut_out[..., 3]))]
    height, width = photo.shape[:2]
    fit = fit_object(
        (own.shape[1], own.shape[0]), (width, height), area=area, max_enlarge=max_enlarge
    )
    box, overlap = place_object(
        (fit.width, fit.height), (width, height), rng, avoid=avoid, max_overlap=max_overlap
    )
    small = _resized(own, fit.width, fit.height)
    colours, alpha = small[..., :3], small[..., 3:] / 255.0
    if harmonise:
        colours = harmonised(colours, alpha[..., 0], photo, harmonise)
    pixels = photo.copy()
    below = pixels[_slices(box)]
    below[:] = np.rint(below * (1 - alpha) + colours * alpha).astype(np.uint8)
    if (below == photo[_slices(box)]).all():
        raise ParameterError("the object looks like what is below it, so nothing would change.")
    return Pasted(pixels, box, fit.scale, fit.share, overlap)


def object_box(alpha: Pixels) -> Box:
    """The least box around the pixels that belong to an object.

    Raises
    ------
    ParameterError
        When there is none.
    """
    solid = alpha >= OPAQUE
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    if not len(rows):
        raise ParameterError("the cut-out is transparent all over.")
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def fit_object(
    size: tuple[int, int],
    photo_size: tuple[int, int],
    *,
    area: float = 0.1,
    max_enlarge: float = math.inf,
) -> Fit:
    """How large an object becomes in a photograph; its proportions are kept.

    Parameters
    ----------
    size, photo_size : (width, height)
    area, max_enlarge : float
        As for `paste_accessory`.

    Raises
    ------
    ParameterError
        When it cannot be pasted, and why.
    """
    if not 0 < area <= 1:
        raise ParameterError(f"area is {area}, expected a share above 0, and 1 at most.")
    (width, height), (across, down) = size, photo_size
    wanted = math.sqrt(area * across * down / (width * height))
    scale = min(wanted, across / width, down / height)
    fitted = min(max(round(width * scale), 1), across), min(max(round(height * scale), 1), down)
    if (scale / wanted) ** 2 < _LEAST_AREA - 1e-9:
        raise ParameterError(
            f"the object is too long to take {area:.0%} of the photograph: at most "
            f"{area * (scale / wanted) ** 2:.1%}."
        )
    if min(fitted) < _LEAST_SIDE:
        raise ParameterError(
            f"the object would be {fitted[0]} x {fitted[1]} pixels in the photograph, expected "
            f"{_LEAST_SIDE} or more each way."
        )
    if scale > max_enlarge:
        raise ParameterError(
            f"the object is too coarse: it would be enlarged {scale:.1f} times, expected "
            f"{max_enlarge:g} at most."
        )
    return Fit(*fitted, scale, fitted[0] * fitted[1] / (across * down))


def place_object(
    size: tuple[int, int],
    photo_size: tuple[int, int],
    rng: np.random.Generator,
    *,
    avoid: Sequence[Box] = (),
    max_overlap: float = 0.5,
) -> tuple[Box, float | None]:
    """Draw a place: uniform over all where the object covers least of what must stay visible.

    The boxes to avoid are spared wherever the object fits beside them. Otherwise it goes where the
    largest share of one of them that it covers is least.

    Parameters
    ----------
    size, photo_size : (width, height)
    rng : Generator
        Gives two numbers.
    avoid, max_overlap
        As for `paste_accessory`.

    Returns
    -------
    Box
    float or None
        The largest share covered; None: nothing was to avoid.

    Raises
    ------
    ParameterError
        When more than ``max_overlap`` would be covered everywhere, or a box to avoid is empty.
    """
    (width, height), (across, down) = size, photo_size
    u, v = rng.random(2)
    free_x, free_y = across - width + 1, down - height + 1
    if not avoid:
        left, top = int(u * free_x), int(v * free_y)
        return Box(left, top, left + width, top + height), None
    covered = np.zeros((free_y, free_x))
    for box in avoid:
        if not box.area:
            raise ParameterError(f"the box {tuple(box)} to avoid is empty.")
        over_x = _overlaps(free_x, width, box.left, box.right)
        over_y = _overlaps(free_y, height, box.top, box.bottom)
        np.maximum(covered, np.outer(over_y, over_x) / box.area, out=covered)
    least = float(covered.min())
    if least > max_overlap:
        raise ParameterError(
            f"wherever it goes, the object covers {least:.0%} of what must stay visible, expected "
            f"{max_overlap:.0%} at most."
        )
    allowed = covered == least
    columns = np.flatnonzero(allowed.any(0))
    # First a column, with the weight of its places, then a row in it: together uniform, and near
    # for objects of like size, which are to be at one place in all versions of a photograph.
    ends = np.cumsum(allowed[:, columns].sum(0))
    column = columns[np.searchsorted(ends, u * ends[-1], "right")]
    rows = np.flatnonzero(allowed[:, column])
    left, top = int(column), int(rows[int(v * len(rows))])
    return Box(left, top, left + width, top + height), least


def _overlaps(n_places: int, length: int, start: int, end: int) -> npt.NDArray[np.int64]:
    """Pixels that a line of some length shares with another, for each place where it may begin."""
    place = np.arange(n_places)
    shared = np.minimum(place + length, end) - np.maximum(place, start)
    return np.asarray(np.maximum(shared, 0), np.int64)


def harmonised(
    colours: npt.NDArray[np.generic], alpha: Floats, photo: Pixels, strength: float
) -> Pixels:
    """The colours of an object, with mean and spread drawn to those of a photograph in CIELAB.

    Reinhard, Ashikhmin, Gooch & Shirley, "Color transfer between images", IEEE CG&A 21(5), 2001,
    doi:10.1109/38.946629, in another colour space, and as far as ``strength`` says.

    Parameters
    ----------
    colours : (height, width, 3) uint8
    alpha : (height, width), in [0, 1]
        Weight of each pixel.
    photo : (height, width, 3) uint8
    strength : float
        In [0, 1].

    Raises
    ------
    ParameterError
        When the strength is outside its range.
    """
    if not 0 <= strength <= 1:
        raise ParameterError(f"harmonise is {strength}, expected a number from 0 to 1.")
    own, scene = to_lab(colours), to_lab(photo).reshape(-1, 3)
    weights = alpha.reshape(-1, 1)
    mean = (own.reshape(-1, 3) * weights).sum(0) / weights.sum()
    spread = np.sqrt(((own.reshape(-1, 3) - mean) ** 2 * weights).sum(0) / weights.sum())
    factor = np.where(spread > 0, scene.std(0) / np.maximum(spread, 1e-9), 1.0)
    moved = (own - mean) * factor + scene.mean(0)
    return from_lab(own + strength * (moved - own))


# sRGB (IEC 61966-2-1) to CIE XYZ with white D65, and CIELAB (CIE 15).
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375],
     [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
_WHITE = _XYZ.sum(1)
_OPPONENTS = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
_BASE = np.array([16.0, 0.0, 0.0])
_EDGE = 6 / 29  # where the cube root goes over into a line


def to_lab(colours: npt.NDArray[np.generic]) -> Floats:
    """CIELAB of sRGB colours (..., 3) in 0 to 255."""
    value = np.asarray(colours, np.float64) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = light @ _XYZ.T / _WHITE
    root = np.where(xyz > _EDGE**3, np.cbrt(xyz), xyz / (3 * _EDGE**2) + 4 / 29)
    return np.asarray(root @ _OPPONENTS.T - _BASE, np.float64)


def from_lab(lab: Floats) -> Pixels:
    """The sRGB colours that are nearest to CIELAB colours (..., 3), channel by channel."""
    root = (lab + _BASE) @ np.linalg.inv(_OPPONENTS).T
    xyz = np.where(root > _EDGE, root**3, 3 * _EDGE**2 * (root - 4 / 29)) * _WHITE
    light = np.clip(xyz @ np.linalg.inv(_XYZ).T, 0, 1)
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(value * 255), np.uint8)


def _slices(box: Box) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)


def _resized(rgba: Pixels, width: int, height: int) -> Pixels:
    """Red, green, blue and alpha at another size; Pillow weighs colours by alpha as it does so."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(rgba))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.uint8)
