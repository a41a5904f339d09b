"""Probes whose keys are classes: whole names in an index of phrases, last words as published."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conceptstats import CaptionIndex, build_index
from conceptstats.accessories import read_accessories
from conceptstats.class_names import ClassNames, class_names, read_classes
from conceptstats.class_probes import select_class_probes
from conceptstats.concept_list import list_concepts, make_concept_list
from conceptstats.errors import ParameterError
from conceptstats.probes import probe_id

CAPTIONS = [
    *["a polar bear on the ice"] * 6,
    *["two polar bears with a hat"] * 2,
    *["a brown bear in the forest"] * 5,
    *["a brown bear wears a hat"] * 3,
    *["a bear with honey"] * 2,
    *["a fire engine beside a ladder"] * 4,
    *["fire trucks and a hat"] * 1,
    *["ice and a forest"] * 3,
    *["a ladder", "honey", "a truck in the forest"],
]
CLASSES = ClassNames(
    ("polar bear", "brown bear", "fire engine", "snow leopard"),
    (("ice bear",), (), ("fire truck",), ()),
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """An index of single words."""
    folder = tmp_path_factory.mktemp("words")
    path = folder / "captions.txt"
    path.write_text("\n".join(CAPTIONS) + "\n", encoding="utf-8")
    return CaptionIndex.open(build_index([path], folder / "WORDS"))


@pytest.fixture(scope="module")
def phrases(words: CaptionIndex) -> CaptionIndex:
    """An index of classes and accessories over the same captions."""
    folder = words.path.parent
    listed = folder / "concepts.txt"
    accessories = ["hat", "ice", "forest", "honey", "ladder"]
    make_concept_list(CLASSES, listed, accessories=accessories, index=words.path)
    options: dict[str, Any] = {"profile": "concepts", "profile_options": {"concepts": listed}}
    return CaptionIndex.open(build_index([folder / "captions.txt"], folder / "IDX", **options))


def test_whole_names_and_synonyms_are_counted(phrases: CaptionIndex) -> None:
    """Of 8 captions with polar bears 2 have a hat; "fire trucks" are fire engines, 5 in all.

    In 29 captions, 6 have a hat, so the PMI of polar bear and hat is ln(2 * 29 / (8 * 6)) = 0.189.
    """
    assert phrases.n == 29
    probes = select_class_probes(phrases, CLASSES, per_stratum=None)
    rows = {(row["key"], row["accessory"]): row for row in probes.table.to_pylist()}
    polar = rows["polar bear", "hat"]
    assert (polar["n_key"], polar["n_accessory"], polar["n_pair"]) == (8, 6, 2)
    assert polar["pmi"] == pytest.approx(0.1892, abs=1e-4)
    assert polar["class_index"] == 0
    fire = rows["fire engine", "hat"]
    assert (fire["class_index"], fire["n_key"], fire["n_pair"]) == (2, 5, 1)
    assert rows["brown bear", "ice"]["n_pair"] == 0
    assert {accessory for _, accessory in rows} == {"hat", "ice", "forest", "honey", "ladder"}
    assert any("no caption holds (1): snow leopard" in note for note in probes.notes)


def test_in_an_index_of_words_such_classes_are_an_error(words: CaptionIndex) -> None:
    """The error says which, and how to count them; or they are left out and said."""
    with pytest.raises(ParameterError, match=r"4 of 5 classes.*polar bear, brown") as error:
        select_class_probes(words, class_names([*CLASSES.names, "hat"]))
    assert "--profile concepts --concepts" in str(error.value)
    probes = select_class_probes(
        words, class_names([*CLASSES.names, "", "hat"]), missing="skip", per_stratum=None
    )
    assert set(probes.table["class_index"].to_pylist()) == {5}
    assert "polar bear, brown bear" in probes.notes[0]


def test_a_name_that_loses_words_is_not_a_class(words: CaptionIndex) -> None:
    """The profile drops the "t" of "T-shirt", but a class is its whole name."""
    with pytest.raises(ParameterError, match="T-hat"):
        select_class_probes(words, class_names(["T-hat", "bear"]))


def test_a_class_outside_the_list_is_an_error(phrases: CaptionIndex) -> None:
    """The list of the index does not have it."""
    with pytest.raises(ParameterError, match="in whose list they are not: dog"):
        select_class_probes(phrases, class_names(["polar bear", "dog"]))


def test_accessories_do_not_name_classes(words: CaptionIndex) -> None:
    """Synonyms of a class are neither by default nor when given accessories."""
    classes = ClassNames(("bear", "truck"), (("forest",), ()))
    by_default = select_class_probes(words, classes, per_stratum=None)
    assert "forest" not in by_default.table["accessory"].to_pylist()
    given = select_class_probes(words, classes, ["forest", "hat", "bears"], per_stratum=None)
    assert set(given.table["accessory"].to_pylist()) == {"hat"}
    assert "Left out accessories that are keys (1): bears." in given.notes
    assert "Left out accessories that name a class (1): forest." in given.notes


def test_by_default_accessories_do_not_name_kinds_of_classes(words: CaptionIndex) -> None:
    """A bear beside a polar bear is none; who gives it as an accessory means it."""
    classes = class_names(["polar bear", "truck"])
    by_default = select_class_probes(words, classes, missing="skip", per_stratum=None)
    others = set(by_default.table["accessory"].to_pylist())
    assert "bear" not in others
    assert {"hat", "polar"} <= others
    given = select_class_probes(words, classes, ["bear"], missing="skip", per_stratum=None)
    assert given.table["accessory"].to_pylist() == ["bear"]


def test_classes_of_one_name_are_the_first(words: CaptionIndex) -> None:
    """What no caption tells apart is one key."""
    probes = select_class_probes(words, class_names(["truck", "bear", "bear"]), per_stratum=None)
    assert set(probes.table["class_index"].to_pylist()) == {0, 1}
    assert "bear (1 and 2)" in probes.notes[0]


def test_the_published_rule_takes_last_words(words: CaptionIndex) -> None:
    """Counts are those of "bear"; the class is drawn among those that end with it, with a seed."""
    table = select_class_probes(words, CLASSES, key_match="paper", per_stratum=None).table
    rows = table.to_pylist()
    assert {row["key_word"] for row in rows} == {"bear", "engine"}
    for row in rows:
        assert CLASSES.names[row["class_index"]] == row["key"]
        assert row["key"].endswith(row["key_word"])
        assert row["probe_id"] == probe_id(row["key"], row["accessory"])
        expected = words.pmi(row["key_word"], row["accessory"])
        assert (row["n_key"], row["n_pair"]) == (expected.n_a, expected.n_ab)
    # Neither key nor accessory: words of names that no name ends with.
    others = {row["accessory"] for row in rows}
    assert others.isdisjoint({"polar", "brown", "fire", "snow", "leopard", "bear", "engine"})
    assert "truck" in others  # of a synonym only, which the rule does not know
    assert table.equals(
        select_class_probes(words, CLASSES, key_match="paper", per_stratum=None).table
    )
    drawn = {
        tuple(
            select_class_probes(words, CLASSES, key_match="paper", per_stratum=None, seed=seed)
            .table.sort_by([("key_word", "ascending"), ("accessory", "ascending")])["key"]
            .to_pylist()
        )
        for seed in range(4)
    }
    assert len(drawn) > 1


def test_the_published_rule_knows_no_blank_names(words: CaptionIndex) -> None:
    """A name of blanks keeps a place, as an empty one does."""
    probes = select_class_probes(
        words, class_names([" ", "brown bear"]), key_match="paper", per_stratum=None
    )
    assert set(probes.table["class_index"].to_pylist()) == {1}


def test_the_published_rule_draws_evenly(tmp_path: Path) -> None:
    """Of 400 pairs of a word that two classes share each has about half."""
    from index_files import letters

    others = [letters(i) for i in range(400)]
    path = tmp_path / "captions.txt"
    path.write_text("".join(f"bear {other}\n" for other in others), encoding="utf-8")
    index = CaptionIndex.open(build_index([path], tmp_path / "IDX"))
    table = select_class_probes(index, CLASSES, key_match="paper", per_stratum=None).table
    counts = Counter(table["key"].to_pylist())
    assert sum(counts.values()) == 400
    assert 160 < counts["polar bear"] < 240  # 4 standard deviations


def test_published_words_of_imagenet() -> None:
    """768 last words for 1,000 classes; 341 classes share one, as published."""
    from open_clip import IMAGENET_CLASSNAMES

    last = Counter(name.lower().split()[-1] for name in IMAGENET_CLASSNAMES)
    assert (len(last), sum(n for n in last.values() if n > 1)) == (768, 341)


def test_unknown_options_are_errors(words: CaptionIndex) -> None:
    """The error names both."""
    bad: Any = "word"
    with pytest.raises(ParameterError, match="key_match is 'word'"):
        select_class_probes(words, CLASSES, key_match=bad)
    with pytest.raises(ParameterError, match="no class ends with a word"):
        select_class_probes(words, class_names(["sea otter"]), key_match="paper")


def test_the_list_of_concepts_has_each_phrase_once(words: CaptionIndex) -> None:
    """Plurals come from the captions; what is a phrase of a class is no accessory."""
    made = list_concepts(CLASSES, ["hat", "ice bear", "truck", "hat", ""], words)
    assert made.classes[0] == ["polar bear", "ice bear", "polar bears", "ice bears"]
    assert made.classes[2] == ["fire engine", "fire truck", "fire trucks"]
    assert made.accessories == [["hat"], ["truck", "trucks"]]
    assert any("(1): ice bear" in note for note in made.notes)
    plain = list_concepts(CLASSES, ["hat"])
    assert plain.classes[0] == ["polar bear", "ice bear"]
    assert any("no plurals" in note for note in plain.notes)


def test_the_list_of_classes_keeps_their_places(tmp_path: Path) -> None:
    """Without accessories it is a list of classes again; a twin is an empty line."""
    classes = ClassNames(("dog", "Cat", "cat", ""), ((), (), ("kitty",), ()))
    make_concept_list(classes, tmp_path / "classes.txt")
    again = read_classes(tmp_path / "classes.txt")
    assert again == ClassNames(("dog", "Cat", "", ""), ((), ("kitty",), (), ()))


def test_forms_need_an_index_of_words(phrases: CaptionIndex) -> None:
    """An index of phrases has no other forms."""
    with pytest.raises(ParameterError, match="profile concepts, expected words"):
        list_concepts(CLASSES, (), phrases)
    with pytest.raises(ParameterError, match="no class with a word"):
        list_concepts(class_names(["", "!"]))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `conceptstats` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from conceptstats.cli import main; main()", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_from_captions_to_probes_of_classes(words: CaptionIndex, tmp_path: Path) -> None:
    """The commands, one after another, and what they say when one is left out."""
    captions = words.path.parent / "captions.txt"
    classes, accessories = tmp_path / "classes.txt", tmp_path / "accessories.txt"
    classes.write_text("polar bear\tice bear\nbrown bear\nfire engine\tfire truck\n")
    accessories.write_text("hat\ths\nice\nforest\n")
    shared = ("--keys", classes, "--accessories", accessories, "--all")
    done = run("probes", words.path, *shared, "-o", tmp_path / "p.parquet")
    assert done.returncode == 1
    assert "Hint: conceptstats concepts" in done.stderr
    listed = tmp_path / "concepts.txt"
    done = run("concepts", classes, "--accessories", accessories, "--index", words.path,
               "-o", listed, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["classes"], data["accessories"]) == (3, 3)
    record = json.loads((tmp_path / "concepts.txt.run.json").read_text())
    assert record["command"] == "concepts"
    assert record["arguments"]["accessories"] == ["hat", "ice", "forest"]
    done = run("index", "build", captions, "-o", tmp_path / "IDX", "--profile", "concepts",
               "--concepts", listed, "--quiet")  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = run("probes", tmp_path / "IDX", *shared, "-o", tmp_path / "p.parquet")
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.num_rows == 9
    assert set(table["class_index"].to_pylist()) == {0, 1, 2}
    record = json.loads((tmp_path / "p.parquet.run.json").read_text())
    assert record["arguments"]["synonyms"] == [["ice bear"], [], ["fire truck"]]
    done = run("concepts", classes, "-o", listed)
    assert (done.returncode, "exists" in done.stderr) == (1, True)


def test_accessories_of_files(tmp_path: Path) -> None:
    """One a line, what is behind a tab left out; a file that is named must be there."""
    path = tmp_path / "accessories.txt"
    path.write_text("hat\thats\nred\n", encoding="utf-8")
    assert read_accessories(path) == ["hat", "red"]
    assert read_accessories("hat,red") == ["hat", "red"]
    path = tmp_path / "a, b.csv"
    path.write_text("hat\nred  hat\n", encoding="utf-8")
    assert read_accessories(path) == ["hat", "red hat"]
    with pytest.raises(ParameterError, match="cannot be read"):
        read_accessories(tmp_path / "none.txt")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ParameterError, match="names no accessory"):
        read_accessories(tmp_path / "empty.txt")
