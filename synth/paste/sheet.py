"""A contact sheet: versions side by side, with what is in them, for looking at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from conceptstats.errors import OutputExistsError, ParameterError, SourceError
from conceptstats.table_files import load_table
from conceptstats.tables import writing

from .saving import PASTED

_SIDE = 220  # of a picture, in pixels
_LINES = 3
_LINE = 17
_LETTER = 14
_GAP = 12
_CELL = _SIDE + _GAP
_ACROSS = 6  # pictures in a row, unless a photograph has more

Rows = list[dict[str, Any]]


def draw_sheet(
    table: str | Path, file: str | Path, n: int = 24, *, overwrite: bool = False
) -> Path:
    """Draw versions of photographs that are spread evenly over a run.

    Those of a photograph stand side by side in one row, behind a rule.

    Parameters
    ----------
    table : path
        Images table (`saving.PASTED`).
    file : path
        .png or .jpg.
    n : int
        Pictures, at most.
    overwrite : bool

    Raises
    ------
    SourceError
        When there is none.
    ParameterError, TableError, OutputExistsError, OutputError
    """
    table, file = Path(table), Path(file)
    check_sheet(file, n, overwrite=overwrite)
    versions: dict[str, Rows] = {}
    for row in load_table(table, PASTED).to_pylist():
        versions.setdefault(row["photo_id"], []).append(row)
    if not versions:
        raise SourceError(f"{table} has no picture that could be drawn.")
    photos = list(versions.values())
    enough = next((k for k in range(1, len(photos)) if _n_shown(photos, k) >= n), len(photos))
    rows = _in_rows(_first(_spread(photos, enough), n))
    width = _GAP + _CELL * max(sum(map(len, row)) for row in rows)
    strips = [_strip(row, width, table.parent) for row in rows]
    sheet = Image.new("RGB", (width, sum(strip.height for strip in strips)), "white")
    for strip, top in zip(strips, accumulate((s.height for s in strips), initial=0), strict=False):
        sheet.paste(strip, (0, top))
    with writing(file, overwrite=overwrite) as partial:
        sheet.save(partial, "PNG" if file.suffix == ".png" else "JPEG")
    return file


def check_sheet(file: Path, n: int, *, overwrite: bool) -> None:
    """Raise unless a sheet can be drawn there; before hours of work, say.

    Raises
    ------
    ParameterError, OutputExistsError
    """
    if n < 1 or file.suffix not in (".png", ".jpg"):
        raise ParameterError(f"{file} with {n} pictures; expected .png or .jpg with 1 or more.")
    if file.exists() and not overwrite:
        raise OutputExistsError(f"{file} exists.", "choose another name, or --overwrite")


def _spread(photos: Sequence[Rows], n: int) -> list[Rows]:
    return [photos[at * len(photos) // n] for at in range(n)]


def _n_shown(photos: Sequence[Rows], n: int) -> int:
    return sum(map(len, _spread(photos, n)))


def _first(groups: Iterable[Rows], n: int) -> list[Rows]:
    """The first pictures, by photographs."""
    kept = []
    for group in groups:
        if n > 0:
            kept.append(group[:n])
            n -= len(group)
    return kept


def _in_rows(groups: Sequence[Rows]) -> list[list[Rows]]:
    """Photographs in rows, none of them broken."""
    across = max(_ACROSS, *map(len, groups))
    rows: list[list[Rows]] = [[]]
    for group in groups:
        if rows[-1] and sum(map(len, rows[-1])) + len(group) > across:
            rows.append([])
        rows[-1].append(group)
    return rows


def _strip(groups: Sequence[Rows], width: int, folder: Path) -> Image.Image:
    """One row: pictures that stand on their lines, and a rule before each photograph."""
    rows = [row for group in groups for row in group]
    pictures = [_small(folder / row["path"]) for row in rows]
    foot = _GAP + max(picture.height for picture in pictures)
    strip = Image.new("RGB", (width, foot + _LINES * _LINE + _GAP), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(_LETTER)
    for number, (row, picture) in enumerate(zip(rows, pictures, strict=True)):
        left = _GAP + number * _CELL
        strip.paste(picture, (left, foot - picture.height))
        for below, line in enumerate(_lines(row)):
            draw.text((left, foot + 1 + below * _LINE), _fitting(line, font), "black", font)
    first = 0
    for group in groups:
        left = first * _CELL + _GAP // 2
        draw.line((left, _GAP, left, strip.height - _GAP), "silver")
        first += len(group)
    return strip


def _small(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return ImageOps.contain(image.convert("RGB"), (_SIDE, _SIDE))


def _lines(row: dict[str, Any]) -> tuple[str, ...]:
    """What stands below a picture."""
    split = f", {row['split']}" if row["split"] else ""
    lines = (f"{row['target']}{split}", f"{row['stratum']}: {row['accessory'] or 'as it is'}")
    if row["pmi"] is None:
        return lines
    return (*lines, "never together" if row["pmi"] == -math.inf else f"PMI {row['pmi']:.2f}")


def _fitting(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """A line, or as much of it as is no wider than a picture."""
    ends = (line, *(f"{line[:n]}..." for n in range(len(line) - 1, -1, -1)))
    return next(text for text in ends if font.getlength(text) <= _SIDE)
