"""Questions put to image-text-to-text models: the answers of a plain loop, whatever happens."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from messages import Messages
from PIL import Image
from tiny_lmm import write_llava
from transformers import AutoModelForImageTextToText, AutoProcessor
from vqa_files import write_document, write_lines
from vqa_runs import SUBJECTS, WRITERS, answers_of, make_rows, run, write_pictures

from conceptstats.cli import cli
from conceptstats.concat import concat
from conceptstats.errors import OutputExistsError, ParameterError, SourceError
from conceptstats.eval.vqa.answers import read_answers
from conceptstats.eval.vqa.image_files import find_images, image_names
from conceptstats.eval.vqa.lmm import load_lmm
from conceptstats.eval.vqa.questions import read_questions
from conceptstats.eval.vqa.run import PROMPT, make_prompts
from conceptstats.shards import Shard
from conceptstats.table_files import load_table
from conceptstats.tables import ANSWERS, QUESTIONS


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder a model."""
    root = tmp_path_factory.mktemp("models")
    return {name: write(root / name) for name, write in WRITERS.items()}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures."""
    return write_pictures(tmp_path_factory.mktemp("val2014"))


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 questions in VQA form."""
    path = tmp_path_factory.mktemp("questions") / "questions.json"
    return write_document(path, {"questions": make_rows(20)})


def plain_loop(model: Path, images: Path, n: int, max_new_tokens: int) -> list[str]:
    """Answers one at a time with the functions of transformers alone."""
    processor = AutoProcessor.from_pretrained(model)
    module = AutoModelForImageTextToText.from_pretrained(model).eval()
    found = []
    for row in make_rows(n):
        text = row["question"]
        if "ocr_tokens" in row:
            text += "\nReference OCR token: red, 10"
        text += "\nAnswer the question using a single word or phrase."
        picture = Image.open(images / f"COCO_val2014_{row['image_id']:012d}.jpg")
        content = [{"type": "image", "image": picture}, {"type": "text", "text": text}]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True,
            return_dict=True, return_tensors="pt",
        )  # fmt: skip
        tokens = inputs["input_ids"]
        for _ in range(max_new_tokens):  # no cache, no generate
            with torch.no_grad():
                mask = torch.ones_like(tokens)
                more = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
                if "mm_token_type_ids" in more:
                    kinds = more["mm_token_type_ids"]
                    pad = tokens.shape[1] - kinds.shape[1]
                    more["mm_token_type_ids"] = torch.nn.functional.pad(kinds, (0, pad))
                logits = module(input_ids=tokens, attention_mask=mask, **more).logits
            best = logits[:, -1].argmax(dim=-1, keepdim=True)
            tokens = torch.cat([tokens, best], dim=1)
            if best.item() == processor.tokenizer.eos_token_id:
                break
        new = tokens[0, inputs["input_ids"].shape[1] :]
        found.append(processor.tokenizer.decode(new, skip_special_tokens=True).strip())
    return found


@pytest.mark.parametrize("name", list(WRITERS))
def test_answers_are_those_of_a_plain_loop(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path, name: str
) -> None:
    """The likeliest token after token, in the order of the questions.

    The folders ask for sampling and for a penalty on repetition; greedy answers have neither.
    """
    found = run(questions, images, tmp_path / "a.parquet", models[name], max_new_tokens=8)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["answer"].to_pylist() == plain_loop(models[name], images, 20, 8)
    assert len(set(table["answer"].to_pylist())) > 10
    assert table["question_id"].to_pylist() == [str(100 + i) for i in range(20)]
    assert table["image_id"].to_pylist() == [str(i % 12) for i in range(20)]
    assert set(table["model"].to_pylist()) == {str(models[name])}
    assert (found.n, found.n_with_ocr, found.n_asked_again, found.skipped) == (20, 7, 0, ())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", list(WRITERS))
def test_batch_sizes_do_not_change_a_byte(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path, name: str,
    precision: str,
) -> None:  # fmt: skip
    """Where rounding could have decided, questions are asked again by themselves."""
    again = {}
    for size in (1, 3, 4, 20):
        (tmp_path / str(size)).mkdir()
        output = tmp_path / str(size) / "a.parquet"
        found = run(questions, images, output, models[name], batch_size=size, precision=precision)
        again[size] = found.n_asked_again
        for file in ("a.parquet", "a.parquet.run.json"):
            assert (output.parent / file).read_bytes() == (tmp_path / "1" / file).read_bytes()
    assert again[1] == 0
    assert precision == "fp32" or again[4] > 0


