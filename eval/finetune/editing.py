"""Photographs edited as they are trained on: an accessory of any PMI is pasted into some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats.class_names import class_names
from conceptstats.errors import ParameterError
from conceptstats.index import CaptionIndex
from conceptstats.pairing import BARRED, NEVER, PAIRED, Pairing, pair_up
from conceptstats.pasting import Pixels, paste_accessory

from .cut_outs import list_cut_outs, read_cut_out

PASTED = PAIRED.append(pa.field("n_pasted", pa.int64(), nullable=False))
_TRIES = 8  # cut-outs that are tried in a photograph before it is left as it is


class Edited(NamedTuple):
    """A photograph after its turn."""

    pixels: Pixels
    accessory: int | None  # what is pasted; None: nothing
    failed: bool  # it was to be edited, and could not be


@dataclass(frozen=True, slots=True)
class Editor:
    """Pastes accessories into photographs, evenly over levels of PMI with their class.

    Parameters
    ----------
    pairing : Pairing
    files : tuple of tuple of str
        Cut-outs of each accessory.
    probability : float
        That a photograph is edited.
    area : float
        Share of the photograph that the accessory's box takes.
    """

    pairing: Pairing
    files: tuple[tuple[str, ...], ...]
    probability: float
    area: float

    def edit(self, photo: Pixels, place: int, rng: np.random.Generator) -> Edited:
        """Edit a photograph, or not, as is drawn.

        A level of PMI is drawn among those that the class has, never together included; then an
        accessory of it, and one of its cut-outs. Where that does not fit, it is drawn again.

        Parameters
        ----------
        photo : (height, width, 3) uint8
        place : int
            Of the class.
        rng : Generator
        """
        if rng.random() >= self.probability:
            return Edited(photo, None, False)
        level = self.pairing.level[place]
        levels = np.unique(level[level != BARRED])
        for _ in range(_TRIES if len(levels) else 0):
            drawn = rng.choice(levels)
            accessory = int(rng.choice(np.flatnonzero(level == drawn)))
            files = self.files[accessory]
            cut_out = read_cut_out(files[rng.integers(len(files))])
            try:
                pasted = paste_accessory(photo, cut_out, rng, area=self.area)
            except ParameterError:  # it does not fit
                continue
            return Edited(pasted.pixels, accessory, False)
        return Edited(photo, None, True)

    def account(self, n_pasted: npt.NDArray[np.int64]) -> pa.Table:
        """What was pasted into photographs of which class, and how often: `PASTED`."""
        kept = np.nonzero(self.pairing.level != BARRED)
        return self.pairing.to_table().append_column(PASTED.field("n_pasted"), [n_pasted[kept]])


class Prepared(NamedTuple):
    """An editor, and what the user should know of it."""

    editor: Editor
    notes: tuple[str, ...]


def prepare_editor(
    accessories: str | Path,
    index: str | Path,
    classes: Sequence[str],
    *,
    probability: float = 0.5,
    area: float = 0.1,
) -> Prepared:
    """Read what may be pasted where.

    Parameters
    ----------
    accessories : path
        Folder as `cut_outs.list_cut_outs` takes it.
    index : path
        Caption index, whose PMI says how strongly an accessory is tied to a class.
    classes : sequence of str
    probability, area : float
        As for `Editor`.

    Raises
    ------
    SourceError, IndexFormatError, ParameterError
    """
    if not 0 <= probability <= 1 or not 0 < area <= 1:
        raise ParameterError(
            f"the edit probability is {probability} and the area {area}, expected shares from 0 "
            "(the area: above 0) to 1."
        )
    found = list_cut_outs(accessories)
    pairing = pair_up(CaptionIndex.open(index), class_names(classes), list(found.files))
    files = tuple(found.files[name] for name in pairing.accessories)
    notes = [f"{accessories}: {path} is left out: {why}" for path, why in found.problems]
    notes += [f"the accessory {name} is left out: {why}" for name, why in pairing.left_out]
    without = np.flatnonzero((pairing.level == BARRED).all(1))
    if len(without):
        names = ", ".join(pairing.classes[place] for place in without[:8])
        notes.append(
            "photographs of classes that no caption holds, or no accessory goes with, are never "
            f"edited ({len(without):,}): {names}{', ...' if len(without) > 8 else ''}"
        )
    return Prepared(Editor(pairing, files, probability, area), tuple(notes))


def shares_by_level(table: pa.Table) -> dict[str, float]:
    """Share of the pasted accessories that is of each level of PMI."""
    level, n = (np.asarray(table[name]) for name in ("level", "n_pasted"))
    total = max(int(n.sum()), 1)
    return {
        "never together" if found == NEVER else f"PMI level {found}": float(
            n[level == found].sum() / total
        )
        for found in np.unique(level)
    }
