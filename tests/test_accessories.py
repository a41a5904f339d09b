"""Accessories: filtered by WordNet, held against a list, judged by a chat model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tiny_chat import write_tiny_chat

from conceptstats import CaptionIndex, build_index
from conceptstats.accessories import ACCESSORIES, filter_accessories, read_accessories
from conceptstats.class_names import ClassNames, class_names
from conceptstats.errors import OutputExistsError, ParameterError
from conceptstats.synth import accessories as module
from conceptstats.synth.accessories import JUDGEMENT, choose_accessories
from conceptstats.synth.prompts.chat import ChatModel, load_chat_model
from conceptstats.table_files import load_table, save_table

CAPTIONS = ["hat justice red striped qwertyish mp3 photograph image bears polar dog hounds"] * 3 + [
    "hats quickly and the rarely seen umbrella"
]
CLASSES = ClassNames(("polar bear", "dog"), ((), ("hound",)))
JUDGED = {"hat": "yes", "justice": "no", "red": "Yes .", "striped": "maybe", "polar": "no",
          "umbrella": "yes"}  # fmt: skip


@pytest.fixture(autouse=True)
def _wordnet(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NLTK finds WordNet."""
    import nltk.data

    monkeypatch.setattr(nltk.data, "path", [str(test_data / "data/text/nltk_data")])


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """An index of words."""
    folder = tmp_path_factory.mktemp("accessories")
    path = folder / "captions.txt"
    path.write_text("\n".join(CAPTIONS) + "\n", encoding="utf-8")
    return CaptionIndex.open(build_index([path], folder / "WORDS"))


@pytest.fixture(scope="session")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model that has learned an answer to each word."""
    shown = "".join(
        f"<user>Word: {word}</turn><assistant>{answer}</turn>"
        for word, answer in module._EXAMPLES.items()
    ).replace("<user>", f"<user>{module._INSTRUCTION}\n\n", 1)
    answers = {
        f"{shown}<user>Word: {word}</turn><assistant>": answer for word, answer in JUDGED.items()
    }
    return write_tiny_chat(tmp_path_factory.mktemp("chat") / "judge", answers)


@pytest.fixture(scope="module")
def judge(judge_folder: Path) -> ChatModel:
    """That model, loaded."""
    return load_chat_model(judge_folder, device="cpu")


def reasons(table: pa.Table) -> dict[str, str | None]:
    columns = table.select(["accessory", "reason"]).to_pydict()
    return dict(zip(columns["accessory"], columns["reason"], strict=True))


def test_every_concept_is_kept_or_has_a_reason(index: CaptionIndex) -> None:
    """Nouns and adjectives that WordNet knows; no digit, photo, image or class.

    "bear" is the last word of a class, "hound" a synonym, found under their lemmas. WordNet knows
    "polar" as an adjective, "quickly" and "rarely" as adverbs only, "seen" as a form of a verb.
    """
    table = filter_accessories(index, CLASSES)
    assert table.schema == ACCESSORIES
    assert table["accessory"].to_pylist() == index.vocabulary["concept"].to_pylist()
    assert reasons(table) == {
        "hat": None, "justice": None, "red": None, "striped": None, "polar": None,
        "umbrella": None,
        "qwertyish": "is no noun or adjective of WordNet",
        "quickly": "is no noun or adjective of WordNet",
        "rarely": "is no noun or adjective of WordNet",
        "seen": "is no noun or adjective of WordNet",
        "mp3": "has a digit",
        "photograph": "has photo or image in it", "image": "has photo or image in it",
        "bear": "names a class", "dog": "names a class", "hound": "names a class",
    }  # fmt: skip
    assert [row["kept"] for row in table.to_pylist()] == [
        row["reason"] is None for row in table.to_pylist()
    ]


def test_as_published_no_word_of_a_class_is_kept(index: CaptionIndex) -> None:
    """Words of names, not of synonyms, which the published rule does not know."""
    found = reasons(filter_accessories(index, CLASSES, key_match="paper"))
    assert found["polar"] == "names a class"
    assert found["hound"] is None


def test_rare_words_are_left_out(index: CaptionIndex) -> None:
    """Of four captions the first three have the hat's company."""
    found = reasons(filter_accessories(index, CLASSES, min_count=2))
    assert found["umbrella"] == "is in fewer than 2 captions"
    assert found["hat"] is None
    with pytest.raises(ParameterError, match="min_count is 0"):
        filter_accessories(index, CLASSES, min_count=0)


