"""Indexes of tags: built, resumed, merged and asked like those of captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from caption_files import tags_parquet, tags_text, write_parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from index_files import assert_counts, files_of, small_scale
from test_cli import run

from conceptstats import CaptionIndex, reference
from conceptstats.errors import AbsentConceptError, ParameterError, ProfileError
from conceptstats.index import build, build_index, merge_indexes, parts, staging
from conceptstats.index.layout import read_manifest
from conceptstats.sources import Tags
from conceptstats.text.tags import TagProfile

AT_7 = Tags("tags", "scores", 0.7)
NAMES = ["polar bear", "Polar  Bear", "ice", "DOG", "dog", "sea lion", "cat", "x"]
ROWS = st.lists(
    st.none() | st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 1, width=32)), max_size=6),
    max_size=60,
)
Row = list[tuple[str, float]] | None


def write_tags(path: Path, rows: Sequence[Row]) -> Path:
    """A parquet file of tags and scores."""
    tags = [None if row is None else [text for text, _ in row] for row in rows]
    scores = [None if row is None else [score for _, score in row] for row in rows]
    lists = pa.array(tags, pa.list_(pa.string())), pa.array(scores, pa.list_(pa.float32()))
    pq.write_table(pa.table(lists, names=["tags", "scores"]), path, row_group_size=7)
    return path


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 8), st.integers(1, 20))
def test_an_index_of_tags_holds_what_the_reference_counts(
    rows: Sequence[Row], max_concepts: int, part_rows: int
) -> None:
    """Any tags and any parts; a row without a tag that counts is no sample."""
    with TemporaryDirectory() as name, small_scale(part_rows):
        source = write_tags(Path(name) / "t.parquet", rows)
        index = build_index(source, Path(name) / "IDX", tags=AT_7, max_concepts=max_concepts)
        concepts = [reference.tags(*zip(*row, strict=True), 0.7) for row in rows if row]
        assert_counts(index, reference.count([c for c in concepts if c], max_concepts))
        assert read_manifest(index).totals["n_rows"] == len(rows)


def test_rows_without_tags_are_told_apart(tmp_path: Path) -> None:
    """No list; a list without a tag above the threshold. The id column is found as for captions."""
    index = build_index(tags_parquet(tmp_path), tmp_path / "IDX", tags=Tags("tags", "scores", 0.75))
    totals = read_manifest(index).totals
    assert (totals["n_rows"], totals["n_null"], totals["n_empty"]) == (5, 1, 2)
    assert totals["n_captions"] == 2
    opened = CaptionIndex.open(index)
    assert opened.profile == TagProfile()
    assert opened.count("Polar Bear") == 1
    [found] = opened.find("polar  BEAR")
    assert (found.row, found.id, found.caption) == (0, "0", "polar bear")
    with pytest.raises(AbsentConceptError, match="no caption holds 'dog'"):
        opened.concept_id("dog")


def test_found_tags_are_shown_with_commas(tmp_path: Path) -> None:
    """Not one a line, as they are kept."""
    index = CaptionIndex.open(build_index(tags_text(tmp_path), tmp_path / "I", tags=Tags("line")))
    assert [found.caption for found in index.find("dog")] == ["polar bear,  Dog"]


def test_a_list_of_concepts_for_tags(tmp_path: Path) -> None:
    """Profile concepts over tags is profile tags with the list: whole tags under their concept."""
    path = write_parquet(
        tmp_path / "t.parquet", tags=[["Fire Engine", "red truck"], ["fire", "truck"]]
    )
    options = {"phrases": {"fire truck": ["fire truck", "fire engine"], "truck": ["truck"]}}
    made = [
        build_index(
            path, tmp_path / str(name), tags=Tags("tags"), profile=name, profile_options=options
        )
        for name in ("concepts", "tags", None)
    ]
    assert files_of(made[0]) == files_of(made[1]) == files_of(made[2])
    index = CaptionIndex.open(made[0])
    assert (index.count("fire engine"), index.count("truck"), index.n) == (1, 1, 2)


def test_profiles_that_do_not_go_with_what_is_read(tmp_path: Path) -> None:
    """Words are cut, tags are not; the profile of tags needs tags."""
    path = tags_parquet(tmp_path)
    for name in ("words", "paper", "nouns"):
        with pytest.raises(ProfileError, match=f"{name!r} cuts texts into words"):
            build_index(path, tmp_path / "IDX", tags=Tags("tags"), profile=name)
    with pytest.raises(ProfileError, match=r"for tags of images.*--tags-column"):
        build_index(path, tmp_path / "IDX", profile="tags")
    assert not (tmp_path / "IDX").exists()


def test_the_record_says_which_tags_count(tmp_path: Path) -> None:
    """In run.json and in index.json; that of captions says nothing of tags."""
    path = tags_parquet(tmp_path)
    data = json.loads((build_index(path, tmp_path / "G", tags=AT_7) / "run.json").read_text())
    expected = {"column": "tags", "scores": "scores", "threshold": 0.7, "separator": ","}
    assert data["arguments"]["tags"] == expected
    assert read_manifest(tmp_path / "G").sources[0].tags == AT_7
    data = json.loads((build_index(path, tmp_path / "T") / "run.json").read_text())
    assert "tags" not in data["arguments"]
    assert read_manifest(tmp_path / "T").sources[0].tags is None


@pytest.mark.parametrize(
    "other",
    [
        AT_7,
        replace(AT_7, threshold=0.8),
        Tags("tags"),
        Tags("others"),
        Tags("tags", separator=";"),
        None,
    ],
    ids=str,
)
def test_other_tags_do_not_go_on_with_the_parts(
    other: Tags | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the same column, scores, threshold and separator resume what was left unfinished."""
    rows = [["dog"], ["cat"]]
    scores = [[0.7], [0.9]]
    path = write_parquet(
        tmp_path / "t.parquet", tags=rows, scores=scores, others=rows, caption=["a", "b"]
    )

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "finish", stop)
        patch.setattr(staging, "_WORTH_KEEPING", 0.0)
        with pytest.raises(KeyboardInterrupt):
            build_index(path, tmp_path / "IDX", tags=AT_7)
    made = []

    def make_part(*arguments: object) -> object:
        made.append(arguments)
        return parts.make_part(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(build, "make_part", make_part)
    index = build_index(path, tmp_path / "IDX", tags=other)
    assert len(made) == (0 if other == AT_7 else 1)
    assert files_of(index) == files_of(build_index(path, tmp_path / "NEW", tags=other))


def test_indexes_of_tags_merge(tmp_path: Path) -> None:
    """As one build over both; not where the thresholds differ, and not with captions."""
    rows: list[Row] = [[("dog", 0.9), ("cat", 0.75)], None, [("dog", 0.8)]]
    paths = [write_tags(tmp_path / f"{n}.parquet", rows[n:]) for n in (0, 1)]
    whole = build_index(paths, tmp_path / "whole", tags=AT_7)
    halves = [build_index(path, tmp_path / path.stem, tags=AT_7) for path in paths]
    merged = merge_indexes(halves, tmp_path / "merged")
    apart = ("run.json", "checksums.json")
    assert files_of(merged, *apart) == files_of(whole, *apart)
    other = build_index(paths[1], tmp_path / "other", tags=replace(AT_7, threshold=0.8))
    with pytest.raises(ParameterError, match=r"tags at 0.8 or above, .* those at 0.7"):
        merge_indexes([halves[0], other], tmp_path / "none")


def test_tags_on_the_command_line(tmp_path: Path) -> None:
    """Options name columns, threshold and separator; without a tags column they mean nothing."""
    path = tags_parquet(tmp_path)
    arguments = ("index", "build", path, "-o", tmp_path / "IDX", "--json")
    done = run(
        *arguments, "--tags-column", "tags", "--tag-scores", "scores", "--tag-threshold", 0.7
    )
    assert done.returncode == 0, done.stderr
    assert "tags from 'tags'" in done.stderr
    data = json.loads(done.stdout)
    assert (data["profile"], data["n_captions"], data["n_concepts"]) == ("tags", 3, 3)
    assert data["sources"][0]["tags"]["threshold"] == 0.7
    done = run(*arguments, "--tag-separator", "|")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--tag-separator: needs --tags-column" in done.stderr
