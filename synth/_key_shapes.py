"""Drawings of the key concepts: compact objects of comparable area."""

from __future__ import annotations

from ._pen import BODY, DARK, LIGHT, TRIM, Pen


def anchor(pen: Pen) -> None:
    """Ring, stock, shank and two flukes."""
    pen.arc(BODY, 0.16, (0, -0.78), (0.16, 0.16))
    pen.line(BODY, 0.26, (0, -0.6), (0, 0.8))
    pen.line(BODY, 0.2, (-0.45, -0.36), (0.45, -0.36))
    pen.arc(BODY, 0.26, (0, 0.12), (0.72, 0.7), (8, 172))
    for side in (-1, 1):
        pen.polygon(BODY, (side * 0.74, -0.16), (side * 1, 0.36), (side * 0.42, 0.3))


def balloon(pen: Pen) -> None:
    """A striped hot-air balloon with its basket."""
    outline = ((0, -1), (0.48, -0.9), (0.76, -0.5), (0.66, -0.06), (0.36, 0.32), (0.2, 0.5))
    pen.halves(BODY, *outline, smooth=True)
    for side in (-1, 1):
        pen.blob(TRIM, (side * 0.28, -0.97), (side * 0.52, -0.45), (side * 0.2, 0.48),
                 (side * 0.12, 0.48), (side * 0.24, -0.45))  # fmt: skip
        pen.line(DARK, 0.06, (side * 0.2, 0.48), (side * 0.18, 0.72))
    pen.box(DARK, -0.24, 0.68, 0.24, 0.99)


def barrel(pen: Pen) -> None:
    """A bulging cask with hoops."""
    pen.halves(BODY, (0.52, -0.9), (0.7, -0.45), (0.76, 0), (0.7, 0.45), (0.52, 0.95))
    pen.ellipse(TRIM, 0, -0.88, 0.52, 0.12)
    for x in (-0.3, 0, 0.3):
        pen.line(DARK, 0.04, (x * 0.8, -0.76), (x, 0), (x * 0.8, 0.93))
    for y, x in ((-0.58, 0.66), (0.58, 0.68)):
        pen.line(DARK, 0.13, (-x, y), (0, y + 0.05), (x, y))


def bucket(pen: Pen) -> None:
    """A pail with its handle up."""
    pen.arc(DARK, 0.09, (0, -0.3), (0.74, 0.62), (180, 360))
    pen.halves(BODY, (0.8, -0.32), (0.54, 0.97))
    pen.ellipse(TRIM, 0, -0.32, 0.82, 0.2)
    pen.ellipse(DARK, 0, -0.31, 0.66, 0.12)


def bus(pen: Pen) -> None:
    """A long body with a row of windows."""
    pen.polygon(BODY, (-0.98, -0.55), (-0.9, -0.66), (0.9, -0.66), (0.99, -0.5), (0.99, 0.5),
                (-0.98, 0.5))  # fmt: skip
    for left in (-0.86, -0.46, -0.06):
        pen.box(LIGHT, left, -0.46, left + 0.3, -0.06)
    pen.box(LIGHT, 0.34, -0.46, 0.58, 0.42)
    pen.box(LIGHT, 0.7, -0.46, 0.92, 0)
    pen.box(TRIM, -0.98, 0.06, 0.3, 0.2)
    for x in (-0.55, 0.55):
        pen.ellipse(DARK, x, 0.5, 0.24)
        pen.ellipse(LIGHT, x, 0.5, 0.09)


def cactus(pen: Pen) -> None:
    """A saguaro with two arms, in a pot."""
    pen.line(BODY, 0.44, (0, -0.75), (0, 0.6))
    pen.curve(BODY, 0.28, (0, 0.26), (-0.5, 0.2), (-0.62, -0.02), (-0.62, -0.36))
    pen.curve(BODY, 0.28, (0, 0.06), (0.5, 0), (0.62, -0.2), (0.62, -0.58))
    for x in (-0.1, 0.1):
        pen.line(LIGHT, 0.05, (x, -0.75), (x, 0.5))
    pen.halves(TRIM, (0.5, 0.44), (0.5, 0.6), (0.4, 0.6), (0.34, 0.99))
    pen.box(DARK, -0.5, 0.6, 0.5, 0.66)


