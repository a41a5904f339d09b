"""Concepts are joined by name, and what finds no other half is counted and shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats import CaptionIndex, build_index
from conceptstats.errors import ParameterError, TableError
from conceptstats.eval.frequency.index_counts import count_in_index
from conceptstats.eval.frequency.join import join_points, level_name
from conceptstats.eval.frequency.retrieval import recall_by_concept
from conceptstats.tables import ACCURACIES, COUNTS

Sets = Mapping[str, Mapping[str, float]]


def counts(sets: Mapping[str, Mapping[str, int]]) -> pa.Table:
    rows = [(d, c, n, "web", "text") for d, names in sets.items() for c, n in names.items()]
    return pa.table(list(map(list, zip(*rows, strict=True))), schema=COUNTS)


def results(sets: Sets, n: int | None = 50) -> pa.Table:
    rows = [
        (d, c or None, "accuracy", v, n, "m", "web")
        for d, at in sets.items()
        for c, v in at.items()
    ]
    return pa.table(list(map(list, zip(*rows, strict=True))), schema=ACCURACIES)


def test_every_row_is_accounted_for() -> None:
    """Matched (by letters, spelling or alias), without count, without result, per data set.

    pets: "cat" is matched by its letters, "Guinea_pig" as "guinea pig", "plane" by its alias;
    "yeti" has no count, and "dog" and "cow" no result. Data set "fish" has counts only.
    """
    joined = join_points(
        counts({"pets": {"cat": 5, "guinea pig": 0, "airplane": 2, "dog": 1, "cow": 1},
                "fish": {"cod": 1}}),
        results({"Pets": {"": 0.5, "cat": 0.9, "Guinea_pig": 0.2, "plane": 0.4, "yeti": 0.1}}),
        max_unmatched=0.25,
    )  # fmt: skip
    assert joined.points.to_pylist() == [
        {"dataset": "Pets", "concept": c, "count": n, "value": v, "n": 50}
        for c, n, v in [("cat", 5, 0.9), ("Guinea_pig", 0, 0.2), ("plane", 2, 0.4)]
    ]
    pets, fish = joined.datasets
    assert (pets.n_matched, pets.n_by_spelling, pets.n_by_alias, pets.n_zero) == (3, 1, 1, 1)
    assert (pets.n_without_count, pets.n_without_result) == (1, 2)
    assert "'yeti'" in (pets.reason or "")
    assert (fish.dataset, fish.n_matched, fish.n_without_result) == ("fish", 0, 1)


def test_letters_go_before_spelling() -> None:
    """Where two counts differ in case only, a result takes the one that is spelt as it is."""
    table = counts({"birds": {"Turkey": 7, "turkey": 3}})
    joined = join_points(table, results({"birds": {"turkey": 0.5, "Turkey": 0.25}}))
    assert joined.points["count"].to_pylist() == [3, 7]
    with pytest.raises(TableError, match="'TURKEY' of 'birds' could be 'Turkey' or 'turkey'"):
        join_points(table, results({"birds": {"TURKEY": 0.5}}))


def test_too_many_lost_rows_are_an_error() -> None:
    """The limit is on results without a count; the message counts and names them."""
    table, found = counts({"a": {"x": 1}}), results({"a": {"x": 0.1, "y": 0.2}, "b": {"z": 0.3}})
    with pytest.raises(TableError, match=r"2 of 3 results have no count, such as 'y' of 'a'"):
        join_points(table, found, max_unmatched=0.5)
    joined = join_points(table, found, max_unmatched=0.67)
    assert [d.n_without_count for d in joined.datasets] == [1, 1]
    assert joined.datasets[1].reason == "the counts do not have this data set"
    with pytest.raises(TableError, match="3 of 3"):
        join_points(counts({"a": {"q": 1}}), found, max_unmatched=1.0)
    with pytest.raises(ParameterError):
        join_points(table, found, max_unmatched=1.5)


def test_a_concept_has_one_count_and_one_value() -> None:
    """Rows that stand twice are refused on both sides."""
    once, found = counts({"a": {"x": 1}}), results({"a": {"x": 0.1}})
    with pytest.raises(TableError, match="stands more than once"):
        join_points(pa.concat_tables([once, once]), found)
    with pytest.raises(TableError, match="several values"):
        join_points(once, pa.concat_tables([found, found]))


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 9), min_size=1))
def test_a_join_with_itself_loses_nothing(names: dict[str, int]) -> None:
    """Names match themselves, whatever letters they have."""
    joined = join_points(counts({"a": names}), results({"a": dict.fromkeys(names, 0.5)}))
    assert dict(
        zip(*(joined.points[c].to_pylist() for c in ("concept", "count")), strict=True)
    ) == (names)
    assert all(level_name(level_name(name)) == level_name(name) for name in names)


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten captions with cats, four of them black; one of a fire truck, one of a truck on fire."""
    lines = ["a black cat"] * 4 + ["cats"] * 6 + ["fire truck", "a truck on fire"]
    path = tmp_path_factory.mktemp("captions") / "captions.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


