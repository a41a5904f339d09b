"""Cut-outs of COCO annotations: polygons around objects, beside the photographs that show them.

Left out, each with its reason: crowds, masks that are run-length codes, objects that are too small
(`listing.too_small`), and, unless they are wanted, objects that are seen in part: cut by the edge
of their photograph, or in several pieces, between which another object stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from conceptstats.errors import SourceError
from conceptstats.pasting import Box, Pixels

from .listing import CutOut, Problem, too_small

_FINER = 4  # polygons are drawn this many times finer, so that their edges are smooth
_AT_EDGE = 1.0  # pixels from the edge of a photograph within which an object counts as cut


def find_annotations(root: Path) -> list[Path]:
    """Files ``instances*.json`` in a folder and below it."""
    return sorted(path for path in root.rglob("instances*.json") if path.is_file())


def read_coco(file: Path, root: Path, *, keep_partial: bool = False) -> Iterator[CutOut | Problem]:
    """Every annotation as a cut-out, or with the reason why it is none.

    Parameters
    ----------
    file : Path
        Annotations of COCO: ``images``, ``annotations`` and ``categories``.
    root : Path
        Folder that paths are told from; it holds the photographs, at one of the usual places.
    keep_partial : bool
        Take objects that are seen in part.

    Raises
    ------
    SourceError
        When the file is no such file.
    """
    try:
        data = json.loads(file.read_bytes())
        names = {row["id"]: row["name"] for row in data["categories"]}
        images = {row["id"]: row for row in data["images"]}
        rows = sorted(data["annotations"], key=lambda row: row["id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file} holds no annotations of COCO: {error!r}.") from error
    for row in rows:
        identity = f"{file.stem}:{row['id']}"
        try:
            yield _cut_out(identity, row, images, names, file, root, keep_partial)
        except _LeftOutError as error:
            yield Problem("cut-out", identity, None, str(error), error.detail)
        except (KeyError, TypeError, ValueError) as error:
            yield Problem("cut-out", identity, None, "the annotation is damaged", repr(error))


class _LeftOutError(Exception):
    """Why an annotation gives no cut-out."""

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason)
        self.detail = detail


def _cut_out(
    identity: str,
    row: Mapping[str, Any],
    images: Mapping[int, Mapping[str, Any]],
    names: Mapping[int, str],
    file: Path,
    root: Path,
    keep_partial: bool,
) -> CutOut:
    if row.get("iscrowd"):
        raise _LeftOutError("a crowd, not one object")
    if not isinstance(row["segmentation"], list):
        raise _LeftOutError("its mask is a run-length code, and polygons are wanted")
    polygons = [list(map(float, polygon)) for polygon in row["segmentation"]]
    if not polygons or any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise _LeftOutError("its polygons are no polygons")
    if len(polygons) > 1 and not keep_partial:
        raise _LeftOutError("in several pieces, so something stands before it")
    image = images[row["image_id"]]
    points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in polygons])
    size = np.array([image["width"], image["height"]], np.float64)
    low, high = np.clip(points.min(0), 0, size), np.clip(points.max(0), 0, size)
    if not keep_partial and ((low < _AT_EDGE).any() or (high > size - _AT_EDGE).any()):
        raise _LeftOutError("it reaches the edge of its photograph, which cuts it")
    box = Box(*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist())
    n_pixels = round(sum(map(_area, polygons)))
    if detail := too_small(box.right - box.left, box.bottom - box.top, n_pixels):
        raise _LeftOutError("too small", detail)
    path = _photograph(file, root, image["file_name"])
    concept = " ".join(names[row["category_id"]].split())
    return CutOut(identity, concept, "polygons", path, *box, n_pixels,
                  int(image["width"]), int(image["height"]), polygons)  # fmt: skip


def _area(polygon: list[float]) -> float:
    x, y = np.reshape(polygon, (-1, 2)).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _photograph(file: Path, root: Path, name: str) -> str:
    """Path from the root of the photograph of an annotation."""
    part = file.stem.removeprefix("instances").strip("_-")
    above = file.parent.parent if file.parent != root else root
    for folder in (file.parent, above / part, above / "images" / part, above / "images", above,
                   root / part, root):  # fmt: skip
        if (folder / name).is_file() and (folder / name).is_relative_to(root):
            return (folder / name).relative_to(root).as_posix()
    raise _LeftOutError("its photograph is not there", name)


def polygon_mask(box: Box, polygons: list[list[float]]) -> Pixels:
    """Alpha of the union of polygons inside a box, (height, width), with smooth edges."""
    size = (box.right - box.left) * _FINER, (box.bottom - box.top) * _FINER
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for polygon in polygons:
        points = (np.reshape(polygon, (-1, 2)) - box[:2]) * _FINER - 0.5
        draw.polygon([tuple(point) for point in points.tolist()], fill=255)
    return np.asarray(mask.reduce(_FINER), np.uint8)
