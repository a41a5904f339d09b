"""Drawings of the accessory concepts that grow, live or shine."""

from __future__ import annotations

import math

from ._pen import BODY, DARK, LIGHT, TRIM, Pen


def apple(pen: Pen) -> None:
    """A fruit with stem and leaf."""
    pen.halves(BODY, (0, -0.42), (0.36, -0.58), (0.78, -0.34), (0.82, 0.2), (0.5, 0.8),
               (0.2, 0.92), (0, 0.84), smooth=True)  # fmt: skip
    pen.curve(DARK, 0.12, (0, -0.34), (0.02, -0.66), (0.14, -0.9))
    pen.blob(TRIM, (0.1, -0.6), (0.34, -0.88), (0.68, -0.88), (0.5, -0.62))
    pen.ellipse(LIGHT, -0.46, -0.14, 0.12, 0.22, 20)


def banana(pen: Pen) -> None:
    """A curved fruit, both ends up."""
    pen.blob(BODY, (-0.88, -0.52), (-0.72, -0.5), (-0.44, 0), (0.1, 0.2), (0.62, 0),
             (0.84, -0.3), (0.94, -0.22), (0.86, 0.26), (0.4, 0.66), (-0.2, 0.66),
             (-0.7, 0.3), (-0.92, -0.2))  # fmt: skip
    pen.line(DARK, 0.2, (-0.82, -0.7), (-0.8, -0.48))
    pen.ellipse(DARK, 0.88, -0.26, 0.1)
    pen.curve(DARK, 0.06, (-0.78, -0.3), (-0.5, 0.22), (0.06, 0.44), (0.5, 0.36), (0.82, 0))


def bird(pen: Pen) -> None:
    """A small bird that looks to the right."""
    for x in (-0.1, 0.2):
        pen.line(DARK, 0.09, (x, 0.5), (x + 0.04, 0.92))
    pen.polygon(BODY, (-0.4, 0.12), (-0.99, -0.2), (-0.92, 0.2), (-0.4, 0.5))
    pen.ellipse(BODY, 0, 0.18, 0.6, 0.44, -12)
    pen.ellipse(BODY, 0.46, -0.38, 0.36)
    pen.polygon(TRIM, (0.76, -0.54), (1, -0.32), (0.74, -0.22))
    pen.blob(TRIM, (-0.62, 0.16), (-0.2, -0.12), (0.24, 0.06), (0.06, 0.36), (-0.3, 0.4))
    pen.ellipse(LIGHT, 0.54, -0.44, 0.13)
    pen.ellipse(DARK, 0.57, -0.44, 0.07)


def bone(pen: Pen) -> None:
    """A dog's bone."""
    pen.line(BODY, 0.36, (-0.6, 0.2), (0.6, -0.2))
    for x, y in ((-0.74, 0), (-0.6, 0.44), (0.6, -0.44), (0.74, 0)):
        pen.ellipse(BODY, x, y, 0.25)
    pen.line(LIGHT, 0.1, (-0.4, 0.08), (0.4, -0.18))


def butterfly(pen: Pen) -> None:
    """Four wings spread about a thin body."""
    for side in (-1, 1):
        pen.blob(BODY, (side * 0.06, -0.06), (side * 0.4, -0.78), (side * 0.94, -0.8),
                 (side * 0.9, -0.2), (side * 0.5, 0.1))  # fmt: skip
        pen.blob(TRIM, (side * 0.06, 0.04), (side * 0.62, 0.06), (side * 0.78, 0.5),
                 (side * 0.44, 0.84), (side * 0.16, 0.5))  # fmt: skip
        pen.ellipse(LIGHT, side * 0.64, -0.46, 0.16)
        pen.ellipse(LIGHT, side * 0.46, 0.42, 0.12)
        pen.curve(DARK, 0.07, (0, -0.4), (side * 0.1, -0.74), (side * 0.26, -0.94))
    pen.line(DARK, 0.17, (0, -0.4), (0, 0.6))


def carrot(pen: Pen) -> None:
    """A tapered root with its leaves."""
    for x, y in ((-0.4, -0.84), (0, -0.9), (0.4, -0.84)):
        pen.line(TRIM, 0.18, (0, -0.36), (x, y))
    pen.blob(BODY, (-0.42, -0.3), (0, -0.46), (0.42, -0.3), (0.26, 0.3), (0.02, 0.98),
             (-0.24, 0.3))  # fmt: skip
    for left, right, y in ((-0.38, -0.06, -0.14), (0.04, 0.3, 0.1), (-0.24, 0, 0.34)):
        pen.line(DARK, 0.07, (left, y), (right, y))


