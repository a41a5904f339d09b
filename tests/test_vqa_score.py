from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from vqa_files import (
    ASKED,
    OCR,
    llava_lines,
    make_answers,
    vqa_annotations,
    vqa_questions,
    write_document,
    write_lines,
)

from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.eval.vqa.answers import read_answers
from conceptstats.eval.vqa.questions import TYPED_QUESTIONS, Gold, read_questions
from conceptstats.eval.vqa.score import Scored, score_answers, score_files
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import ANSWERS, QUESTIONS

SAID = {"1": "A dog.", "2": "Two", "3": "no"}


@pytest.fixture
def gold(tmp_path: Path) -> Gold:
    """Three questions on two images."""
    return read_questions(
        vqa_questions(tmp_path / "q.json"), [vqa_annotations(tmp_path / "a.json")]
    )


def scores(scored: Scored) -> dict[str, float]:
    return dict(
        zip(*(scored.table[c].to_pylist() for c in ("question_id", "outcome")), strict=True)
    )


def test_llava_answers_by_image_and_question(gold: Gold, tmp_path: Path) -> None:
    """Its question_id is the image's; an image has several questions.

    Four of ten say dog: 1. "Two" is "2": five of ten: 1. Nobody says no: 0.
    """
    answers = read_answers(llava_lines(tmp_path / "p.jsonl", SAID))
    scored = score_answers(gold, answers, "textvqa")
    assert scores(scored) == {"1": 1.0, "2": 1.0, "3": 0.0}
    found = scored.to_json()
    assert (found["n"], found["n_unmatched"]) == (3, 0)
    assert found["matched_by"] == "image and question"
    assert found["accuracy"] == pytest.approx(200 / 3)
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    assert (found["cluster"], found["n_clusters"]) == ("image", 2)
    assert [row["question_type"] for row in found["by_question_type"]] == ["how", "is", "what"]
    assert found["by_answer_type"][0]["n"] == 3


def test_answers_by_id(gold: Gold) -> None:
    """In any order; the official metric gives "Two" 0.6, because people's "two" stays as it is."""
    answers = make_answers({name: SAID[name] for name in ("3", "1", "2")})
    scored = score_answers(gold, answers, "vqav2")
    assert scored.matched_by == "question_id"
    assert scores(scored) == {"1": 1.0, "2": pytest.approx(0.6), "3": 0.0}


def test_same_image_and_question_twice(tmp_path: Path) -> None:
    """The first answer goes with the first question, the second with the second."""
    rows = [{"question_id": n, "image_id": "i", "question": "What?", "answer": a}
            for n, a in ((1, "cat"), (2, "dog"))]  # fmt: skip
    asked = write_document(tmp_path / "q.json", {"data": rows})
    given_ = [{"question_id": "i", "prompt": "What?\nAnswer.", "text": text}
              for text in ("cat", "dog", "dog")]  # fmt: skip
    scored = score_files(asked, write_lines(tmp_path / "p.jsonl", given_), metric="gqa")
    assert scores(scored) == {"1": 1.0, "2": 1.0}
    assert scored.n_repeated == 1


def test_unmatched_rows(gold: Gold) -> None:
    """An error that names them, unless so many may be; then they are counted and shown."""
    answers = make_answers({"1": "dog", "8": "x", "9": "y"})
    with pytest.raises(TableError, match=r"2 of 3 predictions have no question.*'8', '9'"):
        score_answers(gold, answers, "textvqa")
    with pytest.raises(TableError, match=r"2 of 3 questions have no prediction.*'2', '3'"):
        score_answers(gold, make_answers({"1": "dog"}), "textvqa", max_unmatched=0.5)
    found = score_answers(gold, answers, "textvqa", max_unmatched=0.7).to_json()
    assert (found["n"], found["n_unmatched"]) == (1, 4)
    assert found["unmatched"] == {"questions": ["2", "3"], "predictions": ["8", "9"]}
    with pytest.raises(TableError, match="no question has a prediction"):
        score_answers(gold, make_answers({"9": "y"}), "textvqa", max_unmatched=1)
    with pytest.raises(ParameterError, match="expected a share"):
        score_answers(gold, answers, "textvqa", max_unmatched=1.5)