def test_shards_make_up_the_whole(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path
) -> None:
    """Every question is in one share, with the answer that it has without shares."""
    run(questions, images, tmp_path / "whole.parquet", models["qwen"])
    shares = [tmp_path / f"{index}.parquet" for index in range(3)]
    for index, output in enumerate(shares):
        found = run(questions, images, output, models["qwen"], shard=Shard(index, 3), batch_size=2)
        assert found.n == (7, 7, 6)[index]
    made = concat(shares[::-1], tmp_path / "all.parquet").output
    assert pq.read_table(made).equals(pq.read_table(tmp_path / "whole.parquet"))
    with pytest.raises(ParameterError, match="is empty"):
        run(questions, images, tmp_path / "x.parquet", models["qwen"], shard=Shard(20, 30))


KILLED = """
import os, signal, sys
from pathlib import Path
from conceptstats.eval.vqa.run import answer_questions
from conceptstats.progress import Silent

class Killer(Silent):
    n = 0
    def advance(self, n, share=0.0):
        self.n += n
        if self.n > 140:
            os.kill(os.getpid(), signal.SIGKILL)

questions, images, output, model = map(Path, sys.argv[1:])
answer_questions(questions, images, output, model=model, max_new_tokens=2, batch_size=8,
                 progress=Killer())
"""


