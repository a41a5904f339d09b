"""The vocabulary: counts of every part, merged exactly, cut once over the whole corpus.

Most concepts of web captions are rare and cannot be among the most frequent ones, so they are never
merged. The cut is the three-phase threshold algorithm of Cao & Wang (TPUT, PODC 2004): the heads of
the parts give a lower bound t of the last count that gets in; what gets in must reach t / parts in
some part; the exact counts of these candidates are added up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats import tables
from conceptstats.index import _kernels
from conceptstats.index.layout import PartRecord, Settings
from conceptstats.index.part_files import read_ids, read_tokens
from conceptstats.text.interner import Interner

_FORMS_AT_ONCE = 64  # parts
Counts = npt.NDArray[np.int64]


def count_part(folder: Path, part: PartRecord, counts: Path) -> None:
    """Count the concepts of one part and write them as `tables.PART_COUNTS`."""
    tokens = read_tokens(folder / part.name)
    n_captions, n_occurrences = _kernels.count_singles(
        tokens.ids, tokens.bounds, tokens.counted, len(_read_concepts(folder, part))
    )
    counted = pa.table({"n_captions": n_captions, "n_occurrences": n_occurrences})
    tables.dump_table(counts / f"{part.name}.arrow", counted)


def _read_concepts(folder: Path, part: PartRecord) -> pa.Array:
    table = tables.read_table(folder / part.name / "concepts.arrow", tables.PART_CONCEPTS)
    return tables.one_array(table.column("concept"))


def _read_counts(counts: Path, part: PartRecord, column: str) -> npt.NDArray[np.int32]:
    table = tables.read_table(counts / f"{part.name}.arrow", tables.PART_COUNTS)
    return tables.numbers(table.column(column))


def merge_vocabulary(
    folder: Path,
    parts: Sequence[PartRecord],
    counts: Path,
    settings: Settings,
    executor: Executor,
    workers: int,
) -> pa.Table:
    """The vocabulary of the whole corpus, as `tables.VOCABULARY`.

    The ``max_concepts`` concepts with most captions, ties by the code points of the concept,
    without those in fewer than ``min_count`` captions.
    """
    candidates = _candidates(folder, parts, counts, settings)

    def add_up(share: Sequence[PartRecord]) -> tuple[Counts, Counts]:
        totals = np.zeros(candidates.size, np.int64), np.zeros(candidates.size, np.int64)
        for part in share:
            ids = candidates.find(_read_concepts(folder, part))
            for total, column in zip(totals, ("n_captions", "n_occurrences"), strict=True):
                _kernels.add_counts(ids, _read_counts(counts, part, column), total)
        return totals

    sums = list(executor.map(add_up, [parts[k::workers] for k in range(workers)]))
    n_captions, n_occurrences = (np.sum([pair[k] for pair in sums], axis=0) for k in (0, 1))
    rows = np.flatnonzero(n_captions >= settings.min_count)
    rows = rows[n_captions[rows] >= _nth_largest(n_captions[rows], settings.max_concepts)]
    table = pa.table(
        {
            "concept": candidates.strings().take(pa.array(rows)),
            "n_captions": n_captions[rows],
            "n_occurrences": n_occurrences[rows],
        }
    )
    order = [("n_captions", "descending"), ("concept", "ascending")]
    table = table.sort_by(order).slice(0, settings.max_concepts).combine_chunks()
    ids = pa.array(np.arange(table.num_rows, dtype=np.int32))
    return table.add_column(0, "concept_id", ids).cast(tables.VOCABULARY)


def _candidates(
    folder: Path, parts: Sequence[PartRecord], counts: Path, settings: Settings
) -> Interner:
    """All concepts that can be in the vocabulary, and few others."""
    candidates = Interner()
    totals = np.zeros(1 << 16, np.int64)
    for ids, head in _add_concepts(candidates, folder, parts, counts, settings.max_concepts, None):
        if candidates.size > totals.size:
            totals = np.concatenate([totals, np.zeros(2 * candidates.size, np.int64)])
        _kernels.add_counts(ids, head, totals)
    threshold = max(_nth_largest(totals, settings.max_concepts), settings.min_count)
    least = -(-threshold // max(len(parts), 1))
    for _ in _add_concepts(candidates, folder, parts, counts, None, least):
        pass
    return candidates


def _add_concepts(
    candidates: Interner,
    folder: Path,
    parts: Sequence[PartRecord],
    counts: Path,
    head: int | None,
    least: int | None,
) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
    """Add, from each part, the ``head`` most frequent concepts or those in ``least`` captions.

    Yields their ids and counts.
    """
    for part in parts:
        n_captions = _read_counts(counts, part, "n_captions")
        bound = max(_nth_largest(n_captions, head) if head else 1, least or 1)
        rows = np.flatnonzero(n_captions >= bound)
        yield candidates.add(_read_concepts(folder, part).take(pa.array(rows))), n_captions[rows]


def _nth_largest(counts: npt.NDArray[np.integer], n: int) -> int:
    """The n-th largest count; 0 when there are fewer."""
    return int(np.partition(counts, -n)[-n]) if n <= counts.size else 0


def vocabulary_lookup(vocabulary: pa.Table) -> Interner:
    """An interner whose ids are concept ids."""
    interner = Interner()
    interner.add(tables.one_array(vocabulary.column("concept")))
    return interner


def write_part_ids(folder: Path, part: PartRecord, lookup: Interner) -> None:
    """Write the vocabulary id of each local concept of a part as `tables.PART_IDS`."""
    ids = lookup.find(_read_concepts(folder, part))
    tables.dump_table(folder / part.name / "ids.arrow", pa.table({"concept_id": ids}))


def merge_forms(folder: Path, parts: Sequence[PartRecord], vocabulary: pa.Table) -> pa.Table:
    """Surface forms of the vocabulary, sorted, as `tables.FORMS`.

    Every concept's own name is a form of it. Where a context-dependent profile gives one form
    several concepts, the form stands for the most frequent of them.
    """
    names = pa.table({"form": vocabulary.column("concept"), "concept_id": vocabulary["concept_id"]})
    collected: list[pa.Table] = []
    for number, part in enumerate(parts):
        ids = read_ids(folder / part.name)
        forms = tables.read_table(folder / part.name / "forms.arrow", tables.PART_FORMS)
        concept_ids = ids[tables.numbers(forms.column("concept"))]
        known = pa.array(concept_ids >= 0)
        form = forms.column("form").filter(known)
        collected.append(
            pa.table({"form": form, "concept_id": pa.array(concept_ids).filter(known)})
        )
        if number % _FORMS_AT_ONCE == _FORMS_AT_ONCE - 1:
            collected = [_distinct_forms(collected)]
    others = _distinct_forms(collected) if collected else names.slice(0, 0)
    own = pc.is_in(others.column("form"), value_set=names.column("form"))
    table = pa.concat_tables([names, others.filter(pc.invert(own))])
    return table.sort_by("form").combine_chunks().cast(tables.FORMS)


def _distinct_forms(collected: list[pa.Table]) -> pa.Table:
    table = pa.concat_tables(collected).group_by("form", use_threads=False)
    grouped = table.aggregate([("concept_id", "min")])
    return grouped.rename_columns({"concept_id_min": "concept_id"}).select(["form", "concept_id"])
