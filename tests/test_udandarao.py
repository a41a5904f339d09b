"""Published counts and results: what a file says is taken, and what it cannot say is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conceptstats.errors import TableError
from conceptstats.eval.importers.udandarao import read_counts, read_results
from conceptstats.tables import ACCURACIES, COUNTS, check_schema

MODEL = "backboneViT-B-32_pretrainedlaion400m"


def put(folder: Path, name: str, data: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def results(values: dict[str, Any], full: float = 50.0, holder: str = "classwise") -> Any:
    return {MODEL: {"full": full, holder: values}}


def test_counts_say_where_and_in_what_they_were_counted(tmp_path: Path) -> None:
    """The name of a file gives data set, pretraining and search; its object gives the rows."""
    put(tmp_path, "pets_laion400m_integrated_tlemmatized_i0.7_search_counts.json", {"cat": 3})
    put(tmp_path, "sub/pets_laion400m_rampp0.7_search_counts.json", {"cat": 5, "dog": 0})
    table = read_counts(tmp_path)
    check_schema(table, COUNTS, "counts")
    assert table.to_pylist() == [
        {"dataset": "pets", "concept": "cat", "n_captions": 3, "pretraining": "laion400m",
         "search": "integrated_tlemmatized_i0.7"},
        {"dataset": "pets", "concept": "cat", "n_captions": 5, "pretraining": "laion400m",
         "search": "rampp0.7"},
        {"dataset": "pets", "concept": "dog", "n_captions": 0, "pretraining": "laion400m",
         "search": "rampp0.7"},
    ]  # fmt: skip
    assert read_counts(tmp_path, search="rampp0.7").num_rows == 2


@pytest.mark.parametrize(
    ("name", "pretraining", "expected"),
    [
        ("Pets_laion400m_lemmatized_search_counts.json", None, ("Pets", "laion400m", "lemmatized")),
        ("pets_cc3m_lowercased-search-counts (1).JSON", None, ("pets", "cc3m", "lowercased")),
        (
            "pets_laion200m_train_test_sim_normalized_rampp0.7_search_counts.json",
            None,
            ("pets", "laion200m_train_test_sim_normalized", "rampp0.7"),
        ),
        ("my_pets_own_set_by_eye_counts.json", "own_set", ("my_pets", "own_set", "by_eye")),
    ],
)
def test_names_may_differ_slightly(
    tmp_path: Path, name: str, pretraining: str | None, expected: tuple[str, str, str]
) -> None:
    """Case, dashes before the ending, second downloads, and names with underscores."""
    table = read_counts(put(tmp_path, name, {"cat": 1}), pretraining=pretraining)
    row = table.to_pylist()[0]
    assert (row["dataset"], row["pretraining"], row["search"]) == expected


def test_classification_is_percent(tmp_path: Path) -> None:
    """Percent becomes a share; the whole data set has no concept; a model's name is taken apart."""
    put(tmp_path, "pets_ensemble_results.json", results({"cat": 90.0, "dog": 10}))
    put(tmp_path, "pets_laion400m_rampp0.7_search_counts.json", {"cat": 5})  # passed over
    table = read_results(tmp_path)
    check_schema(table.select(ACCURACIES.names), ACCURACIES, "results")
    assert table["concept"].to_pylist() == [None, "cat", "dog"]
    assert table["value"].to_pylist() == [0.5, 0.9, 0.1]
    row = table.to_pylist()[1]
    assert (row["model"], row["pretrained"], row["metric"], row["prompts"], row["n"]) == (
        "ViT-B-32", "laion400m", "accuracy", "ensemble", None,
    )  # fmt: skip


def test_retrieval_is_shares_by_concept(tmp_path: Path) -> None:
    """The name of a file gives the direction and k."""
    put(tmp_path, "coco_i2t_k=5_results.json", results({"cat": 0.25}, 0.5, "conceptwise"))
    table = read_results(tmp_path)
    assert table["metric"].to_pylist() == ["i2t_recall@5"] * 2
    assert table["value"].to_pylist() == [0.5, 0.25]
    assert table["prompts"].null_count == 2


def test_generation_has_a_score_each_prompt(tmp_path: Path) -> None:
    """The mean of the scores, which may be of any scale, and how many there are."""
    data = {"maker_diffuser": {"full": 3.5, "classwise": {"cat": [4.0, 2.0, 3.0], "dog": 1.5}}}
    table = read_results(put(tmp_path, "t2i_human_align.json", data))
    assert table.drop_columns(["dataset", "prompts"]).to_pylist() == [
        {"concept": c, "metric": "human_align", "value": v, "n": n, "model": "maker_diffuser",
         "pretrained": None}
        for c, v, n in [(None, 3.5, None), ("cat", 3.0, 3), ("dog", 1.5, None)]
    ]  # fmt: skip


def test_generation_of_one_data_set(tmp_path: Path) -> None:
    """Their code writes a file for each data set and score, whose names it joins."""
    data = {"maker_diffuser": {"full": 25.0, "classwise": {"cat": [25.0]}}}
    for name in ("mscoco_exp_clip.json", "draw_bench_human_align.json"):
        put(tmp_path, name, data)
    table = read_results(tmp_path)
    assert table["dataset"].to_pylist() == ["draw_bench"] * 2 + ["mscoco"] * 2
    assert table["metric"].to_pylist() == ["human_align"] * 2 + ["exp_clip"] * 2


