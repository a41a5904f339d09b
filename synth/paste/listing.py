"""What is listed of a run: cut-outs that can be pasted, and problems, each with its reason."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

_LEAST_PIXELS = 100  # of an object
_LEAST_SIDE = 10  # of its box, which must be larger

PROBLEMS = pa.schema(
    [
        pa.field("what", pa.string(), nullable=False),  # photograph, version, accessory, cut-out
        pa.field("id", pa.string(), nullable=False),
        pa.field("stratum", pa.string()),  # of a version
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)
CUT_OUTS = pa.schema(
    [
        pa.field("cut_out_id", pa.string(), nullable=False),
        pa.field("accessory", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # alpha, or polygons
        pa.field("path", pa.string(), nullable=False),  # from the folder of accessories
        pa.field("left", pa.int32(), nullable=False),  # box of the object in the picture
        pa.field("top", pa.int32(), nullable=False),
        pa.field("right", pa.int32(), nullable=False),
        pa.field("bottom", pa.int32(), nullable=False),
        pa.field("n_pixels", pa.int64(), nullable=False),  # of the object
        pa.field("picture_width", pa.int32(), nullable=False),  # of the whole picture, as stored
        pa.field("picture_height", pa.int32(), nullable=False),
        pa.field("polygons", pa.list_(pa.list_(pa.float32()))),  # x and y in turn
    ]
)


class Problem(NamedTuple):
    """What was left out, and why: a row of `PROBLEMS`."""

    what: str
    id: str
    stratum: str | None
    reason: str  # the same words for the same fault, so that they can be counted
    detail: str | None = None


class CutOut(NamedTuple):
    """An object with its mask: a row of `CUT_OUTS`."""

    cut_out_id: str
    accessory: str
    kind: str
    path: str
    left: int
    top: int
    right: int
    bottom: int
    n_pixels: int
    picture_width: int
    picture_height: int
    polygons: list[list[float]] | None = None


def too_small(width: int, height: int, n_pixels: int) -> str | None:
    """Say so where an object is too small to be pasted (arXiv 2507.08000): None where it is not."""
    if n_pixels >= _LEAST_PIXELS and min(width, height) > _LEAST_SIDE:
        return None
    return (
        f"{width} x {height} with {n_pixels:,} pixels, expected more than {_LEAST_SIDE} each way "
        f"and {_LEAST_PIXELS} pixels"
    )
