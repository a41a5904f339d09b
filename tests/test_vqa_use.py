"""What users give to `eval vqa score` besides clean files, and what they mistake for each other."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from vqa_files import (
    ASKED,
    llava_lines,
    make_answers,
    vqa_annotations,
    vqa_questions,
    write_document,
    write_lines,
)

from conceptstats.cli import cli
from conceptstats.errors import ParameterError, TableError
from conceptstats.eval.vqa.answers import read_answers
from conceptstats.eval.vqa.questions import read_questions
from conceptstats.eval.vqa.score import score_answers, score_files

SAID = {"1": "dog", "2": "2", "3": "yes"}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return vqa_questions(tmp_path / "q.json")


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    return vqa_annotations(tmp_path / "a.json")


def said(path: Path) -> list[tuple[str, str]]:
    table = read_answers(path)
    return list(zip(*(table[name].to_pylist() for name in ("question_id", "answer")), strict=True))


@pytest.mark.parametrize("convert", [int, str, float])
def test_ids_are_numbers_or_texts(
    convert: Any, questions: Path, annotations: Path, tmp_path: Path
) -> None:
    """12, "12" and the 12.0 that pandas writes are one id."""
    rows = [{"question_id": convert(n), "answer": text} for n, text in SAID.items()]
    path = write_document(tmp_path / "p.json", rows)
    scored = score_files(questions, path, metric="textvqa", annotations=[annotations])
    assert scored.table["outcome"].to_pylist() == [1.0, 1.0, 1.0]


def test_zeros_before_a_number_are_of_another_id(
    questions: Path, annotations: Path, tmp_path: Path
) -> None:
    """GQA's "07" is not 7: no row is matched by a guess, and the error shows the ids."""
    rows = [{"question_id": f"{int(n):06}", "answer": text} for n, text in SAID.items()]
    path = write_document(tmp_path / "p.json", rows)
    with pytest.raises(TableError, match=r"3 of 3 predictions have no question, such as '000001'"):
        score_files(questions, path, metric="textvqa", annotations=[annotations])