def test_prompts_can_be_chosen(tmp_path: Path) -> None:
    """Only files with these prompts are read; there must be one."""
    put(tmp_path, "pets_ensemble_results.json", results({"cat": 90.0}))
    put(tmp_path, "pets_simple_results.json", results({"cat": 80.0}))
    assert read_results(tmp_path, prompts="simple")["value"].to_pylist() == [0.5, 0.8]
    with pytest.raises(TableError, match="there are: ensemble, simple"):
        read_results(tmp_path, prompts="class")


BAD_COUNTS = {
    "negative": ('{"cat": 1, "dog": -2}', "'dog' is -2"),
    "half": ('{"cat": 1.5}', "'cat' is 1.5"),
    "words": ('{"cat": "many"}', "'cat' is 'many'"),
    "truth": ('{"cat": true}', "'cat' is True"),
    "twice": ('{"cat": 1, "cat": 2}', "'cat' stands twice"),
    "cut short": ('{"cat": 1, "do', "line 1: invalid JSON"),
    "no object": ("[1, 2]", "holds list"),
    "not a number": ('{"cat": NaN}', "'cat' is nan"),
}


@pytest.mark.parametrize(("text", "message"), BAD_COUNTS.values(), ids=list(BAD_COUNTS))
def test_bad_counts_name_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    """Nothing is guessed, and nothing is left out without a word."""
    put(tmp_path, "pets_laion400m_rampp0.7_search_counts.json", text)
    with pytest.raises(TableError, match="pets_laion400m") as caught:
        read_counts(tmp_path)
    assert message in caught.value.message


BAD_RESULTS: dict[str, tuple[str, object, str]] = {
    "above 100": ("pets_ensemble_results.json", results({"cat": 101.0}), "'cat' is 101.0"),
    "below 0": ("pets_ensemble_results.json", results({"cat": -1}), "'cat' is -1"),
    "shares": ("pets_ensemble_results.json", results({"cat": 0.9}, 0.5), "expected percent"),
    "whole": ("pets_ensemble_results.json", results({"cat": 9.0}, 700), "'full' is 700"),
    "null": ("pets_ensemble_results.json", results({"cat": None}), "'cat' is None"),
    "list": ("pets_ensemble_results.json", results({"cat": [1.0]}), "is a list of 1"),
    "other key": ("pets_ensemble_results.json", {MODEL: {"full": 1}}, "holds ['full']"),
    "percent": ("coco_t2i_k=1_results.json", results({"a": 55}, 0.5, "conceptwise"), "'a' is 55"),
    "no scores": ("t2i_clip.json", results({"cat": []}), "is a list of 0"),
    "twice": (
        "pets_ensemble_results.json",
        '{"m": {"full": 9, "classwise": {"cat": 9, "cat": 8}}}',
        "'cat' stands twice",
    ),
}


@pytest.mark.parametrize(("name", "data", "message"), BAD_RESULTS.values(), ids=list(BAD_RESULTS))
def test_bad_results_name_file_and_key(
    tmp_path: Path, name: str, data: object, message: str
) -> None:
    """A value outside its range is an error, not a value."""
    put(tmp_path, name, data)
    with pytest.raises(TableError, match=name.split("_", maxsplit=1)[0]) as caught:
        read_results(tmp_path)
    assert message in caught.value.message


@pytest.mark.parametrize("read", [read_counts, read_results])
def test_what_is_not_there_is_an_error(tmp_path: Path, read: Callable[[Path], pa.Table]) -> None:
    """A missing place, a folder without such files, and a file of an unknown name."""
    with pytest.raises(TableError, match="is missing"):
        read(tmp_path / "nowhere")
    with pytest.raises(TableError, match=r"no (counts|results)"):
        read(tmp_path)
    with pytest.raises(TableError, match=r"is (not )?named"):
        read(put(tmp_path, "notes.json", {}))


def test_a_search_that_is_not_there_is_told_from_those_that_are(tmp_path: Path) -> None:
    """The hint lists what could be asked for."""
    put(tmp_path, "pets_laion400m_rampp0.7_search_counts.json", {"cat": 5})
    with pytest.raises(TableError, match=r"there are: laion400m rampp0\.7"):
        read_counts(tmp_path, search="lemmatized")


def test_published_files_are_read_whole(test_data: Path) -> None:
    """Every class of 19 data sets and three models, and 21 data sets of counts."""
    folder = test_data / "data" / "frequency"
    table = read_results(folder)
    by_concept = table.filter(table["concept"].is_valid())
    assert by_concept.num_rows == 3 * 4669
    assert len(table) - len(by_concept) == 3 * 19
    counts = read_counts(folder, pretraining="laion400m", search="integrated_tlemmatized_i0.7")
    assert len(counts["dataset"].unique()) == 21
    assert counts.num_rows == 4669 + 712 + 233
