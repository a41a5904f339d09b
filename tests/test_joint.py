"""Concepts counted by text, by tags and by both, over two indexes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from caption_files import write_parquet
from hypothesis import example, given, settings
from hypothesis import strategies as st
from index_files import small_scale
from scipy.stats import binomtest
from test_cli import run

from conceptstats import CaptionIndex, reference
from conceptstats.errors import OutputExistsError, ParameterError, SourceError
from conceptstats.index import JointCounts, build_index, count_joint, line_up
from conceptstats.index.joint import joint_files
from conceptstats.sources import Tags
from conceptstats.table_files import load_table
from conceptstats.tables import COUNTS
from conceptstats.text import load_profile

CAPTIONS = ["A polar bear on ice", "Two dogs", None, "the bear and the dog", "of the", "ice cream"]
TAGS = [["Polar Bear", "snow"], ["cat"], ["cat", "dog"], ["dog"], ["ice"], None]
CONCEPTS = ["polar bear", "dog", "cat", "ice"]


def indexes(folder: Path, **options: object) -> list[CaptionIndex]:
    """A text index and a tag index of one file."""
    path = write_parquet(folder / "both.parquet", caption=CAPTIONS, tags=TAGS)
    text = build_index(path, folder / "TEXT", **options)  # type: ignore[arg-type]
    tags = build_index(path, folder / "TAGS", tags=Tags("tags"))
    return [CaptionIndex.open(text), CaptionIndex.open(tags)]


def counts_of(found: JointCounts) -> dict[str, tuple[int, int, int]]:
    """Counts by text, by tags and by both."""
    columns = (found.n_text.tolist(), found.n_tags.tolist(), found.n_joint.tolist())
    return dict(zip(found.concepts, zip(*columns, strict=True), strict=True))


def test_counts_worked_by_hand(tmp_path: Path) -> None:
    """Rows, with what of the list they hold under profile words | under tags.

    0 polar bear, ice | polar bear: in common. 1 dog | cat: misaligned. 2 no caption | cat, dog.
    3 dog (a bear alone is no polar bear) | dog: in common. 4 nothing | ice. 5 ice | no tags.
    By text: rows 0, 1, 3, 5. By tags: 0 to 4. On both sides: 0, 1, 3, of these one misaligned.
    All six rows have a caption or a tag: degree 1/3, of all 1/6, of the larger side 1/5.
    """
    found = count_joint(*indexes(tmp_path), CONCEPTS)
    assert counts_of(found) == {
        "polar bear": (1, 1, 1),
        "dog": (2, 2, 1),
        "cat": (0, 2, 0),
        "ice": (2, 1, 0),
    }
    samples = found.samples
    assert (samples.n, samples.n_by_text, samples.n_by_tags) == (6, 4, 5)
    assert (samples.n_by_both, samples.n_misaligned, found.by) == (3, 1, "row")
    degree = found.misalignment()
    assert degree[0] == pytest.approx(1 / 3)
    assert degree[3:] == pytest.approx((1 / 6, 1 / 5))


def test_the_interval_of_the_misalignment_is_wilsons(tmp_path: Path) -> None:
    """1 of 3: (1/3 + z²/6 ± z √(2/27 + z²/36)) / (1 + z²/3) with z = 1.96.

    z² = 3.8415: centre (0.3333 + 0.6402) / 2.2805 = 0.4269, half width
    1.96 √(0.07407 + 0.10671) / 2.2805 = 0.3654, so 0.0615 to 0.7923.
    """
    found = count_joint(*indexes(tmp_path), CONCEPTS).misalignment()
    assert found[1:3] == pytest.approx((0.0615, 0.7923), abs=1e-4)
    assert found[1:3] == pytest.approx(tuple(binomtest(1, 3).proportion_ci(method="wilson")))


def test_by_default_the_vocabulary_of_the_tags_is_counted(tmp_path: Path) -> None:
    """In its order; "snow" is in no caption."""
    found = count_joint(*indexes(tmp_path))
    assert found.concepts == ("cat", "dog", "ice", "polar bear", "snow")
    assert counts_of(found)["snow"] == (0, 1, 0)


def test_nothing_on_both_sides_has_no_misalignment(tmp_path: Path) -> None:
    """Where the denominator is 0 there is no share, and no interval."""
    found = count_joint(*indexes(tmp_path), ["snow", "zebra"])
    assert counts_of(found)["zebra"] == (0, 0, 0)
    assert found.misalignment() == (None, None, None, 0.0, 0.0)


NAMES = ["dog", "cat", "polar bear", "bear", "ice", "zebra"]
TEXTS = st.lists(st.sampled_from(["dogs", "a", "cat", "polar", "bear", "ice"]), max_size=5)
ROWS = st.lists(
    st.tuples(
        st.none() | TEXTS.map(" ".join),
        st.none() | st.lists(st.sampled_from([*NAMES[:-1], "DOG", "snow"]), max_size=4),
    ),
    max_size=40,
)
LISTS = st.dictionaries(
    st.sampled_from(["animal", "dog", "bear", "cold"]),
    st.lists(st.sampled_from([*NAMES, "dogs", "of"]), min_size=1, max_size=3),
    min_size=1,
)


def expected(
    rows: Sequence[tuple[str | None, Sequence[str] | None]], listed: Mapping[str, Sequence[str]]
) -> reference.Joint:
    """What the reference counts under profiles words and tags."""
    words = load_profile("words").concepts_of

    def held(concepts: set[str], means: dict[str, list[str]]) -> set[str]:
        return {
            concept
            for concept, phrases in listed.items()
            if any(means[phrase] and concepts.issuperset(means[phrase]) for phrase in phrases)
        }

    phrases = {phrase for each in listed.values() for phrase in each}
    by_words = {phrase: words(phrase) for phrase in phrases}
    whole = {phrase: [reference.tag(phrase)] for phrase in phrases}
    samples = [
        (held(set(words(text or "")), by_words), held(set(reference.tags(tags or [])), whole))
        for text, tags in rows
    ]
    return reference.joint(samples, list(listed))


def assert_joint(found: JointCounts, wanted: reference.Joint) -> None:
    """The fast path counts what the reference counts."""
    assert dict(zip(found.concepts, found.n_text.tolist(), strict=True)) == wanted.n_text
    assert dict(zip(found.concepts, found.n_tags.tolist(), strict=True)) == wanted.n_tags
    assert dict(zip(found.concepts, found.n_joint.tolist(), strict=True)) == wanted.n_joint
    assert found.samples.n_by_both == wanted.n_both
    assert found.samples.n_misaligned == wanted.n_misaligned


@settings(max_examples=60, deadline=None)
@given(ROWS, LISTS, st.integers(1, 12), st.integers(1, 12), st.integers(1, 4))
def test_rows_of_one_file_are_those_of_the_reference(
    rows: Sequence[tuple[str | None, Sequence[str] | None]],
    listed: Mapping[str, Sequence[str]],
    text_rows: int,
    tag_rows: int,
    max_concepts: int,
) -> None:
    """Whatever the parts, the phrases and the cut of the vocabularies."""
    with TemporaryDirectory() as name:
        path = write_parquet(
            Path(name) / "both.parquet",
            caption=pa.array([text for text, _ in rows], pa.string()),
            tags=pa.array([tags for _, tags in rows], pa.list_(pa.string())),
        )
        with small_scale(text_rows):
            text = build_index(path, Path(name) / "TEXT", max_concepts=max_concepts)
        with small_scale(tag_rows):
            tags = build_index(path, Path(name) / "TAGS", tags=Tags("tags"), max_concepts=1)
        found = count_joint(CaptionIndex.open(text), CaptionIndex.open(tags), listed)
    assert_joint(found, expected(rows, listed))
    assert found.by == "row"


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data(), st.integers(1, 12), st.integers(2, 50))
@example([], None, 1, 2)
def test_ids_join_rows_in_any_order(
    rows: Sequence[tuple[str | None, Sequence[str] | None]],
    data: st.DataObject | None,
    part_rows: int,
    share_rows: int,
) -> None:
    """Tags in another file, another order, of fewer or more samples; ids as numbers or texts."""
    keys = list(range(len(rows)))
    order = data.draw(st.permutations(keys)) if data else []
    n_tagged = data.draw(st.integers(0, len(rows))) if data else 0
    tagged = {key: rows[key][1] for key in order[:n_tagged]}
    strangers: dict[int, list[str]] = {key: ["dog"] for key in (1000, 1001)}
    with (
        TemporaryDirectory() as name,
        small_scale(part_rows),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(line_up, "_SHARE_ROWS", share_rows)
        captions = pa.array([text for text, _ in rows], pa.string())
        write_parquet(Path(name) / "c.parquet", id=pa.array(keys, pa.int64()), caption=captions)
        all_tags = {**tagged, **strangers}
        lines = [json.dumps({"key": str(key), "tags": tags}) for key, tags in all_tags.items()]
        (Path(name) / "t.jsonl").write_text("\n".join(lines))
        text = build_index(f"{name}/c.parquet", Path(name) / "TEXT")
        tags = build_index(f"{name}/t.jsonl", Path(name) / "TAGS", tags=Tags("tags"))
        found = count_joint(
            CaptionIndex.open(text), CaptionIndex.open(tags), NAMES, max_unmatched=1.0
        )
    samples = [(text, tagged.get(key)) for key, (text, _) in enumerate(rows)]
    samples += [(None, tags) for tags in strangers.values()]
    assert_joint(found, expected(samples, {name: [name] for name in NAMES}))
    assert found.samples.n == sum(bool((text or "").strip() or tags) for text, tags in samples)
    assert (found.by, found.samples.n_unmatched_tags) == ("id", 2)
    alone = [text for key, (text, _) in enumerate(rows) if key not in tagged]
    assert found.samples.n_unmatched_text == sum(bool((text or "").strip()) for text in alone)


def two_files(folder: Path, ids: Sequence[object], tag_ids: Sequence[object]) -> list[CaptionIndex]:
    """A text index and a tag index of a file each."""
    captions = write_parquet(folder / "c.parquet", id=ids, caption=["a dog"] * len(ids))
    lists = write_parquet(folder / "t.parquet", id=tag_ids, tags=[["dog"]] * len(tag_ids))
    text = build_index(captions, folder / "TEXT")
    tags = build_index(lists, folder / "TAGS", tags=Tags("tags"))
    return [CaptionIndex.open(text), CaptionIndex.open(tags)]


def test_tags_of_unknown_samples(tmp_path: Path) -> None:
    """An error above the share that may be; a null id is no other row's id."""
    both = two_files(tmp_path, [1, 2, None], [2, None, 3, 1])
    with pytest.raises(SourceError, match=r"2 of 4 samples with tags \(50.00%\).*--max-unmatched"):
        count_joint(*both, max_unmatched=0.49)
    found = count_joint(*both, max_unmatched=0.5)
    assert counts_of(found) == {"dog": (3, 4, 2)}
    samples = found.samples
    assert (samples.n, samples.n_unmatched_text, samples.n_unmatched_tags) == (5, 1, 2)