def test_a_run_that_is_killed_goes_on(
    tmp_path: Path, models: dict[str, Path], images: Path
) -> None:
    """The end is the same byte for byte, and two parts of 64 questions are not asked again."""
    questions = write_document(tmp_path / "q.json", {"questions": make_rows(200)})
    output = tmp_path / "a.parquet"
    script = [sys.executable, "-c", KILLED, *map(str, (questions, images, output, models["llava"]))]
    done = subprocess.run(script, capture_output=True, check=False, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not output.exists()
    said = Messages()
    options: dict[str, Any] = {"max_new_tokens": 2, "progress": said}
    run(questions, images, output, models["llava"], **options)
    assert said.said[1:] == ["going on with an unfinished run: 2 parts are done"]
    (tmp_path / "whole").mkdir()
    run(questions, images, tmp_path / "whole" / "a.parquet", models["llava"], **options)
    for file in ("a.parquet", "a.parquet.run.json"):
        assert (tmp_path / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert not (tmp_path / ".a.parquet.parts").exists()


@pytest.fixture
def broken(tmp_path: Path, images: Path) -> Path:
    """The pictures, of which number 3 is cut and number 5 is empty."""
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in images.iterdir():
        data = path.read_bytes()
        cut = {3: data[: len(data) // 2], 5: b""}.get(int(path.stem[-12:]), data)
        (folder / path.name).write_bytes(cut)
    return folder


def test_questions_without_readable_image_stop_the_run_or_are_listed(
    tmp_path: Path, models: dict[str, Path], images: Path, broken: Path, questions: Path
) -> None:
    """The other answers are those of a run without damage."""
    output = tmp_path / "a.parquet"
    with pytest.raises(SourceError, match=r"question 103: .*cannot be read.*on-error skip"):
        run(questions, broken, output, models["llava"], batch_size=4)
    assert not list(tmp_path.glob("*.parquet*"))
    assert not list(tmp_path.glob(".*.parts"))
    found = run(questions, broken, output, models["llava"], batch_size=4, on_error="skip")
    assert [identity for identity, _ in found.skipped] == ["103", "105", "115", "117"]
    assert found.n == 16
    record = json.loads((tmp_path / "a.parquet.run.json").read_text())
    assert record["skipped"] == [list(pair) for pair in found.skipped]
    run(questions, images, tmp_path / "whole.parquet", models["llava"])
    whole = answers_of(tmp_path / "whole.parquet")
    skipped = {identity for identity, _ in found.skipped}
    assert answers_of(output) == {k: v for k, v in whole.items() if k not in skipped}


def test_prompts_that_do_not_fit_are_named(tmp_path: Path, images: Path) -> None:
    """Too many tokens, or a word that stands for an image; in one batch with others."""
    rows = make_rows(8)
    rows[2]["question"] = "What is on the grass " * 20
    rows[5]["question"] = "What is <image>?"
    questions = write_document(tmp_path / "q.json", {"questions": rows})
    model = write_llava(tmp_path / "short", max_length=64)
    found = run(questions, images, tmp_path / "a.parquet", model, on_error="skip", batch_size=4)
    reasons = dict(found.skipped)
    assert set(reasons) == {"102", "105"}
    assert "leaves fewer than 5 of the model's 64" in reasons["102"]
    assert "holds <image> 2 times" in reasons["105"]
    with pytest.raises(SourceError, match="question 102"):
        run(questions, images, tmp_path / "b.parquet", model)
    with pytest.raises(SourceError, match="none of 8 questions can be asked"):
        run(questions, images, tmp_path / "b.parquet", model, max_new_tokens=99, on_error="skip")


def test_images_are_found_by_the_names_of_their_benchmarks(tmp_path: Path) -> None:
    """TextVQA and GQA by id, VQAv2 by COCO's name, POPE by the name of the file."""
    for name in ("003a8ae2.jpg", "COCO_val2014_000000000042.jpg", "n1.png", "000000000139.jpg"):
        (tmp_path / name).touch()
    ids = ["003a8ae2", "42", "COCO_val2014_000000000042", "n1", "139", "42", "n1.png"]
    found = [path.name for path in find_images(tmp_path, ids)]
    assert found == ["003a8ae2.jpg", "COCO_val2014_000000000042.jpg",
                     "COCO_val2014_000000000042.jpg", "n1.png", "000000000139.jpg",
                     "COCO_val2014_000000000042.jpg", "n1.png"]  # fmt: skip
    assert "COCO_test2015_000000000007.jpg" in list(image_names("7"))


def test_images_that_are_missing_are_told_before_a_model_is_loaded(
    tmp_path: Path, images: Path, questions: Path
) -> None:
    """How many, which, and under which names they were looked for."""
    (tmp_path / "COCO_val2014_000000000000.jpg").touch()
    with pytest.raises(SourceError, match=r"11 of 12 images .* '1', '2', '3'.*COCO_val2014_0{11}1"):
        run(questions, tmp_path, tmp_path / "a.parquet", Path("no/model"))
    (tmp_path / "0.png").touch()
    with pytest.raises(SourceError, match=r"'0' as 0\.png and as COCO_val2014_0{12}\.jpg"):
        find_images(tmp_path, ["0"])
    with pytest.raises(SourceError, match="1 of 2 questions name no image"):
        find_images(tmp_path, ["0", None])
    with pytest.raises(SourceError, match="cannot be read"):
        find_images(tmp_path / "none", ["0"])


def test_prompts_are_those_that_were_published(test_data: Path) -> None:
    """All 5,000 of LLaVA-1.5 on TextVQA, from its question file, of which ids stand repeatedly."""
    folder = test_data / "data" / "vqa" / "textvqa"
    table = read_questions(folder / "llava_textvqa_val_v051_ocr.jsonl", max_unmatched=1.0).table
    lines = (folder / "llava-v1.5-13b_predictions.jsonl").read_text("utf-8").splitlines()
    published = [json.loads(line)["prompt"] for line in lines]
    made = make_prompts(table)
    assert len(made) == 5000
    assert made == published
    bare = make_prompts(table, ocr="drop")
    assert not any("OCR" in prompt for prompt in bare)


def test_prompts_by_hand() -> None:
    """The OCR tokens stand behind the question, wherever that is."""
    columns = {"question_id": ["1", "2", "3"], "question": ["What? ", "Who?", "Why?"],
               "ocr_tokens": [["A", "B"], None, []]}  # fmt: skip
    table = pa.table({f.name: columns.get(f.name, [None] * 3) for f in QUESTIONS}, QUESTIONS)
    assert make_prompts(table, "Q: {question}\nA:") == [
        "Q: What?\nReference OCR token: A, B\nA:",
        "Q: Who?\nA:",
        "Q: Why?\nReference OCR token: \nA:",
    ]
    assert make_prompts(table, ocr="drop")[0] == PROMPT.replace("{question}", "What?")


def test_answers_in_llavas_form_are_the_same(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path
) -> None:
    """Its keys, read by `eval vqa score`, with a run record beside."""
    run(questions, images, tmp_path / "a.parquet", models["llava"])
    run(questions, images, tmp_path / "a.jsonl", models["llava"])
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert {"question_id", "prompt", "text", "answer_id", "model_id"} <= set(lines[0])
    assert len({line["answer_id"] for line in lines}) == 20
    table = load_table(tmp_path / "a.parquet", ANSWERS).select(ANSWERS.names)
    assert read_answers(tmp_path / "a.jsonl").to_pylist() == table.to_pylist()
    records = [
        json.loads((tmp_path / f"a.{ending}.run.json").read_text())
        for ending in ("parquet", "jsonl")
    ]
    assert records[0] == records[1]


def test_ids_that_stand_repeatedly_are_all_answered(
    tmp_path: Path, models: dict[str, Path], images: Path
) -> None:
    """LLaVA's question files have the image's id for the question's."""
    rows = [{"question_id": f"COCO_val2014_{row['image_id']:012d}",
             "image": f"COCO_val2014_{row['image_id']:012d}.jpg", "text": row["question"]}
            for row in make_rows(20)]  # fmt: skip
    questions = write_lines(tmp_path / "q.jsonl", rows)
    assert run(questions, images, tmp_path / "a.parquet", models["llava"]).n == 20
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["question_id"].to_pylist() == [row["question_id"] for row in rows]


def test_the_record_says_what_the_answers_depend_on(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path
) -> None:
    """Model and images by content, prompt and precision as used; nothing of batches."""
    run(questions, images, tmp_path / "a.parquet", models["qwen"], batch_size=4)
    record = json.loads((tmp_path / "a.parquet.run.json").read_text())
    assert record["command"] == "eval vqa run"
    arguments = record["arguments"]
    assert (arguments["prompt"], arguments["precision"], arguments["shard"]) == (
        PROMPT, "fp32", "0/1",
    )  # fmt: skip
    assert "batch_size" not in arguments
    assert set(record["inputs"]) == {str(questions), "images", "weights"}
    assert record["inputs"]["weights"] == load_lmm(models["qwen"]).fingerprint
    assert {"torch", "transformers"} <= set(record["versions"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "What?"}, "has no {question}"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"batch_size": 65}, "1 to 64"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"ocr": "some"}, "ocr is 'some'"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"output": "a.txt"}, "does not end in"),
    ],
)
def test_settings_outside_their_range_are_refused(
    tmp_path: Path, images: Path, questions: Path, options: dict[str, Any], message: str
) -> None:
    """Before anything is read."""
    output = tmp_path / options.pop("output", "a.parquet")
    with pytest.raises(ParameterError, match=message):
        run(questions, images, output, Path("no/model"), **options)
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_kept(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path
) -> None:
    """Unless it is to be replaced."""
    output = tmp_path / "a.jsonl"
    output.write_text("mine")
    with pytest.raises(OutputExistsError, match="exists"):
        run(questions, images, output, models["llava"])
    assert run(questions, images, output, models["llava"], overwrite=True).n == 20


