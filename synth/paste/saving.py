"""Versions of photographs as files, and the rows of the table that says what each shows."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image, PngImagePlugin

from conceptstats import __version__
from conceptstats.pasting import Box, Pasted, Pixels
from conceptstats.probes import probe_id
from conceptstats.shards import PLACE
from conceptstats.tables import IMAGES

from ..images import image_seed
from .decode import Decoded
from .photos import Photo
from .strata import Association, Stratum

ORIGINAL = "original"  # in place of a stratum
PROVENANCE = "conceptstats"  # name of the text in a PNG that says what it was made from
PASTED = pa.schema(
    [
        *IMAGES,
        pa.field(PLACE, pa.int64(), nullable=False),  # of the photograph among all
        pa.field("photo_id", pa.string(), nullable=False),
        pa.field("photo_sha256", pa.string()),
        pa.field("class_index", pa.int32()),
        pa.field("stratum", pa.string(), nullable=False),  # original: nothing is pasted
        pa.field("accessory", pa.string()),
        pa.field("pmi", pa.float64()),  # -inf: never together
        pa.field("cut_out_id", pa.string()),
        pa.field("cut_out_sha256", pa.string()),  # of the file that it is from
        pa.field("box_left", pa.int32()),  # of the accessory
        pa.field("box_top", pa.int32()),
        pa.field("box_right", pa.int32()),
        pa.field("box_bottom", pa.int32()),
        pa.field("scale", pa.float64()),  # sides in the photograph over those in the cut-out
        pa.field("share", pa.float64()),  # of the photograph's area that the box takes
        pa.field("overlap", pa.float64()),  # share covered of the object's box, where it is known
        pa.field("split", pa.string()),  # train, or test
    ]
)


@dataclass(frozen=True, slots=True)
class Edit:
    """How photographs are edited.

    Parameters
    ----------
    per_photo : int
        Versions of a photograph, besides the original.
    strata : tuple of {"high", "low", "zero", "matched"}
        Taken in turn.
    seed : int
        With the photograph's id it says everything that is drawn for it.
    area, max_overlap, max_enlarge, harmonise
        As for `conceptstats.pasting.paste_accessory`.
    min_expected : float
        Least captions with class and accessory, were the two independent.
    with_original : bool
        Also save the photograph as it is.
    jpeg_quality : int or None
        None: PNG, without loss.
    """

    per_photo: int = 3
    strata: tuple[Stratum, ...] = ("high", "low", "zero", "matched")
    seed: int = 0
    area: float = 0.1
    max_overlap: float = 0.5
    max_enlarge: float = 2.0
    harmonise: float = 0.0
    min_expected: float = 0.0
    with_original: bool = False
    jpeg_quality: int | None = None


class Place(NamedTuple):
    """Where cut-outs are read, and versions written."""

    cut_outs: str  # table `CUT_OUTS`, as an Arrow file
    accessories: str  # folder that their paths are told from
    output: str  # folder


class Task(NamedTuple):
    """One photograph, and what may go into it."""

    number: int  # of the photograph among those of all shares
    photo: Photo
    association: Association
    boxes: tuple[Box, ...]
    split: str | None


class Version(NamedTuple):
    """A photograph with an accessory."""

    pasted: Pasted
    turn: int  # how often its stratum was taken before
    accessory: int  # its place in the association
    cut_out: str  # its id
    sha256: str  # of the file that it is from


def save_version(
    task: Task, edit: Edit, place: Place, photo: Decoded, stratum: str, version: Version | None
) -> dict[str, Any]:
    """Write a version; its row."""
    association = task.association
    pixels = photo.pixels if version is None else version.pasted.pixels
    row: dict[str, Any] = {
        "target": association.name,
        "class_index": association.class_index,
        "backend": "paste",
        "seed": image_seed(edit.seed, task.photo.photo_id, 0),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        PLACE: task.number,
        "photo_id": task.photo.photo_id,
        "photo_sha256": photo.sha256,
        "stratum": stratum,
        "split": task.split,
    }
    if version is not None:
        row |= _of_version(association, version)
    name = stratum if version is None else _version_name(stratum, version.turn, row["accessory"])
    ending = "png" if edit.jpeg_quality is None else "jpg"
    folder = class_folder(task.photo.label)
    row["image_id"] = f"{folder}/{file_stem(task.photo)}+{name}"
    row["path"] = f"images/{row['image_id']}.{ending}"
    data = encode(pixels, _provenance(row), edit.jpeg_quality)
    row["sha256"] = hashlib.sha256(data).hexdigest()
    path = Path(place.output) / row["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return row


def _version_name(stratum: str, turn: int, accessory: str) -> str:
    """Of which a photograph has no other: accessories of like names are of different turns."""
    return f"{stratum}{turn + 1 if turn else ''}-{_slug(accessory)}"


def _of_version(association: Association, version: Version) -> dict[str, Any]:
    """What a row says of the accessory, and of the pair."""
    at, pasted = version.accessory, version.pasted
    accessory = association.accessories[at]
    return {
        "accessory": accessory,
        "probe_id": probe_id(association.name, accessory),
        "pmi": float(association.pmi[at]),
        "cut_out_id": version.cut_out,
        "cut_out_sha256": version.sha256,
        **dict(zip(("box_left", "box_top", "box_right", "box_bottom"), pasted.box, strict=True)),
        "scale": pasted.scale,
        "share": pasted.share,
        "overlap": pasted.overlap,
    }


def _provenance(row: dict[str, Any]) -> dict[str, Any]:
    """What a picture says of itself: its row, without its places on the disk and among others."""
    said = {k: value for k, value in row.items() if value is not None and k not in ("path", PLACE)}
    if said.get("pmi") == -np.inf:
        said["pmi"] = "-inf"  # JSON has no name for it
    return {"command": "synth paste", "conceptstats": __version__, **said}


def encode(pixels: Pixels, provenance: dict[str, Any], jpeg_quality: int | None) -> bytes:
    """A picture as PNG, or as JPEG, that holds what it was made from."""
    text = json.dumps(provenance)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if jpeg_quality is None:
        info = PngImagePlugin.PngInfo()
        info.add_text(PROVENANCE, text)
        image.save(buffer, "PNG", compress_level=1, pnginfo=info)
    else:
        image.save(buffer, "JPEG", quality=jpeg_quality, comment=text.encode())
    return buffer.getvalue()


def file_stem(photo: Photo) -> str:
    """Name for files that come from a photograph, of which no other has the same."""
    digest = hashlib.blake2b(photo.photo_id.encode(), digest_size=4).hexdigest()
    return f"{_slug(Path(photo.path).stem)}-{digest}"


def class_folder(label: str) -> str:
    """Name of the folder of a class."""
    name = re.sub(r"[/\\\0]", "-", label)
    return name if name.strip(".") else f"class{name}"


def _slug(name: str) -> str:
    """Letters, digits, _ and -, for names of files, which file systems limit in bytes."""
    return re.sub(r"[^\w-]+", "-", name).encode()[:60].decode(errors="ignore")
