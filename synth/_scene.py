"""The random choices of a scene, and its painting.

Every choice is drawn before anything is painted, in one order and number, so that two scenes of one
seed differ only where their concepts do.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from ._pen import Drawing

Floats = npt.NDArray[np.float32]
Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # pixels: left, top, right, bottom
Palette = tuple[Colour, Colour, Colour, Colour]  # of body, trim, dark and light

FINE = 3  # pixels of a drawing to one of the picture, along each side
_TEXTURE = 6  # knots of the background's texture along each side
_SCALARS = 32  # 8 for the scene, 12 for each sprite
_EDGE = 1.1  # units of a drawing that keep clear of the picture's edge


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a drawing goes; lengths are shares of the picture's side."""

    x: float
    y: float
    radius: float  # of one unit of the drawing
    turn: float  # radians


@dataclass(frozen=True, slots=True)
class Look:
    """How one sprite of a scene appears."""

    pose: Pose
    palette: Palette
    shade: tuple[float, float, float]  # in [0, 1]: what the palette was chosen by
    strength: float  # uniform in [0, 1]: how well it shows among those of one visibility
    strip: tuple[float, float, float]  # that is hidden: turn, offset, width


@dataclass(frozen=True, slots=True)
class Plan:
    """The random choices of a scene, but for its pixel noise."""

    background: Floats  # (size, size, 3), 0..255
    key: Look
    accessory: Look
    key_in_front: bool


def draw_plan(rng: np.random.Generator, size: int, alone: bool) -> Plan:
    """Choose everything; what is shown alone stands near the middle."""
    uniform = rng.random(_SCALARS).tolist()
    knots = rng.random((_TEXTURE, _TEXTURE, 1), np.float32)
    hue, direction = uniform[0], 2 * math.pi * uniform[1]
    # Centres lie on the square of the half side: opposite halves, whatever the direction.
    reach = 0.1 if alone else 0.25
    reach /= max(abs(math.cos(direction)), abs(math.sin(direction)))
    shift = reach * math.cos(direction), reach * math.sin(direction)
    key = _look(uniform[8:20], shift, hue)
    accessory = _look(uniform[20:32], (-shift[0], -shift[1]), hue)
    background = _background(uniform[2:7], hue, knots, size)
    return Plan(background, key, accessory, key_in_front=uniform[7] < 0.5)


def _look(u: list[float], shift: tuple[float, float], hue: float) -> Look:
    """Choose how a sprite appears that stands off the middle by some shift."""
    radius = 0.2 + 0.06 * u[2]
    edge = _EDGE * radius
    x, y = (
        min(max(0.5 + off + 0.06 * (jitter - 0.5), edge), 1 - edge)
        for off, jitter in zip(shift, u[:2], strict=True)
    )
    pose = Pose(x, y, radius, math.radians(25) * (2 * u[3] - 1))
    strip = (math.pi * u[8], radius * (u[9] - 0.5), 0.1 * (u[10] - 0.5))
    shade = u[4], u[5], u[6]
    return Look(pose, _palette(hue, shade), shade, u[7], strip)


def paint(scene: Floats, drawing: Drawing, look: Look, visibility: float) -> None:
    """Paint a drawing over a scene, as far as it is visible."""
    size = len(scene)
    opacity = _opacity(look.strength, visibility)
    box = _box(look.pose, size)
    left, top, right, bottom = box
    if opacity == 0 or left >= right or top >= bottom:
        return
    ink = ink_of(drawing, look.pose, look.palette, size, box)
    ink *= np.float32(opacity / 255)
    ink *= _shown(look, size, box)[..., None]
    part = scene[top:bottom, left:right]
    part *= 1 - ink[..., 3:]
    part += 255 * ink[..., :3]


