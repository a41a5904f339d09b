"""Samples of lm-evaluation-harness and lmms-eval: what the model said, and how right it was."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import importer_samples as samples
import pytest
from importer_samples import imported, left_out

from conceptstats.errors import ParameterError, TableError
from conceptstats.eval.importers.run import read_inputs


def test_samples_of_lm_eval(tmp_path: Path) -> None:
    """The filtered response is the answer, the only metric its score."""
    lines = [samples.lm_eval(0, "a cup"), samples.lm_eval(1, "a hat", exact_match=False)]
    found = imported(samples.write_lines(tmp_path / "s.jsonl", lines), model="M")
    assert found.table.to_pylist()[1] == {
        "question_id": "1",
        "answer": "a hat",
        "question": "What is in picture 1?",
        "image_id": None,
        "model": "M",
        "score": 0.0,
        "metric": "exact_match",
        "target": "a cup",
        "filter": "none",
    }
    assert found.notes == (
        "the id of a question is doc_id, its place in the data set as the tool read it",
    )


def test_filters_of_lm_eval_are_rows_of_their_own(tmp_path: Path) -> None:
    """A document has a line for each filter; one of them can be chosen."""
    lines = [
        samples.lm_eval(doc, "a cup", filter=name)
        for name in ("strict", "flexible")
        for doc in (0, 1)
    ]
    path = samples.write_lines(tmp_path / "s.jsonl", lines)
    found = imported(path)
    assert found.table["question_id"].to_pylist() == ["0", "1", "0", "1"]
    assert found.table["metric"].to_pylist()[::2] == ["exact_match,strict", "exact_match,flexible"]
    assert "a row a document and filter (strict: 2, flexible: 2)" in found.notes[-1]
    found = imported(path, filter="flexible")
    assert found.table["filter"].to_pylist() == ["flexible"] * 2
    assert left_out(found) == {"of the filter 'strict'": 2}
    with pytest.raises(ParameterError, match=r"no filter 'none' \(strict, flexible\)"):
        imported(path, filter="none")


def test_a_document_twice_is_an_error(tmp_path: Path) -> None:
    """Also where the two stand in two files; it says where."""
    path = samples.write_lines(
        tmp_path / "s.jsonl", [samples.lm_eval(3, "a"), samples.lm_eval(4, "a")]
    )
    other = samples.write_lines(tmp_path / "t.jsonl", [samples.lm_eval(4, "b")])
    with pytest.raises(
        TableError, match=r"1 rows.*'4, none'.*s\.jsonl, line 2; .*t\.jsonl, line 1"
    ):
        imported(path, other, on_error="skip")


def test_choices_of_lm_eval(tmp_path: Path) -> None:
    """The answer is the likeliest choice, in both layouts of the arguments; else its number."""
    responses = [["-3.5", "False"], ["-1.5", "True"]]
    new = {f"gen_args_{i}": {"arg_0": "Q:", "arg_1": f" {name}"} for i, name in enumerate("ab")}
    old = [["Q:", " a"], ["Q:", " b"]]
    lines = [
        samples.lm_eval(i, "", filtered_resps=responses, arguments=arguments)
        for i, arguments in enumerate((new, old, None))
    ]
    found = imported(samples.write_lines(tmp_path / "s.jsonl", lines))
    assert found.table["answer"].to_pylist() == ["b", "b", "1"]


def test_a_metric_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    """No metric is taken by a guess."""
    lines = [samples.lm_eval(0, "a", metrics=["acc", "acc_norm"], acc=1, acc_norm=0)]
    path = samples.write_lines(tmp_path / "s.jsonl", lines)
    with pytest.raises(ParameterError, match=r"more than one metric: acc, acc_norm.*--metric acc"):
        imported(path)
    assert imported(path, metric="acc_norm").table["score"].to_pylist() == [0.0]
    with pytest.raises(ParameterError, match="no metric 'f1'"):
        imported(path, metric="f1")


def test_samples_of_lmms_eval(tmp_path: Path) -> None:
    """The id of a question stands in the submission, or in a metric that is an object."""
    lines = [
        samples.lmms_eval(
            i, "cup", exact_match=0.6, submission={"question_id": 34602 + i, "answer": "cup"}
        )
        for i in range(2)
    ]
    found = imported(samples.write_lines(tmp_path / "a.jsonl", lines))
    assert found.table["question_id"].to_pylist() == ["34602", "34603"]
    assert found.table["score"].to_pylist() == [0.6, 0.6]
    assert found.table["question"].to_pylist()[1] == "<image>\nWhat is 1?"
    pope = {"question_id": "9", "score": 1.0, "prediction": "yes", "ground_truth": "yes"}
    lines = [samples.lmms_eval(0, "Yes", pope_accuracy=pope, pope_recall=pope)]
    path = samples.write_lines(tmp_path / "b.jsonl", lines)
    found = imported(path, metric="pope_accuracy")
    assert found.table.select(["question_id", "score", "metric"]).to_pylist() == [
        {"question_id": "9", "score": 1.0, "metric": "pope_accuracy"}
    ]


def test_one_response_of_several_is_the_answer(tmp_path: Path) -> None:
    """And that is said."""
    lines = [samples.lm_eval(0, "", filtered_resps=[["a", "b"]])]
    found = imported(samples.write_lines(tmp_path / "s.jsonl", lines))
    assert found.table["answer"].to_pylist() == ["a"]
    assert "of several responses to one document, the first is the answer" in found.notes


@pytest.mark.parametrize(
    ("responses", "answer"),
    [
        (["a cup"], "a cup"),
        ([["a cup"]], "a cup"),
        ("a cup", "a cup"),
        ("", ""),
        ([""], ""),
        ([3], "3"),
        ([3.0], "3"),
        (["NaN"], "NaN"),
        ([["-2.5", "True"], ["-1.5", "False"]], "1"),
        ([[-2.5, True], [-1.5, False]], "1"),
        ([["-1.5", "False"], ["-inf", "False"]], "0"),
    ],
)
def test_layouts_of_responses(responses: Any, answer: str, tmp_path: Path) -> None:
    """A text, a list, a list of lists; numbers are texts, and an empty answer is an answer."""
    line = samples.lm_eval(0, "", filtered_resps=responses)
    found = imported(samples.write_lines(tmp_path / "s.jsonl", [line]))
    assert found.table["answer"].to_pylist() == [answer]


@pytest.mark.parametrize(
    "responses",
    [
        [], [[]], [None], None, {}, True, [True], [math.nan], [[["a cup"]]],
        [["nan", "False"], ["-1.5", "False"]],  # a model that broke down chooses nothing
        [["-1.5", "False"]],  # how probable the target is, and no choice
    ],
)  # fmt: skip
def test_responses_without_an_answer(responses: Any, tmp_path: Path) -> None:
    """They are errors, or left out and counted; nothing is made up."""
    lines = [samples.lm_eval(0, "", filtered_resps=responses), samples.lm_eval(1, "a cup")]
    path = samples.write_lines(tmp_path / "s.jsonl", lines)
    with pytest.raises(TableError, match="line 1: filtered_resps holds no answer"):
        imported(path)
    found = imported(path, on_error="skip")
    assert found.table["answer"].to_pylist() == ["a cup"]
    assert left_out(found) == {"filtered_resps holds no answer": 1}


def test_choices_that_end_alike_go_by_number(tmp_path: Path) -> None:
    """Of Winogrande the contexts differ and the continuations are the same."""
    arguments = {
        f"gen_args_{i}": {"arg_0": f"The {name}", "arg_1": " fell."}
        for i, name in enumerate(("cup", "hat"))
    }
    responses = [["-3.5", "False"], ["-1.5", "True"]]
    line = samples.lm_eval(0, "", filtered_resps=responses, arguments=arguments)
    found = imported(samples.write_lines(tmp_path / "s.jsonl", [line]))
    assert found.table["answer"].to_pylist() == ["1"]


def test_ids_that_are_numbers_of_any_kind(tmp_path: Path) -> None:
    """12, 12.0 and "12" are one id; "012" is another."""
    lines = [samples.lm_eval(0, "a") | {"doc_id": name} for name in ("012", 12.0)]
    found = imported(samples.write_lines(tmp_path / "s.jsonl", lines))
    assert found.table["question_id"].to_pylist() == ["012", "12"]
    twice = [samples.lm_eval(0, "a") | {"doc_id": name} for name in ("12", 12)]
    with pytest.raises(TableError, match=r"1 rows stand more than once.*line 1.*line 2"):
        imported(samples.write_lines(tmp_path / "s.jsonl", twice))


def test_the_folder_of_a_run(tmp_path: Path) -> None:
    """Samples are taken; results beside them are listed, also where the format is given."""
    samples.write_lines(tmp_path / "samples_gqa_2026.jsonl", [samples.lm_eval(0, "a")])
    results = {"results": {"gqa": {"alias": "gqa", "exact_match,none": 0.5}}, "n-shot": {"gqa": 0}}
    path = samples.write_json(tmp_path / "results_2026.json", results, 2)
    for format in ("auto", "lm_eval"):
        found = read_inputs([tmp_path], format=format)
        assert (found.table.num_rows, found.not_imported) == (1, (str(path),))
    samples.write_lines(tmp_path / "samples_vqa_2026.jsonl", [samples.lm_eval(0, "a")])
    with pytest.raises(TableError, match=r"1 rows stand more than once.*two runs, or of two tasks"):
        read_inputs([tmp_path])