def camera(pen: Pen) -> None:
    """A box with a lens and a flash."""
    pen.polygon(BODY, (-0.4, -0.5), (-0.26, -0.72), (0.26, -0.72), (0.4, -0.5))
    pen.box(DARK, -0.8, -0.62, -0.5, -0.5)
    pen.box(BODY, -0.97, -0.5, 0.97, 0.68)
    pen.box(TRIM, -0.97, -0.5, 0.97, -0.26)
    pen.ellipse(DARK, 0, 0.12, 0.5)
    pen.ellipse(LIGHT, 0, 0.12, 0.36)
    pen.ellipse(DARK, 0, 0.12, 0.24)
    pen.ellipse(LIGHT, -0.08, 0.04, 0.07)
    pen.box(LIGHT, 0.62, -0.46, 0.88, -0.3)


def car(pen: Pen) -> None:
    """A saloon from the side."""
    pen.polygon(BODY, (-0.66, -0.08), (-0.4, -0.64), (0.3, -0.64), (0.64, -0.08))
    pen.polygon(BODY, (-0.97, 0.06), (-0.86, -0.14), (0.62, -0.14), (0.92, -0.02), (0.99, 0.2),
                (0.99, 0.48), (-0.97, 0.48))  # fmt: skip
    pen.polygon(LIGHT, (-0.48, -0.12), (-0.3, -0.5), (-0.04, -0.5), (-0.04, -0.12))
    pen.polygon(LIGHT, (0.07, -0.5), (0.24, -0.5), (0.46, -0.12), (0.07, -0.12))
    pen.line(TRIM, 0.08, (-0.92, 0.16), (0.94, 0.16))
    for x in (-0.53, 0.53):
        pen.ellipse(DARK, x, 0.46, 0.27)
        pen.ellipse(LIGHT, x, 0.46, 0.11)


def castle(pen: Pen) -> None:
    """Two towers and a gate, all with battlements."""
    pen.box(BODY, -0.6, 0.05, 0.6, 0.9)
    for x in (-0.28, 0, 0.28):
        pen.box(BODY, x - 0.08, -0.14, x + 0.08, 0.1)
    for side in (-1, 1):
        pen.box(TRIM, side * 0.68 - 0.22, -0.6, side * 0.68 + 0.22, 0.9)
        for x in (-0.2, 0, 0.2):
            pen.box(TRIM, side * 0.68 + x - 0.07, -0.82, side * 0.68 + x + 0.07, -0.5)
        pen.box(DARK, side * 0.68 - 0.06, -0.3, side * 0.68 + 0.06, 0)
    pen.ellipse(DARK, 0, 0.52, 0.22)
    pen.box(DARK, -0.22, 0.52, 0.22, 0.9)


def chair(pen: Pen) -> None:
    """Back, seat and four legs."""
    for x in (-0.42, 0.42):
        pen.line(DARK, 0.14, (x, 0.3), (x, 0.76))
    for x in (-0.52, 0.52):
        pen.line(BODY, 0.2, (x, -0.88), (x, 0.15))
    pen.line(BODY, 0.3, (-0.48, -0.8), (0.48, -0.8))
    pen.line(BODY, 0.18, (-0.5, -0.38), (0.5, -0.38))
    for x in (-0.62, 0.62):
        pen.line(BODY, 0.2, (x, 0.3), (x, 0.9))
    pen.halves(TRIM, (0.58, 0), (0.74, 0.36))
    pen.box(BODY, -0.74, 0.32, 0.74, 0.46)


def church(pen: Pen) -> None:
    """A nave with a steeple and a cross."""
    pen.box(BODY, -0.3, 0.05, 0.97, 0.95)
    pen.polygon(TRIM, (-0.3, 0.08), (-0.3, -0.3), (0.78, -0.3), (1, 0.08))
    pen.box(BODY, -0.88, -0.3, -0.22, 0.95)
    pen.polygon(TRIM, (-0.95, -0.28), (-0.55, -0.78), (-0.15, -0.28))
    pen.line(DARK, 0.09, (-0.55, -0.97), (-0.55, -0.6))
    pen.line(DARK, 0.09, (-0.68, -0.86), (-0.42, -0.86))
    pen.ellipse(LIGHT, -0.55, 0, 0.14)
    for x in (0.1, 0.42, 0.74):
        pen.line(LIGHT, 0.14, (x, 0.36), (x, 0.6))
    pen.box(DARK, -0.7, 0.5, -0.4, 0.95)


