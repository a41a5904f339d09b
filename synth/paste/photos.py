"""The photographs to edit, the class that each shows, and where its object is."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from conceptstats.class_names import ClassNames
from conceptstats.errors import ParameterError, SourceError
from conceptstats.pasting import Box
from conceptstats.table_files import ENDINGS, load_table
from conceptstats.tables import IMAGES

ClassFrom = Literal["folder", "name"]

IMAGE_ENDINGS = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .bmp .gif .tif .tiff .ppm .pgm .pnm .jp2 .avif".split()
)
BOXES = pa.schema(
    [
        pa.field("photo_id", pa.string(), nullable=False),
        pa.field("left", pa.float64(), nullable=False),  # pixels of the upright photograph
        pa.field("top", pa.float64(), nullable=False),
        pa.field("right", pa.float64(), nullable=False),
        pa.field("bottom", pa.float64(), nullable=False),
    ]
)
WORDNET_ID = re.compile(r"n\d{8}")
_NUMBERED = re.compile(r"[\s_-]*\(?\d+\)?$")


class Photo(NamedTuple):
    """One photograph."""

    photo_id: str
    path: str
    label: str  # as the folder, the file's name or the table has it


@dataclass(frozen=True, slots=True)
class Photos:
    """Photographs, by their ids.

    Parameters
    ----------
    photos : list of Photo
    class_from : {"folder", "name", "table"}
    notes : list of str
        What was left out.
    """

    photos: list[Photo]
    class_from: str
    notes: list[str]


def list_photos(source: str | Path, class_from: ClassFrom | None = None) -> Photos:
    """List photographs with their classes.

    Parameters
    ----------
    source : path
        A folder, or a table `conceptstats.tables.IMAGES` with targets.
    class_from : {"folder", "name"}, optional
        Of a folder: the class is the name of the subfolder, or that of the file without a WordNet
        id before it and a number behind it. By default the subfolder, where there are any with
        images.

    Raises
    ------
    SourceError
        When there is none, or a photograph of a table has no target.
    ParameterError, TableError
    """
    source = Path(source)
    if source.suffix in ENDINGS and not source.is_dir():
        if class_from is not None:
            raise ParameterError(f"{source} is a table, which has its classes as targets.")
        return _of_table(source)
    if not source.is_dir():
        raise SourceError(f"{source}: no such folder, and no table ({', '.join(ENDINGS)}).")
    files = find_images(source)
    if not files:
        raise SourceError(f"{source} holds no image.")
    inside = [file for file in files if "/" in file]
    by_folder = class_from == "folder" or (class_from is None and bool(inside))
    chosen = inside if by_folder else files
    if not chosen:
        raise SourceError(
            f"{source} has no subfolder with images, expected one a class.", "--class-from name"
        )
    label = folder_label if by_folder else name_label
    notes = []
    if len(chosen) < len(files):
        notes.append(f"{len(files) - len(chosen):,} images of {source} are in no subfolder.")
    photos = [Photo(file, str(source / file), label(file)) for file in chosen]
    return Photos(photos, "folder" if by_folder else "name", notes)


def find_images(root: Path) -> list[str]:
    """Image files in a folder and below it, as paths from it, sorted; none that is hidden."""
    found = []
    for at, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name[0] != "."]
        kept = [name for name in names if Path(name).suffix.lower() in IMAGE_ENDINGS]
        found += [(Path(at) / name).relative_to(root) for name in kept if name[0] != "."]
    return sorted(path.as_posix() for path in found)


def folder_label(file: str) -> str:
    """Name of the first folder of a path."""
    return plain(file.split("/")[0])


def name_label(file: str) -> str:
    """What the name of a file says that it shows.

    >>> name_label("n01630670_common_newt.JPEG"), name_label("dogs/hot_dog_02.png")
    ('common newt', 'hot dog')
    """
    stem = Path(file).stem
    bare = _NUMBERED.sub("", re.sub(rf"^{WORDNET_ID.pattern}(?=[\s_-]*[^\W\d_])", "", stem))
    return plain(bare) or plain(stem)


def plain(label: str) -> str:
    """A label with blanks for underscores."""
    return " ".join(label.replace("_", " ").split())


def _of_table(path: Path) -> Photos:
    table = load_table(path, IMAGES)
    rows = table.select(["image_id", "path", "target"]).to_pylist()
    without = [row["image_id"] for row in rows if not row["target"]]
    if without:
        raise SourceError(f"{path}: {len(without):,} images have no target, such as {without[0]}.")
    if not rows:
        raise SourceError(f"{path} has no images.")
    photos = sorted(
        Photo(row["image_id"], str(path.parent / row["path"]), row["target"]) for row in rows
    )
    for one, other in pairwise(photos):
        if one.photo_id == other.photo_id:
            raise SourceError(f"{path}: the image_id {one.photo_id!r} stands more than once.")
    return Photos(photos, "table", [])


def match_labels(labels: Sequence[str], classes: ClassNames) -> dict[str, int]:
    """Class of each label, by place; a label that is no class is left out.

    A label is the WordNet id of a class, its name, another phrase for it, or its place as a number,
    in this order; names without regard to case, the first class where two have one. Labels that are
    all WordNet ids, as many as there are classes, are in the classes' order where those have none.

    Parameters
    ----------
    labels : sequence of str
    classes : ClassNames
    """
    distinct = sorted(set(labels))
    are_ids = all(WORDNET_ID.fullmatch(label) for label in distinct)
    if are_ids and not classes.ids and len(distinct) == len(classes):
        return {label: at for at, label in enumerate(distinct)}
    known: dict[str, int] = {}
    for names in (
        [(name, at) for at, name in enumerate(classes.ids)],
        [(name, at) for at, name in enumerate(classes.names)],
        [(name, at) for at in range(len(classes)) for name in classes.phrases(at)],
    ):
        for name, at in names:
            known.setdefault(plain(name).lower(), at)
    found = {}
    for label in distinct:
        as_number = int(label) if label.isdecimal() else len(classes)
        at = known.get(plain(label).lower(), as_number)
        if at < len(classes) and classes.names[at]:
            found[label] = at
    return found


def read_boxes(file: str | Path, photos: Sequence[Photo]) -> dict[str, list[Box]]:
    """Boxes of what photographs show, by photo_id.

    Parameters
    ----------
    file : path
        Table `BOXES`: the id of the photograph, or its file's name with or without ending; one row
        or more a photograph. Fractions of pixels are taken outwards.
    photos : sequence of Photo

    Raises
    ------
    TableError
    SourceError
        When no box belongs to a photograph, a name belongs to two, or a box is none.
    """
    owners: dict[str, set[str]] = defaultdict(set)
    for photo in photos:
        for name in (photo.photo_id, Path(photo.path).name, Path(photo.path).stem):
            owners[name].add(photo.photo_id)
    boxes: dict[str, list[Box]] = defaultdict(list)
    for row in load_table(file, BOXES).to_pylist():
        owner = owners.get(row["photo_id"], set())
        if len(owner) > 1:
            raise SourceError(f"{file}: {row['photo_id']!r} is the name of {len(owner)} images.")
        low, high = (row["left"], row["top"]), (row["right"], row["bottom"])
        if not all(-math.inf < a < b < math.inf for a, b in zip(low, high, strict=True)):
            raise SourceError(
                f"{file}: {row['photo_id']!r} has no box from {low} to {high}; expected left < "
                "right and top < bottom."
            )
        box = Box(*map(math.floor, low), *map(math.ceil, high))
        for photo_id in owner:
            boxes[photo_id].append(box)
    if not boxes:
        raise SourceError(
            f"{file}: no box belongs to one of {len(photos):,} photographs.",
            f"photo_id is such as {photos[0].photo_id}, or the name of the file",
        )
    return dict(boxes)
