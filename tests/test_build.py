from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_files import (
    NAMES,
    Caption,
    assert_counts,
    expected_counts,
    files_of,
    letters,
    pairs_of,
    random_captions,
    small_scale,
    vocabulary_of,
    write_captions,
)

from conceptstats.errors import ParameterError, UnknownConceptError
from conceptstats.index import CaptionIndex, pairs, parts
from conceptstats.index.build import build_index
from conceptstats.index.layout import PartCounts, PartRecord, read_manifest
from conceptstats.index.pairs import plan_segments
from conceptstats.sources import Batch

MIB = 1 << 20


@pytest.fixture
def many_parts() -> Iterator[None]:
    """A few hundred captions make many parts, segments, runs and batches."""
    with small_scale():
        yield


@pytest.fixture
def captions() -> list[Caption]:
    return random_captions(1, 1000)


CAPTIONS = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.lists(st.sampled_from([*NAMES[:12], "Dogs", "the", "leaves"]), max_size=12).map(" ".join),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(CAPTIONS, max_size=60),
    st.integers(1, 25),
    st.integers(1, 3),
    st.integers(1, 20),
    st.integers(1, 4),
)
def test_an_index_holds_what_the_reference_counts(
    captions: list[Caption], max_concepts: int, min_count: int, part_rows: int, workers: int
) -> None:
    """Any captions, any cut of the vocabulary, any division into parts and blocks."""
    with TemporaryDirectory() as name, small_scale(part_rows):
        folder = Path(name)
        source = write_captions(folder / "c.parquet", captions)
        index = build_index([source], folder / "index", max_concepts=max_concepts,
                            min_count=min_count, workers=workers)  # fmt: skip
        assert_counts(index, expected_counts(captions, max_concepts, min_count))


