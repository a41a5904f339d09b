"""Pair counts: segments of parts into sorted runs, runs into the pair table.

A *segment* is as many parts as the memory allows; its pairs are counted exactly and written as a
*run*, sorted by (a, b). Runs add up: the pair table is their merge. A corpus of one segment skips
the runs. Within a segment and within the merge, workers take ranges of rows of the pair table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conceptstats.index import _kernels
from conceptstats.index.layout import PartRecord
from conceptstats.index.pair_writers import Block, PairWriter, Sink, new_run
from conceptstats.index.part_files import read_ids, read_tokens

_MAX_SEGMENT_BYTES = 160 << 20  # more makes fewer runs, and nothing faster
_BYTES_PER_TOKEN = 12  # of a segment: id and posting
_BYTES_PER_CONCEPT = 24  # of a part: bounds of its postings, events
_BLOCK_EVENTS = 1_500_000  # pair events that a worker counts at once
_MAX_RUNS = 32  # merged at once; more are merged in two steps

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


def plan_segments(
    parts: Sequence[PartRecord], n_concepts: int, memory: int
) -> list[list[PartRecord]]:
    """Consecutive parts that are counted together, within the memory in bytes."""
    room = min(_MAX_SEGMENT_BYTES, memory // 2)
    segments: list[list[PartRecord]] = []
    filled = room + 1
    for part in parts:
        needed = part.counts.n_tokens * _BYTES_PER_TOKEN + n_concepts * _BYTES_PER_CONCEPT
        if filled + needed > room:
            segments.append([])
            filled = 0
        segments[-1].append(part)
        filled += needed
    return segments


def count_pairs(
    folder: Path,
    parts: Sequence[PartRecord],
    n_concepts: int,
    target: Path,
    work: Path,
    memory: int,
    executor: Executor,
    workers: int,
    tick: Callable[[int], None],
) -> tuple[int, int]:
    """Count all pairs of the vocabulary and write the pair table.

    Parameters
    ----------
    folder : Path
        Holds the parts, with their ids.arrow.
    target : Path
        The pair table.
    work : Path
        Runs are kept there; those that are there already are not counted again.
    tick : callable
        Called with the number of captions that a finished segment has.

    Returns
    -------
    n_pairs, n_pair_events : int
    """
    segments = plan_segments(parts, n_concepts, memory)
    writer = PairWriter(target)
    if len(segments) <= 1:
        for segment in segments:
            _count_segment(folder, segment, n_concepts, writer, executor, workers)
            tick(sum(part.counts.n_captions for part in segment))
    else:
        runs = []
        for segment in segments:
            # Named by its parts: a build may be resumed with another memory, so other segments.
            n_tokens = sum(part.counts.n_tokens for part in segment)
            run = work / f"run-{segment[0].name}-{segment[-1].name}-{n_tokens}"
            runs.append(run)
            if not run.exists():
                with new_run(run) as run_writer:
                    _count_segment(folder, segment, n_concepts, run_writer, executor, workers)
            tick(sum(part.counts.n_captions for part in segment))
        _merge_runs(_compacted(runs, n_concepts, executor, workers), n_concepts, writer, executor,
                    workers)  # fmt: skip
    writer.close()
    return writer.n_pairs, writer.n_events


def _count_segment(
    folder: Path,
    parts: Sequence[PartRecord],
    n_concepts: int,
    sink: Sink,
    executor: Executor,
    workers: int,
) -> None:
    places = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([part.counts.n_tokens for part in parts], out=places[1:])
    flat = np.empty(places[-1], np.int32)
    postings = np.empty(places[-1], np.int64)
    shape = len(parts), n_concepts
    starts, stops, events = (np.empty(shape, np.int64) for _ in range(3))

    def order(number: int) -> None:
        part, place = parts[number], places[number]
        tokens = read_tokens(folder / part.name)
        _kernels.order_captions(
            *tokens, read_ids(folder / part.name), flat, place, postings, place,
            starts[number], stops[number], events[number],
        )  # fmt: skip

    for _ in executor.map(order, range(len(parts))):
        pass
    before = np.concatenate([[0], np.cumsum(events.sum(axis=0))])

    def count(first: int, last: int) -> Block:
        room = min(int(before[last] - before[first]), (last - first) * n_concepts) + 1
        b, n = np.empty(room, np.int32), np.empty(room, np.uint32)
        sizes = np.empty(last - first, np.int64)
        n_out = _kernels.count_rows(flat, postings, starts, stops, first, last, b, n, sizes)
        return Block(first, sizes, b[:n_out], n[:n_out])

    for block in _ordered(executor, count, _ranges(before), workers):
        sink.write(block)


def _ranges(before: Int64) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about `_BLOCK_EVENTS` events each, from the events before each row."""
    first, n_rows = 0, len(before) - 1
    while first < n_rows:
        last = int(np.searchsorted(before, before[first] + _BLOCK_EVENTS, "right")) - 1
        last = min(max(last, first + 1), n_rows)
        yield first, last
        first = last


