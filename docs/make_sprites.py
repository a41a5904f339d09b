"""Write docs/sprites.png: every concept that sprites can draw, and scenes at some visibilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from conceptstats.synth.sprites import ACCESSORIES, KEYS, Pixels, Sprites, draw_concept

TARGET = Path(__file__).with_name("sprites.png")
_SIZE = 64
_CELL = 2 * _SIZE  # every picture is shown at twice its size
_LABEL = 20
_GAP = 6
_COLUMNS = 10
_VISIBILITIES = (1.0, 0.6, 0.3, 0.1, 0.0)
_INK = (30, 30, 30)
_SHEET = (255, 255, 255)


def tile(pixels: Pixels, label: str) -> Image.Image:
    """A picture at twice its size, with its label below."""
    cell = Image.new("RGB", (_CELL + _GAP, _CELL + _LABEL), _SHEET)
    cell.paste(Image.fromarray(pixels).resize((_CELL, _CELL), Image.Resampling.NEAREST), (3, 0))
    font = ImageFont.load_default(14)
    ImageDraw.Draw(cell).text((_CELL / 2, _CELL + 1), label, _INK, font, anchor="ma")
    return cell


def block(title: str, tiles: list[Image.Image]) -> Image.Image:
    """Tiles in rows under a title."""
    width, height = tiles[0].size
    rows = -(-len(tiles) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * width, rows * height + 30), _SHEET)
    ImageDraw.Draw(sheet).text((4, 6), title, _INK, ImageFont.load_default(17))
    for k, cell in enumerate(tiles):
        sheet.paste(cell, (k % _COLUMNS * width, k // _COLUMNS * height + 30))
    return sheet


def scenes() -> list[Image.Image]:
    """Pairs of concepts, each at several visibilities."""
    rng = np.random.default_rng(0)
    tiles = []
    for seed in range(4):
        key, accessory = str(rng.choice(KEYS)), str(rng.choice(ACCESSORIES))
        for visibility in _VISIBILITIES:
            sprites = Sprites(_SIZE, visibility, 1.0)
            label = f"{key} {visibility:g}"
            tiles.append(tile(sprites.draw_scene(seed, key, accessory), label))
    return tiles


def sheet() -> Image.Image:
    """The whole sheet."""
    blocks = [
        block("Key concepts", [tile(draw_concept(name), name) for name in KEYS]),
        block("Accessory concepts", [tile(draw_concept(name), name) for name in ACCESSORIES]),
        block("Scenes at falling visibility of the key", scenes()),
    ]
    whole = Image.new("RGB", (blocks[0].width, sum(part.height for part in blocks)), _SHEET)
    top = 0
    for part in blocks:
        whole.paste(part, (0, top))
        top += part.height
    return whole


if __name__ == "__main__":
    sheet().save(TARGET, optimize=True)