def test_repeated_predictions(gold: Gold) -> None:
    """Identical ones count once; others are an error."""
    twice = pa.concat_tables([make_answers(SAID), make_answers({"1": "A dog."})])
    scored = score_answers(gold, twice, "textvqa")
    assert (scored.table.num_rows, scored.n_repeated) == (3, 1)
    other = pa.concat_tables([make_answers(SAID), make_answers({"1": "A cat."})])
    with pytest.raises(TableError, match=r"1 say something else than others .* '1'"):
        score_answers(gold, other, "textvqa")


def test_prompts_of_other_questions(gold: Gold) -> None:
    """Two files that number their questions alike are not mistaken for each other."""
    wrong = make_answers(SAID, question=["Who?", ASKED["2"] + OCR, ASKED["3"].upper()])
    with pytest.raises(TableError, match=r"1 of 3 predictions have no question.*'1'"):
        score_answers(gold, wrong, "textvqa")


NAMES = st.lists(st.sampled_from("1 2 3 4 5".split()), unique=True)


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES, st.booleans())
def test_every_row_is_accounted_for(asked: list[str], said: list[str], by_text: bool) -> None:
    """Of questions and predictions those that are used and those that are not add up to all."""
    rows = [
        {"question_id": n, "image_id": f"i{n}", "question": f"q{n}?", "answers": ["x"]}
        for n in asked
    ]
    gold = Gold(pa.Table.from_pylist(rows, TYPED_QUESTIONS), 0, ())
    ids = [f"i{n}" if by_text else n for n in said]
    prompts = [f"Q{n}?\nAnswer." for n in said]
    answers = make_answers(dict.fromkeys(ids, "x"), question=prompts)
    both = [name for name in asked if name in said]
    if not both:
        with pytest.raises(TableError, match="no question has a prediction"):
            score_answers(gold, answers, "gqa", max_unmatched=1)
        return
    scored = score_answers(gold, answers, "gqa", max_unmatched=1)
    assert list(scores(scored)) == both
    assert len(both) + len(scored.unmatched_questions) == len(asked)
    assert len(both) + len(scored.unmatched_predictions) == len(said)


def test_gqa_files(tmp_path: Path) -> None:
    """Its questions and predictions; unbalanced questions are set aside, as its code does."""

    def question(image: str, answer: str, structure: str, *, balanced: bool) -> dict[str, Any]:
        return {"imageId": image, "question": "What?", "answer": answer, "isBalanced": balanced,
                "types": {"structural": structure}}  # fmt: skip

    asked = {
        "07": question("n1", "cat", "query", balanced=True),
        "08": question("n2", "yes", "verify", balanced=True),
        "09": question("n2", "no", "logical", balanced=False),
    }
    said = [{"questionId": "07", "prediction": "Cat."}, {"questionId": "08", "prediction": "no"}]
    scored = score_files(
        write_document(tmp_path / "q.json", asked), write_document(tmp_path / "p.json", said),
        metric="gqa",
    )  # fmt: skip
    found = scored.to_json()
    assert (found["n"], found["n_unmatched"], found["n_unbalanced"]) == (2, 0, 1)
    assert (found["accuracy"], found["accuracy_as_given"], found["n_cleaned"]) == (50.0, 0.0, 1)
    kinds = {row["answer_type"]: row["accuracy"] for row in found["by_answer_type"]}
    assert kinds == {"binary": 0.0, "open": 100.0}


def pope_rows(*labels: str, first: int = 1) -> list[dict[str, Any]]:
    return [
        {"question_id": first + i, "image": f"COCO_{i}.jpg", "text": f"Is there a {i}?", "label": x}
        for i, x in enumerate(labels)
    ]


def test_pope_files(tmp_path: Path) -> None:
    """Labels in the questions; answers without ids go by their number and text."""
    asked = write_lines(tmp_path / "coco_pope_random.json", pope_rows("yes", "no", "no", "yes"))
    rows = pope_rows("Yes", "No, none.", "yes", "no")
    said = [{"question": row["text"], "answer": row["label"]} for row in rows]
    found = score_files(asked, write_lines(tmp_path / "p.json", said), metric="pope").to_json()
    assert (found["n"], found["accuracy"], found["yes_share"]) == (4, 50.0, 50.0)
    assert (found["precision"], found["recall"], found["f1"]) == (50.0, 50.0, 50.0)
    assert found["by_question_type"][0]["question_type"] == "random"
    shifted = write_lines(tmp_path / "shifted.json", said[1:])
    with pytest.raises(TableError, match="3 of 3 predictions have no question"):
        score_files(asked, shifted, metric="pope")