def _ordered(
    executor: Executor,
    work: Callable[[int, int], Block],
    ranges: Iterable[tuple[int, int]],
    workers: int,
) -> Iterator[Block]:
    """Results in order, with a few more than ``workers`` under way, so that memory is bounded."""
    under_way: deque[Future[Block]] = deque()
    for first, last in ranges:
        under_way.append(executor.submit(work, first, last))
        if len(under_way) > workers + 1:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _compacted(runs: list[Path], n_concepts: int, executor: Executor, workers: int) -> list[Path]:
    """Few enough runs to be merged at once: groups of them are merged first."""
    if len(runs) <= _MAX_RUNS:
        return runs
    merged = []
    for begin in range(0, len(runs), _MAX_RUNS):
        group = runs[begin : begin + _MAX_RUNS]
        target = runs[0].with_name(f"merged-{group[0].name}-{group[-1].name}")
        if not target.exists():
            with new_run(target) as writer:
                _merge_runs(group, n_concepts, writer, executor, workers)
        merged.append(target)
    return merged


def _merge_runs(
    runs: Sequence[Path], n_concepts: int, sink: Sink, executor: Executor, workers: int
) -> None:
    """Add up runs, a range of rows at a time."""
    sizes = np.stack([np.fromfile(run / "sizes", np.int64) for run in runs])
    starts = np.zeros((len(runs), n_concepts + 1), np.int64)
    np.cumsum(sizes, axis=1, out=starts[:, 1:])
    before = starts.sum(axis=0)

    def merge(first: int, last: int) -> Block:
        begins = starts[:, first]
        counts = starts[:, last] - begins
        room = int(counts.sum())
        all_b, all_n = np.empty(room, np.int32), np.empty(room, np.uint32)
        places = np.concatenate([[0], np.cumsum(counts)])
        for run, begin, (low, high) in zip(runs, begins, pairwise(places), strict=True):
            _read_into(run / "b", int(begin), all_b[low:high])
            _read_into(run / "n", int(begin), all_n[low:high])
        local = starts[:, first : last + 1] - begins[:, None] + places[:-1, None]
        b, n = np.empty(room + 1, np.int32), np.empty(room + 1, np.int64)
        out_sizes = np.empty(last - first, np.int64)
        n_out = _kernels.add_rows(all_b, all_n, local, first, n_concepts, b, n, out_sizes)
        return Block(first, out_sizes, b[:n_out], n[:n_out])

    for block in _ordered(executor, merge, _ranges(before), workers):
        sink.write(block)


def _read_into(path: Path, begin: int, out: npt.NDArray[np.integer]) -> None:
    with path.open("rb") as file:
        file.seek(begin * out.itemsize)
        if file.readinto(out.data) != out.nbytes:
            raise EOFError(f"{path} is shorter than its sizes say")
