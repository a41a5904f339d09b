"""Counts of the concepts of results, from a caption index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.index import CaptionIndex
from conceptstats.tables import COUNTS, FORMS, numbers, one_array, read_table

from .join import Unknown


class IndexCounts(NamedTuple):
    """Counts, and why the other concepts have none."""

    table: pa.Table  # `conceptstats.tables.COUNTS`
    unknown: Unknown


def count_in_index(
    index: CaptionIndex,
    results: pa.Table,
    *,
    pretraining: str | None = None,
    search: str | None = None,
) -> IndexCounts:
    """Captions that hold each concept of the results.

    Parameters
    ----------
    index : CaptionIndex
    results : Table
        `conceptstats.tables.ACCURACIES`; rows of whole data sets are passed over.
    pretraining, search : str, optional
        What the index is of, such as ``laion400m`` and ``text``: for the table of counts.

    Returns
    -------
    IndexCounts
        A concept in no caption has count 0 where the vocabulary of the index was not cut; else it
        is unknown, as is one of several words, unless the profile has it as one concept: the
        captions that hold all its words are more than those that hold the phrase. An index of
        profile ``concepts`` counts phrases.
    """
    pairs = zip(results["dataset"].to_pylist(), results["concept"].to_pylist(), strict=True)
    wanted = list(dict.fromkeys(pair for pair in pairs if pair[1] is not None))
    known = _counts_of(index, {concept for _, concept in wanted})
    rows, unknown = [], {}
    for dataset, concept in wanted:
        found = known[concept]
        if isinstance(found, str):
            unknown[dataset, concept] = found
        else:
            rows.append((dataset, concept, found, pretraining, search))
    columns = zip(*rows, strict=True) if rows else [()] * len(COUNTS)
    arrays = [pa.array(column, f.type) for column, f in zip(columns, COUNTS, strict=True)]
    return IndexCounts(pa.table(arrays, schema=COUNTS), unknown)


def _counts_of(index: CaptionIndex, concepts: set[str]) -> dict[str, int | str]:
    """The count of each, or why it is unknown; all at once, for one question each is slow."""
    texts = {concept: concept.replace("_", " ") for concept in concepts}
    meant = {text: dict.fromkeys(index.profile.meaning(text)) for text in texts.values()}
    single = {text: next(iter(found)) for text, found in meant.items() if len(found) == 1}
    spelt = {form for text in texts.values() for form in index.spellings(text)}
    ids = _ids_of(index, spelt | set(single.values()))
    n_captions = numbers(index.vocabulary["n_captions"])
    found: dict[str, int | str] = {}
    for concept, text in texts.items():
        forms = (*index.spellings(text), single.get(text, text))
        place = next((ids[form] for form in forms if form in ids), None)
        if place is not None:
            found[concept] = int(n_captions[place])
        elif text in single:
            absent = "outside the vocabulary of the index, which was cut"
            found[concept] = 0 if index.is_complete else absent
        else:
            kind = "of several words" if meant[text] else "without any concept"
            found[concept] = f"{kind} under profile {index.profile.name!r}"
    return found


def _ids_of(index: CaptionIndex, forms: Iterable[str]) -> dict[str, int]:
    table = read_table(index.path / "forms.arrow", FORMS)
    asked = pa.array(sorted(forms), pa.large_string())
    found = table.filter(pc.is_in(one_array(table["form"]), asked))
    pairs = zip(found["form"].to_pylist(), found["concept_id"].to_pylist(), strict=True)
    return dict(pairs)