def clock(pen: Pen) -> None:
    """An alarm clock with two bells."""
    for side in (-1, 1):
        pen.line(DARK, 0.16, (side * 0.45, 0.6), (side * 0.62, 0.92))
        pen.ellipse(TRIM, side * 0.5, -0.7, 0.32, 0.2, side * 38)
    pen.line(DARK, 0.1, (0, -0.6), (0, -0.92))
    pen.ellipse(BODY, 0, 0.1, 0.8)
    pen.ellipse(LIGHT, 0, 0.1, 0.6)
    for x, y in ((0, -0.5), (0.5, 0), (0, 0.5), (-0.5, 0)):
        pen.ellipse(DARK, x, y + 0.1, 0.06)
    pen.line(DARK, 0.11, (0, -0.26), (0, 0.1), (0.28, 0.26))


def drum(pen: Pen) -> None:
    """A shell with crossed cords, and two sticks."""
    pen.box(BODY, -0.82, -0.25, 0.82, 0.7)
    pen.ellipse(BODY, 0, 0.7, 0.82, 0.25)
    cords = [(x, 0.06 if k % 2 else 0.7) for k, x in enumerate((-0.8, -0.4, 0, 0.4, 0.8))]
    pen.line(LIGHT, 0.07, *cords)
    pen.arc(TRIM, 0.12, (0, 0.7), (0.8, 0.22), (0, 180))
    pen.ellipse(TRIM, 0, -0.22, 0.84, 0.3)
    pen.ellipse(LIGHT, 0, -0.24, 0.72, 0.22)
    for side in (-1, 1):
        pen.line(DARK, 0.1, (side * 0.1, -0.3), (side * 0.74, -0.84))
        pen.ellipse(DARK, side * 0.1, -0.3, 0.12, 0.09)


def guitar(pen: Pen) -> None:
    """An acoustic guitar, neck up."""
    pen.halves(DARK, (0.2, -1), (0.14, -0.7))
    pen.halves(BODY, (0, -0.24), (0.42, -0.18), (0.54, 0.08), (0.44, 0.28), (0.7, 0.54),
               (0.6, 0.88), (0, 0.99), smooth=True)  # fmt: skip
    pen.box(DARK, -0.1, -0.74, 0.1, 0.2)
    pen.ellipse(TRIM, 0, 0.26, 0.26)
    pen.ellipse(DARK, 0, 0.26, 0.18)
    pen.line(DARK, 0.12, (-0.24, 0.72), (0.24, 0.72))
    pen.line(LIGHT, 0.05, (0, -0.9), (0, 0.72))


def house(pen: Pen) -> None:
    """Walls, a gable roof and a chimney."""
    pen.box(DARK, 0.4, -0.82, 0.64, -0.3)
    pen.box(BODY, -0.72, -0.1, 0.72, 0.92)
    pen.polygon(TRIM, (-0.98, -0.04), (0, -0.9), (0.98, -0.04))
    pen.box(DARK, -0.5, 0.26, -0.14, 0.92)
    pen.box(LIGHT, 0.12, 0.2, 0.54, 0.58)
    pen.line(DARK, 0.05, (0.33, 0.2), (0.33, 0.58))
    pen.line(DARK, 0.05, (0.12, 0.39), (0.54, 0.39))


def jar(pen: Pen) -> None:
    """A preserving jar with lid and label."""
    pen.halves(BODY, (0.44, -0.66), (0.68, -0.44), (0.7, 0.84), (0.56, 0.97))
    pen.box(TRIM, -0.54, -0.97, 0.54, -0.62)
    for x in (-0.36, -0.12, 0.12, 0.36):
        pen.line(DARK, 0.04, (x, -0.92), (x, -0.68))
    pen.box(LIGHT, -0.5, -0.1, 0.5, 0.56)
    pen.line(DARK, 0.07, (-0.3, 0.12), (0.3, 0.12))
    pen.line(DARK, 0.07, (-0.3, 0.34), (0.16, 0.34))


def kettle(pen: Pen) -> None:
    """A stove kettle: handle over the lid, short spout."""
    pen.arc(DARK, 0.13, (0, -0.24), (0.5, 0.62), (180, 360))
    pen.polygon(BODY, (0.4, 0.3), (0.8, -0.3), (1, -0.2), (0.66, 0.62))
    pen.halves(BODY, (0.36, -0.3), (0.52, -0.2), (0.74, 0.7), (0.74, 0.9))
    pen.halves(TRIM, (0.06, -0.44), (0.36, -0.24))
    pen.ellipse(DARK, 0, -0.46, 0.1)
    pen.box(DARK, -0.74, 0.8, 0.74, 0.94)
    pen.curve(LIGHT, 0.09, (-0.38, 0), (-0.5, 0.3), (-0.54, 0.58))


