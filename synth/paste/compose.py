"""The versions of one photograph: each with another accessory, all made and saved alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from conceptstats import tables
from conceptstats.errors import ParameterError
from conceptstats.pasting import Box, Pasted, Pixels, fit_object, paste_accessory, place_object

from ..images import image_seed
from .cut_outs import load_cut_out
from .decode import read_photo
from .listing import CUT_OUTS, Problem
from .saving import ORIGINAL, Edit, Place, Task, Version, save_version
from .strata import Association


class Edited(NamedTuple):
    """What became of a photograph."""

    rows: list[dict[str, Any]]  # `PASTED`, and what `PROBE_COLUMNS` says of the pair
    problems: list[Problem]


def edit_photo(task: Task, edit: Edit, place: Place) -> Edited:
    """Make and save the versions of one photograph.

    What is drawn derives from the seed and the photograph's id alone. Versions that take their
    strata in the same turn lie at the same place, as far as their accessories' shapes allow, so
    that they differ in the accessory only.

    Parameters
    ----------
    task : Task
    edit : Edit
    place : Place

    Returns
    -------
    Edited
        With a problem for every version that could not be made, and one for the photograph where
        none could.
    """
    photo = task.photo
    try:
        read = read_photo(Path(photo.path))
    except Exception as error:  # decoders raise errors of every kind
        detail = f"{type(error).__name__}: {error}"
        return Edited([], [Problem("photograph", photo.photo_id, None, "cannot be read", detail)])
    rows, problems = [], []
    for stratum, found in _versions(task, edit, place, read.pixels):
        if isinstance(found, Version):
            rows.append(save_version(task, edit, place, read, stratum, found))
        else:
            problems.append(found)
    if not rows:
        detail = "; ".join(sorted({f"{found.stratum}: {found.reason}" for found in problems}))
        reason = "no version could be made"
        return Edited([], [*problems, Problem("photograph", photo.photo_id, None, reason, detail)])
    if edit.with_original:
        rows.insert(0, save_version(task, edit, place, read, ORIGINAL, None))
    return Edited(rows, problems)


def _versions(
    task: Task, edit: Edit, place: Place, pixels: Pixels
) -> Iterator[tuple[str, Version | Problem]]:
    """Each version that was asked for, or why it cannot be made."""
    association = task.association
    seed = image_seed(edit.seed, task.photo.photo_id, 0)
    chooser = np.random.default_rng([seed, 0])
    order = {
        stratum: chooser.permutation(association.candidates(stratum, edit.min_expected))
        for stratum in edit.strata
    }
    used: set[int] = set()
    high: int | None = None
    for number in range(edit.per_photo):
        turn, at = divmod(number, len(edit.strata))
        stratum = edit.strata[at]
        free = [int(accessory) for accessory in order[stratum] if accessory not in used]
        if stratum == "matched":
            free = [] if high is None else _nearest(free, high, association)
        if free:
            attempt = _first(free, task, edit, place, pixels, stratum, turn, [seed, 1 + turn])
        elif not len(order[stratum]):
            attempt = _none(task, stratum, "no accessory is in this stratum of its class")
        elif stratum == "matched" and high is None:
            attempt = _none(task, stratum, "there is no high version that it could be matched to")
        else:
            attempt = _none(task, stratum, "other versions have all accessories of this stratum")
        if isinstance(attempt, Version):
            used.add(attempt.accessory)
        if stratum == "high":
            high = attempt.accessory if isinstance(attempt, Version) else None
        yield stratum, attempt


def _none(task: Task, stratum: str, reason: str, detail: str | None = None) -> Problem:
    return Problem("version", task.photo.photo_id, stratum, reason, detail)


def _nearest(places: Sequence[int], high: int, association: Association) -> list[int]:
    """Accessories by how near their frequency is to that of the high one."""
    logs = np.log(association.n_accessory)
    return sorted(places, key=lambda at: (abs(logs[at] - logs[high]), at))


def _first(
    accessories: Sequence[int],
    task: Task,
    edit: Edit,
    place: Place,
    pixels: Pixels,
    stratum: str,
    turn: int,
    seed: list[int],
) -> Version | Problem:
    """The first accessory of which a cut-out can be pasted."""
    last = None
    for accessory in accessories:
        for row in _cut_outs_of(place, task.association.accessories[accessory], seed):
            try:
                pasted, sha256 = _paste(row, task, edit, place, pixels, seed)
            except ParameterError as error:  # it does not fit
                last = f"{row['cut_out_id']}: {error.message}"
            except Exception as error:  # decoders raise errors of every kind
                last = f"{row['cut_out_id']}: {type(error).__name__}: {error}"
            else:
                return Version(pasted, turn, accessory, row["cut_out_id"], sha256)
    return _none(task, stratum, "no cut-out of this stratum can be pasted", last)


def _paste(
    row: dict[str, Any], task: Task, edit: Edit, place: Place, pixels: Pixels, seed: list[int]
) -> tuple[Pasted, str]:
    height, width = pixels.shape[:2]
    size = row["right"] - row["left"], row["bottom"] - row["top"]
    frame = Box(0, 0, width, height)
    avoid = [_inside(box, frame) for box in task.boxes]
    # What cannot be pasted is refused before its picture is read, which takes longer.
    fit = fit_object(size, (width, height), area=edit.area, max_enlarge=edit.max_enlarge)
    place_object((fit.width, fit.height), (width, height), np.random.default_rng(seed),
                 avoid=avoid, max_overlap=edit.max_overlap)  # fmt: skip
    read = load_cut_out(Path(place.accessories), row)
    pasted = paste_accessory(
        pixels,
        read.pixels,
        np.random.default_rng(seed),
        area=edit.area,
        avoid=avoid,
        max_overlap=edit.max_overlap,
        max_enlarge=edit.max_enlarge,
        harmonise=edit.harmonise,
    )
    return pasted, read.sha256


def _inside(box: Box, frame: Box) -> Box:
    return Box(*map(max, box[:2], frame[:2]), *map(min, box[2:], frame[2:]))


def _cut_outs_of(place: Place, accessory: str, seed: list[int]) -> list[dict[str, Any]]:
    """Cut-outs of an accessory, in an order that is drawn."""
    table, rows = _read_cut_outs(place.cut_outs)
    start, end = rows[accessory]
    order = np.random.default_rng([*seed, 1]).permutation(np.arange(start, end))
    return list(table.take(pa.array(order)).to_pylist())


@lru_cache(maxsize=2)
def _read_cut_outs(path: str) -> tuple[pa.Table, dict[str, tuple[int, int]]]:
    """The table of cut-outs, which is sorted by accessory, and the rows of each."""
    table = tables.read_table(Path(path), CUT_OUTS)
    names = np.array(table["accessory"].to_pylist(), object)
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    ends = np.append(starts[1:], len(names))
    return table, {
        names[start]: (int(start), int(end)) for start, end in zip(starts, ends, strict=True)
    }
