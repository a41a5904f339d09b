"""Accessories: objects with their masks, from pictures with transparency or from annotations."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from conceptstats.errors import SourceError
from conceptstats.pasting import OPAQUE, Box, Pixels, object_box

from .coco import find_annotations, polygon_mask, read_coco
from .decode import Decoded, read_cut_out, read_photo
from .listing import CutOut, Problem, too_small
from .photos import find_images, folder_label, name_label


class Accessories(NamedTuple):
    """Cut-outs, by accessory and id, and what gave none."""

    cut_outs: list[CutOut]
    problems: list[Problem]


def list_accessories(root: str | Path, *, keep_partial: bool = False) -> Accessories:
    """List the cut-outs of a folder.

    Parameters
    ----------
    root : path
        With annotations of COCO (``instances*.json``, the photographs beside or above): their
        objects. Otherwise pictures with transparency, whose concept is the name of the subfolder
        that they are in, or of the file, without a number behind it.
    keep_partial : bool
        Take objects of annotations that are seen in part.

    Raises
    ------
    SourceError
        When there is no cut-out.
    """
    root = Path(root)
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder, expected accessories.")
    found: list[CutOut] = []
    problems: list[Problem] = []
    annotations = find_annotations(root)
    from_coco = (read_coco(file, root, keep_partial=keep_partial) for file in annotations)
    for item in chain.from_iterable(from_coco) if annotations else _alpha_images(root):
        if isinstance(item, CutOut):
            found.append(item)
        else:
            problems.append(item)
    if not found:
        first = f" {problems[0].id}: {problems[0].reason}." if problems else ""
        raise SourceError(
            f"{root} holds no accessory with a mask.{first}",
            "pictures with transparency, or COCO's instances*.json with its photographs; "
            "`conceptstats synth segment` cuts objects out of a white background",
        )
    found.sort(key=lambda item: (item.accessory, item.cut_out_id))
    return Accessories(found, problems)


def _alpha_images(root: Path) -> Iterator[CutOut | Problem]:
    for file in find_images(root):
        try:
            alpha = read_cut_out(root / file).pixels[..., 3]
        except Exception as error:  # decoders raise errors of every kind
            detail = f"{type(error).__name__}: {error}"
            yield Problem("cut-out", file, None, "cannot be read", detail)
            continue
        yield _alpha_image(file, alpha)


def _alpha_image(file: str, alpha: Pixels) -> CutOut | Problem:
    n_pixels = int((alpha >= OPAQUE).sum())
    if n_pixels == alpha.size:
        return Problem("cut-out", file, None, "no transparency, so no mask")
    if not n_pixels:
        return Problem("cut-out", file, None, "transparent all over")
    box = object_box(alpha)
    if small := too_small(box.right - box.left, box.bottom - box.top, n_pixels):
        return Problem("cut-out", file, None, "too small", small)
    concept = folder_label(file) if "/" in file else name_label(file)
    return CutOut(file, concept, "alpha", file, *box, n_pixels, alpha.shape[1], alpha.shape[0])


def load_cut_out(root: Path, row: dict[str, Any]) -> Decoded:
    """The object of a row of `CUT_OUTS`, in RGBA, with the digest of the file that it is from.

    Raises
    ------
    Exception
        Of any kind: decoders raise them all.
    """
    box = Box(row["left"], row["top"], row["right"], row["bottom"])
    inside = slice(box.top, box.bottom), slice(box.left, box.right)
    path, polygons = root / row["path"], row["polygons"]
    whole = read_cut_out(path) if polygons is None else read_photo(path, upright=False)
    size, listed = whole.pixels.shape[1::-1], (row["picture_width"], row["picture_height"])
    if size != listed:
        raise ValueError(f"{path.name} has {size[0]} x {size[1]} pixels, expected "
                         f"{listed[0]} x {listed[1]}")  # fmt: skip
    colours: Pixels = whole.pixels[inside]
    if polygons is not None:
        colours = np.dstack([colours, polygon_mask(box, polygons)])
    return Decoded(colours, whole.sha256)