def lantern(pen: Pen) -> None:
    """A hand lantern with a flame behind glass."""
    pen.arc(DARK, 0.1, (0, -0.68), (0.28, 0.26), (180, 360))
    pen.halves(BODY, (0.22, -0.76), (0.66, -0.44), (0.66, -0.32))
    pen.box(LIGHT, -0.5, -0.32, 0.5, 0.66)
    pen.halves(TRIM, (0, -0.16), (0.24, 0.24), (0.14, 0.5), (0, 0.54), smooth=True)
    for x in (-0.5, 0.5):
        pen.line(BODY, 0.14, (x, -0.3), (x, 0.66))
    pen.box(BODY, -0.66, 0.58, 0.66, 0.78)
    pen.box(DARK, -0.76, 0.78, 0.76, 0.94)


def lighthouse(pen: Pen) -> None:
    """A striped tower with a lamp room, on a rock."""
    pen.blob(DARK, (-0.85, 0.97), (-0.6, 0.66), (0, 0.6), (0.6, 0.68), (0.85, 0.97))
    for top, high, low in ((-0.34, 0.28, 0.32), (-0.06, 0.32, 0.37), (0.22, 0.37, 0.42),
                           (0.5, 0.42, 0.46)):  # fmt: skip
        role = BODY if round(top * 100) in (-34, 22) else LIGHT
        pen.halves(role, (high, top), (low, top + 0.28))
    pen.box(TRIM, -0.2, -0.74, 0.2, -0.4)
    pen.box(DARK, -0.4, -0.44, 0.4, -0.34)
    pen.polygon(BODY, (-0.3, -0.7), (0, -1), (0.3, -0.7))
    for side in (-1, 1):
        pen.polygon(LIGHT, (side * 0.2, -0.58), (side * 0.95, -0.82), (side * 0.95, -0.42))


def mug(pen: Pen) -> None:
    """A cup with a handle."""
    pen.arc(BODY, 0.2, (0.4, 0.05), (0.42, 0.42), (-90, 90))
    pen.polygon(BODY, (-0.82, -0.66), (0.46, -0.66), (0.46, 0.74), (0.34, 0.88), (-0.7, 0.88),
                (-0.82, 0.74))  # fmt: skip
    pen.box(TRIM, -0.82, 0, 0.46, 0.3)
    pen.ellipse(LIGHT, -0.18, -0.66, 0.64, 0.2)
    pen.ellipse(DARK, -0.18, -0.63, 0.52, 0.13)


def rocket(pen: Pen) -> None:
    """A pointed hull with fins, window and flame."""
    pen.halves(LIGHT, (0.3, 0.62), (0, 1.0))
    pen.halves(TRIM, (0.2, 0), (0.84, 0.48), (0.84, 0.9), (0.3, 0.66))
    pen.halves(BODY, (0, -1), (0.34, -0.68), (0.5, -0.2), (0.48, 0.3), (0.32, 0.7), smooth=True)
    pen.halves(TRIM, (0, -1), (0.2, -0.84), (0.36, -0.6))
    pen.ellipse(DARK, 0, -0.18, 0.26)
    pen.ellipse(LIGHT, 0, -0.18, 0.17)
    pen.line(TRIM, 0.14, (0, 0.34), (0, 0.78))


def sailboat(pen: Pen) -> None:
    """A hull with two sails."""
    pen.line(DARK, 0.09, (0, -0.95), (0, 0.5))
    pen.polygon(BODY, (0.07, -0.92), (0.82, 0.36), (0.07, 0.36))
    pen.polygon(LIGHT, (-0.07, -0.66), (-0.07, 0.36), (-0.72, 0.36))
    pen.polygon(TRIM, (-0.95, 0.46), (0.97, 0.46), (0.66, 0.9), (-0.62, 0.9))
    pen.line(DARK, 0.06, (-0.82, 0.6), (0.84, 0.6))


def teapot(pen: Pen) -> None:
    """A round pot: spout on one side, handle on the other."""
    pen.arc(BODY, 0.15, (0.58, 0.12), (0.34, 0.36), (-100, 100))
    pen.polygon(BODY, (-0.4, 0.5), (-0.72, 0.2), (-0.98, -0.36), (-0.74, -0.4), (-0.4, -0.06))
    pen.ellipse(BODY, 0, 0.22, 0.64, 0.56)
    pen.box(BODY, -0.36, 0.68, 0.36, 0.84)
    pen.ellipse(TRIM, 0, -0.3, 0.4, 0.16)
    pen.ellipse(DARK, 0, -0.52, 0.11)
    pen.line(TRIM, 0.14, (-0.56, 0.26), (0.56, 0.26))
    pen.ellipse(LIGHT, -0.28, -0.02, 0.12, 0.07, -35)


