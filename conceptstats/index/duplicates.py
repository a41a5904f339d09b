"""``--dedup``: which rows repeat an earlier one, over the whole corpus, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats import tables
from conceptstats.errors import TableError
from conceptstats.index.keys import KEY
from conceptstats.index.layout import PartRecord

_BYTES_PER_KEY = 64  # of memory while keys are sorted: two words, place, order


def mark_duplicates(folder: Path, parts: Sequence[PartRecord], memory: int) -> list[int]:
    """Write duplicates.arrow into each part: rows whose key an earlier row has.

    Parameters
    ----------
    folder : Path
        Holds the parts, whose captions.arrow have a key column.
    memory : int
        Bytes; the keys are compared in shares that fit.

    Returns
    -------
    list of int
        Duplicates of each part.
    """
    n_rows = sum(part.counts.n_rows for part in parts)
    n_shares = -(-n_rows * _BYTES_PER_KEY // memory)
    found: list[list[npt.NDArray[np.int32]]] = [[] for _ in parts]
    for share in range(n_shares):
        words, number, row = _keys_of_share(folder, parts, share, n_shares)
        order = np.lexsort((row, number, words[:, 1], words[:, 0]))
        words, number, row = words[order], number[order], row[order]
        repeats = np.flatnonzero((words[1:] == words[:-1]).all(axis=1)) + 1
        if not len(repeats):
            continue
        by_part = repeats[np.argsort(number[repeats], kind="stable")]
        which, begins = np.unique(number[by_part], return_index=True)
        for part, repeated in zip(which, np.split(row[by_part], begins[1:]), strict=True):
            found[part].append(repeated)
    for part, rows in zip(parts, found, strict=True):
        all_rows = np.sort(np.concatenate(rows)) if rows else np.zeros(0, np.int32)
        path = folder / part.name / "duplicates.arrow"
        tables.dump_table(path, pa.table({"row": all_rows.astype(np.int32)}))
    return [sum(map(len, rows)) for rows in found]


def _keys_of_share(
    folder: Path, parts: Sequence[PartRecord], share: int, n_shares: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Keys of one share as two words each, with the part and row they belong to."""
    words, numbers, rows = [], [], []
    for number, part in enumerate(parts):
        table = tables.read_table(folder / part.name / "captions.arrow", tables.PART_CAPTIONS)
        if "key" not in table.schema.names:
            raise TableError(f"part {part.name} has no keys: it was not built with --dedup.")
        column = table.column("key").combine_chunks().cast(KEY)
        row = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).astype(np.int32)
        data = np.frombuffer(column.buffers()[1], np.uint64)[2 * column.offset :]
        key = data[: 2 * len(column)].reshape(-1, 2)[row]
        mine = key[:, 0] % np.uint64(n_shares) == share
        words.append(key[mine])
        rows.append(row[mine])
        numbers.append(np.full(int(mine.sum()), number, np.int32))
    return np.concatenate(words), np.concatenate(numbers), np.concatenate(rows)
