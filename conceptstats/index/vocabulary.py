"""The vocabulary: counts of every part, merged exactly, cut once over the whole corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats import tables
from conceptstats.index import _kernels
from conceptstats.index.layout import PartRecord, Settings
from conceptstats.index.parts import read_tokens
from conceptstats.text.interner import Interner

_BYTES_PER_CONCEPT = 64  # of memory while counts are merged, measured
_FORMS_AT_ONCE = 64  # parts


class Shares(NamedTuple):
    """In how many shares the concepts are merged, so that what is at work fits in memory."""

    count: int
    at_once: int


def count_part(folder: Path, part: PartRecord, counts: Path) -> None:
    """Count the concepts of one part and write them as `tables.PART_COUNTS`."""
    tokens = read_tokens(folder / part.name)
    n_concepts = _n_concepts(folder, part)
    n_captions, n_occurrences = _kernels.count_singles(
        tokens.ids, tokens.bounds, tokens.counted, n_concepts
    )
    counted = pa.table({"n_captions": n_captions, "n_occurrences": n_occurrences})
    tables.dump_table(counts / f"{part.name}.arrow", counted)


def _n_concepts(folder: Path, part: PartRecord) -> int:
    concepts = tables.read_table(folder / part.name / "concepts.arrow", tables.PART_CONCEPTS)
    return int(concepts.num_rows)


def plan_shares(folder: Path, parts: Sequence[PartRecord], memory: int, workers: int) -> Shares:
    """Shares such that those at work at once stay within the memory, in bytes.

    The concepts of all parts, counted with repeats between parts, bound the size of the merged
    table from above.
    """
    n_concepts = sum(_n_concepts(folder, part) for part in parts)
    needed = -(-n_concepts * _BYTES_PER_CONCEPT // max(memory // workers, 1))
    count = -(-max(needed, workers) // workers) * workers
    return Shares(min(count, 1 << 15), workers)


def merge_vocabulary(
    folder: Path,
    parts: Sequence[PartRecord],
    counts: Path,
    settings: Settings,
    shares: Shares,
    executor: Executor,
) -> tuple[pa.Table, int]:
    """The vocabulary of the whole corpus.

    Returns
    -------
    vocabulary : pa.Table
        `tables.VOCABULARY`: the ``max_concepts`` concepts with most captions, ties by the code
        points of the concept, without those in fewer than ``min_count`` captions.
    n_distinct : int
        Concepts of the corpus before the cut.
    """

    def merge(share: int) -> tuple[pa.Table, int]:
        return _merge_share(folder, parts, counts, settings, share, shares.count)

    merged = list(executor.map(merge, range(shares.count)))
    n_distinct = sum(n for _, n in merged)
    table = _cut(pa.concat_tables([table for table, _ in merged]), settings.max_concepts)
    ids = pa.array(np.arange(table.num_rows, dtype=np.int32))
    return table.add_column(0, "concept_id", ids).cast(tables.VOCABULARY), n_distinct


def _merge_share(
    folder: Path,
    parts: Sequence[PartRecord],
    counts: Path,
    settings: Settings,
    share: int,
    n_shares: int,
) -> tuple[pa.Table, int]:
    """Summed counts of the concepts of one share, those that may be in the vocabulary."""
    interner = Interner()
    n_captions = np.zeros(1 << 16, np.int64)
    n_occurrences = np.zeros(1 << 16, np.int64)
    for part in parts:
        concepts = tables.read_table(folder / part.name / "concepts.arrow", tables.PART_CONCEPTS)
        counted = tables.read_table(counts / f"{part.name}.arrow", tables.PART_COUNTS)
        ids = interner.add(_one_array(concepts.column("concept")), share, n_shares)
        if interner.size > n_captions.size:
            n_captions = _resized(n_captions, 2 * interner.size)
            n_occurrences = _resized(n_occurrences, 2 * interner.size)
        _kernels.add_counts(ids, counted.column("n_captions").to_numpy(), n_captions)
        _kernels.add_counts(ids, counted.column("n_occurrences").to_numpy(), n_occurrences)
    n_captions = n_captions[: interner.size]
    kept = n_captions >= max(settings.min_count, 1)
    if kept.sum() > settings.max_concepts:
        threshold = np.partition(n_captions, -settings.max_concepts)[-settings.max_concepts]
        kept &= n_captions >= threshold
    rows = pa.array(np.flatnonzero(kept))
    table = pa.table(
        {
            "concept": interner.strings().take(rows),
            "n_captions": pa.array(n_captions).take(rows),
            "n_occurrences": pa.array(n_occurrences[: interner.size]).take(rows),
        }
    )
    return table, int((n_captions > 0).sum())


def _cut(table: pa.Table, max_concepts: int) -> pa.Table:
    order = [("n_captions", "descending"), ("concept", "ascending")]
    return table.sort_by(order).slice(0, max_concepts).combine_chunks()


def _resized(counts: np.ndarray, size: int) -> np.ndarray:  # type: ignore[type-arg]
    bigger = np.zeros(size, counts.dtype)
    bigger[: counts.size] = counts
    return bigger


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def vocabulary_lookup(vocabulary: pa.Table) -> Interner:
    """An interner whose ids are concept ids."""
    interner = Interner()
    interner.add(_one_array(vocabulary.column("concept")))
    return interner


def write_part_ids(folder: Path, part: PartRecord, lookup: Interner) -> None:
    """Write the vocabulary id of each local concept of a part as `tables.PART_IDS`."""
    concepts = tables.read_table(folder / part.name / "concepts.arrow", tables.PART_CONCEPTS)
    ids = lookup.find(_one_array(concepts.column("concept")))
    tables.dump_table(folder / part.name / "ids.arrow", pa.table({"concept_id": ids}))


def read_part_ids(folder: Path, part: PartRecord) -> np.ndarray:  # type: ignore[type-arg]
    """Vocabulary id of each local concept of a part, -1 for those outside."""
    table = tables.read_table(folder / part.name / "ids.arrow", tables.PART_IDS)
    ids: np.ndarray = table.column("concept_id").to_numpy()  # type: ignore[type-arg]
    return ids


def merge_forms(
    folder: Path,
    parts: Sequence[PartRecord],
    vocabulary: pa.Table,
    tick: Callable[[], None] = lambda: None,
) -> pa.Table:
    """Surface forms of the vocabulary, sorted, as `tables.FORMS`.

    Every concept's own name is a form of it. Where a context-dependent profile gives one form
    several concepts, the form stands for the most frequent of them.
    """
    names = pa.table({"form": vocabulary.column("concept"), "concept_id": vocabulary["concept_id"]})
    collected: list[pa.Table] = []
    for number, part in enumerate(parts):
        ids = read_part_ids(folder, part)
        forms = tables.read_table(folder / part.name / "forms.arrow", tables.PART_FORMS)
        concept_ids = ids[forms.column("concept").to_numpy()]
        known = pa.array(concept_ids >= 0)
        form = forms.column("form").filter(known)
        collected.append(
            pa.table({"form": form, "concept_id": pa.array(concept_ids).filter(known)})
        )
        if number % _FORMS_AT_ONCE == _FORMS_AT_ONCE - 1:
            collected = [_distinct_forms(collected)]
        tick()
    others = _distinct_forms(collected) if collected else names.slice(0, 0)
    own = pc.is_in(others.column("form"), value_set=names.column("form"))
    table = pa.concat_tables([names, others.filter(pc.invert(own))])
    return table.sort_by("form").combine_chunks().cast(tables.FORMS)


def _distinct_forms(collected: list[pa.Table]) -> pa.Table:
    table = pa.concat_tables(collected).group_by("form", use_threads=False)
    grouped = table.aggregate([("concept_id", "min")])
    return grouped.rename_columns({"concept_id_min": "concept_id"}).select(["form", "concept_id"])
