"""Objects cut out of a white background by SAM or SAM 2, through transformers.

As in arXiv 2507.08000: the four corners of a picture are given as background, and the mask that the
model itself judges best is taken, if it promises an intersection over union above 0.9, and the
object is not too small. A mask that holds a corner all the same is the background's: it is taken
only where there is no other, and then refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
import transformers
from PIL import Image

from conceptstats.errors import ModelError, ParameterError, SourceError
from conceptstats.pasting import Pixels, object_box
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.shards import Shard
from conceptstats.table_files import fingerprint, save_table

from .devices import find_device
from .loading import enough_memory, fingerprint_of, loading, refuse_random
from .paste.decode import read_photo
from .paste.listing import too_small
from .paste.photos import ClassFrom, Photo, list_photos
from .paste.saving import class_folder, encode, file_stem
from .paste.staging import staged

Precision = Literal["fp32", "bf16", "fp16"]
Device = Literal["auto", "cpu", "cuda"]
Mask = npt.NDArray[np.bool_]

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
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_AUTO_MODEL: Any = transformers.AutoModelForMaskGeneration
_PART = 16  # pictures of a part that outlives a killed run


class Segmented(NamedTuple):
    """The mask of an object, as large as the picture, and how good the model holds it to be."""

    mask: Mask
    predicted_iou: float


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A model of SAM's kind with its processor.

    It sees one picture at a time, because the last digits of a mask depend on what is computed
    together; pictures of 1,024 pixels a side are work enough for a GPU.

    Parameters
    ----------
    name : str
        Of the model, or its folder.
    fingerprint : str
        Differs between models that may give different results.
    """

    name: str
    fingerprint: str
    module: Any
    processor: Any
    device: torch.device
    precision: Precision

    @torch.inference_mode()
    def segment(self, pixels: Pixels) -> Segmented:
        """The best mask of what is not at the corners of a picture.

        Parameters
        ----------
        pixels : (height, width, 3) uint8

        Raises
        ------
        ModelError
            When the model gives no numbers, or there is too little memory.
        """
        height, width = pixels.shape[:2]
        corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]]
        inputs = self.processor(
            images=Image.fromarray(pixels),
            input_points=[[corners]],
            input_labels=[[[0] * len(corners)]],
            return_tensors="pt",
        )
        sizes = [inputs.pop(name).tolist() for name in ("original_sizes", "reshaped_input_sizes")
                 if name in inputs]  # fmt: skip
        # SAM's processor gives points in float64, which not every device has.
        moved = {name: (x.float() if x.is_floating_point() else x).to(self.device)
                 for name, x in inputs.items()}  # fmt: skip
        dtype = _DTYPES[self.precision]
        mixed = torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)
        with enough_memory(self.name, self.device), mixed:
            outputs = self.module(**moved, multimask_output=True)
        scores = outputs.iou_scores.float().cpu().reshape(-1)
        logits = outputs.pred_masks.float().cpu()
        if not (scores.isfinite().all() and logits.isfinite().all()):
            raise ModelError(
                f"a mask of {self.name} is no number.",
                "--precision fp32, or bf16, which reach further than fp16",
            )
        (found,) = self.processor.post_process_masks(logits, *sizes)
        masks = np.asarray(found.reshape(-1, height, width).numpy(), np.bool_)
        return best_mask(masks, scores.tolist())


def best_mask(masks: npt.NDArray[np.bool_], scores: Sequence[float]) -> Segmented:
    """The mask that the model judges best, of those without a corner where there is one.

    Parameters
    ----------
    masks : (masks, height, width) bool
    scores : sequence of float
        Intersection over union that the model predicts for each.
    """
    order = sorted(range(len(scores)), key=lambda at: (holds_corner(masks[at]), -scores[at]))
    return Segmented(masks[order[0]], float(scores[order[0]]))


def holds_corner(mask: Mask) -> bool:
    """Whether a mask holds a corner of the picture, which is background."""
    return bool(mask[[0, 0, -1, -1], [0, -1, 0, -1]].any())