def cherry(pen: Pen) -> None:
    """Two fruits on one stalk."""
    pen.curve(DARK, 0.1, (-0.48, 0.3), (-0.3, -0.3), (0.2, -0.84))
    pen.curve(DARK, 0.1, (0.5, 0.42), (0.46, -0.2), (0.2, -0.84))
    pen.blob(TRIM, (0.2, -0.86), (-0.14, -0.98), (-0.6, -0.8), (-0.3, -0.6))
    pen.ellipse(BODY, -0.5, 0.46, 0.44)
    pen.ellipse(BODY, 0.52, 0.54, 0.42)
    pen.ellipse(LIGHT, -0.64, 0.32, 0.11)
    pen.ellipse(LIGHT, 0.38, 0.4, 0.11)


def cloud(pen: Pen) -> None:
    """A heap of puffs on a flat base."""
    for x, y, radius in ((-0.58, 0.24, 0.38), (-0.18, -0.2, 0.46), (0.34, -0.08, 0.42),
                         (0.66, 0.3, 0.32)):  # fmt: skip
        pen.ellipse(BODY, x, y, radius)
    pen.box(BODY, -0.6, 0.2, 0.68, 0.62)
    pen.arc(LIGHT, 0.1, (-0.18, -0.2), (0.32, 0.32), (190, 300))


def feather(pen: Pen) -> None:
    """A quill with a notched vane."""
    pen.polygon(BODY, (0.96, -0.96), (0.97, -0.5), (0.84, -0.12), (0.62, -0.1), (0.7, 0.1),
                (0.46, 0.36), (0.24, 0.3), (0.28, 0.5), (-0.06, 0.66), (-0.46, 0.6),
                (-0.5, 0.24), (-0.34, -0.1), (-0.16, -0.06), (-0.2, -0.3), (0.1, -0.6),
                (0.26, -0.5), (0.28, -0.72), (0.6, -0.9))  # fmt: skip
    pen.line(LIGHT, 0.09, (0.8, -0.8), (0.2, -0.02), (-0.4, 0.54))
    pen.line(DARK, 0.12, (-0.36, 0.5), (-0.92, 0.95))


def fish(pen: Pen) -> None:
    """A fish that swims to the left."""
    pen.polygon(TRIM, (0.4, 0), (0.98, -0.56), (0.84, 0), (0.98, 0.56))
    pen.polygon(TRIM, (-0.3, -0.36), (0.1, -0.72), (0.32, -0.26))
    pen.blob(BODY, (-0.97, 0.04), (-0.6, -0.36), (-0.1, -0.48), (0.36, -0.24), (0.62, 0),
             (0.36, 0.26), (-0.1, 0.5), (-0.6, 0.4))  # fmt: skip
    pen.arc(DARK, 0.07, (-0.62, 0.02), (0.26, 0.36), (-60, 60))
    pen.ellipse(LIGHT, -0.66, -0.1, 0.13)
    pen.ellipse(DARK, -0.68, -0.1, 0.07)
    pen.polygon(TRIM, (-0.1, 0.02), (0.24, 0.14), (0.1, 0.3))


def flower(pen: Pen) -> None:
    """Six petals on a stem with a leaf."""
    pen.line(DARK, 0.13, (0, -0.1), (0, 0.94))
    pen.blob(TRIM, (0.02, 0.78), (0.26, 0.42), (0.68, 0.34), (0.46, 0.68))
    for k in range(6):
        turn = 60 * k + 30
        x, y = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        pen.ellipse(BODY, 0.36 * x, 0.36 * y - 0.34, 0.3, 0.2, turn)
    pen.ellipse(LIGHT, 0, -0.34, 0.21)


def leaf(pen: Pen) -> None:
    """A pointed leaf with veins."""
    pen.blob(BODY, (0.92, -0.9), (0.86, -0.1), (0.46, 0.5), (-0.2, 0.66), (-0.56, 0.56),
             (-0.66, 0.2), (-0.5, -0.44), (0.1, -0.82))  # fmt: skip
    pen.line(DARK, 0.1, (0.66, -0.66), (-0.92, 0.92))
    for at in (0.3, -0.02, -0.34):
        pen.line(DARK, 0.06, (at, -at), (at + 0.36, -at + 0.08))
        pen.line(DARK, 0.06, (at, -at), (at - 0.08, -at - 0.36))


def moon(pen: Pen) -> None:
    """A crescent with craters, open to the right."""
    pen.polygon(BODY, *_crescent())
    for x, y, radius in ((-0.6, -0.2, 0.13), (-0.5, 0.3, 0.1), (-0.2, -0.62, 0.09)):
        pen.ellipse(TRIM, x, y, radius)