def test_an_id_in_two_rows_is_refused(tmp_path: Path) -> None:
    """On either side, named by its index; where --dedup id left the second out, it is not there."""
    for side, ids in (("TEXT", ([1, 1], [1])), ("TAGS", ([1], [1, 1]))):
        (tmp_path / side).mkdir()
        with pytest.raises(SourceError, match=rf"{side}/{side} has an id in two rows"):
            count_joint(*two_files(tmp_path / side, *ids))
    folder = tmp_path / "TEXT"
    text = build_index(folder / "c.parquet", folder / "ONCE", dedup="id")
    found = count_joint(CaptionIndex.open(text), CaptionIndex.open(folder / "TAGS"))
    assert counts_of(found) == {"dog": (1, 1, 1)}


def test_rows_that_do_not_line_up(tmp_path: Path) -> None:
    """By row, numbers of rows have to agree; by id, there have to be ids."""
    both = two_files(tmp_path, [1, 2, 3], [1, 2])
    with pytest.raises(SourceError, match=r"c.parquet has 3 and .*t.parquet has 2.*--by id"):
        count_joint(*both, by="row")
    (tmp_path / "t.txt").write_text("dog\ncat\n\n")
    lines = build_index(tmp_path / "t.txt", tmp_path / "LINES", tags=Tags("line"))
    with pytest.raises(SourceError, match=r"t.txt has no id column.*--by row"):
        count_joint(both[0], CaptionIndex.open(lines))
    found = count_joint(both[0], CaptionIndex.open(lines), ["dog"], by="row")
    assert counts_of(found) == {"dog": (3, 1, 1)}


