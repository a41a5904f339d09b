"""Parts: from the sources to the forward index, a fixed number of rows at a time.

Where a part ends depends on the source alone, never on batches, workers or memory, so that a
resumed, merged or differently parallel build makes the same files.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats import tables
from conceptstats.errors import SourceError
from conceptstats.index import keys
from conceptstats.index.layout import (
    PART_BYTES,
    PART_ROWS,
    Dedup,
    PartCounts,
    PartRecord,
    part_name,
)
from conceptstats.index.part_files import read_record
from conceptstats.runs import dump_json
from conceptstats.sources import Batch, Source, read_batches
from conceptstats.sources.batch import OnError
from conceptstats.text.interner import string_buffers
from conceptstats.text.profile import Extracted, Profile


class RawPart(NamedTuple):
    """Captions of one part, as read."""

    source: int
    number: int
    first_row: int
    batch: Batch


def cut_parts(source: int, batches: Iterator[Batch]) -> Iterator[RawPart]:
    """Cut batches of any size into parts of `PART_ROWS` rows, or fewer when the text is long."""
    waiting: list[Batch] = []
    first_row = number = 0
    for batch in batches:
        waiting.append(batch)
        while (rows := _full_part(waiting)) > 0:
            part, waiting = _take(waiting, first_row, rows)
            yield RawPart(source, number, first_row, part)
            first_row, number = first_row + rows, number + 1
    if waiting:
        rows = sum(len(batch.captions) for batch in waiting)
        last, rest = _take(waiting, first_row, rows)
        beyond = tuple(problem for batch in rest for problem in batch.problems)
        yield RawPart(source, number, first_row, last._replace(problems=last.problems + beyond))


def _full_part(batches: Sequence[Batch]) -> int:
    """Rows of the first part in these batches, or 0 while it is not complete."""
    rows = n_bytes = 0
    for batch in batches:
        _, offsets, _ = string_buffers(batch.captions)
        end = int(np.searchsorted(offsets, offsets[0] + PART_BYTES - n_bytes))
        if end < len(offsets) and rows + end <= PART_ROWS:
            return rows + end
        rows += len(offsets) - 1
        n_bytes += int(offsets[-1] - offsets[0])
        if rows >= PART_ROWS:
            return PART_ROWS
    return 0


def _take(batches: list[Batch], first_row: int, rows: int) -> tuple[Batch, list[Batch]]:
    """The first rows of these batches as one, and what remains; ``first_row`` is theirs."""
    captions: list[pa.Array] = []
    ids: list[pa.Array] = []
    n_failed = n_not_selected = 0
    end = first_row + rows
    problems = [problem for batch in batches for problem in batch.problems]
    rest: list[Batch] = []
    for batch in batches:
        captions.append(batch.captions.slice(0, rows))
        if batch.ids is not None:
            ids.append(batch.ids.slice(0, rows))
        left = batch.captions.slice(rows)
        # Of a batch that is cut, each side gets no more of a kind than it has rows without caption.
        failed = min(batch.n_failed, captions[-1].null_count)
        not_selected = min(batch.n_not_selected, captions[-1].null_count - failed)
        n_failed += failed
        n_not_selected += not_selected
        if len(left):
            left_ids = None if batch.ids is None else batch.ids.slice(rows)
            n_left = batch.n_failed - failed, batch.n_not_selected - not_selected
            rest.append(Batch(left, left_ids, *n_left))
        rows -= len(captions[-1])
    beyond = tuple(problem for problem in problems if problem.row >= end)
    if beyond:
        rest.append(Batch(captions[0].slice(0, 0), None, problems=beyond))
    within = tuple(problem for problem in problems if problem.row < end)
    taken_ids = _concat(ids) if ids else None
    return Batch(_concat(captions), taken_ids, n_failed, n_not_selected, within), rest


def _concat(arrays: list[pa.Array]) -> pa.Array:
    if len(arrays) == 1:
        return arrays[0]
    if len({array.type for array in arrays}) > 1:
        arrays = [array.cast(pa.large_string()) for array in arrays]
    return pa.concat_arrays(arrays)


class PartQueue:
    """Hands the parts of all sources to several workers.

    A source is read by one worker at a time, and handed on between parts; several sources are read
    at once when there are several idle workers.
    """

    def __init__(self, sources: Sequence[tuple[int, Source]], with_ids: bool, on_error: OnError):
        self._waiting = deque(sources)
        self._idle: deque[Iterator[RawPart]] = deque()
        self._reading = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._with_ids = with_ids
        self._on_error = on_error

    def next(self) -> RawPart | None:
        """The next part of some source, or None when all are read."""
        while (stream := self._acquire()) is not None:
            part = None
            try:
                part = next(stream, None)
            finally:
                self._release(stream if part is not None else None)
            if part is not None:
                return part
        return None

    def _acquire(self) -> Iterator[RawPart] | None:
        with self._changed:
            while not self._idle and not self._waiting:
                if not self._reading:
                    return None
                self._changed.wait()
            self._reading += 1
            return self._idle.popleft() if self._idle else self._open(*self._waiting.popleft())

    def _release(self, stream: Iterator[RawPart] | None) -> None:
        with self._changed:
            self._reading -= 1
            if stream is not None and not self._stopped:
                self._idle.append(stream)
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._idle.clear()

    def _open(self, number: int, source: Source) -> Iterator[RawPart]:
        batches = read_batches(source, with_ids=self._with_ids, on_error=self._on_error)
        return cut_parts(number, batches)


def finished_part(folder: Path, raw: RawPart, on_error: OnError) -> PartRecord | None:
    """The record of a part that an earlier build has finished, if it still holds."""
    finished = folder / part_name(raw.source, raw.number)
    if not finished.exists():
        return None
    record = read_record(finished, raw.source)
    same_rows = (record.first_row, record.counts.n_rows) == (
        raw.first_row,
        len(raw.batch.captions),
    )
    if same_rows and not (record.problems and on_error == "stop"):
        return record
    shutil.rmtree(finished)
    return None


def make_part(
    folder: Path, raw: RawPart, source: Source, profile: Profile, dedup: Dedup, on_error: OnError
) -> PartRecord:
    """Extract the concepts of one part and write its folder, atomically.

    Raises
    ------
    SourceError
        When a caption is not UTF-8 and ``on_error`` is "stop".
    """
    extracted = profile.extract(raw.batch.captions)
    if extracted.invalid and on_error == "stop":
        row = raw.first_row + extracted.invalid[0]
        raise SourceError(
            f"{source.path}: the caption in row {row} is not UTF-8.",
            "--on-error skip leaves such rows out",
        )
    is_caption, counts = _classify(raw.batch, raw.first_row, extracted)
    problems = [(problem.row, problem.reason) for problem in raw.batch.problems]
    problems += [(raw.first_row + row, "the caption is not UTF-8") for row in extracted.invalid]
    record = PartRecord(raw.source, raw.number, raw.first_row, counts, tuple(sorted(problems)))
    captions = pa.table(
        {
            "concepts": pa.ListArray.from_arrays(
                pa.array(extracted.bounds.astype(np.int32)),
                pa.array(extracted.ids),
                mask=pa.array(~is_caption) if not is_caption.all() else None,
            )
        }
    )
    if dedup != "none":
        captions = captions.append_column("key", keys.hash_rows(raw.batch, dedup, is_caption))
    partial = folder / f".{record.name}-{os.getpid()}.partial"
    with tables.output_errors(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        tables.dump_table(partial / "captions.arrow", captions)
        concepts = pa.table({"concept": extracted.concepts})
        tables.dump_table(partial / "concepts.arrow", concepts)
        forms = pa.table({"form": extracted.forms, "concept": extracted.form_ids})
        tables.dump_table(partial / "forms.arrow", forms)
        dump_json(partial / "part.json", replace(record, source=0).to_json())
        partial.rename(folder / record.name)
    return record


def _classify(
    batch: Batch, first_row: int, extracted: Extracted
) -> tuple[npt.NDArray[np.bool_], PartCounts]:
    """Which rows hold a caption, and how many do not, by reason."""
    captions = batch.captions
    is_caption = np.ones(len(captions), np.bool_)
    if captions.null_count:
        is_caption = captions.is_valid().to_numpy(zero_copy_only=False).copy()
    # A problem that ends a file concerns no row of it.
    n_bad = sum(problem.row < first_row + len(captions) for problem in batch.problems)
    n_absent = int(len(captions) - is_caption.sum())
    is_caption[list(extracted.invalid)] = False
    bare = np.flatnonzero(is_caption & (np.diff(extracted.bounds) == 0))
    texts = captions.take(pa.array(bare))
    empty = bare[pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)]
    is_caption[empty] = False
    counts = PartCounts(
        n_rows=len(captions),
        n_null=n_absent - batch.n_failed - batch.n_not_selected - n_bad,
        n_empty=len(empty),
        n_failed=batch.n_failed,
        n_not_selected=batch.n_not_selected,
        n_invalid=n_bad + len(extracted.invalid),
        n_captions=int(is_caption.sum()),
        n_tokens=len(extracted.ids),
    )
    return is_caption, counts
