"""Objects cut out of a white background, for use as accessories.

As in arXiv 2507.08000: the best mask of a picture (see `segmenters`) is taken, if the model
promises an intersection over union above 0.9, and the object is not too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, SourceError
from conceptstats.parts import Parts
from conceptstats.pasting import object_box
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.shards import Shard
from conceptstats.table_files import fingerprint, save_table
from conceptstats.tables import check_folder

from .looking import stamp
from .paste.decode import read_photo
from .paste.listing import too_small
from .paste.photos import ClassFrom, Photo, list_photos
from .paste.saving import class_folder, encode, file_stem
from .paste.staging import staged

if TYPE_CHECKING:
    from conceptstats.models.devices import Device, Precision

    from .segmenters import Mask, Segmenter

TABLE = "segments.parquet"
MARK = f"{TABLE}.run.json"
SEGMENTS = pa.schema(
    [
        pa.field("photo_id", pa.string(), nullable=False),  # of the picture
        pa.field("accessory", pa.string(), nullable=False),
        pa.field("path", pa.string()),  # of the cut-out, from the table; null: refused
        pa.field("photo_sha256", pa.string()),
        pa.field("predicted_iou", pa.float64()),
        pa.field("n_pixels", pa.int64()),
        pa.field("reason", pa.string()),  # why it was refused
        pa.field("detail", pa.string()),
    ]
)
_PART = 16  # pictures of a part that outlives a killed run


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """What `segment_pictures` cut out: pictures in all, those cut out, and why others were not."""

    output: Path
    n: int
    n_cut_out: int
    refused: dict[str, int]
    notes: tuple[str, ...]  # what was left out

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {"output": str(self.output), "n": self.n, "n_cut_out": self.n_cut_out,
                "refused": self.refused, "notes": list(self.notes)}  # fmt: skip


def segment_pictures(
    pictures: str | Path,
    output: str | Path,
    *,
    model: str | Path,
    revision: str | None = None,
    class_from: ClassFrom | None = None,
    min_iou: float = 0.9,
    precision: Precision = "fp32",
    device: Device = "auto",
    shard: Shard | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SegmentSummary:
    """Cut the objects out of pictures on white: a folder that `synth paste` takes as accessories.

    A run that is killed goes on when it is started again with the same settings.

    Parameters
    ----------
    pictures : path
        As `paste.photos.list_photos` takes it: the concept is the name of the subfolder or of the
        file, or the target of the table.
    output : path
        Folder: one PNG with transparency a picture, in folders by concept, and ``segments.parquet``
        (`SEGMENTS`), with a row for each picture.
    model, revision
        As `segmenters.load_segmenter` takes them.
    class_from : {"folder", "name"}, optional
    min_iou : float
        Intersection over union that the model has to predict for its own mask, and more.
    precision, device
        As `segmenters.load_segmenter` takes them.
    shard : Shard, optional
        Do this share of the pictures only. No two cut-outs have one name, so that the folders of
        shares can be copied into one.
    overwrite : bool
    progress : Progress, optional

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError, ModelError
    SourceError
        When there are no pictures, or not one of the whole gave a cut-out.
    """
    if not 0 <= min_iou <= 1:
        raise ParameterError(f"min_iou is {min_iou}, expected a share from 0 to 1.")
    progress, output, shard = progress or Silent(), Path(output), shard or Shard()
    check_folder(output, MARK, overwrite=overwrite)
    listed = list_photos(pictures, class_from)
    for note in listed.notes:
        progress.say(note)
    from .segmenters import load_segmenter

    progress.stage("loading the model", "models")
    quiet = isinstance(progress, Silent)
    segmenter = load_segmenter(model, revision, precision=precision, device=device, quiet=quiet)
    mine = shard.take(listed.photos)
    settings = {
        "pictures": str(pictures), "class_from": listed.class_from, "min_iou": min_iou,
        "shard": str(shard), "model": segmenter.name, "precision": segmenter.precision,
        "device": segmenter.device.type,
    }  # fmt: skip
    inputs = {"weights": segmenter.fingerprint}
    if listed.class_from == "table":
        inputs[str(pictures)] = fingerprint(Path(pictures))
    packages = ("torch", "torchvision", "transformers", "pillow")
    record = run_record("synth segment", settings, inputs, packages=packages)
    plan = {
        **settings,
        "inputs": inputs,
        "photos": [[photo.photo_id, photo.label] for photo in mine],
        "files": stamp(Path(photo.path) for photo in mine),
        "versions": record["versions"],
    }
    with (
        closing(progress),
        staged(output, MARK, plan, SEGMENTS, progress, overwrite=overwrite) as (folder, parts),
    ):
        table = _cut_all(mine, parts, segmenter, folder, min_iou, progress)
        if shard.n == 1:
            _refuse_nothing(table, str(pictures))
        save_table(folder / TABLE, table, SEGMENTS, record=record, overwrite=True)
    n_cut_out = pc.count(table["path"]).as_py()
    return SegmentSummary(output, table.num_rows, n_cut_out, _reasons(table), tuple(listed.notes))


def _cut_all(
    photos: Sequence[Photo],
    parts: Parts,
    segmenter: Segmenter,
    folder: Path,
    min_iou: float,
    progress: Progress,
) -> pa.Table:
    """Cut the pictures that are in no part yet, and give the rows of all."""
    progress.stage("pictures", "pictures")
    for number in range(parts.n_done, -(-len(photos) // _PART)):
        some = photos[number * _PART : (number + 1) * _PART]
        rows = [_cut_out(photo, segmenter, folder, min_iou) for photo in some]
        parts.write(number, pa.Table.from_pylist(rows, SEGMENTS))
        progress.advance(len(some), (number * _PART + len(some)) / len(photos))
    return parts.read()


def _cut_out(photo: Photo, segmenter: Segmenter, folder: Path, min_iou: float) -> dict[str, Any]:
    """Cut one picture; its row of `SEGMENTS`."""
    row: dict[str, Any] = {"photo_id": photo.photo_id, "accessory": photo.label}
    try:
        read = read_photo(Path(photo.path))
    except Exception as error:  # decoders raise errors of every kind
        return {**row, "reason": "cannot be read", "detail": f"{type(error).__name__}: {error}"}
    row["photo_sha256"] = read.sha256
    try:
        mask, predicted_iou = segmenter.segment(read.pixels)
    except SourceError as error:
        return {**row, "reason": "the model cannot take it", "detail": error.message}
    row |= {"predicted_iou": predicted_iou, "n_pixels": int(mask.sum())}
    if reason := refusal(mask, predicted_iou, min_iou):
        return {**row, "reason": reason[0], "detail": reason[1]}
    alpha = np.where(mask, np.uint8(255), np.uint8(0))
    box = object_box(alpha)
    cut = np.dstack([read.pixels, alpha])[box.top : box.bottom, box.left : box.right]
    # With a margin: an object that fills its box would look like a picture without a mask.
    cut = np.pad(cut, ((1, 1), (1, 1), (0, 0)))
    path = folder / class_folder(photo.label) / f"{file_stem(photo)}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    made_of = {"command": "synth segment", "model": segmenter.name, **row}
    path.write_bytes(encode(cut, made_of, None))
    return {**row, "path": path.relative_to(folder).as_posix()}


def refusal(mask: Mask, predicted_iou: float, min_iou: float) -> tuple[str, str | None] | None:
    """Why a mask gives no cut-out, with what was found; None: it does."""
    from .segmenters import holds_corner

    if holds_corner(mask):
        return "the mask holds a corner, so it is the background's", None
    if not mask.any():
        return "the mask is empty", None
    if not predicted_iou > min_iou:
        return "the predicted IoU is too low", f"{predicted_iou:.3f}, expected above {min_iou:g}"
    box = object_box(np.where(mask, np.uint8(255), np.uint8(0)))
    small = too_small(box.right - box.left, box.bottom - box.top, int(mask.sum()))
    return ("too small", small) if small else None


def _reasons(table: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(table["reason"].drop_null()).to_pylist()
    return {row["values"]: row["counts"] for row in sorted(counts, key=lambda row: -row["counts"])}


def _refuse_nothing(table: pa.Table, where: str) -> None:
    if pc.count(table["path"]).as_py():
        return
    reasons = [f"{reason} ({n:,})" for reason, n in _reasons(table).items()]
    raise SourceError(
        f"not one picture of {where} gave a cut-out: {'; '.join(reasons)}.",
        "each should show one object on a white background; --min-iou asks for less",
    )