def test_a_list_of_what_can_be_seen(index: CaptionIndex, tmp_path: Path) -> None:
    """In any form of the words; a phrase of several words is none of them."""
    made = choose_accessories(
        index.path,
        tmp_path / "a.parquet",
        classes=CLASSES,
        visualisable=["Hats", "the umbrella", "red", "dog"],
    )
    found = reasons(load_table(made.output, ACCESSORIES))
    assert [name for name, reason in found.items() if reason is None] == ["hat", "red"]
    assert found["umbrella"] == "is not in the list of what can be seen"
    assert found["dog"] == "names a class"
    assert (made.n, made.n_kept) == (16, 2)
    assert sum(made.left_out.values()) == 14


def test_a_model_judges_and_its_answers_are_kept(
    index: CaptionIndex, judge: ChatModel, tmp_path: Path
) -> None:
    """Yes and no as it was taught; "maybe" is neither, also when it is asked again."""
    made = choose_accessories(
        index.path, tmp_path / "a.parquet", classes=CLASSES, judge=judge, retries=1
    )
    rows = {row["accessory"]: row for row in load_table(made.output, ACCESSORIES).to_pylist()}
    asked = {name: row["answer"] for name, row in rows.items() if row["answer"] is not None}
    assert asked == JUDGED
    assert {name for name, row in rows.items() if row["kept"]} == {"hat", "red", "umbrella"}
    assert rows["justice"]["reason"] == "is not easy to see, says the model"
    assert rows["striped"]["reason"] == "the model said neither yes nor no"
    assert {row["model"] for row in rows.values()} == {None, judge.name}
    record = json.loads((tmp_path / "a.parquet.run.json").read_text())
    assert record["arguments"]["sampling"]["temperature"] == 0.5
    assert record["arguments"]["sampling"]["top_p"] == 0.9
    assert record["arguments"]["wordnet"] == "3.0"
    assert record["arguments"]["examples"]["justice"] == "no"
    assert read_accessories(made.output) == ["hat", "red", "umbrella"]