def invoke(*arguments: object) -> Any:
    """What a command prints with --json."""
    line = ["eval", *map(str, arguments), "--json"]
    done = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_what_is_printed_needs_no_key(
    tmp_path: Path, models: dict[str, Path], images: Path, questions: Path
) -> None:
    """Each number stands beside what it counts."""
    line = [
        "eval", "vqa", "run", "--questions", questions, "--images", images, "--model",
        models["llava"], "--max-new-tokens", 2, "-o", tmp_path / "a.parquet", "--quiet",
    ]  # fmt: skip
    done = CliRunner().invoke(cli, list(map(str, line)), catch_exceptions=False)
    facts = dict(re.split("  +", row, maxsplit=1) for row in done.stdout.splitlines())
    assert facts["answers"] == "20"
    assert int(facts["cut at the longest answer"]) > 0
    assert facts["asked again alone, as a choice was close"] == "0"
    assert not any(name.startswith("n ") for name in facts)


def test_from_questions_to_correlation(
    tmp_path: Path, models: dict[str, Path], images: Path
) -> None:
    """Run, score, examples, correlate, each a command on the files of the one before.

    People agree with the model on two of three questions, so the accuracy is two thirds.
    """
    rows = make_rows(60)
    questions = write_document(tmp_path / "q.json", {"questions": rows})
    answers = tmp_path / "answers.parquet"
    ran = invoke(
        "vqa", "run", "--questions", questions, "--images", images, "--model", models["llava"],
        "--max-new-tokens", 2, "--batch-size", 8, "-o", answers, "--quiet",
    )  # fmt: skip
    assert (ran["n"], ran["n_skipped"], ran["model"]) == (60, 0, str(models["llava"]))
    said = answers_of(answers)
    people = [
        row | {"answers": [{"answer": said[str(row["question_id"])] if i % 3 else "nothing"}] * 10}
        for i, row in enumerate(rows)
    ]
    annotations = write_document(tmp_path / "an.json", {"annotations": people})
    gold = ("--metric", "textvqa", "--questions", questions, "--annotations", annotations,
            "--predictions", answers)  # fmt: skip
    scored = invoke("vqa", "score", *gold)
    assert (scored["n"], scored["n_unmatched"]) == (60, 0)
    assert scored["accuracy"] == pytest.approx(200 / 3)
    captions = tmp_path / "captions.txt"
    words = [*SUBJECTS, "colour", "image", "red", "blue"]
    lines = [f"a {a} and a {b}" for i, a in enumerate(words) for b in words[:i] * (i + 1)]
    captions.write_text("\n".join(lines))
    build = ["index", "build", str(captions), "-o", str(tmp_path / "index"), "--quiet"]
    assert CliRunner().invoke(cli, build, catch_exceptions=False).exit_code == 0
    examples = tmp_path / "examples.parquet"
    made = invoke("vqa", "examples", tmp_path / "index", *gold, "-o", examples)
    assert made["n"] == 60
    found = invoke("correlate", examples, "--cluster", "image")
    assert found["n"] == 60
