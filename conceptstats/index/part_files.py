"""Reading the files of a part back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from conceptstats import tables
from conceptstats.index.layout import PartRecord


def read_record(folder: Path, source: int) -> PartRecord:
    """What a part's part.json says."""
    data = json.loads((folder / "part.json").read_text(encoding="utf-8"))
    return PartRecord.from_json(data, source=source)


class PartTokens(NamedTuple):
    """The forward index of one part, in memory."""

    ids: npt.NDArray[np.int32]
    bounds: npt.NDArray[np.int32]
    counted: npt.NDArray[np.bool_]


def read_tokens(folder: Path, *, in_memory: bool = True) -> PartTokens:
    """Read the forward index of one part; rows that do not count are marked."""
    table = tables.read_table(folder / "captions.arrow", tables.PART_CAPTIONS, in_memory=in_memory)
    column = table.column("concepts").combine_chunks()
    bounds = tables.numbers(column.offsets)
    counted = np.ones(len(column), np.bool_)
    if column.null_count:
        counted = column.is_valid().to_numpy(zero_copy_only=False).copy()
    counted[duplicate_rows(folder)] = False
    return PartTokens(tables.numbers(column.values), bounds, counted)


def duplicate_rows(folder: Path) -> npt.NDArray[np.int32]:
    """Rows of a part that do not count because an earlier one is the same; with --dedup."""
    if not (folder / "duplicates.arrow").exists():
        return np.zeros(0, np.int32)
    table = tables.read_table(folder / "duplicates.arrow", tables.PART_DUPLICATES)
    return tables.numbers(table.column("row"))


def read_ids(folder: Path) -> npt.NDArray[np.int32]:
    """Vocabulary id of each local concept of a part, -1 for those outside."""
    table = tables.read_table(folder / "ids.arrow", tables.PART_IDS)
    return tables.numbers(table.column("concept_id"))
