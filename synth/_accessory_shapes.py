"""Drawings of the accessory concepts that are made by hand or worn."""

from __future__ import annotations

from ._pen import BODY, DARK, LIGHT, TRIM, Pen


def arrow(pen: Pen) -> None:
    """A broad arrow that points to the right."""
    pen.polygon(BODY, (-0.97, -0.26), (0.1, -0.26), (0.1, -0.7), (0.98, 0), (0.1, 0.7),
                (0.1, 0.26), (-0.97, 0.26))  # fmt: skip
    pen.line(TRIM, 0.14, (-0.8, 0), (0.6, 0))


def bell(pen: Pen) -> None:
    """A hand bell with its clapper."""
    pen.arc(DARK, 0.12, (0, -0.82), (0.13, 0.13))
    pen.ellipse(DARK, 0, 0.78, 0.2)
    pen.halves(BODY, (0, -0.78), (0.4, -0.58), (0.5, -0.05), (0.62, 0.4), (0.86, 0.66))
    pen.box(TRIM, -0.88, 0.54, 0.88, 0.74)
    pen.curve(LIGHT, 0.08, (-0.24, -0.46), (-0.3, 0), (-0.4, 0.38))


def book(pen: Pen) -> None:
    """An open book."""
    for side in (-1, 1):
        pen.polygon(BODY, (0, -0.5), (side * 0.99, -0.7), (side * 0.99, 0.66), (0, 0.86))
        pen.polygon(LIGHT, (0, -0.58), (side * 0.5, -0.76), (side * 0.88, -0.66),
                    (side * 0.88, 0.5), (side * 0.5, 0.46), (0, 0.68))  # fmt: skip
        for y in (-0.4, -0.12, 0.16):
            pen.line(DARK, 0.07, (side * 0.2, y + 0.06), (side * 0.7, y - 0.05))
    pen.line(DARK, 0.07, (0, -0.56), (0, 0.82))


def crown(pen: Pen) -> None:
    """A king's crown."""
    pen.polygon(BODY, (-0.8, 0.62), (-0.95, -0.4), (-0.45, 0), (0, -0.66), (0.45, 0),
                (0.95, -0.4), (0.8, 0.62))  # fmt: skip
    for x, y in ((-0.9, -0.46), (0, -0.74), (0.9, -0.46)):
        pen.ellipse(TRIM, x * 0.98, y, 0.12)
    pen.box(TRIM, -0.8, 0.36, 0.8, 0.66)
    for x in (-0.45, 0, 0.45):
        pen.ellipse(LIGHT, x, 0.51, 0.09)


def diamond(pen: Pen) -> None:
    """A cut stone."""
    pen.polygon(BODY, (-0.6, -0.7), (0.6, -0.7), (0.98, -0.2), (0, 0.92), (-0.98, -0.2))
    pen.polygon(LIGHT, (-0.6, -0.7), (-0.4, -0.2), (-0.98, -0.2))
    pen.polygon(LIGHT, (0, -0.7), (0.4, -0.2), (-0.4, -0.2))
    pen.polygon(TRIM, (-0.4, -0.2), (0.4, -0.2), (0, 0.92))
    pen.line(DARK, 0.05, (-0.96, -0.2), (0.96, -0.2))


def envelope(pen: Pen) -> None:
    """A closed letter with a seal."""
    pen.box(LIGHT, -0.97, -0.64, 0.97, 0.68)
    pen.line(DARK, 0.08, (-0.94, -0.62), (0.94, -0.62), (0.94, 0.66), (-0.94, 0.66), (-0.94, -0.6))
    pen.line(DARK, 0.07, (-0.92, 0.62), (-0.3, 0.08))
    pen.line(DARK, 0.07, (0.92, 0.62), (0.3, 0.08))
    pen.polygon(BODY, (-0.94, -0.62), (0.94, -0.62), (0, 0.3))
    pen.line(DARK, 0.07, (-0.94, -0.62), (0, 0.3), (0.94, -0.62))
    pen.ellipse(TRIM, 0, 0.18, 0.2)