def test_an_unclear_answer_is_asked_for_again(
    index: CaptionIndex, judge: ChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another seed each time; what is clear is not asked for again."""
    seeds: dict[str, list[int]] = {}
    answer = ChatModel.answer

    def watch(self: ChatModel, questions: Sequence[Any], sampling: Any) -> Any:
        for one in questions:
            seeds.setdefault(one.item, []).append(one.seed)
        return answer(self, questions, sampling)

    monkeypatch.setattr(ChatModel, "answer", watch)
    choose_accessories(index.path, tmp_path / "a.parquet", classes=CLASSES, judge=judge, retries=2)
    assert {name: len(set(those)) for name, those in seeds.items()} == {
        name: 3 if name == "striped" else 1 for name in JUDGED
    }


def test_a_killed_judgement_goes_on(
    index: CaptionIndex, judge: ChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that were judged are not asked about again, and the table is that of one run."""
    monkeypatch.setattr(module, "_PART", 2)
    options: Mapping[str, Any] = {"classes": CLASSES, "judge": judge, "retries": 0}
    whole = choose_accessories(index.path, tmp_path / "whole.parquet", **options)
    asked: Counter[str] = Counter()
    answer = ChatModel.answer

    def stops(self: ChatModel, questions: Sequence[Any], sampling: Any) -> Any:
        if asked.total() == 4:
            asked.clear()
            raise KeyboardInterrupt
        asked.update(one.item for one in questions)
        return answer(self, questions, sampling)

    monkeypatch.setattr(ChatModel, "answer", stops)
    with pytest.raises(KeyboardInterrupt):
        choose_accessories(index.path, tmp_path / "a.parquet", **options)
    made = choose_accessories(index.path, tmp_path / "a.parquet", **options)
    assert asked.total() == 2
    assert load_table(made.output, ACCESSORIES).equals(load_table(whole.output, ACCESSORIES))


def test_the_published_settings_are_the_default() -> None:
    """T 0.5, top-p 0.9."""
    assert (JUDGEMENT.temperature, JUDGEMENT.top_p, JUDGEMENT.min_p) == (0.5, 0.9, 0.0)


@pytest.mark.parametrize("ending", ["csv", "arrow"])
def test_accessories_are_read_from_tables(tmp_path: Path, ending: str) -> None:
    """Those that are kept."""
    rows = [{"accessory": "hat", "kept": True}, {"accessory": "justice", "kept": False}]
    path = tmp_path / f"a.{ending}"
    save_table(path, pa.Table.from_pylist(rows, schema=ACCESSORIES), ACCESSORIES)
    assert read_accessories(path) == ["hat"]
    save_table(path, pa.Table.from_pylist(rows[1:], ACCESSORIES), ACCESSORIES, overwrite=True)
    with pytest.raises(ParameterError, match="names no accessory"):
        read_accessories(path)


def test_real_captions(test_data: Path, tmp_path: Path) -> None:
    """Of the words of COCO's captions the classes of ImageNet are out, and much is kept."""
    from open_clip import IMAGENET_CLASSNAMES

    source = test_data / "data/captions/coco_captions_val2017.json"
    index = CaptionIndex.open(build_index([source], tmp_path / "WORDS"))
    found = reasons(filter_accessories(index, class_names(IMAGENET_CLASSNAMES), min_count=50))
    kept = {name for name, reason in found.items() if reason is None}
    assert {"red", "man", "tree", "street", "grass"} <= kept
    assert kept.isdisjoint({"bus", "umbrella", "pizza", "zebra", "truck", "photo"})
    assert 300 < len(kept) < 400


def test_errors_come_before_work(index: CaptionIndex, tmp_path: Path) -> None:
    """An output that exists, a number out of range."""
    path = tmp_path / "a.parquet"
    path.write_bytes(b"")
    with pytest.raises(OutputExistsError):
        choose_accessories(index.path, path, classes=CLASSES)
    with pytest.raises(ParameterError, match="retries is -1"):
        choose_accessories(index.path, tmp_path / "b.parquet", classes=CLASSES, retries=-1)


def test_the_command(
    index: CaptionIndex, judge_folder: Path, test_data: Path, tmp_path: Path
) -> None:
    """Counts by reason, in words and in JSON; a clear error without WordNet."""
    classes = tmp_path / "classes.txt"
    classes.write_text("polar bear\ndog\thound\n", encoding="utf-8")
    command = [sys.executable, "-c", "from conceptstats.cli import main; main()", "synth",
               "accessories", str(index.path), "--classes", str(classes), "-o"]  # fmt: skip
    environment = {**os.environ, "NLTK_DATA": str(test_data / "data/text/nltk_data")}
    done = subprocess.run([*command, str(tmp_path / "a.csv"), "--judge", str(judge_folder),
                           "--device", "cpu", "--json"],
                          capture_output=True, text=True, check=True, env=environment)  # fmt: skip
    data = json.loads(done.stdout)
    assert done.stderr == ""
    assert (data["n"], data["n_kept"]) == (16, 3)
    done = subprocess.run([*command, str(tmp_path / "a.csv"), "--judge", "none"],
                          capture_output=True, text=True, check=False, env=environment)  # fmt: skip
    assert (done.returncode, "exists" in done.stderr) == (1, True)
    assert data["left_out"]["is not easy to see, says the model"] == 2
    listed = tmp_path / "seen.txt"
    listed.write_text("hat\nred\n", encoding="utf-8")
    done = subprocess.run([*command, str(tmp_path / "b.csv"), "--visualisable", str(listed)],
                          capture_output=True, text=True, check=True, env=environment)  # fmt: skip
    assert "kept                                              2" in done.stdout
    environment["NLTK_DATA"] = str(tmp_path)
    done = subprocess.run([*command, str(tmp_path / "c.csv")], capture_output=True, text=True,
                          check=False, env={**environment, "HOME": str(tmp_path)})  # fmt: skip
    assert done.returncode == 1
    assert "needs WordNet" in done.stderr
    assert "Traceback" not in done.stderr
