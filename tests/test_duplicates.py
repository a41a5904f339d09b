from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from index_files import (
    Caption,
    assert_counts,
    expected_counts,
    files_of,
    random_captions,
    small_scale,
    write_captions,
)

from conceptstats import tables
from conceptstats.errors import SourceError
from conceptstats.index import CaptionIndex, duplicates
from conceptstats.index.build import build_index
from conceptstats.index.layout import read_manifest

LEAST_MEMORY = 64 << 20


@pytest.fixture
def captions() -> list[Caption]:
    """Short captions, many of them equal."""
    return random_captions(21, 600, longest=2)


def first_of_each(captions: Sequence[Caption], keys: Sequence[Hashable]) -> list[Caption]:
    """The oracle: null where a caption's key was seen on a caption before."""
    seen: set[Hashable] = set()
    kept: list[Caption] = []
    for text, key in zip(captions, keys, strict=True):
        is_caption = text is not None and text.strip() != ""
        kept.append(None if is_caption and key in seen else text)
        if is_caption and key is not None:
            seen.add(key)
    return kept


@pytest.fixture(params=[1, 5], ids=["one share", "five shares"])
def shares(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many shares the keys of 600 rows are compared in, with the least memory."""
    n_shares: int = request.param
    if n_shares > 1:
        monkeypatch.setattr(duplicates, "_BYTES_PER_KEY", n_shares * LEAST_MEMORY // 600)
    return n_shares


@pytest.mark.usefixtures("shares")
def test_of_equal_captions_the_first_counts(captions: list[Caption], tmp_path: Path) -> None:
    """Also where it is in another part or another file."""
    sources = [
        write_captions(tmp_path / "a.parquet", captions[:400]),
        write_captions(tmp_path / "b.parquet", captions[400:]),
    ]
    with small_scale():
        index = build_index(sources, tmp_path / "index", dedup="caption", memory=LEAST_MEMORY)
    kept = first_of_each(captions, captions)
    manifest = assert_counts(index, expected_counts(kept))
    assert manifest.totals["n_duplicates"] == kept.count(None) - captions.count(None) > 100


@pytest.mark.parametrize("kind", ["text", "number"])
@pytest.mark.usefixtures("shares")
def test_of_equal_ids_the_first_counts(kind: str, captions: list[Caption], tmp_path: Path) -> None:
    """A row without an id repeats nothing; a row without a caption is not the first of its id."""
    generator = random.Random(2)
    numbers = [None if generator.random() < 0.1 else generator.randrange(150) for _ in captions]
    ids = [n if n is None or kind == "number" else f"id{n}" for n in numbers]
    source = write_captions(tmp_path / "c.parquet", captions, uid=ids)
    with small_scale():
        index = build_index([source], tmp_path / "index", dedup="id", memory=LEAST_MEMORY)
    assert_counts(index, expected_counts(first_of_each(captions, ids)))


def test_without_dedup_every_caption_counts(captions: list[Caption], tmp_path: Path) -> None:
    """Equal captions and equal ids count as often as they are there."""
    source = write_captions(tmp_path / "c.parquet", captions, uid=[1] * len(captions))
    index = build_index([source], tmp_path / "index", id_column="uid")
    assert assert_counts(index, expected_counts(captions)).totals["n_duplicates"] == 0


def test_equal_means_equal_text(tmp_path: Path) -> None:
    """Case, blanks and Unicode forms make captions different; what they are stored as does not."""
    texts = ["Dog", "dog", "dog ", "caf\u00e9 dog", "cafe\u0301 dog"]
    source = write_captions(tmp_path / "a.parquet", texts)
    pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), tmp_path / "b.parquet")
    index = build_index([source, tmp_path / "b.parquet"], tmp_path / "index", dedup="caption")
    manifest = read_manifest(index)
    assert [part.counts.n_duplicates for part in manifest.parts] == [0, 5]
    assert [part.counts.n_captions for part in manifest.parts] == [5, 0]


def test_rows_that_cannot_be_read_are_no_duplicates(tmp_path: Path) -> None:
    """A caption that is not UTF-8 is left out as such, each time."""
    texts = pa.array([b"dog\xff", b"dog", b"dog\xff", b"dog"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"caption": texts}), tmp_path / "c.parquet")
    index = build_index(
        [tmp_path / "c.parquet"], tmp_path / "index", dedup="caption", on_error="skip"
    )
    totals = read_manifest(index).totals
    assert (totals["n_invalid"], totals["n_duplicates"], totals["n_captions"]) == (2, 1, 1)


def test_duplicates_are_not_found(tmp_path: Path) -> None:
    """`find` and counts of three concepts pass over them, like the vocabulary and the pairs."""
    source = write_captions(tmp_path / "c.parquet", ["red dog ball", "cat", "red dog ball", "dog"])
    index = CaptionIndex.open(build_index([source], tmp_path / "index", dedup="caption"))
    assert index.count("red", "dog", "ball") == index.count("red", "dog") == 1
    assert [found.row for found in index.find("dog")] == [0, 3]


@pytest.mark.usefixtures("shares")
def test_marked_rows_are_sorted(captions: list[Caption], tmp_path: Path) -> None:
    """Every part lists its duplicates in ascending order, whatever the shares."""
    source = write_captions(tmp_path / "c.parquet", captions)
    with small_scale():
        index = build_index([source], tmp_path / "index", dedup="caption", memory=LEAST_MEMORY)
    for part in read_manifest(index).parts:
        path = index / "parts" / part.name / "duplicates.arrow"
        rows = tables.read_table(path, tables.PART_DUPLICATES).column("row").to_pylist()
        assert rows == sorted(set(rows))
        assert len(rows) == part.counts.n_duplicates


def test_shares_do_not_show(
    captions: list[Caption], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys compared at once or in five shares mark the same rows, byte for byte."""
    source = write_captions(tmp_path / "c.parquet", captions)
    made = []
    for n_shares in (1, 5):
        monkeypatch.setattr(duplicates, "_BYTES_PER_KEY", n_shares * LEAST_MEMORY // 600)
        made.append(build_index([source], tmp_path / f"{n_shares}", dedup="caption",
                                memory=LEAST_MEMORY))  # fmt: skip
    assert files_of(made[0]) == files_of(made[1])


def test_ids_must_be_there(tmp_path: Path) -> None:
    """Counting once an id needs an id column in every source."""
    source = write_captions(tmp_path / "c.parquet", ["a dog"])
    with pytest.raises(SourceError, match=r"--dedup id needs an id column.*--id-column"):
        build_index([source], tmp_path / "index", dedup="id")
    assert [path.name for path in tmp_path.iterdir()] == ["c.parquet"]
