"""Concept-pair pictures of shapes that are drawn here, fast and under full control.

A key concept and an accessory concept stand beside each other on a soft background; their pose and
colours vary with the seed, and how well each can be seen is set by its visibility.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from conceptstats.errors import ParameterError, UnknownConceptError

from ._accessory_shapes import HANDMADE_DRAWINGS
from ._hues import HUES
from ._key_shapes import KEY_DRAWINGS
from ._nature_shapes import NATURE_DRAWINGS
from ._pen import Drawing, draw_with_pen
from ._scene import Palette, Pose, draw_plan, ink_of, own_palette, paint
from .images import ImageRequest

Pixels = npt.NDArray[np.uint8]  # (size, size, 3)

_ACCESSORY_DRAWINGS = HANDMADE_DRAWINGS | NATURE_DRAWINGS
KEYS = tuple(sorted(KEY_DRAWINGS))
ACCESSORIES = tuple(sorted(_ACCESSORY_DRAWINGS))
_LEAST_SIZE = 16
_PLAIN: Palette = ((214, 64, 52), (44, 110, 180), (36, 34, 44), (250, 246, 238))
_PAPER = (188, 196, 186)


@dataclass(frozen=True, slots=True)
class Sprites:
    """Draws a key concept, an accessory concept, or both, by the seed of a request.

    Visibility v grades the evidence over the pictures of many seeds: opacity has mean v and spreads
    over all of [0, 1]. At 1 a sprite is opaque, and whole but for a thin strip in half of the
    pictures; at 0 it is not there. An accessory has the colour of its kind, a key any colour.
    """

    size: int = 64  # pixels along each side
    key_visibility: float = 1.0
    accessory_visibility: float = 1.0
    noise: float = 0.05  # standard deviation of pixel noise, where white is 1

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        if self.size < _LEAST_SIZE:
            raise ParameterError(
                f"A picture of {self.size} pixels a side is too small for sprites.",
                f"{_LEAST_SIZE} or more",
            )
        for name in ("key_visibility", "accessory_visibility"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} is {getattr(self, name)}.", "it lies in [0, 1]")
        if not 0 <= self.noise <= 1:
            raise ParameterError(f"noise is {self.noise}.", "it lies in [0, 1]; 0.05 is usual")

    @property
    def backend(self) -> str:
        """Name of this generator."""
        return "sprites"

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image]:
        """Draw one picture per request; its prompt plays no part."""
        return [
            Image.fromarray(self.draw_scene(request.seed, request.key, request.accessory))
            for request in requests
        ]

    def draw_scene(self, seed: int, key: str | None = None, accessory: str | None = None) -> Pixels:
        """Draw one picture as an array.

        Parameters
        ----------
        seed : int
            Sets everything but which concepts are drawn; not negative.
        key : str, optional
            One of `KEYS`.
        accessory : str, optional
            One of `ACCESSORIES`.

        Returns
        -------
        (size, size, 3) uint8

        Raises
        ------
        UnknownConceptError
            When a concept has no drawing.
        """
        if seed < 0:
            raise ParameterError(f"The seed is {seed}.", "seeds are 0 or more")
        drawings = (
            None if key is None else _known(key, KEYS, "key concept"),
            None if accessory is None else _known(accessory, ACCESSORIES, "accessory concept"),
        )
        rng = np.random.default_rng(seed)
        plan = draw_plan(rng, self.size, alone=None in drawings)
        beside = plan.accessory
        if accessory is not None:
            beside = replace(beside, palette=own_palette(HUES[accessory], beside.shade))
        layers = [
            (drawings[0], plan.key, self.key_visibility),
            (drawings[1], beside, self.accessory_visibility),
        ]
        scene = plan.background
        for drawing, look, visibility in reversed(layers) if plan.key_in_front else layers:
            if drawing is not None:
                paint(scene, drawing, look, visibility)
        if self.noise > 0:
            scene += rng.standard_normal(scene.shape, np.float32) * np.float32(255 * self.noise)
        return _pixels(scene)


def draw_concept(concept: str, size: int = 64, pose: Pose | None = None) -> Pixels:
    """Draw a concept alone, in fixed colours on a plain ground, for sheets and legends.

    Parameters
    ----------
    concept : str
        One of `KEYS` or `ACCESSORIES`.
    size : int
        Pixels along each side.
    pose : Pose, optional
        Upright, and as large as the picture allows, unless given.

    Returns
    -------
    (size, size, 3) uint8
    """
    drawing = _known(concept, KEYS + ACCESSORIES, "concept")
    palette = own_palette(HUES[concept], (0.5, 0.5, 0.5)) if concept in HUES else _PLAIN
    ink = ink_of(drawing, pose or Pose(0.5, 0.5, 0.47, 0), palette, size, (0, 0, size, size))
    paper = np.array(_PAPER, np.float32) * (1 - ink[..., 3:] / 255)
    return _pixels((paper + ink[..., :3]).astype(np.float32))


def _pixels(scene: npt.NDArray[np.float32]) -> Pixels:
    return np.asarray(np.clip(scene + 0.5, 0, 255), np.uint8)


def _known(concept: str, known: tuple[str, ...], kind: str) -> Drawing:
    if concept not in known:
        near = difflib.get_close_matches(concept, known, n=3) or known[:5]
        raise UnknownConceptError(
            f"There is no drawing of {concept!r} as a {kind}.", f"there are {', '.join(near)}"
        )
    return _drawing(concept)


@cache
def _drawing(concept: str) -> Drawing:
    return draw_with_pen((KEY_DRAWINGS | _ACCESSORY_DRAWINGS)[concept])
