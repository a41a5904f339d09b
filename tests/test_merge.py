from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from index_files import (
    Caption,
    assert_counts,
    expected_counts,
    files_of,
    names_in,
    pairs_of,
    random_captions,
    small_scale,
    vocabulary_of,
    write_captions,
)

from conceptstats.errors import (
    IndexFormatError,
    OutputExistsError,
    ParameterError,
    ProfileError,
    SourceError,
)
from conceptstats.index.build import build_index
from conceptstats.index.caption_index import CaptionIndex
from conceptstats.index.layout import read_manifest
from conceptstats.index.merge import merge_indexes
from conceptstats.index.verify import verify_index

NOT_OF_THE_COUNTS = ("run.json", "checksums.json")  # how it was made, and the checksum of that


@pytest.fixture(autouse=True)
def many_parts() -> Iterator[None]:
    """A few hundred captions make many parts, segments, runs and batches."""
    with small_scale():
        yield


@pytest.fixture
def corpora() -> list[list[Caption]]:
    """Three corpora of different sizes, that share captions."""
    return [random_captions(31, 400), random_captions(32, 130, longest=2), random_captions(31, 220)]


@pytest.fixture
def sources(corpora: list[list[Caption]], tmp_path: Path) -> list[Path]:
    return [
        write_captions(tmp_path / f"{k}.parquet", captions, uid=range(len(captions)))
        for k, captions in enumerate(corpora)
    ]


def build_apart(sources: list[Path], **options: Any) -> list[Path]:
    return [build_index([source], source.with_suffix(""), **options) for source in sources]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_concepts": 9},
        {"min_count": 5},
        {"dedup": "caption"},
        {"dedup": "caption", "max_concepts": 20},
        {"dedup": "id"},
        {"id_column": "uid"},
    ],
    ids=str,
)
@pytest.mark.parametrize("n", [2, 3])
def test_indexes_built_apart_merge_into_one_built_at_once(
    n: int, options: dict[str, Any], sources: list[Path], tmp_path: Path
) -> None:
    """Byte for byte: also the cut of the vocabulary and the duplicates across the indexes."""
    merged = merge_indexes(build_apart(sources[:n], **options), tmp_path / "merged")
    whole = build_index(sources[:n], tmp_path / "whole", **options)
    assert files_of(merged, *NOT_OF_THE_COUNTS) == files_of(whole, *NOT_OF_THE_COUNTS)
    assert verify_index(merged).damaged == ()


def test_merged_counts_are_those_of_the_reference(
    corpora: list[list[Caption]], sources: list[Path], tmp_path: Path
) -> None:
    """Nothing is lost to the cuts of the indexes: they keep what their vocabularies leave out."""
    apart = build_apart(sources, max_concepts=2)
    merged = merge_indexes(apart, tmp_path / "merged", max_concepts=25)
    assert_counts(merged, expected_counts([*chain(*corpora)], 25))
    cut = merge_indexes(apart[:2], tmp_path / "cut", max_concepts=99, min_count=30)
    assert_counts(cut, expected_counts(corpora[0] + corpora[1], 99, min_count=30))


def test_merging_merged_indexes(sources: list[Path], tmp_path: Path) -> None:
    """((a + b) + c) is a + b + c, and duplicates are marked anew."""
    a, b, c = build_apart(sources, dedup="caption")
    first = merge_indexes([a, b], tmp_path / "first")
    nested = merge_indexes([first, c], tmp_path / "nested")
    flat = merge_indexes([a, b, c], tmp_path / "flat")
    assert files_of(nested, *NOT_OF_THE_COUNTS) == files_of(flat, *NOT_OF_THE_COUNTS)


@pytest.mark.parametrize("dedup", ["none", "caption"])
def test_the_order_of_a_merge_does_not_count(
    dedup: str, sources: list[Path], tmp_path: Path
) -> None:
    """The vocabulary, the pairs and N are the same; only the numbers of the sources differ."""
    a, b, c = build_apart(sources, dedup=dedup, max_concepts=30)
    one = merge_indexes([a, b, c], tmp_path / "one")
    other = merge_indexes([c, a, b], tmp_path / "other")
    assert vocabulary_of(one) == vocabulary_of(other)
    assert pairs_of(one) == pairs_of(other)
    assert read_manifest(one).totals == read_manifest(other).totals


def test_an_empty_index_changes_no_counts(sources: list[Path], tmp_path: Path) -> None:
    """A shard without captions merges like any."""
    empty = write_captions(tmp_path / "empty.parquet", [None, " "])
    with_it = merge_indexes(build_apart([sources[0], empty]), tmp_path / "merged")
    alone = sources[0].with_suffix("")
    assert pairs_of(with_it) == pairs_of(alone)
    assert vocabulary_of(with_it) == vocabulary_of(alone)


