"""A pen that collects filled polygons in unit coordinates.

x goes to the right and y down, both in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]  # (n, 2)
Point = tuple[float, float]

BODY, TRIM, DARK, LIGHT = range(4)  # roles of colour
_STEPS = 6  # points of a smooth curve between two that are given


@dataclass(frozen=True, slots=True)
class Drawing:
    """Polygons in the order in which they are painted."""

    points: Points  # of all polygons, one after the other
    starts: tuple[int, ...]  # of each polygon in points, and the end of the last
    roles: tuple[int, ...]


class Pen:
    """Draws shapes that cover each other in the order of the calls."""

    def __init__(self) -> None:
        self._shapes: list[Points] = []
        self._roles: list[int] = []

    def drawing(self) -> Drawing:
        """All that was drawn."""
        ends = np.cumsum([len(shape) for shape in self._shapes])
        return Drawing(
            np.concatenate(self._shapes), (0, *(int(end) for end in ends)), tuple(self._roles)
        )

    def _add(self, role: int, points: Points) -> None:
        self._shapes.append(points)
        self._roles.append(role)

    def polygon(self, role: int, *points: Point) -> None:
        """A polygon with straight edges."""
        self._add(role, np.array(points, float))

    def box(self, role: int, left: float, top: float, right: float, bottom: float) -> None:
        """An upright rectangle."""
        self.polygon(role, (left, top), (right, top), (right, bottom), (left, bottom))

    def blob(self, role: int, *points: Point) -> None:
        """A smooth closed curve through the points."""
        self._add(role, _smooth(np.array(points, float)))

    def halves(self, role: int, *points: Point, smooth: bool = False) -> None:
        """A shape symmetric about x = 0, of which the points give the right half, top first."""
        right = np.array(points, float)
        left = (right * (-1, 1))[::-1]
        whole = np.concatenate([right, left[left[:, 0] != 0]])
        self._add(role, _smooth(whole) if smooth else whole)

    def ellipse(
        self, role: int, x: float, y: float, rx: float, ry: float | None = None, turn: float = 0
    ) -> None:
        """An ellipse, or a circle; turn is in degrees, clockwise."""
        self._add(role, _ellipse((x, y), (rx, rx if ry is None else ry), (0, 345), turn))

    def line(self, role: int, width: float, *points: Point) -> None:
        """A thick line with round ends."""
        self._add(role, _thick(np.array(points, float), width))

    def curve(self, role: int, width: float, *points: Point) -> None:
        """A thick smooth line through the points."""
        self._add(role, _thick(_smooth(np.array(points, float), closed=False), width))

    def arc(self, role: int, width: float, at: Point, radii: Point, span: Point = (0, 360)) -> None:
        """A thick part of an ellipse; span is in degrees, clockwise from the right."""
        path = _ellipse(at, radii, span)
        self._add(role, _thick(path, width, round_ends=span[1] - span[0] < 360))


def draw_with_pen(draw: Callable[[Pen], None]) -> Drawing:
    """What a function draws with a fresh pen."""
    pen = Pen()
    draw(pen)
    return pen.drawing()


def _ellipse(at: Point, radii: Point, span: Point, turn: float = 0) -> Points:
    angles = np.radians(np.linspace(*span, max(6, round(abs(span[1] - span[0]) / 15) + 1)))
    flat = np.stack([np.cos(angles) * radii[0], np.sin(angles) * radii[1]], axis=1)
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return np.asarray(flat @ np.array([[cos, sin], [-sin, cos]]) + at)


def _smooth(points: Points, closed: bool = True) -> Points:
    """Catmull-Rom curve."""
    padded = np.pad(points, ((1, 2), (0, 0)), mode="wrap" if closed else "edge")
    before, start, end, after = (padded[k : len(padded) - 3 + k, None] for k in range(4))
    t = np.linspace(0, 1, _STEPS, endpoint=False)[None, :, None]
    curve = start + t / 2 * (
        end - before
        + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )  # fmt: skip
    flat = curve.reshape(-1, 2)
    return np.asarray(flat if closed else flat[: (len(points) - 1) * _STEPS + 1])


def _thick(path: Points, width: float, round_ends: bool = True) -> Points:
    """Outline of a path of some width, with mitred joints."""
    steps = np.diff(path, axis=0)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    normals = np.stack([-steps[:, 1], steps[:, 0]], axis=1)
    before, after = (
        np.pad(normals, ((1, 0), (0, 0)), "edge"),
        np.pad(normals, ((0, 1), (0, 0)), "edge"),
    )
    joint = (before + after) / np.maximum(1 + (before * after).sum(1, keepdims=True), 0.3)
    side = joint * (width / 2)
    if not round_ends:
        return np.concatenate([path + side, (path - side)[::-1]])
    head = _cap(path[0], -normals[0], width / 2)
    tail = _cap(path[-1], normals[-1], width / 2)
    return np.concatenate([head, path[1:-1] + side[1:-1], tail, (path - side)[-2:0:-1]])


def _cap(at: Points, start: Points, radius: float) -> Points:
    """Half a circle from one side of a line's end to the other."""
    angles = np.radians(np.linspace(0, 180, 7))
    across = np.array([start[1], -start[0]])
    return np.asarray(
        at + radius * (np.cos(angles)[:, None] * start + np.sin(angles)[:, None] * across)
    )