def load_segmenter(
    model: str | Path,
    revision: str | None = None,
    *,
    precision: Precision = "fp32",
    device: Device = "auto",
    quiet: bool = False,
) -> Segmenter:
    """Load a model with its weights; never one without.

    Parameters
    ----------
    model : str or Path
        Name on the Hugging Face hub, or a folder: SAM, SAM 2 and others that transformers uses to
        generate masks.
    revision : str, optional
        On the hub: a branch, a tag or a commit.
    precision : {"fp32", "bf16", "fp16"}
        What is computed in less than fp32 is what torch's autocast chooses.
    device : {"auto", "cpu", "cuda"}
    quiet : bool
        Show no progress of downloads.

    Raises
    ------
    ParameterError
        When precision or device is unknown, or there is no such device.
    ModelError
        When the model is none of these, or cannot be had.
    """
    if precision not in _DTYPES:
        raise ParameterError(f"precision is {precision!r}, expected {' or '.join(_DTYPES)}.")
    place, name = find_device(device), str(model)
    with loading(name, quiet=quiet):
        config = transformers.AutoConfig.from_pretrained(model, revision=revision)
        module, loaded = _AUTO_MODEL.from_pretrained(
            model, revision=revision, output_loading_info=True
        )
        refuse_random(module, loaded, name, "a model that segments")
        processor = _processor(config.model_type).from_pretrained(model, revision=revision)
        module = module.float().eval().requires_grad_(False).to(place)
    settings = json.dumps(processor.image_processor.to_dict(), sort_keys=True, default=str)
    return Segmenter(
        name=f"{model}@{revision}" if revision else name,
        fingerprint=fingerprint_of(module, settings),
        module=module,
        processor=processor,
        device=place,
        precision=precision,
    )


def _processor(kind: str) -> Any:
    """The processor of pictures; weights of SAM 2 are published as those of its video model."""
    if kind in ("sam2", "sam2_video"):
        return transformers.Sam2Processor
    return transformers.AutoProcessor


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """What `segment_pictures` cut out: pictures in all, those cut out, and why others were not."""

    output: Path
    n: int
    n_cut_out: int
    refused: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        return {"output": str(self.output), "n": self.n, "n_cut_out": self.n_cut_out,
                "refused": self.refused}  # fmt: skip


def segment_pictures(
    pictures: str | Path,
    output: str | Path,
    segmenter: Segmenter,
    *,
    class_from: ClassFrom | None = None,
    min_iou: float = 0.9,
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
    segmenter : Segmenter
    class_from : {"folder", "name"}, optional
    min_iou : float
        Least intersection over union that the model predicts for its own mask.
    shard : Shard, optional
        Do this share of the pictures only.
    overwrite : bool
    progress : Progress, optional

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError, ModelError
    SourceError
        When there are no pictures, or not one gave a cut-out.
    """
    if not 0 <= min_iou <= 1:
        raise ParameterError(f"min_iou is {min_iou}, expected a share from 0 to 1.")
    progress, output, shard = progress or Silent(), Path(output), shard or Shard()
    listed = list_photos(pictures, class_from)
    mine = shard.take(listed.photos)
    settings = {
        "pictures": str(pictures), "class_from": listed.class_from, "min_iou": min_iou,
        "shard": str(shard), "model": segmenter.name, "precision": segmenter.precision,
        "device": segmenter.device.type,
    }  # fmt: skip
    packages = ("torch", "transformers", "pillow")
    plan = {**settings, "weights": segmenter.fingerprint,
            "pictures_seen": [[photo.photo_id, photo.label, _size(photo)] for photo in mine],
            "versions": {name: version(name) for name in packages}}  # fmt: skip
    with (
        closing(progress),
        staged(output, MARK, plan, SEGMENTS, progress, overwrite=overwrite) as (folder, parts),
    ):
        progress.stage("pictures", "pictures")
        for number in range(parts.n_done, -(-len(mine) // _PART)):
            some = mine[number * _PART : (number + 1) * _PART]
            rows = [_cut_out(photo, segmenter, folder, min_iou) for photo in some]
            parts.write(number, pa.Table.from_pylist(rows, SEGMENTS))
            progress.advance(len(some), (number * _PART + len(some)) / len(mine))
        table = parts.read()
        _refuse_nothing(table, str(pictures))
        inputs = {"weights": segmenter.fingerprint}
        if listed.class_from == "table":
            inputs[str(pictures)] = fingerprint(Path(pictures))
        record = run_record("synth segment", settings, inputs, packages=packages)
        save_table(folder / TABLE, table, SEGMENTS, record=record, overwrite=True)
    return SegmentSummary(output, table.num_rows, pc.count(table["path"]).as_py(), _reasons(table))


def _size(photo: Photo) -> int:
    path = Path(photo.path)
    return path.stat().st_size if path.is_file() else -1


def _cut_out(photo: Photo, segmenter: Segmenter, folder: Path, min_iou: float) -> dict[str, Any]:
    """Cut one picture; its row of `SEGMENTS`."""
    row: dict[str, Any] = {"photo_id": photo.photo_id, "accessory": photo.label}
    try:
        read = read_photo(Path(photo.path))
    except Exception as error:  # decoders raise errors of every kind
        return {**row, "reason": "cannot be read", "detail": f"{type(error).__name__}: {error}"}
    mask, predicted_iou = segmenter.segment(read.pixels)
    n_pixels = int(mask.sum())
    row |= {"photo_sha256": read.sha256, "predicted_iou": predicted_iou, "n_pixels": n_pixels}
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
    raise SourceError(f"not one picture of {where} gave a cut-out: {'; '.join(reasons)}.")
