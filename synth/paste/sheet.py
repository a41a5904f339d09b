"""A contact sheet: versions side by side, with what is in them, for looking at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from conceptstats.errors import OutputExistsError, ParameterError, SourceError
from conceptstats.table_files import load_table
from conceptstats.tables import writing

from .saving import PASTED

_SIDE = 220  # of a picture, in pixels
_LINES = 3
_LINE = 15
_GAP = 8
_ACROSS = 6  # pictures in a row

Rows = list[dict[str, Any]]


def draw_sheet(
    table: str | Path, file: str | Path, n: int = 24, *, overwrite: bool = False
) -> Path:
    """Draw versions of photographs that are spread evenly over a run, those of each side by side.

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
    chosen = [row for rows in _spread(photos, enough) for row in rows][:n]
    cell = _SIDE + _GAP, _SIDE + _LINES * _LINE + _GAP
    across = min(_ACROSS, len(chosen))
    sheet = Image.new("RGB", (cell[0] * across, cell[1] * -(-len(chosen) // across)), "white")
    for number, row in enumerate(chosen):
        down, right = divmod(number, across)
        _draw(sheet, (cell[0] * right, cell[1] * down), row, table.parent)
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


def _draw(sheet: Image.Image, at: tuple[int, int], row: dict[str, Any], folder: Path) -> None:
    """One picture with its lines below."""
    with Image.open(folder / row["path"]) as image:
        picture = image.convert("RGB")
    picture = ImageOps.contain(picture, (_SIDE, _SIDE))
    sheet.paste(picture, at)
    pmi = "" if row["pmi"] is None else f"PMI {row['pmi']:.2f}"
    split = f", {row['split']}" if row["split"] else ""
    lines = (f"{row['target']}{split}", f"{row['stratum']}: {row['accessory'] or 'as it is'}", pmi)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + _SIDE + 1 + number * _LINE), line, "black", font)