def flag(pen: Pen) -> None:
    """A waving flag on a pole."""
    pen.line(DARK, 0.12, (-0.78, -0.9), (-0.78, 0.94))
    wave = ((-0.78, 0), (-0.35, -0.12), (0.1, 0.02), (0.5, 0.12), (0.95, 0))
    for low, high, role in ((-0.8, -0.42, BODY), (-0.42, -0.04, LIGHT), (-0.04, 0.34, TRIM)):
        top = [(x, y + low) for x, y in wave]
        pen.polygon(role, *top, *[(x, y + high) for x, y in reversed(wave)])


def fork(pen: Pen) -> None:
    """A table fork with four tines."""
    pen.line(BODY, 0.2, (0, 0), (0, 0.88))
    pen.halves(BODY, (0.42, -0.4), (0.4, -0.1), (0.2, 0.14), (0.06, 0.2))
    for x in (-0.36, -0.12, 0.12, 0.36):
        pen.line(BODY, 0.13, (x, -0.9), (x, -0.3))
    pen.line(TRIM, 0.22, (0, 0.5), (0, 0.88))


def ghost(pen: Pen) -> None:
    """A sheet with eyes and a wavy hem."""
    pen.ellipse(BODY, 0, -0.3, 0.66)
    pen.polygon(BODY, (-0.66, -0.3), (0.66, -0.3), (0.72, 0.9), (0.44, 0.64), (0.22, 0.95),
                (0, 0.66), (-0.22, 0.95), (-0.44, 0.64), (-0.72, 0.9))  # fmt: skip
    for side in (-1, 1):
        pen.ellipse(LIGHT, side * 0.26, -0.36, 0.19, 0.24)
        pen.ellipse(DARK, side * 0.26, -0.32, 0.1, 0.14)
    pen.ellipse(DARK, 0, 0.12, 0.13, 0.19)


def glove(pen: Pen) -> None:
    """A hand's glove with spread fingers."""
    for foot, tip in ((-0.36, -0.52), (-0.12, -0.2), (0.12, 0.14), (0.36, 0.5)):
        pen.line(BODY, 0.26, (foot, 0), (tip, -0.8 if abs(tip) < 0.3 else -0.64))
    pen.line(BODY, 0.28, (-0.3, 0.36), (-0.8, 0))
    pen.polygon(BODY, (-0.48, -0.1), (0.5, -0.1), (0.44, 0.6), (-0.44, 0.6))
    pen.box(TRIM, -0.52, 0.58, 0.52, 0.95)
    pen.line(DARK, 0.06, (-0.5, 0.66), (0.5, 0.66))


def hammer(pen: Pen) -> None:
    """A claw hammer."""
    pen.line(TRIM, 0.26, (0, -0.4), (0, 0.86))
    pen.box(DARK, -0.15, 0.3, 0.15, 0.99)
    pen.polygon(BODY, (-0.6, -0.78), (0.3, -0.78), (0.62, -0.66), (0.95, -0.28), (0.5, -0.42),
                (0.2, -0.34), (-0.6, -0.34))  # fmt: skip
    pen.box(BODY, -0.9, -0.86, -0.56, -0.26)


def hat(pen: Pen) -> None:
    """A top hat with a band."""
    pen.halves(BODY, (0.6, -0.8), (0.5, 0.56))
    pen.ellipse(TRIM, 0, -0.8, 0.6, 0.12)
    pen.ellipse(BODY, 0, 0.58, 0.98, 0.24)
    pen.halves(LIGHT, (0.54, 0.14), (0.51, 0.46))


def heart(pen: Pen) -> None:
    """A heart as on playing cards."""
    for side in (-1, 1):
        pen.ellipse(BODY, side * 0.47, -0.3, 0.48, 0.5)
    pen.halves(BODY, (0, -0.44), (0.9, -0.08), (0.72, 0.28), (0, 0.96))
    pen.ellipse(LIGHT, -0.5, -0.42, 0.2, 0.12, -40)


def ladder(pen: Pen) -> None:
    """Two rails and five rungs."""
    for y in (-0.72, -0.36, 0, 0.36, 0.72):
        pen.line(TRIM, 0.14, (-0.42, y), (0.42, y))
    for x in (-0.46, 0.46):
        pen.line(BODY, 0.18, (x * 0.92, -0.88), (x * 1.08, 0.88))


