"""The pair table as readers see it: record batches of one sorted file, memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats.errors import IndexFormatError
from conceptstats.tables import PAIRS, numbers

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


class PairBatch(NamedTuple):
    """Consecutive pairs, sorted by (a, b)."""

    a: Int32
    b: Int32
    n: Int64


class PairTable:
    """Look-ups in the pair table. Nothing is read until it is asked for."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pa.ipc.open_file(pa.memory_map(str(path)))
        except (OSError, pa.ArrowInvalid) as error:
            raise IndexFormatError(
                f"{path} is missing or damaged: {error}.", "conceptstats index verify INDEX"
            ) from error
        if not self._file.schema.equals(PAIRS):
            raise IndexFormatError(f"{path} is not a pair table: {self._file.schema.names}.")
        self._batches: dict[int, PairBatch] = {}

    def batches(self) -> Iterator[PairBatch]:
        """All pairs, batch by batch."""
        return (self._batch(number) for number in range(self._file.num_record_batches))

    def count(self, a: int, b: int) -> int:
        """Captions with both of two different concepts."""
        low, high = min(a, b), max(a, b)
        for batch in self._overlapping(low, low):
            begin, end = np.searchsorted(batch.a, [low, low + 1])
            at = begin + np.searchsorted(batch.b[begin:end], high)
            if at < end and batch.b[at] == high:
                return int(batch.n[at])
        return 0

    def counts_with(self, concept: int, n_concepts: int) -> Int64:
        """Captions that each concept shares with one: (n_concepts,) int64, 0 at the concept."""
        counts = np.zeros(n_concepts, np.int64)
        for batch in self._overlapping(0, concept):
            begin, end = np.searchsorted(batch.a, [concept, concept + 1])
            counts[batch.b[begin:end]] = batch.n[begin:end]
            at, rows = _find_in_rows(batch, concept, int(begin))
            counts[rows] = batch.n[at]
        return counts

    def marginals(self, n_concepts: int) -> Int64:
        """Sum of each concept's pair counts: (n_concepts,) int64."""
        sums = np.zeros(n_concepts, np.int64)
        for batch in self.batches():
            # Exact: float64 holds every integer below 2^53, far above a batch's sums.
            weights = batch.n.astype(np.float64)
            for column in (batch.a, batch.b):
                sums += np.bincount(column, weights, n_concepts).astype(np.int64)
        return sums

    def _batch(self, number: int) -> PairBatch:
        if number not in self._batches:
            batch = self._file.get_batch(number)
            self._batches[number] = PairBatch(*map(numbers, batch.columns))
        return self._batches[number]

    def _overlapping(self, first: int, last: int) -> Iterator[PairBatch]:
        """Batches that hold rows of the concepts from ``first`` to ``last``."""
        for batch in self.batches():
            if len(batch.a) and batch.a[0] <= last and batch.a[-1] >= first:
                yield batch
            elif len(batch.a) and batch.a[0] > last:
                return


def _find_in_rows(batch: PairBatch, b: int, end: int) -> tuple[Int64, Int32]:
    """Places of the pairs (a, b) for every a among the first ``end`` pairs, and these a.

    One binary search a row, all rows at once.
    """
    if end == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    rows = np.arange(batch.a[0], batch.a[end - 1] + 1)
    low = np.searchsorted(batch.a[:end], rows).astype(np.int64)
    stop = np.append(low[1:], end)
    high = stop.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        right = open_ & (batch.b[np.minimum(middle, end - 1)] < b)
        low = np.where(right, middle + 1, low)
        high = np.where(open_ & ~right, middle, high)
    found = low < stop
    found[found] = batch.b[low[found]] == b
    return low[found], rows[found].astype(np.int32)