def test_pope_as_llava_asks_it(tmp_path: Path) -> None:
    """One file of questions of several categories, and their labels in a file each.

    Random: 2 of 2 right, F1 100. Popular: yes, yes against yes, no: F1 66.7. LLaVA's table gives
    the mean of both.
    """
    labels = {"random": ("yes", "no"), "popular": ("yes", "no")}
    files = [write_lines(tmp_path / f"coco_pope_{name}.json", pope_rows(*own))
             for name, own in labels.items()]  # fmt: skip
    said = ["Yes", "No", "Yes", "Yes"]
    asked = [
        {k: v for k, v in row.items() if k != "label"}
        | {"category": name, "text": f"{row['text']}\nAnswer."}
        for first, name in ((100, "popular"), (200, "random"))
        for row in pope_rows("?", "?", first=first)
    ]
    answers = [{"question_id": row["question_id"], "prompt": row["text"], "text": text}
               for row, text in zip(asked, said[2:] + said[:2], strict=True)]  # fmt: skip
    scored = score_files(
        write_lines(tmp_path / "q.jsonl", asked), write_lines(tmp_path / "p.jsonl", answers),
        metric="pope", annotations=files,
    )  # fmt: skip
    found = scored.to_json()
    assert found["n_annotations"] == 4
    assert {row["question_type"]: row["f1"] for row in found["by_question_type"]} == {
        "popular": pytest.approx(200 / 3),
        "random": 100.0,
    }
    assert found["f1_mean_of_types"] == pytest.approx(250 / 3)


def test_annotations_without_question(tmp_path: Path) -> None:
    """They and questions without annotation are unmatched too, and counted."""
    asked = vqa_questions(tmp_path / "q.json", ("1", "2"))
    given_ = [vqa_annotations(tmp_path / "a.json", ("2", "3"))]
    with pytest.raises(TableError, match=r"1 of 2 annotations have no question, such as '3'"):
        read_questions(asked, given_)
    gold = read_questions(asked, given_, max_unmatched=0.5)
    scored = score_answers(gold, make_answers({"1": "x", "2": "2"}), "textvqa", max_unmatched=0.5)
    assert scored.unmatched_questions == ("1",)
    assert scored.unmatched_annotations == ("3",)
    assert scored.n_unmatched == 2
    with pytest.raises(TableError, match="2 of 2 questions have no answers of people"):
        read_questions(asked)


def test_tables_of_our_own(gold: Gold, tmp_path: Path) -> None:
    """Questions and answers as tables give what the files gave."""
    save_table(tmp_path / "q.parquet", gold.table, QUESTIONS)
    again = read_questions(tmp_path / "q.parquet")
    for ending in ("csv", "parquet", "arrow"):
        save_table(tmp_path / f"p.{ending}", make_answers(SAID), ANSWERS)
        answers = read_answers(tmp_path / f"p.{ending}")
        assert scores(score_answers(again, answers, "textvqa")) == {"1": 1.0, "2": 1.0, "3": 0.0}