@pytest.mark.parametrize("max_concepts", [1, 7, 40, 1000])
@pytest.mark.usefixtures("many_parts")
def test_large_steps_of_the_build(
    captions: list[Caption], max_concepts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty parts, several runs merged in two steps, several batches: the counts stay exact."""
    seen: list[int] = []
    merge_runs = pairs._merge_runs

    def merge(runs: list[Path], *arguments: object) -> None:
        seen.append(len(runs))
        merge_runs(runs, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pairs, "_merge_runs", merge)
    source = write_captions(tmp_path / "c.parquet", captions)
    index = build_index([source], tmp_path / "index", max_concepts=max_concepts)
    manifest = assert_counts(index, expected_counts(captions, max_concepts))
    assert len(manifest.parts) == 20
    assert len(seen) > 2 and max(seen) > 2
    batches = pa.ipc.open_file(index / "pairs.arrow").num_record_batches
    assert batches > 1 or manifest.totals["n_pairs"] <= 64
    assert CaptionIndex.open(index).n == manifest.totals["n_captions"]


def test_ties_at_the_cut_go_by_name(tmp_path: Path) -> None:
    """Of concepts in equally many captions, the first by code points stay."""
    names = ["zo", "éo", "ab", "犬子", "Zoo".lower(), "a1", "𐐨𐐨"]
    source = write_captions(tmp_path / "c.parquet", [*names, "top " + " ".join(names), "top"])
    index = build_index([source], tmp_path / "index", max_concepts=4)
    assert list(vocabulary_of(index)) == sorted([*names, "top"])[:4]
    index = build_index([source], tmp_path / "whole")
    assert list(vocabulary_of(index)) == sorted([*names, "top"])


def test_a_concept_that_is_frequent_nowhere_but_overall_stays(tmp_path: Path) -> None:
    """The vocabulary is cut over the whole corpus, not in each part."""
    generator = random.Random(5)
    captions = []
    for part in range(20):
        local = [letters(30 * part + k) for k in range(3)]  # three in ten captions, in one part
        rows = [*(f"{name} o{name}" for name in local for _ in range(10)), *["steady"] * 4]
        captions += generator.sample(rows + [None] * (50 - len(rows)), 50)
    source = write_captions(tmp_path / "c.parquet", captions)
    with small_scale():
        index = build_index([source], tmp_path / "index", max_concepts=1)
    assert vocabulary_of(index) == {"steady": (80, 80)}


@pytest.mark.usefixtures("many_parts")
def test_workers_and_memory_do_not_show(
    captions: list[Caption], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is the same, byte for byte, whatever the workers and the memory."""
    middle = len(captions) // 2
    sources = [
        write_captions(tmp_path / "a.parquet", captions[:middle]),
        write_captions(tmp_path / "b.parquet", captions[middle:]),
    ]
    monkeypatch.setattr(pairs, "_BYTES_PER_TOKEN", 100_000)  # memory decides on the segments
    monkeypatch.setattr(pairs, "_MAX_SEGMENT_BYTES", 4096 * MIB)
    planned = []

    def plan(parts: list[PartRecord], n: int, memory: int) -> list[list[PartRecord]]:
        planned.append(len(segments := plan_segments(parts, n, memory)))
        return segments

    monkeypatch.setattr(pairs, "plan_segments", plan)
    made = []
    for workers, memory in ((1, 64 * MIB), (4, 64 * MIB), (4, 4096 * MIB), (3, 100 * MIB)):
        index = build_index(sources, tmp_path / f"{workers}-{memory}", dedup="caption",
                            workers=workers, memory=memory)  # fmt: skip
        made.append(files_of(index))
    assert planned[0] > 1 and planned[2] == 1
    assert all(files == made[0] for files in made)


@pytest.mark.parametrize("n_files", [1, 3, 7])
@pytest.mark.usefixtures("many_parts")
def test_files_do_not_show(captions: list[Caption], n_files: int, tmp_path: Path) -> None:
    """However the captions are spread over files, the counts are the same."""
    bounds = np.linspace(0, len(captions), n_files + 1).astype(int)
    sources = [
        write_captions(tmp_path / f"{k}.parquet", captions[bounds[k] : bounds[k + 1]])
        for k in range(n_files)
    ]
    index = build_index(sources, tmp_path / "index", max_concepts=30)
    manifest = assert_counts(index, expected_counts(captions, 30))
    assert len(manifest.sources) == n_files


def test_long_captions(tmp_path: Path) -> None:
    """Dozens and thousands of distinct concepts in a caption, with repeats, count like any."""
    generator = random.Random(3)
    captions = []
    for size in (47, 48, 49, 50, 100, 1100):
        words = [letters(k) for k in generator.sample(range(2000), size)]
        captions.append(" ".join(generator.sample(words + words[::3], size + len(words[::3]))))
    source = write_captions(tmp_path / "c.parquet", captions)
    expected = expected_counts(captions)
    assert_counts(build_index([source], tmp_path / "index", workers=2), expected)
    with small_scale(2):
        assert_counts(build_index([source], tmp_path / "in-runs"), expected)


def test_parts_end_where_the_text_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has at most PART_ROWS rows, and ends early when its text reaches PART_BYTES."""
    captions = ["dog cat " * 20] * 10 + ["dog cat"] * 90
    monkeypatch.setattr(parts, "PART_BYTES", 400)  # three long captions
    monkeypatch.setattr(parts, "PART_ROWS", 40)
    source = write_captions(tmp_path / "c.parquet", captions)
    manifest = assert_counts(build_index([source], tmp_path / "i"), expected_counts(captions))
    assert [part.counts.n_rows for part in manifest.parts] == [3, 3, 3, 36, 40, 15]
    assert [part.first_row for part in manifest.parts] == [0, 3, 6, 9, 45, 85]


@pytest.mark.parametrize("rows_a_batch", [1, 7, 64, 200])
def test_batches_do_not_show_in_parts(rows_a_batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a part ends depends on the rows alone, not on how a reader hands them over."""
    monkeypatch.setattr(parts, "PART_ROWS", 30)
    monkeypatch.setattr(parts, "PART_BYTES", 500)
    texts = pa.array(random_captions(9, 200), pa.string())
    batches = [
        Batch(texts.slice(k, rows_a_batch), texts.slice(k, rows_a_batch))
        for k in range(0, len(texts), rows_a_batch)
    ]
    cut = list(parts.cut_parts(0, iter(batches)))
    whole = list(parts.cut_parts(0, iter([Batch(texts, texts)])))
    assert [part.first_row for part in cut] == [part.first_row for part in whole]
    for part, same in zip(cut, whole, strict=True):
        assert part.batch.captions.equals(same.batch.captions)
        assert part.batch.ids is not None and part.batch.ids.equals(same.batch.captions)


@pytest.mark.parametrize("captions", [[], [None, None], ["", "  ", "\t\n\u3000"], ["the", "7 x"]])
@pytest.mark.parametrize("dedup", ["none", "caption"])
def test_a_corpus_without_concepts(captions: list[Caption], dedup: str, tmp_path: Path) -> None:
    """It has an index that says so, and can be asked."""
    source = write_captions(tmp_path / "c.parquet", captions)
    index = build_index([source], tmp_path / "index", dedup=dedup)  # type: ignore[arg-type]
    manifest = assert_counts(index, expected_counts(captions))
    assert manifest.totals["n_rows"] == len(captions)
    opened = CaptionIndex.open(index)
    assert [batch.num_rows for batch in opened.pmi_table()] == [0]
    assert [batch.num_rows for batch in opened.pmi_table(formula="paper")] == [0]
    assert opened.count("dog") == 0
    with pytest.raises(UnknownConceptError, match="no caption holds"):
        opened.find("dog")


@pytest.mark.parametrize("dedup", ["none", "caption"])
def test_a_file_with_a_header_only(dedup: str, tmp_path: Path) -> None:
    """A table without rows is an empty corpus."""
    (tmp_path / "c.csv").write_text("caption,url\n")
    index = build_index([tmp_path / "c.csv"], tmp_path / "index", dedup=dedup)  # type: ignore[arg-type]
    assert_counts(index, expected_counts([]))


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    """No caption, blank caption, failed download, not UTF-8; the rest is N."""
    texts = [b"a dog", b"", b" ", None, b"caf\xe9", b"cat", b"not fetched", b"dog cat", b"the"]
    captions = pa.array(texts, pa.binary()).view(pa.string())
    status = ["success"] * len(texts)
    status[6] = "failed_to_download"
    keys = [f"{k:09}" for k in range(len(texts))]
    table = {"key": keys, "url": keys, "caption": captions, "status": status}
    pq.write_table(pa.table(table), tmp_path / "00000.parquet")
    index = build_index([tmp_path / "00000.parquet"], tmp_path / "index", on_error="skip")
    manifest = read_manifest(index)
    totals = manifest.totals
    counted = {name: totals[name] for name in totals if name in PartCounts.__slots__}
    assert counted == {
        "n_rows": 9, "n_null": 1, "n_empty": 2, "n_failed": 1, "n_not_selected": 0,
        "n_invalid": 1, "n_duplicates": 0, "n_captions": 4, "n_tokens": 4,
    }  # fmt: skip
    assert [row for _, row, _ in manifest.skipped] == [4]
    assert pairs_of(index) == {("cat", "dog"): 1}


def test_left_out_rows_add_up_over_parts(tmp_path: Path) -> None:
    """Every row of the corpus is counted once: as a caption, or under one reason."""
    captions = random_captions(8, 500)
    source = write_captions(tmp_path / "c.parquet", captions)
    with small_scale():
        totals = read_manifest(build_index([source], tmp_path / "index", dedup="caption")).totals
    reasons = ("n_null", "n_empty", "n_failed", "n_not_selected", "n_invalid", "n_duplicates")
    assert totals["n_rows"] == len(captions)
    assert totals["n_captions"] + sum(totals[name] for name in reasons) == len(captions)
    assert totals["n_null"] == captions.count(None)
    assert totals["n_empty"] == captions.count(" ")


@pytest.mark.parametrize(
    "parameters",
    [{"max_concepts": 0}, {"min_count": 0}, {"dedup": "url"}, {"workers": 0}, {"memory": 1000}],
    ids=str,
)
def test_parameters_out_of_range(parameters: dict[str, object], tmp_path: Path) -> None:
    """A clear error, before anything is read or written."""
    source = write_captions(tmp_path / "c.parquet", ["a dog"])
    with pytest.raises(ParameterError, match=str(next(iter(parameters)))):
        build_index([source], tmp_path / "index", **parameters)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["c.parquet"]