def test_one_file_of_tags_beside_several_of_captions(tmp_path: Path) -> None:
    """By row, the rows of all files are counted through; a row too many is told."""
    paths = []
    for name, captions in (("a.txt", "a dog\na cat\n"), ("b.txt", "ice\n")):
        (tmp_path / name).write_text(captions)
        paths.append(tmp_path / name)
    text = CaptionIndex.open(build_index(paths, tmp_path / "TEXT"))
    for lines, found in (("dog\ndog\nice\n", (1, 2, 1)), ("dog\ndog\nice\ndog\n", None)):
        (tmp_path / "t.txt").write_text(lines)
        tags = build_index(tmp_path / "t.txt", tmp_path / "G", tags=Tags("line"), overwrite=True)
        if found is None:
            with pytest.raises(SourceError, match=r"TEXT has 3 and .*G has 4"):
                count_joint(text, CaptionIndex.open(tags), ["dog"], by="row")
        else:
            counts = counts_of(count_joint(text, CaptionIndex.open(tags), ["dog"], by="row"))
            assert counts == {"dog": found}


def test_a_source_that_changed_is_not_joined(tmp_path: Path) -> None:
    """Ids are read from it, so it has to be what was indexed."""
    both = two_files(tmp_path, [1, 2], [1, 2])
    write_parquet(tmp_path / "c.parquet", id=[2, 1], caption=["a dog"] * 2)
    with pytest.raises(SourceError, match=r"c.parquet has changed"):
        count_joint(*both)