def test_skipped_and_ignored_files_stay_recorded(tmp_path: Path) -> None:
    """The merged index says what its indexes left out."""
    for k in range(2):
        (tmp_path / f"in{k}").mkdir()
        (tmp_path / f"in{k}" / "c.jsonl").write_text('{"caption": "dog"}\n{"c\n{"caption": "cat"}')
        (tmp_path / f"in{k}" / "x.jpg").write_bytes(b"x")
    places = [tmp_path / f"in{k}" for k in range(2)]
    apart = [build_index([p], tmp_path / f"i{k}", on_error="skip") for k, p in enumerate(places)]
    merged = merge_indexes(apart, tmp_path / "merged")
    whole = build_index(places, tmp_path / "whole", on_error="skip")
    assert (merged / "index.json").read_bytes() == (whole / "index.json").read_bytes()
    assert len(read_manifest(merged).skipped) == len(read_manifest(merged).ignored) == 2


def test_a_merged_index_outlives_the_others(sources: list[Path], tmp_path: Path) -> None:
    """Replacing or removing them does not touch it."""
    apart = build_apart(sources[:2])
    merged = merge_indexes(apart, tmp_path / "merged")
    before = files_of(merged)
    build_index([sources[2]], apart[0], overwrite=True)
    shutil.rmtree(apart[1])
    assert files_of(merged) == before
    assert CaptionIndex.open(merged).find("dog")


def test_a_merge_records_what_it_was_made_of(sources: list[Path], tmp_path: Path) -> None:
    """The run record has every source with its fingerprint."""
    merged = merge_indexes(build_apart(sources[:2]), tmp_path / "merged", max_concepts=5)
    run = json.loads((merged / "run.json").read_text())
    assert run["command"] == "index merge"
    assert run["arguments"]["max_concepts"] == 5
    assert list(run["inputs"]) == [str(source) for source in sources[:2]]


def other_profile(sources: list[Path]) -> list[Path]:
    phrases = {"phrases": {"dog": ["dog"]}}
    return [
        build_index([sources[0]], sources[0].with_suffix("")),
        build_index([sources[1]], sources[1].with_suffix(""), profile="concepts",
                    profile_options=phrases),
    ]  # fmt: skip


def other_phrases(sources: list[Path]) -> list[Path]:
    return [
        build_index([source], source.with_suffix(""), profile="concepts",
                    profile_options={"phrases": {name: [name]}})
        for source, name in zip(sources, ["dog", "cat"], strict=False)
    ]  # fmt: skip


def other_dedup(sources: list[Path]) -> list[Path]:
    return [build_index([sources[0]], sources[0].with_suffix("")),
            build_index([sources[1]], sources[1].with_suffix(""), dedup="caption")]  # fmt: skip


def same_source(sources: list[Path]) -> list[Path]:
    return [build_index([sources[0]], sources[0].with_suffix("")),
            build_index(sources[:2], sources[1].with_suffix(""))]  # fmt: skip


def same_index(sources: list[Path]) -> list[Path]:
    return 2 * build_apart(sources[:1])


def one_index(sources: list[Path]) -> list[Path]:
    return build_apart(sources[:1])


def no_index(sources: list[Path]) -> list[Path]:
    return [*build_apart(sources[:1]), sources[0].parent]


@pytest.mark.parametrize(
    ("indexes", "error", "message"),
    [
        (other_profile, ProfileError, "has another profile"),
        (other_phrases, ProfileError, "has another profile"),
        (other_dedup, ParameterError, "--dedup caption, .* with --dedup none"),
        (same_source, SourceError, r"0\.parquet is in two of the indexes"),
        (same_index, SourceError, r"0\.parquet is in two of the indexes"),
        (one_index, ParameterError, "two indexes or more"),
        (no_index, IndexFormatError, "is not an index"),
    ],
)
def test_indexes_that_do_not_go_together(
    indexes: Callable[[list[Path]], list[Path]],
    error: type[Exception],
    message: str,
    sources: list[Path],
    tmp_path: Path,
) -> None:
    """A clear error, and nothing is written."""
    apart = indexes(sources)
    before = names_in(tmp_path)
    with pytest.raises(error, match=message):
        merge_indexes(apart, tmp_path / "merged")
    assert names_in(tmp_path) == before


def test_a_merge_does_not_overwrite(sources: list[Path], tmp_path: Path) -> None:
    """Unless that is asked for; it may then take the place of one of its own indexes."""
    apart = build_apart(sources[:2])
    with pytest.raises(OutputExistsError, match="--overwrite"):
        merge_indexes(apart, apart[0])
    merge_indexes(apart, apart[0], overwrite=True)
    assert len(read_manifest(apart[0]).sources) == 2
    assert verify_index(apart[0]).damaged == ()


@pytest.mark.parametrize("name", ["profile.json", "parts/00000-00001/concepts.arrow"])
def test_an_index_with_a_file_missing(name: str, sources: list[Path], tmp_path: Path) -> None:
    """The error names the file."""
    apart = build_apart(sources[:2])
    (apart[1] / name).unlink()
    before = names_in(tmp_path)
    with pytest.raises(IndexFormatError, match=rf"{name} is missing.*index verify"):
        merge_indexes(apart, tmp_path / "merged")
    assert names_in(tmp_path) == before