def test_one_line_is_a_file(tmp_path: Path) -> None:
    """A single line of JSON lines is a document too."""
    answers = read_answers(write_lines(tmp_path / "p.json", [{"question_id": 1, "answer": 3}]))
    assert answers.select(["question_id", "answer"]).to_pylist() == [
        {"question_id": "1", "answer": "3"}
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"question_id": 1, "answer": "x"}\n{"question_id": 2, "ans',
            "line 2: invalid JSON, Unterminated string starting at column",
        ),
        ('[{"question_id": 1, "answer": "x"}', "line 1: invalid JSON"),
        ("", "is empty"),
        ("[]", "has no rows"),
        ("[1, 2]", "another layout"),
        ('[{"question_id": 1, "answer": "x"}, {"question_id": 2}]', "row 2: no answer of text"),
        ('[{"answer": "x"}]', "row 1: no question_id"),
        ('[{"question_id": 1, "answer": ["x"]}]', "row 1: no answer of text"),
    ],
)
def test_damaged_answers(text: str, message: str, tmp_path: Path) -> None:
    """What is wrong and where, and what was expected."""
    path = tmp_path / "p.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=message):
        read_answers(path)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"questions": [{"question_id": 1}]}, "1 of 1 rows have no question, .* row 1"),
        ({"questions": [{"question": "What?"}]}, "have no question_id"),
        ({"info": "x"}, "another layout"),
        ({"questions": []}, "has no rows"),
        ({"data": [{"question_id": 1, "question": "W?", "answers": [1]}]}, "another layout"),
        ({"data": [{"question_id": 1, "question": "W?", "answers": [{}]}]}, "1 answers of people"),
    ],
)
def test_damaged_questions(document: Any, message: str, tmp_path: Path) -> None:
    """What is wrong and where, and what was expected."""
    with pytest.raises(TableError, match=message):
        read_questions(write_document(tmp_path / "q.json", document))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, or not text."""
    with pytest.raises(TableError, match="is missing or damaged: No such file"):
        read_answers(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe[]")
    with pytest.raises(TableError, match="line 1: not UTF-8"):
        read_answers(tmp_path / "binary.json")


def test_metrics_need_their_answers(gold: Gold, tmp_path: Path) -> None:
    """Ten for VQA and TextVQA, one for GQA, yes or no for POPE."""
    with pytest.raises(TableError, match=r"gqa is defined for 1 .* '1' with 10"):
        score_answers(gold, make_answers(SAID), "gqa")
    row = {"question_id": 1, "question": "What?", "answer": "cat"}
    one = read_questions(write_document(tmp_path / "q.json", {"data": [row]}))
    with pytest.raises(TableError, match="textvqa is defined for 10"):
        score_answers(one, make_answers({"1": "cat"}), "textvqa")
    with pytest.raises(TableError, match="labels yes and no; found cat"):
        score_answers(one, make_answers({"1": "cat"}), "pope")
    with pytest.raises(ParameterError, match="no metric 'bleu'"):
        score_answers(gold, make_answers(SAID), "bleu")


def test_two_questions_of_one_id(tmp_path: Path) -> None:
    """An id stands for one question."""
    rows = [{"question_id": 1, "image_id": "i", "question": q, "answer": "x"} for q in ("a?", "b?")]
    gold = read_questions(write_document(tmp_path / "q.json", {"data": rows}))
    with pytest.raises(TableError, match="1 values of question_id stand more than once"):
        score_answers(gold, make_answers({"1": "x"}), "gqa")


def test_command(tmp_path: Path) -> None:
    """`eval vqa score` prints a table or one JSON document, and writes the judged answers."""
    arguments = ["eval", "vqa", "score", "--metric", "textvqa"]
    arguments += ["--questions", str(vqa_questions(tmp_path / "q.json"))]
    arguments += ["--annotations", str(vqa_annotations(tmp_path / "a.json"))]
    arguments += ["--predictions", str(llava_lines(tmp_path / "p.jsonl", SAID))]
    output = tmp_path / "judged.parquet"
    done = CliRunner().invoke(cli, [*arguments, "-o", str(output), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n"] == 3
    judged = load_table(output, ANSWERS)
    assert judged["score"].to_pylist() == [1.0, 1.0, 0.0]
    assert set(judged["metric"].to_pylist()) == {"textvqa"}
    record = json.loads((tmp_path / "judged.parquet.run.json").read_text("utf-8"))
    assert len(record["inputs"]) == 3
    done = CliRunner().invoke(cli, [*arguments, "-o", str(output)])
    assert isinstance(done.exception, OutputExistsError)
    done = CliRunner().invoke(cli, arguments)
    assert "question_type" in done.stdout
    assert "accuracy low" in done.stdout


def test_published_figure(test_data: Path) -> None:
    """LLaVA-1.5-13B on TextVQA: 61.25, as its authors publish (61.3), with no unmatched row."""
    folder = test_data / "data" / "vqa" / "textvqa"
    scored = score_files(
        folder / "val_questions_vqa_format.json",
        folder / "llava-v1.5-13b_predictions.jsonl",
        metric="textvqa",
        annotations=[folder / "val_annotations_vqa_format.json"],
    )
    found = scored.to_json()
    assert (found["n"], found["n_unmatched"]) == (5000, 0)
    assert found["accuracy"] == pytest.approx(61.25, abs=0.01)
