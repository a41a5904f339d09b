"""Cut-outs of accessories, to paste into photographs while a model is trained on them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from conceptstats.errors import SourceError
from conceptstats.pasting import OPAQUE, Pixels, object_box
from conceptstats.pictures import decode_with_alpha

_IMAGES = frozenset(".png .webp .tif .tiff .gif .avif .jpg .jpeg .bmp".split())
_NUMBER = re.compile(r"[\s_-]*\(?\d+\)?$")


@dataclass(frozen=True, slots=True)
class CutOuts:
    """Pictures of objects with transparency around them.

    Parameters
    ----------
    files : dict of str to tuple of str
        Paths of each accessory, both sorted.
    problems : tuple of (str, str)
        Files that are no cut-outs, and why.
    """

    files: dict[str, tuple[str, ...]]
    problems: tuple[tuple[str, str], ...]


def list_cut_outs(root: str | Path) -> CutOuts:
    """List the cut-outs of a folder, each of which is looked at.

    Parameters
    ----------
    root : path
        An accessory is called as the subfolder that its pictures are in, or as the picture itself,
        without a number behind it; blanks stand for underscores.

    Raises
    ------
    SourceError
        When there is none.
    """
    root = Path(root)
    if not root.is_dir():
        raise SourceError(f"{root}: no such folder, expected cut-outs of accessories.")
    found: dict[str, list[str]] = {}
    problems = []
    for path in sorted(_images(root)):
        try:
            read_cut_out.__wrapped__(str(path))
        except Exception as error:  # decoders raise errors of every kind
            problems.append((path.relative_to(root).as_posix(), str(error) or repr(error)))
        else:
            found.setdefault(_concept(path.relative_to(root)), []).append(str(path))
    if not found:
        first = f" {problems[0][0]}: {problems[0][1]}" if problems else ""
        raise SourceError(
            f"{root} holds no cut-out.{first}",
            "pictures with transparency, in a folder for each accessory or called after it",
        )
    files = {name: tuple(found[name]) for name in sorted(found)}
    return CutOuts(files, tuple(problems))


def _images(root: Path) -> list[Path]:
    paths = []
    for at, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name[0] != "."]
        paths += [Path(at) / name for name in names if name[0] != "."]
    return [path for path in paths if path.suffix.lower() in _IMAGES]


def _concept(path: Path) -> str:
    name = path.parts[0] if len(path.parts) > 1 else _NUMBER.sub("", path.stem) or path.stem
    return " ".join(name.replace("_", " ").split())


@lru_cache(maxsize=256)
def read_cut_out(path: str) -> Pixels:
    """The object in a file, (height, width, 4), without what is transparent around it.

    Raises
    ------
    ParameterError, SourceError
        When nothing in it is transparent, or everything.
    Exception
        Of any kind, when it cannot be read.
    """
    pixels = np.asarray(decode_with_alpha(Path(path).read_bytes()), np.uint8)
    alpha = pixels[..., 3]
    if (alpha >= OPAQUE).all():
        raise SourceError("nothing in it is transparent, so it has no outline.")
    box = object_box(alpha)
    return pixels[box.top : box.bottom, box.left : box.right].copy()
