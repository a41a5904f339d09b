"""Where counted pairs go: a run, which is added up later, or the pair table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats import tables

BATCH_PAIRS = 1 << 21  # rows of a record batch of the pair table
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


class Block(NamedTuple):
    """Pairs of consecutive rows of the pair table: a from ``first`` on."""

    first: int
    sizes: Int64  # pairs of each row
    b: Int32
    n: npt.NDArray[np.integer]


class Sink(Protocol):
    """Takes blocks in the order of their rows."""

    def write(self, block: Block) -> None:
        """Append a block."""


class RunWriter:
    """Writes a run: sizes of all rows, larger concepts, counts, each as plain binary."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        # Buffered: a raw file may write less than it is given, as when the disk fills up.
        self._files = {name: (self._partial / name).open("wb") for name in ("sizes", "b", "n")}

    def write(self, block: Block) -> None:
        """Append a block."""
        self._files["sizes"].write(block.sizes.astype(np.int64).data)
        self._files["b"].write(block.b.data)
        # A count is at most the captions of its segments, which are far fewer than 2^32.
        self._files["n"].write(block.n.astype(np.uint32, copy=False).data)

    def close(self, *, complete: bool) -> None:
        """Move the run to its place, or drop it when it is not complete."""
        for file in self._files.values():
            file.close()
        if complete:
            self._partial.rename(self._folder)
        else:
            shutil.rmtree(self._partial, ignore_errors=True)


class PairWriter:
    """Writes the pair table in record batches of `BATCH_PAIRS` rows."""

    def __init__(self, path: Path) -> None:
        self.n_pairs = 0
        self.n_events = 0
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, tables.PAIRS)
        self._a = np.empty(BATCH_PAIRS, np.int32)
        self._b = np.empty(BATCH_PAIRS, np.int32)
        self._n = np.empty(BATCH_PAIRS, np.int64)
        self._filled = 0

    def write(self, block: Block) -> None:
        """Append a block."""
        rows = np.arange(block.first, block.first + len(block.sizes), dtype=np.int32)
        a = np.repeat(rows, block.sizes)
        done = 0
        while done < len(a):
            take = min(len(a) - done, BATCH_PAIRS - self._filled)
            place = slice(self._filled, self._filled + take)
            self._a[place] = a[done : done + take]
            self._b[place] = block.b[done : done + take]
            self._n[place] = block.n[done : done + take]
            self._filled += take
            done += take
            if self._filled == BATCH_PAIRS:
                self._flush()
        self.n_pairs += len(a)
        self.n_events += int(block.n.sum())

    def close(self) -> None:
        """Write what remains and close the file."""
        if self._filled or not self.n_pairs:
            self._flush()
        self._writer.close()
        self._sink.close()

    def _flush(self) -> None:
        columns = [pa.array(x[: self._filled]) for x in (self._a, self._b, self._n)]
        self._writer.write_batch(pa.record_batch(columns, schema=tables.PAIRS))
        self._filled = 0


@contextmanager
def new_run(folder: Path) -> Iterator[RunWriter]:
    """A writer whose run is moved to its place when all went well, and dropped otherwise."""
    writer = RunWriter(folder)
    complete = False
    try:
        yield writer
        complete = True
    finally:
        writer.close(complete=complete)