def magnet(pen: Pen) -> None:
    """A horseshoe magnet with pale poles."""
    pen.arc(BODY, 0.42, (0, 0.12), (0.6, 0.62), (0, 180))
    for x in (-0.6, 0.6):
        pen.box(BODY, x - 0.21, -0.4, x + 0.21, 0.14)
        pen.box(LIGHT, x - 0.21, -0.72, x + 0.21, -0.3)
        pen.line(DARK, 0.06, (x - 0.2, -0.3), (x + 0.2, -0.3))


def padlock(pen: Pen) -> None:
    """A closed lock with a keyhole."""
    pen.arc(DARK, 0.18, (0, -0.36), (0.42, 0.48), (180, 360))
    for x in (-0.42, 0.42):
        pen.line(DARK, 0.18, (x, -0.36), (x, 0))
    pen.box(BODY, -0.72, -0.12, 0.72, 0.92)
    pen.box(TRIM, -0.72, -0.12, 0.72, 0.06)
    pen.ellipse(DARK, 0, 0.36, 0.17)
    pen.line(DARK, 0.13, (0, 0.4), (0, 0.66))


def pencil(pen: Pen) -> None:
    """A sharpened pencil, tip to the left and down."""
    pen.polygon(LIGHT, (-0.9, 0.74), (-0.38, 0.6), (-0.64, 0.22))
    pen.polygon(DARK, (-0.95, 0.78), (-0.7, 0.7), (-0.84, 0.5))
    pen.polygon(BODY, (-0.66, 0.24), (0.42, -0.62), (0.68, -0.24), (-0.4, 0.62))
    pen.line(DARK, 0.05, (-0.5, 0.4), (0.54, -0.42))
    pen.polygon(LIGHT, (0.42, -0.62), (0.56, -0.73), (0.82, -0.35), (0.68, -0.24))
    pen.polygon(TRIM, (0.56, -0.73), (0.74, -0.86), (0.99, -0.5), (0.82, -0.35))


def shoe(pen: Pen) -> None:
    """A laced shoe, toe to the right."""
    pen.blob(BODY, (-0.86, -0.5), (-0.5, -0.54), (-0.16, -0.5), (0.12, -0.1), (0.6, 0.08),
             (0.88, 0.3), (0.86, 0.5), (-0.84, 0.5), (-0.86, 0))  # fmt: skip
    pen.ellipse(DARK, -0.5, -0.5, 0.32, 0.12)
    for k in range(3):
        pen.line(
            LIGHT, 0.1, (-0.18 + 0.18 * k, -0.3 + 0.14 * k), (-0.34 + 0.2 * k, -0.08 + 0.12 * k)
        )
    pen.line(LIGHT, 0.2, (-0.86, 0.5), (0.86, 0.5))
    pen.ellipse(TRIM, 0.68, 0.28, 0.2, 0.14, 25)


def sock(pen: Pen) -> None:
    """A sock with cuff, heel and toe."""
    pen.polygon(BODY, (-0.5, -0.8), (0.16, -0.8), (0.16, 0.1), (0.7, 0.34), (0.86, 0.56),
                (0.76, 0.84), (0.46, 0.9), (-0.2, 0.72), (-0.46, 0.5), (-0.5, 0.2))  # fmt: skip
    pen.box(TRIM, -0.56, -0.95, 0.22, -0.6)
    for y in (-0.42, -0.12):
        pen.line(LIGHT, 0.13, (-0.44, y), (0.1, y))
    pen.polygon(TRIM, (-0.5, 0.2), (-0.16, 0.42), (-0.2, 0.72), (-0.46, 0.5))
    pen.polygon(TRIM, (0.52, 0.26), (0.7, 0.34), (0.86, 0.56), (0.76, 0.84), (0.5, 0.9))


def spoon(pen: Pen) -> None:
    """A table spoon, bowl up."""
    pen.line(BODY, 0.18, (0, 0), (0, 0.88))
    pen.ellipse(BODY, 0, -0.48, 0.4, 0.5)
    pen.ellipse(LIGHT, 0, -0.5, 0.26, 0.36)
    pen.line(TRIM, 0.2, (0, 0.6), (0, 0.88))


HANDMADE_DRAWINGS = {
    draw.__name__: draw
    for draw in (
        arrow, bell, book, crown, diamond, envelope, flag, fork, ghost, glove, hammer, hat, heart,
        ladder, magnet, padlock, pencil, shoe, sock, spoon,
    )
}  # fmt: skip
