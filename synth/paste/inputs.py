"""What a run works on: photographs, their classes and boxes, and what may go into each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from conceptstats.class_names import ClassNames, class_names, read_classes
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.pasting import Box
from conceptstats.shards import Shard

from .cut_outs import Accessories, list_accessories
from .listing import Problem
from .photos import (
    ClassFrom,
    Photo,
    list_photos,
    match_labels,
    read_boxes,
)
from .saving import Task
from .strata import Association, Associations, associate

NOT_LISTED = "its class is not in the list"


class Inputs(NamedTuple):
    """What a run works on."""

    photos: dict[int, Photo]  # of this share, by their places among all
    class_from: str
    classes: ClassNames
    place_of: dict[str, int]  # class of each label
    boxes: dict[str, list[Box]]
    accessories: Accessories
    found: Associations
    prints: dict[str, str]  # of the lists of photographs and cut-outs, the same for all shares
    notes: list[str]


def read_inputs(
    photos: str | Path,
    accessories: str | Path,
    index: CaptionIndex,
    class_from: ClassFrom | None,
    classes: str | Path | None,
    boxes: str | Path | None,
    min_count: int,
    keep_partial: bool,
    shard: Shard,
) -> Inputs:
    """List everything, and look it up in the index.

    Raises
    ------
    ParameterError
        When there is no photograph in this share.
    """
    listed = list_photos(photos, class_from)
    mine = shard.take(list(enumerate(listed.photos)))
    if not mine:
        raise ParameterError(f"share {shard} of {len(listed.photos):,} photographs is empty.")
    labels = [photo.label for photo in listed.photos]
    told_apart = read_classes(classes) if classes else class_names(sorted(set(labels)))
    place_of = match_labels(labels, told_apart)
    found = list_accessories(accessories, keep_partial=keep_partial)
    shown = list(place_of.values())
    associations = associate(index, told_apart, shown, found.cut_outs, min_count=min_count)
    boxes_of = read_boxes(boxes, listed.photos) if boxes else {}
    notes = [*listed.notes, *associations.notes]
    if boxes and (n := len(listed.photos) - len(boxes_of)):
        notes.append(f"{n:,} photographs have no box in {boxes}: their objects may be covered.")
    prints = {
        "photographs": _digest((photo.photo_id, photo.label) for photo in listed.photos),
        "cut-outs": _digest(found.cut_outs),
    }
    return Inputs(dict(mine), listed.class_from, told_apart, place_of, boxes_of, found,
                  associations, prints, notes)  # fmt: skip


def _digest(rows: Iterable[tuple[object, ...]]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(row).encode())
    return f"sha256:{digest.hexdigest()}"


def stamp(inputs: Inputs, root: Path) -> str:
    """Changes when a photograph, its class or its box, or a cut-out does, as far as can be told."""
    photos = ((at, photo, inputs.boxes.get(photo.photo_id), _state(Path(photo.path)))
              for at, photo in inputs.photos.items())  # fmt: skip
    cut_outs = ((item, _state(root / item.path)) for item in inputs.accessories.cut_outs)
    classes = inputs.classes, sorted(inputs.place_of.items())
    return _digest(chain([classes], photos, cut_outs))


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns


def make_tasks(inputs: Inputs, split: float | None, seed: int) -> tuple[list[Task], list[Problem]]:
    """Photographs with what may go into them, and those of whose class nothing is known."""
    tasks, problems = [], []
    sides: dict[tuple[int, str | None], Association] = {}
    for number, photo in inputs.photos.items():
        at = inputs.place_of.get(photo.label)
        reason = NOT_LISTED if at is None else inputs.found.unknown.get(at)
        if at is None or reason is not None:
            problems.append(Problem("photograph", photo.photo_id, None, reason or "", photo.label))
            continue
        side = None if split is None else _side(photo.photo_id, split, seed)
        if (at, side) not in sides:
            sides[at, side] = _on_side(inputs.found.of_class[at], side, split, seed)
        boxes = tuple(inputs.boxes.get(photo.photo_id, ()))
        tasks.append(Task(number, photo, sides[at, side], boxes, side))
    return tasks, problems


def _side(name: str, share: float, seed: int) -> str:
    """The side of a split that something is on, of its name and the seed alone."""
    digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest()
    return "train" if int.from_bytes(digest, "big") / 2**64 < share else "test"


def _on_side(found: Association, side: str | None, share: float | None, seed: int) -> Association:
    """The accessories of one side."""
    if side is None or share is None:
        return found
    kept = np.array([_side(name, share, seed) == side for name in found.accessories], bool)
    return replace(
        found,
        accessories=tuple(np.array(found.accessories, object)[kept]),
        n_accessory=found.n_accessory[kept],
        n_pair=found.n_pair[kept],
        pmi=found.pmi[kept],
        expected=found.expected[kept],
    )