def test_what_an_index_never_looked_for_is_unknown(tmp_path: Path) -> None:
    """Not counted 0: a list that lacks the concept, a word that the profile drops."""
    phrases = {"polar bear": ["polar bear"], "dog": ["dog", "dogs"]}
    both = indexes(tmp_path, profile="concepts", profile_options={"phrases": phrases})
    found = count_joint(*both, ["dog", "polar bear", "ice"])
    assert counts_of(found) == {"dog": (2, 2, 1), "polar bear": (1, 1, 1), "ice": (0, 1, 0)}
    assert found.to_json()["unknown_by_text"] == ["ice"]
    assert found.to_json()["unknown_by_tags"] == []
    rows = found.to_table("things", "web").to_pylist()
    assert [(row["concept"], row["search"]) for row in rows] == [
        ("dog", "text"),
        ("polar bear", "text"),
        *((name, "tags") for name in ("dog", "polar bear", "ice")),
        ("dog", "joint"),
        ("polar bear", "joint"),
    ]
    assert {(row["dataset"], row["pretraining"]) for row in rows} == {("things", "web")}


def test_phrases_are_looked_up_word_by_word(tmp_path: Path) -> None:
    """A phrase that is no form, of words that are: without their sentence no tagger is asked."""
    index, _ = indexes(tmp_path)
    assert index.concepts_in("Polar  dogs") == ["polar", "dog"]
    assert index.concepts_in("cup of dogs") == ["cup", "dog"]  # "cup" is in no caption
    assert index.concepts_in("of the") == []


def test_bad_arguments(tmp_path: Path) -> None:
    """No concept, no share."""
    both = indexes(tmp_path)
    with pytest.raises(ParameterError, match="no concept to count"):
        count_joint(*both, [])
    with pytest.raises(ParameterError, match=r"max_unmatched is 1.5"):
        count_joint(*both, max_unmatched=1.5)


def test_the_counts_are_written_as_a_table(tmp_path: Path) -> None:
    """With the record of the run; what exists is not overwritten."""
    text, tags = indexes(tmp_path)
    (tmp_path / "classes.txt").write_text("polar bear\tpolar\ndog\n")
    output = tmp_path / "counts.parquet"
    options = {"concepts": tmp_path / "classes.txt", "pretraining": "web"}
    joint_files(text.path, tags.path, output, **options)  # type: ignore[arg-type]
    table = load_table(output, COUNTS)
    assert table.column("dataset").unique().to_pylist() == ["classes"]
    assert table.column("search").to_pylist() == [
        s for s in ("text", "tags", "joint") for _ in "12"
    ]
    assert table.column("n_captions").to_pylist() == [1, 2, 1, 2, 1, 1]
    record = json.loads((tmp_path / "counts.parquet.run.json").read_text())
    assert record["command"] == "index joint"
    assert set(record["inputs"]) == {*map(str, (text.path, tags.path, tmp_path / "classes.txt"))}
    with pytest.raises(OutputExistsError):
        joint_files(text.path, tags.path, output)


def test_joint_on_the_command_line(tmp_path: Path) -> None:
    """JSON has every number, and the readable form the most important ones."""
    text, tags = indexes(tmp_path)
    arguments = ("index", "joint", text.path, tags.path, "-o", tmp_path / "c.csv", "--overwrite")
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["n"], data["n_by_both"], data["n_misaligned"]) == (6, 3, 1)
    assert data["misalignment"] == pytest.approx(1 / 3)
    assert np.isfinite([data[f"misalignment_{end}"] for end in ("low", "high")]).all()
    done = run(*arguments)
    assert "by both" in done.stdout
    assert "0.333" in done.stdout