WANTED: Sets = {"a": {"cat": 0.5, "Cats": 0.5, "yeti": 0.1, "fire_truck": 0.2, "the": 0.3}}


def test_an_index_counts_words(captions: Path, tmp_path: Path) -> None:
    """A word in no caption is 0 where nothing was cut; several words are unknown, never 0."""
    index = CaptionIndex.open(build_index(captions, tmp_path / "index"))
    found = count_in_index(index, results(WANTED), pretraining="web")
    assert dict(zip(found.table["concept"].to_pylist(), found.table["n_captions"].to_pylist(),
                    strict=True)) == {"cat": 10, "Cats": 10, "yeti": 0}  # fmt: skip
    assert found.unknown == {
        ("a", "fire_truck"): "of several words under profile 'words'",
        ("a", "the"): "without any concept under profile 'words'",
    }
    with pytest.raises(TableError, match="1 of several words under profile 'words'") as caught:
        join_points(found.table, results(WANTED), unknown=found.unknown)
    assert "--profile concepts" in (caught.value.hint or "")


def test_a_cut_index_does_not_know_what_is_rare(captions: Path, tmp_path: Path) -> None:
    """Outside a vocabulary that was cut, a count is unknown and not 0."""
    index = CaptionIndex.open(build_index(captions, tmp_path / "index", max_concepts=2))
    found = count_in_index(index, results({"a": {"cat": 0.5, "yeti": 0.1}}))
    assert found.table["concept"].to_pylist() == ["cat"]
    assert "outside the vocabulary" in found.unknown["a", "yeti"]


def test_an_index_of_phrases_counts_phrases(captions: Path, tmp_path: Path) -> None:
    """Under profile concepts a phrase is its own concept: one fire truck, not two."""
    listed = {"phrases": {"cat": ["cat", "cats"], "fire truck": ["fire truck"], "yeti": ["yeti"]}}
    index = CaptionIndex.open(
        build_index(captions, tmp_path / "index", profile="concepts", profile_options=listed)
    )
    found = count_in_index(index, results({"a": {"cat": 0.5, "fire_truck": 0.2, "yeti": 0.1}}))
    assert found.table["n_captions"].to_pylist() == [10, 1, 0]
    assert not found.unknown


def test_counts_of_an_index_are_those_it_answers_with(captions: Path, tmp_path: Path) -> None:
    """Asked all at once or one by one, an index says the same."""
    index = CaptionIndex.open(build_index(captions, tmp_path / "index"))
    names = ["cat", "Cats", "BLACK", "trucks", "fire", "dog"]
    found = count_in_index(index, results({"a": dict.fromkeys(names, 0.5)}))
    assert found.table["n_captions"].to_pylist() == [index.count(name) for name in names]


def test_recall_by_concept() -> None:
    """A concept's recall is the mean over the queries that hold it.

    Ranks 1, 3, 6 at k = 5 are hits 1, 1, 0. "cat" is in queries 1 and 3: 1/2; "dog" in all: 2/3;
    the whole data set: 2/3.
    """
    ranks = pa.table({"query_id": ["q1", "q2", "q3"], "rank": [1, 3, 6]})
    holds = pa.table(
        {
            "query_id": ["q1", "q3", "q1", "q2", "q3", "q1"],
            "concept": ["cat", "cat", "dog", "dog", "dog", "cat"],  # the last stands twice
        }
    )
    found = recall_by_concept(ranks, holds, 5, dataset="coco", model="m")
    assert found.select(["concept", "metric", "value", "n"]).to_pylist() == [
        {"concept": None, "metric": "recall@5", "value": pytest.approx(2 / 3), "n": 3},
        {"concept": "cat", "metric": "recall@5", "value": 0.5, "n": 2},
        {"concept": "dog", "metric": "recall@5", "value": pytest.approx(2 / 3), "n": 3},
    ]


def test_recall_refuses_what_it_cannot_count() -> None:
    """Queries without a rank, with two, ranks from 0, and k of 0."""
    ranks = pa.table({"query_id": ["q1"], "rank": [1]})
    holds = pa.table({"query_id": ["q2"], "concept": ["cat"]})
    make = {"dataset": "d", "model": "m"}
    with pytest.raises(TableError, match="1 rows are of queries without a rank, such as 'q2'"):
        recall_by_concept(ranks, holds, 1, **make)
    with pytest.raises(TableError, match="stands more than once"):
        recall_by_concept(pa.concat_tables([ranks, ranks]), holds, 1, **make)
    with pytest.raises(TableError, match="a rank is 0"):
        recall_by_concept(pa.table({"query_id": ["q1"], "rank": [0]}), holds, 1, **make)
    with pytest.raises(ParameterError, match="k is 0"):
        recall_by_concept(ranks, holds, 0, **make)
