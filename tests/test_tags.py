"""Tags of images: how they are read, and what of them is a concept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from caption_files import (
    captions_of,
    coco,
    ids_of,
    one_source,
    tags_csv,
    tags_json_lines,
    tags_parquet,
    tags_stream,
    tags_text,
    tags_tsv,
    tar_of_texts,
    write_parquet,
    write_stream,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from text_cases import concepts_in, string_rows

from conceptstats import reference
from conceptstats.errors import CaptionColumnError, ParameterError, ProfileError, SourceError
from conceptstats.sources import Source, Tags, find_sources, read_batches
from conceptstats.sources.read import read_rows
from conceptstats.text import load_profile

AS_LINES = ["polar bear\nDog", "ice cream\nsea, sky", "", None, " two lines \n犬"]
AS_TEXTS = ["polar bear\n Dog", "ice cream\nsea", "", "", "two lines\n犬\n"]
TRUCKS = {"fire truck": ["fire truck", "Fire-Engine"], "truck": ["truck"]}


def tags_of(path: Path, tags: Tags, **options: str) -> list[str | None]:
    """Tags of a file, as `read_batches` gives them."""
    return captions_of(one_source(path, tags=tags), **options)


def problems_of(path: Path, tags: Tags) -> list[tuple[int, str]]:
    """Rows that are left out with ``on_error="skip"``, and why."""
    source = one_source(path, tags=tags)
    batches = read_batches(source, on_error="skip")
    return [tuple(problem) for batch in batches for problem in batch.problems]


# Reading.


@pytest.mark.parametrize("write", [tags_parquet, tags_stream, tags_json_lines])
def test_lists_of_tags_are_read_one_a_line(write: Callable[[Path], Path], tmp_path: Path) -> None:
    """Breaks within a tag are blanks, null tags go, a null list is null and an empty one empty."""
    assert tags_of(write(tmp_path), Tags("tags")) == AS_LINES


@pytest.mark.parametrize("write", [tags_csv, tags_tsv, tags_text])
def test_texts_are_cut_at_the_separator(write: Callable[[Path], Path], tmp_path: Path) -> None:
    """A column of texts, also the lines of a plain text file, holds tags with commas between."""
    column = "line" if write is tags_text else "tags"
    assert tags_of(write(tmp_path), Tags(column)) == AS_TEXTS


def test_another_separator(tmp_path: Path) -> None:
    """As RAM++ prints its tags; a column of lists takes no notice of it."""
    path = write_parquet(tmp_path / "x.parquet", tags=["a, b | c", None], lists=[["a | b"], ["c"]])
    assert tags_of(path, Tags("tags", separator=" | ")) == ["a, b\nc", None]
    assert tags_of(path, Tags("lists", separator=" | ")) == ["a | b", "c"]


@pytest.mark.parametrize("write", [tags_parquet, tags_stream, tags_json_lines])
def test_tags_below_the_threshold_are_left_out(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    """A score at the threshold counts, in the precision of its column; a null score does not."""
    found = tags_of(write(tmp_path), Tags("tags", "scores", 0.7))
    assert found == ["polar bear", "ice cream", "", None, " two lines "]


KINDS = [
    pa.list_(pa.string()),
    pa.large_list(pa.large_string()),
    pa.list_(pa.string_view()),
    pa.list_(pa.binary()),
    pa.list_(pa.string(), 2),
    pa.list_view(pa.string()),
    pa.large_list_view(pa.string()),
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_type_of_list(kind: pa.DataType, tmp_path: Path) -> None:
    """Lists of any kind of text, in batches that are slices of what is stored."""
    rows: list[list[str | None] | None] = [["a", "b"], None, ["c", None], ["d", "é"]]
    lists = pa.array(rows, kind)
    path = write_stream(tmp_path / "x.arrow", pa.table({"tags": lists}))
    assert tags_of(path, Tags("tags")) == ["a\nb", None, "c", "d\né"]


def test_lists_of_dictionary_items(tmp_path: Path) -> None:
    """As a tagger with a fixed set of tags would store them."""
    items = pa.array(["a", "b", None, "a"]).dictionary_encode()
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 4]), items)
    path = write_stream(tmp_path / "x.arrow", pa.table({"tags": lists}))
    assert tags_of(path, Tags("tags")) == ["a\nb", "", "a"]


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.decimal128(5, 2)], ids=str
)
def test_every_type_of_score(kind: pa.DataType, tmp_path: Path) -> None:
    """0.7 reaches 0.7 however it is stored; whole numbers reach what they are."""
    whole = pa.types.is_integer(kind)
    scores = pa.array([[7, 6, 8]] if whole else [[0.7, 0.6, 0.8]], pa.list_(pa.float64()))
    table = pa.table({"tags": [["at", "below", "above"]], "scores": scores.cast(pa.list_(kind))})
    path = write_stream(tmp_path / "x.arrow", table)
    assert tags_of(path, Tags("tags", "scores", 7 if whole else 0.7)) == ["at\nabove"]


def test_a_score_that_is_no_number_is_below_everything(tmp_path: Path) -> None:
    """Neither nan nor null reaches a threshold; 0 reaches a negative one."""
    scores = pa.array([[float("nan"), None, 0.0]], pa.list_(pa.float32()))
    path = write_parquet(tmp_path / "x.parquet", tags=[["a", "b", "c"]], scores=scores)
    assert tags_of(path, Tags("tags", "scores", -1.0)) == ["c"]


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl"])
def test_as_many_scores_as_tags(ending: str, tmp_path: Path) -> None:
    """A row with another number of scores stops the build, or is skipped and listed."""
    tags = [["a"], ["b", "c"], ["d"], None]
    scores: list[list[float] | None] = [[0.9], [0.9], None, [0.9]]
    path = tmp_path / f"x.{ending}"
    if ending == "jsonl":
        rows = zip(tags, scores, strict=True)
        path.write_text("\n".join(json.dumps({"tags": t, "scores": s}) for t, s in rows))
    else:
        write = (
            write_parquet if ending == "parquet" else lambda p, **c: write_stream(p, pa.table(c))
        )
        write(path, tags=tags, scores=pa.array(scores, pa.list_(pa.float32())))
    wanted = Tags("tags", "scores", 0.5)
    with pytest.raises(SourceError, match=r"row 1: 2 tags and 1 scores.*--on-error skip"):
        tags_of(path, wanted)
    assert tags_of(path, wanted, on_error="skip") == ["a", None, None, None]
    assert problems_of(path, wanted) == [(1, "2 tags and 1 scores"), (2, "1 tags and 0 scores")]


def test_json_lines_that_begin_with_empty_lists(tmp_path: Path) -> None:
    """The column is of lists all the same, also where a bad line makes the lines be read singly."""
    lines = ['{"tags": []}', '{"tags": null}', '{"tags": ["a", null, "b"]}']
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(lines))
    assert tags_of(path, Tags("tags")) == ["", None, "a\nb"]
    path.write_text("\n".join([*lines, '{"tags": "a"}', '{"tags": [1]}', "{"]))
    assert tags_of(path, Tags("tags"), on_error="skip") == ["", None, "a\nb", None, None, None]
    assert [row for row, _ in problems_of(path, Tags("tags"))] == [3, 4, 5]


@pytest.mark.parametrize("scores", ["0.9", '["0.9"]', "[true]", '{"a": 1}'])
def test_json_scores_that_are_no_numbers(scores: str, tmp_path: Path) -> None:
    """The line is named."""
    path = tmp_path / "x.jsonl"
    good = '{"tags": ["a"], "scores": [1]}\n'
    path.write_text(f'{good}{{"tags": ["b"], "scores": {scores}}}\n{good}')
    with pytest.raises(SourceError, match=r"line 2: the scores are"):
        tags_of(path, Tags("tags", "scores", 0.5))
    assert tags_of(path, Tags("tags", "scores", 0.5), on_error="skip") == ["a", None, "a"]


def test_rows_that_img2dataset_failed_to_download_have_no_tags(tmp_path: Path) -> None:
    """They are counted as failed, whatever stands in their columns."""
    path = write_parquet(
        tmp_path / "00000.parquet",
        key=["0", "1"],
        status=["success", "failed_to_download"],
        tags=[["a"], ["b", "c"]],
        scores=[[0.9], [0.9]],
    )
    [batch] = read_batches(one_source(path, tags=Tags("tags", "scores", 0.5)))
    assert batch.captions.to_pylist() == ["a", None]
    assert (batch.n_failed, batch.problems) == (1, ())


def test_ids_and_single_rows(tmp_path: Path) -> None:
    """Tags have the ids of their rows, and rows are read back as in a batch."""
    source = one_source(tags_parquet(tmp_path), tags=Tags("tags", "scores", 0.7))
    assert ids_of(source) == [0, 1, 2, 3, 4]
    assert read_rows(source, [4, 1]) == {1: ("ice cream", "1"), 4: (" two lines ", "4")}


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    """The error lists those that are, and names the option."""
    for write in (tags_parquet, tags_json_lines):
        path = write(tmp_path)
        with pytest.raises(CaptionColumnError, match=r"no column 'tag' \(columns.*--tags-column"):
            one_source(path, tags=Tags("tag"))
        with pytest.raises(SourceError, match=r"no column 'score' \(columns.*--tag-scores"):
            one_source(path, tags=Tags("tags", "score", 0.5))


def test_columns_of_another_type(tmp_path: Path) -> None:
    """Tags are texts, scores are numbers, and where there are scores both are lists."""
    path = write_parquet(tmp_path / "x.parquet", n=[[1]], tags=[["a"]], text=["a"], score=[0.5])
    for tags, message in (
        (Tags("n"), "'n' holds no text.*--tags-column"),
        (Tags("tags", "tags", 0.5), "'tags' holds no lists of numbers.*--tag-scores"),
        (Tags("tags", "score", 0.5), "'score' holds no lists of numbers"),
        (Tags("text", "n", 0.5), "'text' has scores, so it needs lists"),
    ):
        with pytest.raises(SourceError, match=message):
            one_source(path, tags=tags)


def test_formats_without_tags(tmp_path: Path) -> None:
    """COCO and tar files hold captions; text formats hold no scores."""
    for path, tags, message in (
        (coco(tmp_path), Tags("caption"), r"not read from this format \(coco\)"),
        (tar_of_texts(tmp_path), Tags("txt"), r"not read from this format \(webdataset\)"),
        (tags_csv(tmp_path), Tags("tags", "id", 0.5), r"\(csv\) has no lists of numbers"),
    ):
        with pytest.raises(SourceError, match=message):
            one_source(path, tags=tags)


def test_what_does_not_go_together(tmp_path: Path) -> None:
    """Scores and threshold; tags and a caption column; an empty separator."""
    for options in ({"scores": "s"}, {"threshold": 0.5}):
        with pytest.raises(ParameterError, match="go together"):
            Tags("tags", **options)
    with pytest.raises(ParameterError, match="threshold of tags is nan"):
        Tags("tags", "s", float("nan"))
    with pytest.raises(ParameterError, match="separator"):
        Tags("tags", separator="")
    with pytest.raises(ParameterError, match="no caption column"):
        find_sources([str(tags_csv(tmp_path))], caption_column="tags", tags=Tags("tags"))


def test_sources_come_back_from_json(tmp_path: Path) -> None:
    """Also those that were written before there were tags."""
    source = one_source(tags_parquet(tmp_path), tags=Tags("tags", "scores", 0.7))
    data = json.loads(json.dumps(asdict(source)))
    assert Source.from_json(data) == source
    del data["tags"]
    assert Source.from_json(data).tags is None


# The profile.


TEXTS = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["polar bear", "Polar  Bear", "dog", "DOG\n", "İ", "ΑΣ", " "]),
)
SCORES = st.one_of(st.none(), st.floats(0, 1, width=32))
ROWS = st.lists(st.none() | st.lists(st.tuples(TEXTS, SCORES), max_size=6), max_size=12)


@settings(deadline=None, max_examples=150)
@given(ROWS, st.floats(0, 1, width=32))
def test_tags_are_those_of_the_reference(
    rows: Sequence[list[tuple[str | None, float | None]] | None], threshold: float
) -> None:
    """Any texts and scores, through a file and the profile."""
    tags = [None if row is None else [text for text, _ in row] for row in rows]
    scores = [None if row is None else [score for _, score in row] for row in rows]
    columns = {"tags": (tags, pa.string()), "scores": (scores, pa.float32())}
    table = pa.table({n: pa.array(lists, pa.list_(kind)) for n, (lists, kind) in columns.items()})
    with TemporaryDirectory() as name:
        pq.write_table(table, Path(name, "x.parquet"))
        batches = read_batches(
            one_source(f"{name}/x.parquet", tags=Tags("tags", "scores", threshold))
        )
        profile = load_profile("tags")
        found = [concepts_in(profile.extract(batch.captions)) for batch in batches]
    assert [row for rows in found for row in rows] == [
        [] if row is None else reference.tags(row, score, threshold)
        for row, score in zip(tags, scores, strict=True)
    ]


def test_a_tag_is_one_concept() -> None:
    """However many words it has, in lower case, with single blanks; repeats stay."""
    profile = load_profile("tags")
    rows = pa.array(["Polar  Bear\nice\n POLAR BEAR", None, "", " \n", "t-shirt"])
    found = [["polar bear", "ice", "polar bear"], [], [], [], ["t-shirt"]]
    assert concepts_in(profile.extract(rows)) == found
    assert profile.concepts_of("POLAR\tbear") == ["polar bear"]
    assert (profile.name, profile.options) == ("tags", {})


def test_a_tag_matches_a_phrase_of_the_list_as_a_whole() -> None:
    """Neither a part of a tag nor two tags beside each other match; synonyms do."""
    profile = load_profile("tags", phrases=TRUCKS)
    rows = pa.array(["fire engine\nTruck", "fire\ntruck", "red fire truck", "Fire-truck"])
    extracted = profile.extract(rows)
    assert concepts_in(extracted) == [["fire truck", "truck"], ["truck"], [], ["fire truck"]]
    assert extracted.forms.to_pylist() == ["Fire-Engine"]
    assert [profile.concepts_of(text or "") for text in rows.to_pylist()] == concepts_in(extracted)


def test_options_make_the_same_profile_again() -> None:
    """Name and options survive JSON, as in an index."""
    for options in ({}, {"phrases": TRUCKS}):
        profile = load_profile("tags", **options)
        again = load_profile(profile.name, **json.loads(json.dumps(profile.options)))
        assert again == profile
        assert again.versions == profile.versions
    with pytest.raises(ProfileError, match="'tags' does not take these options: match"):
        load_profile("tags", match="all")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_slices_and_rows_that_are_not_utf8(kind: pa.DataType) -> None:
    """A bad row is reported and has no concepts; its neighbours keep theirs."""
    rows = string_rows([b"x", b"cat\ndog", b"cow\n\xff", b"dog"], kind)[1:]
    extracted = load_profile("tags").extract(rows)
    assert concepts_in(extracted) == [["cat", "dog"], [], ["dog"]]
    assert extracted.invalid == (1,)
    assert extracted.concepts.to_pylist() == ["cat", "dog"]