def test_compressed_files(questions: Path, annotations: Path, tmp_path: Path) -> None:
    """All three can be."""
    answers = write_document(
        tmp_path / "p.json", [{"question_id": n, "answer": text} for n, text in SAID.items()]
    )
    packed = []
    for path in (questions, answers, annotations):
        packed.append(path.with_name(f"{path.name}.gz"))
        packed[-1].write_bytes(gzip.compress(path.read_bytes()))
    scored = score_files(*packed[:2], metric="textvqa", annotations=packed[2:])
    assert (scored.table.num_rows, scored.n_unmatched) == (3, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question_id": 1, "answer": math.nan}, "no answer of text"),
        ({"question_id": 1, "answer": None}, "no answer of text"),
        ({"question_id": 1, "answer": True}, "no answer of text"),
        ({"question_id": 1, "answer": ["cup"]}, "no answer of text"),
        ({"question_id": math.nan, "answer": "cup"}, "no question_id"),
        ({"question_id": 1, "answer": "cup", "prediction": "hat"}, "answer and prediction, and no"),
        ({"question_id": 1, "answer": "cup", "text": "hat"}, "answer and text, and nobody knows"),
        ({"question_id": 1, "image": "i.jpg", "text": "What?"}, "the text is that of a question"),
        ({"question_id": 1, "text": "Is there a cup?", "label": "yes"}, "that of a question"),
        ({"doc_id": 1, "filtered_resps": ["cup"]}, "no answer of text"),
        ({"1": "cup", "2": "hat"}, "no answer of text"),
        ({"question_id": 1, "answer": "cut \ud83d"}, "half of a surrogate pair"),
    ],
)
def test_rows_that_are_no_answers(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    """They stop there: a person's answer, a question or "nan" is never judged as the model's."""
    sound = {"question_id": 0, "answer": "cup"}
    with pytest.raises(TableError, match=r"p\.json, row 2: ") as raised:
        read_answers(write_document(tmp_path / "p.json", [sound, row]))
    assert message in raised.value.message


def test_rows_that_are_answers(tmp_path: Path) -> None:
    """An empty answer, a number, any script, and LLaVA's text beside its prompt or model."""
    rows = [
        {"question_id": 1, "answer": ""},
        {"question_id": 2, "answer": 3.0},
        {"questionId": "3", "prediction": "\u732b \U0001f600"},
        {"question_id": 4, "text": "cup", "model_id": "m"},
        {"question_id": "", "prompt": "What?", "text": "cup"},
    ]
    assert said(write_document(tmp_path / "p.json", rows)) == [
        ("1", ""), ("2", "3"), ("3", "\u732b \U0001f600"), ("4", "cup"), ("", "cup"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["p.tsv", "p.xlsx"])
def test_tables_of_other_tools_need_an_import(name: str, tmp_path: Path) -> None:
    """The error says so."""
    (tmp_path / name).write_text("index\tprediction\n1\tcup\n", encoding="utf-8")
    with pytest.raises(TableError, match=r"is no JSON. Hint: .*eval import makes an answers table"):
        read_answers(tmp_path / name)


def test_files_in_each_other_s_place(questions: Path, annotations: Path, tmp_path: Path) -> None:
    """The error says which file it is, and where it goes."""
    answers = llava_lines(tmp_path / "p.jsonl", SAID)
    with pytest.raises(TableError, match=r"a\.json: 3 of 3 rows have no question.*--annotations"):
        read_questions(annotations, [questions])
    with pytest.raises(TableError, match=r"q\.json holds no answers of people.*--questions"):
        read_questions(questions, [questions])
    with pytest.raises(TableError, match=r"p\.jsonl holds a model's answers.*--predictions"):
        read_questions(answers, [annotations])
    for path in (questions, annotations):
        with pytest.raises(TableError, match="row 1: no answer of text"):
            read_answers(path)


def test_a_test_set(tmp_path: Path) -> None:
    """Its questions have no answers, or an empty list; there is nothing to judge by."""
    for row in ({}, {"answers": []}, {"answers": None}):
        row |= {"question_id": 1, "image_id": "i", "question": "What?"}
        path = write_document(tmp_path / "q.json", {"data": [row]})
        with pytest.raises(TableError, match=r"1 of 1 questions have no answers of people.*test"):
            read_questions(path)
        gold = read_questions(path, max_unmatched=1)
        assert gold.unanswered == ["1"]
        with pytest.raises(TableError, match="no question has a prediction and people's"):
            score_answers(gold, make_answers({"1": "cup"}), "textvqa", max_unmatched=1)


def test_predictions_for_some_questions(questions: Path, annotations: Path) -> None:
    """Of those that asked something else under the same id the error says so."""
    gold = read_questions(questions, [annotations])
    other = make_answers(SAID, question=[ASKED["1"], "What colour?", "Who?"])
    with pytest.raises(TableError, match=r"2 of 3 pred.*2 have the id of a question that asks som"):
        score_answers(gold, other, "textvqa")
    scored = score_answers(gold, make_answers({"2": "2"}), "textvqa", max_unmatched=0.7)
    assert (scored.table.num_rows, scored.unmatched_questions) == (1, ("1", "3"))


def test_answers_of_two_models(questions: Path, annotations: Path, tmp_path: Path) -> None:
    """One at a time; the hint says so."""
    rows = [{"question_id": 1, "answer": text, "model": text} for text in ("cup", "hat")]
    path = write_document(tmp_path / "p.json", rows)
    with pytest.raises(TableError, match=r"1 say something else .*as of one model or filter"):
        score_files(questions, path, metric="textvqa", annotations=[annotations])


def test_the_category_of_pope(tmp_path: Path) -> None:
    """Stands in the name of a file, compressed or not."""
    row = {"question_id": 1, "image": "i.jpg", "text": "Is there a cup?", "label": "yes"}
    plain = write_lines(tmp_path / "coco_pope_popular.json", [row])
    packed = tmp_path / "coco_pope_random.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path, category in ((plain, "popular"), (packed, "random")):
        assert read_questions(path).table["question_type"].to_pylist() == [category]


def test_questions_stay_as_they_are(tmp_path: Path) -> None:
    """Only a prompt is taken apart: a question may have lines of its own."""
    asked = "Question: which of\nthe two?"
    rows = [{"question_id": 1, "question": asked, "answer": "x"}]
    table = read_questions(write_document(tmp_path / "q.json", {"data": rows})).table
    assert table["question"].to_pylist() == [asked]
    rows = [{"question_id": 1, "image": "i.jpg", "text": f"{asked}\nAnswer.", "label": "yes"}]
    table = read_questions(write_lines(tmp_path / "q.jsonl", rows)).table
    assert table["question"].to_pylist() == ["which of"]


def test_an_output_that_cannot_be_is_refused_first(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(ParameterError, match=r"o\.txt does not end in"):
        score_files(tmp_path / "q", tmp_path / "p", metric="gqa", output=tmp_path / "o.txt")


def test_the_record_of_a_score(questions: Path, annotations: Path, tmp_path: Path) -> None:
    """Holds everything that bears on the result."""
    answers, output = llava_lines(tmp_path / "p.jsonl", {"1": "dog"}), tmp_path / "o.parquet"
    command = ["eval", "vqa", "score", "--metric", "textvqa", "--questions", str(questions),
               "--annotations", str(annotations), "--predictions", str(answers),
               "--max-unmatched", "0.7", "-o", str(output)]  # fmt: skip
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    record = json.loads(output.with_name("o.parquet.run.json").read_text("utf-8"))
    assert record["arguments"] == {"metric": "textvqa", "max_unmatched": 0.7}