def ink_of(drawing: Drawing, pose: Pose, palette: Palette, size: int, box: Box) -> Floats:
    """Colours times coverage, and coverage, inside a box of the picture; all 0..255."""
    left, top, right, bottom = box
    scale = FINE * size
    cos, sin = pose.radius * math.cos(pose.turn), pose.radius * math.sin(pose.turn)
    turn = np.array([[cos, sin], [-sin, cos]]) * scale
    # Pillow fills the pixels on a polygon's right and lower edges too: half a pixel back.
    at = pose.x * scale - FINE * left - 0.5, pose.y * scale - FINE * top - 0.5
    points = np.rint(drawing.points @ turn + at).reshape(-1).tolist()
    # Undrawn pixels are 0 in all four bands, so their mean over a block is colour times coverage;
    # CMYK is Pillow's one mode of four bands that it averages without regard to the fourth.
    canvas = Image.new("CMYK", (FINE * (right - left), FINE * (bottom - top)), (0, 0, 0, 0))
    brush = ImageDraw.Draw(canvas)
    starts = drawing.starts
    inks = [(*colour, 255) for colour in palette]
    for role, start, end in zip(drawing.roles, starts, starts[1:], strict=False):
        brush.polygon(points[2 * start : 2 * end], fill=inks[role])
    return np.asarray(canvas.reduce(FINE), np.float32)


def _opacity(strength: float, visibility: float) -> float:
    """Beta(v / (1 - v), 1): its mean is the visibility, and it spreads over all of [0, 1]."""
    return strength ** (1 / visibility - 1) if visibility > 0 else 0.0


def _box(pose: Pose, size: int) -> Box:
    """Pixels that the turned unit square can touch: left, top, right, bottom."""
    half = pose.radius * (abs(math.cos(pose.turn)) + abs(math.sin(pose.turn))) * 1.05
    left, top = (max(0, math.floor((at - half) * size)) for at in (pose.x, pose.y))
    right, bottom = (min(size, math.ceil((at + half) * size)) for at in (pose.x, pose.y))
    return left, top, right, bottom


def _shown(look: Look, size: int, box: Box) -> Floats:
    """1 where a sprite shows; 0 on the strip."""
    left, top, right, bottom = box
    turn, offset, width = look.strip
    across = (np.arange(left, right, dtype=np.float32) / size - look.pose.x) * math.cos(turn)
    down = (np.arange(top, bottom, dtype=np.float32) / size - look.pose.y) * math.sin(turn)
    return np.asarray(np.abs(across + down[:, None] - offset) >= width / 2, np.float32)


@lru_cache(maxsize=64)
def _interpolation(size: int, knots: int) -> Floats:
    """Weights that spread values at knots linearly over pixels."""
    at = (np.arange(size) + 0.5) / size * (knots - 1)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(knots)))
    return np.asarray(weights, np.float32)


def own_palette(hue: float, u: tuple[float, float, float]) -> Palette:
    """Colours of a thing that has a colour of its own, a little off it."""
    body = hue + 0.06 * (u[0] - 0.5)
    return (
        _rgb(body, 0.8 + 0.2 * u[2], 0.9),
        _rgb(body + 0.4 + 0.2 * u[1], 0.7, 0.75),
        _rgb(body, 0.5, 0.14),
        _rgb(body, 0.08, 0.98),
    )


def _palette(hue: float, u: tuple[float, float, float]) -> Palette:
    """Colours of a sprite, its hue well off the background's."""
    body = (hue + 0.2 + 0.6 * u[0]) % 1
    trim = (body + 0.25 + 0.5 * u[1]) % 1
    return (
        _rgb(body, 0.75 + 0.25 * u[2], 0.9),
        _rgb(trim, 0.6 + 0.3 * u[0], 0.75),
        _rgb(body, 0.5, 0.14),
        _rgb(body, 0.08, 0.98),
    )


def _background(u: list[float], hue: float, knots: Floats, size: int) -> Floats:
    """A gradient between two quiet colours, with a soft texture."""
    value = 0.5 + 0.3 * u[0]
    ends = [
        _rgb(hue + d * 0.12, 0.1 + 0.3 * s, value + d * 0.12) for d, s in ((-1, u[1]), (1, u[2]))
    ]
    start, end = np.array(ends, np.float32)
    turn = 2 * math.pi * u[3]
    along = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    ramp = along * np.float32(math.cos(turn)) + (along * np.float32(math.sin(turn)))[:, None]
    spread = _interpolation(size, _TEXTURE)
    texture = spread @ (knots[..., 0] - 0.5) @ spread.T
    share = ramp + texture * np.float32(0.4 + u[4]) + np.float32(0.5)
    scene = start + share[..., None] * (end - start)
    return np.asarray(scene, np.float32)


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