def mushroom(pen: Pen) -> None:
    """A spotted cap on a stout stem."""
    pen.halves(LIGHT, (0.24, 0), (0.26, 0.6), (0.36, 0.92))
    pen.halves(BODY, (0, -0.86), (0.5, -0.72), (0.86, -0.3), (0.95, 0.1), (0.5, 0.2), (0, 0.22),
               smooth=True)  # fmt: skip
    for x, y, radius in ((-0.46, -0.24, 0.17), (0.08, -0.5, 0.19), (0.56, -0.16, 0.15)):
        pen.ellipse(LIGHT, x, y, radius)
    pen.line(DARK, 0.06, (-0.7, 0.18), (0, 0.24), (0.7, 0.18))


def pear(pen: Pen) -> None:
    """A fruit with a narrow top."""
    pen.curve(DARK, 0.12, (0, -0.6), (0.02, -0.8), (0.14, -0.95))
    pen.halves(BODY, (0, -0.74), (0.24, -0.6), (0.3, -0.26), (0.62, 0.2), (0.64, 0.66),
               (0.34, 0.94), (0, 0.98), smooth=True)  # fmt: skip
    pen.blob(TRIM, (0.08, -0.72), (0.34, -0.9), (0.66, -0.8), (0.4, -0.64))
    pen.ellipse(LIGHT, -0.36, 0.36, 0.1, 0.22, 15)


def pumpkin(pen: Pen) -> None:
    """A ribbed gourd with a stalk."""
    pen.line(DARK, 0.2, (0, -0.5), (0.1, -0.84))
    for x, role in ((0.6, BODY), (-0.6, BODY), (0.34, TRIM), (-0.34, TRIM)):
        pen.ellipse(role, x, 0.16, 0.36, 0.58)
    pen.ellipse(BODY, 0, 0.16, 0.26, 0.64)


def snail(pen: Pen) -> None:
    """A spiral shell on a creeping body."""
    pen.curve(TRIM, 0.26, (-0.86, 0.74), (0, 0.72), (0.56, 0.66), (0.74, 0.2), (0.76, -0.1))
    for x in (0.6, 0.92):
        pen.line(TRIM, 0.09, (0.76, -0.1), (x, -0.56))
        pen.ellipse(DARK, x, -0.56, 0.08)
    pen.ellipse(BODY, -0.16, 0.06, 0.64)
    spiral = [
        (radius * math.cos(turn) - 0.16, radius * math.sin(turn) + 0.06)
        for radius, turn in ((0.5 - 0.042 * k, 0.9 + 0.9 * k) for k in range(12))
    ]
    pen.curve(DARK, 0.1, *spiral)


def star(pen: Pen) -> None:
    """A star with five points."""
    pen.polygon(BODY, *_star(0, 0.06, 1, 0.42))
    pen.polygon(TRIM, *_star(0, 0.06, 0.55, 0.23))


def sun(pen: Pen) -> None:
    """A disc with rays."""
    for k in range(8):
        x, y = math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)
        pen.polygon(TRIM, (0.98 * x, 0.98 * y), (0.58 * x - 0.2 * y, 0.58 * y + 0.2 * x),
                    (0.58 * x + 0.2 * y, 0.58 * y - 0.2 * x))  # fmt: skip
    pen.ellipse(BODY, 0, 0, 0.54)


def tree(pen: Pen) -> None:
    """A conifer of three tiers."""
    pen.box(DARK, -0.14, 0.6, 0.14, 0.97)
    for top, low, half, role in ((0, 0.68, 0.8, BODY), (-0.46, 0.26, 0.62, TRIM),
                                 (-0.97, -0.14, 0.46, BODY)):  # fmt: skip
        pen.polygon(role, (0, top), (half, low), (-half, low))


def _star(x: float, y: float, outer: float, inner: float) -> list[tuple[float, float]]:
    """Corners of a star with five points, one of them up."""
    return [
        (x + radius * math.sin(k * math.pi / 5), y - radius * math.cos(k * math.pi / 5))
        for k, radius in enumerate((outer, inner) * 5)
    ]


def _crescent() -> list[tuple[float, float]]:
    """Outline between a circle and a smaller one that cuts into it."""
    outer = [math.radians(turn) for turn in range(52, 309, 8)]
    inner = [math.radians(turn) for turn in range(286, 73, -8)]
    return [(0.95 * math.cos(turn), 0.95 * math.sin(turn)) for turn in outer] + [
        (0.4 + 0.78 * math.cos(turn), 0.78 * math.sin(turn)) for turn in inner
    ]


NATURE_DRAWINGS = {
    draw.__name__: draw
    for draw in (
        apple, banana, bird, bone, butterfly, carrot, cherry, cloud, feather, fish, flower, leaf,
        moon, mushroom, pear, pumpkin, snail, star, sun, tree,
    )
}  # fmt: skip
