"""The rows of a text index and of a tag index that are one sample, a block at a time.

By row, where both were read from the same files, or where the user says so: row r of one is row r
of the other. Else by id: both are divided into shares by a hash of the id, on disk, and each share
is joined in memory, so that neither order nor missing rows matter.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from conceptstats import tables
from conceptstats.errors import SourceError
from conceptstats.index import keys
from conceptstats.index.caption_index import CaptionIndex
from conceptstats.index.forward import check_unchanged
from conceptstats.index.part_files import duplicate_rows
from conceptstats.index.parts import cut_parts
from conceptstats.index.searches import Block, Search
from conceptstats.sources import read_batches

By = Literal["row", "id"]
_SHARE_ROWS = 1 << 22  # of both indexes, in memory at once
_SHARE = pa.schema([("key", keys.KEY), ("counted", pa.bool_()), ("concepts", pa.list_(pa.int32()))])


class Matched(NamedTuple):
    """Rows of both indexes; row r of one block is the sample of row r of the other."""

    text: Block
    tags: Block
    is_joined: bool  # False: samples that one side alone has; the other block holds nothing


def choose_way(text: CaptionIndex, tags: CaptionIndex, by: By | None) -> By:
    """How the rows of two indexes are lined up, after checking that they can be.

    Parameters
    ----------
    text, tags : CaptionIndex
    by : {"row", "id"}, optional
        By default by row where both were read from the same files, else by id.

    Raises
    ------
    SourceError
        By row, when the numbers of rows differ; by id, when a source has no ids.
    """
    prints = [[s.fingerprint for s in index.manifest.sources] for index in (text, tags)]
    if by == "row" or (by is None and prints[0] == prints[1]):
        _check_rows(text, tags)
        return "row"
    for index in (text, tags):
        for source in index.manifest.sources:
            if source.id_column is None:
                raise SourceError(
                    f"the rows of {text.path} and {tags.path} cannot be joined by id: "
                    f"{source.path} has no id column.",
                    "build with --id-column NAME; or, where row r of one is row r of the other, "
                    "--by row",
                )
    return "id"


def _check_rows(text: CaptionIndex, tags: CaptionIndex) -> None:
    """Raise unless both have the same rows, source by source where they have as many of these."""
    n_rows = [_rows_of_sources(index) for index in (text, tags)]
    differ = [(str(text.path), str(tags.path), sum(n_rows[0]), sum(n_rows[1]))]
    if len(n_rows[0]) == len(n_rows[1]):
        paths = [[source.path for source in i.manifest.sources] for i in (text, tags)]
        differ = list(zip(*paths, *n_rows, strict=True))
    for first, second, n_first, n_second in differ:
        if n_first != n_second:
            raise SourceError(
                f"the rows do not line up: {first} has {n_first:,} and {second} has {n_second:,}.",
                "--by id joins rows by their ids, in any order",
            )


def _rows_of_sources(index: CaptionIndex) -> list[int]:
    n_rows = [0] * len(index.manifest.sources)
    for part in index.manifest.parts:
        n_rows[part.source] += part.counts.n_rows
    return n_rows


def by_row(
    text: tuple[CaptionIndex, Search], tags: tuple[CaptionIndex, Search]
) -> Iterator[Matched]:
    """Blocks of the same rows; where a part ends is another row in each index."""
    streams = [map(search.block, index.manifest.parts) for index, search in (text, tags)]
    mine, theirs = next(streams[0], None), next(streams[1], None)
    while mine is not None and theirs is not None:
        n = min(len(mine), len(theirs))
        yield Matched(mine.take(slice(n)), theirs.take(slice(n)), True)
        mine = mine.take(slice(n, None)) if n < len(mine) else next(streams[0], None)
        theirs = theirs.take(slice(n, None)) if n < len(theirs) else next(streams[1], None)


def by_id(
    text: tuple[CaptionIndex, Search], tags: tuple[CaptionIndex, Search]
) -> Iterator[Matched]:
    """Blocks of the same ids, then of those that one index alone has.

    Ids are read from the sources. Rows that are duplicates in their index (--dedup) have none.

    Raises
    ------
    SourceError
        When an id is in two rows of one index, or a source has changed.
    """
    n_rows = sum(index.manifest.totals["n_rows"] for index, _ in (text, tags))
    n_shares = -(-n_rows // _SHARE_ROWS) or 1
    with tempfile.TemporaryDirectory(prefix="conceptstats-") as name:
        folders = Path(name, "text"), Path(name, "tags")
        for folder, (index, search) in zip(folders, (text, tags), strict=True):
            folder.mkdir()
            _divide(_blocks_with_keys(index, search), folder, n_shares)
        for share in range(n_shares):
            mine = _read_share(folders[0] / str(share), text)
            theirs = _read_share(folders[1] / str(share), tags)
            yield from _joined(*mine, *theirs)


def _blocks_with_keys(index: CaptionIndex, search: Search) -> Iterator[tuple[pa.Array, Block]]:
    """Rows of each part, with the keys of their ids; null: no id."""
    parts = deque(index.manifest.parts)
    for number, source in enumerate(index.manifest.sources):
        check_unchanged(source)
        for raw in cut_parts(number, read_batches(source, with_ids=True, on_error="skip")):
            part = parts.popleft() if parts else None
            if part is None or (part.source, part.first_row, part.counts.n_rows) != (
                number, raw.first_row, len(raw.batch.captions)
            ):  # fmt: skip
                raise SourceError(
                    f"{source.path} has other rows than when it was indexed.",
                    "build the index again",
                )
            has_id = np.ones(part.counts.n_rows, np.bool_)
            has_id[duplicate_rows(search.folder / part.name)] = False
            yield keys.hash_rows(raw.batch, "id", has_id), search.block(part)


def _divide(blocks: Iterable[tuple[pa.Array, Block]], folder: Path, n_shares: int) -> None:
    """Write rows to as many files, by their keys."""
    with ExitStack() as stack:
        files = [
            stack.enter_context(pa.ipc.new_file(str(folder / str(share)), _SHARE))
            for share in range(n_shares)
        ]
        for keys_of_rows, block in blocks:
            lists = pa.ListArray.from_arrays(block.held.indptr, block.held.indices)
            rows = pa.table([keys_of_rows, block.counted, lists], schema=_SHARE)
            numbers = np.frombuffer(keys_of_rows.buffers()[1], np.uint64)[::2] % n_shares
            order = np.argsort(numbers, kind="stable")
            rows = rows.take(pa.array(order))
            ends = np.searchsorted(numbers[order], np.arange(n_shares + 1))
            for file, begin, end in zip(files, ends[:-1], ends[1:], strict=True):
                file.write_table(rows.slice(begin, end - begin))


def _read_share(path: Path, of: tuple[CaptionIndex, Search]) -> tuple[pa.Array, Block]:
    """Keys and rows of a share.

    Raises
    ------
    SourceError
        When a key is there twice.
    """
    index, search = of
    rows = tables.read_table(path, _SHARE, in_memory=True).combine_chunks()
    ids = tables.one_array(rows.column("key"))
    if pc.count_distinct(ids, "only_valid").as_py() < len(ids) - ids.null_count:
        raise SourceError(
            f"{index.path} has an id in two rows, so rows cannot be joined by id.",
            "choose the column that identifies a sample with --id-column, or build with --dedup id",
        )
    lists = tables.one_array(rows.column("concepts"))
    columns, bounds = tables.numbers(lists.values), tables.numbers(lists.offsets)
    shape = (len(ids), len(search.known))
    held = csr_array((np.ones(len(columns), np.int32), columns, bounds), shape=shape)
    return ids, Block(held, rows.column("counted").to_numpy())


def _joined(text_ids: pa.Array, text: Block, tag_ids: pa.Array, tags: Block) -> Iterator[Matched]:
    """Rows of the same ids, and those that are left on either side."""
    at = pc.index_in(tag_ids, value_set=text_ids, skip_nulls=True)
    found = at.is_valid().to_numpy(zero_copy_only=False)
    places = tables.numbers(at.drop_null())
    yield Matched(text.take(places), tags.take(np.flatnonzero(found)), True)
    alone = np.ones(len(text), np.bool_)
    alone[places] = False
    rest = text.take(np.flatnonzero(alone))
    yield Matched(rest, rest.nothing(len(rest)), False)
    rest = tags.take(np.flatnonzero(~found))
    yield Matched(rest.nothing(len(rest)), rest, False)