def tent(pen: Pen) -> None:
    """A ridge tent with an open flap."""
    pen.polygon(TRIM, (-0.3, -0.72), (0.5, -0.72), (1, 0.75), (0.42, 0.75))
    pen.polygon(BODY, (-0.3, -0.72), (0.46, 0.75), (-0.99, 0.75))
    pen.polygon(DARK, (-0.3, -0.4), (0.02, 0.75), (-0.58, 0.75))
    pen.polygon(LIGHT, (-0.3, -0.4), (-0.26, 0.3), (-0.58, 0.75))
    pen.line(DARK, 0.07, (-0.36, -0.86), (-0.24, -0.6))


def truck(pen: Pen) -> None:
    """A lorry with a high box behind the cab."""
    pen.box(DARK, -0.95, 0.36, 0.95, 0.54)
    pen.box(BODY, -0.98, -0.7, 0.3, 0.42)
    for x in (-0.66, -0.34, -0.02):
        pen.line(DARK, 0.04, (x, -0.6), (x, 0.3))
    pen.polygon(TRIM, (0.38, 0.5), (0.38, -0.38), (0.72, -0.38), (0.98, 0.06), (0.98, 0.5))
    pen.polygon(LIGHT, (0.5, -0.26), (0.68, -0.26), (0.86, 0.08), (0.5, 0.08))
    for x in (-0.62, -0.12, 0.66):
        pen.ellipse(DARK, x, 0.54, 0.22)
        pen.ellipse(LIGHT, x, 0.54, 0.08)


def umbrella(pen: Pen) -> None:
    """An open canopy with a crook handle."""
    pen.curve(DARK, 0.12, (0, -0.2), (0, 0.62), (0.06, 0.84), (0.24, 0.86), (0.34, 0.66))
    pen.line(DARK, 0.1, (0, -0.95), (0, -0.7))
    dome = [(-0.99, 0.18), (-0.92, -0.3), (-0.58, -0.68), (0, -0.84), (0.58, -0.68), (0.92, -0.3)]
    hem = [(0.99, 0.18), (0.68, 0.04), (0.36, 0.2), (0, 0.06), (-0.36, 0.2), (-0.68, 0.04)]
    pen.polygon(BODY, *dome, *hem)
    pen.blob(TRIM, (0, -0.84), (0.3, -0.4), (0.36, 0.2), (0, 0.06), (-0.36, 0.2), (-0.3, -0.4))


def vase(pen: Pen) -> None:
    """A bellied vase with a narrow neck."""
    pen.halves(BODY, (0.4, -0.92), (0.24, -0.62), (0.34, -0.36), (0.66, 0.04), (0.6, 0.48),
               (0.34, 0.9), smooth=True)  # fmt: skip
    pen.box(BODY, -0.4, 0.82, 0.4, 0.98)
    pen.ellipse(DARK, 0, -0.92, 0.42, 0.09)
    pen.line(TRIM, 0.16, (-0.56, 0.02), (-0.28, 0.12), (0, 0), (0.28, 0.12), (0.56, 0.02))
    pen.line(TRIM, 0.1, (-0.46, 0.5), (0.46, 0.5))
    pen.line(LIGHT, 0.08, (-0.2, -0.7), (-0.2, -0.5))


def windmill(pen: Pen) -> None:
    """A tapered mill with four sails."""
    pen.halves(BODY, (0.3, -0.3), (0.52, 0.97))
    pen.halves(TRIM, (0, -0.62), (0.26, -0.48), (0.36, -0.24))
    pen.box(DARK, -0.16, 0.56, 0.16, 0.97)
    for x, y in ((0.6, 0.6), (-0.6, 0.6), (-0.6, -0.6), (0.6, -0.6)):
        blade = [(0.3 * x, 0.3 * y), (x, y), (x - y * 0.3, y + x * 0.3),
                 (0.3 * (x - y), 0.3 * (x + y))]  # fmt: skip
        pen.line(DARK, 0.08, (0, -0.2), (x, y - 0.2))
        pen.polygon(LIGHT, *[(across, down - 0.2) for across, down in blade])
    pen.ellipse(DARK, 0, -0.2, 0.1)


KEY_DRAWINGS = {
    draw.__name__: draw
    for draw in (
        anchor, balloon, barrel, bucket, bus, cactus, camera, car, castle, chair, church, clock,
        drum, guitar, house, jar, kettle, lantern, lighthouse, mug, rocket, sailboat, teapot, tent,
        truck, umbrella, vase, windmill,
    )
}  # fmt: skip
