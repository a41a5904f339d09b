"""Small corpora, and what is in an index over them, for the tests of `conceptstats.index`."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conceptstats import reference, tables
from conceptstats.index import pair_writers, pairs, parts
from conceptstats.index.layout import Manifest, read_manifest
from conceptstats.text.words import STOP_WORDS, noun_lemma

Caption = str | None
Words = dict[str, tuple[int, int]]  # n_captions, n_occurrences
Pairs = dict[tuple[str, str], int]

# Names are words that no rule of a profile changes, and a few that some rule does.
NAMES = [f"{a}{b}o" for a in "bdfgklmnprt" for b in "aiou"]
SPECIAL = ["Dogs", "dog", "leaves", "the", "of", "7", "x", "Straße", "犬", "buses", "two_cats"]


def random_captions(seed: int, n_rows: int, *, longest: int = 9) -> list[Caption]:
    """Captions of words whose frequencies fall as 1/rank; some are null, empty or blank."""
    generator = random.Random(seed)
    words = SPECIAL + NAMES
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    captions: list[Caption] = []
    for _ in range(n_rows):
        kind = generator.random()
        text = generator.choices(words, weights, k=generator.randint(1, longest))
        captions.append(None if kind < 0.03 else " " if kind < 0.05 else " ".join(text))
    return captions


def letters(number: int) -> str:
    """A distinct word of letters for each number below 26^4; no rule of a profile changes it."""
    return "q" + "".join(string.ascii_lowercase[number // 26**k % 26] for k in range(4)) + "o"


def write_captions(path: Path, captions: Sequence[Caption], **columns: Sequence[Any]) -> Path:
    """A parquet file of captions, in row groups of an odd size that no part has."""
    table = pa.table({"caption": pa.array(captions, pa.string()), **columns})
    pq.write_table(table, path, row_group_size=37 if len(captions) < 5000 else 3777)
    return path


@contextmanager
def small_scale(part_rows: int = 50) -> Iterator[None]:
    """Limits so low that a few hundred captions make many parts, segments, runs and batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_ROWS", part_rows)
        patch.setattr(pairs, "_MAX_SEGMENT_BYTES", 240 * part_rows)
        patch.setattr(pairs, "_BLOCK_EVENTS", 100)
        patch.setattr(pair_writers, "BATCH_PAIRS", 64)
        patch.setattr(pairs, "_MAX_RUNS", 2)
        yield


def expected_counts(
    captions: Iterable[Caption], max_concepts: int | None = None, min_count: int = 1
) -> reference.Counts:
    """What the reference counts under profile `words`; both cuts keep a head of the vocabulary."""
    concepts = [
        reference.words(text, STOP_WORDS, noun_lemma, filters_lemmas=True)
        for text in captions
        if text is not None and text.strip()
    ]
    counts = reference.count(concepts, max_concepts)
    kept = [name for name in counts.vocabulary if counts.n_captions[name] >= min_count]
    return counts if kept == counts.vocabulary else reference.count(concepts, len(kept))


def vocabulary_of(index: Path) -> Words:
    """Counts of each concept, in the order of the vocabulary."""
    table = tables.read_table(index / "vocabulary.arrow", tables.VOCABULARY)
    assert table.column("concept_id").to_pylist() == list(range(table.num_rows))
    columns = (table.column(name).to_pylist() for name in ("n_captions", "n_occurrences"))
    return dict(zip(table.column("concept").to_pylist(), zip(*columns, strict=True), strict=True))


def pairs_of(index: Path) -> Pairs:
    """Counts of each pair of names; checks that the table is sorted and without repeats."""
    names = list(vocabulary_of(index))
    table = tables.read_table(index / "pairs.arrow", tables.PAIRS)
    a, b, n = (table.column(name).to_pylist() for name in ("a", "b", "n_captions"))
    places = list(zip(a, b, strict=True))
    assert places == sorted(set(places))
    return {(names[i], names[j]): count for (i, j), count in zip(places, n, strict=True)}


def assert_counts(index: Path, expected: reference.Counts) -> Manifest:
    """The index holds exactly what the reference counts."""
    vocabulary, pair_counts, manifest = vocabulary_of(index), pairs_of(index), read_manifest(index)
    assert list(vocabulary) == expected.vocabulary
    assert vocabulary == {
        name: (expected.n_captions[name], expected.n_occurrences[name])
        for name in expected.vocabulary
    }
    assert pair_counts == expected.n_pairs
    totals = manifest.totals
    assert totals["n_captions"] == expected.n
    assert totals["n_concepts"] == len(expected.vocabulary)
    assert totals["n_pairs"] == len(expected.n_pairs)
    assert totals["n_pair_events"] == sum(expected.n_pairs.values())
    return manifest


def names_in(folder: Path) -> list[str]:
    """What is in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def files_of(index: Path, *without: str) -> dict[str, bytes]:
    """Bytes of every file of a folder, by relative path."""
    paths = (path for path in index.rglob("*") if path.is_file())
    files = {path.relative_to(index).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in files.items() if name not in without}
