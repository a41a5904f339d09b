"""Names of classes: where they come from, and which phrases mean which."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from conceptstats import class_names as module
from conceptstats.class_names import (
    ClassNames,
    class_names,
    read_classes,
    readings,
    settle,
    strangers,
    with_synonyms,
)
from conceptstats.errors import ParameterError, ProfileError


@pytest.fixture
def wordnet(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NLTK finds WordNet."""
    import nltk.data

    monkeypatch.setattr(nltk.data, "path", [str(test_data / "data/text/nltk_data")])


def written(folder: Path, text: str, name: str = "classes.txt") -> ClassNames:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_classes(path)


def test_lines_with_synonyms_behind_tabs(tmp_path: Path) -> None:
    """An empty line keeps the place of a class, also the last one."""
    found = written(tmp_path, "fire engine\tfire truck\t\n\n dog \n\n")
    assert found == ClassNames(("fire engine", "", "dog", ""), (("fire truck",), (), (), ()))


def test_names_with_commas_and_single_names() -> None:
    """Text without a file is names."""
    assert read_classes("dog, cat,,bus").names == ("dog", "cat", "", "bus")
    assert read_classes("dog").names == ("dog",)


def test_a_path_may_hold_a_comma(tmp_path: Path) -> None:
    """A file that is there is read, whatever its path looks like; a long text is no path."""
    folder = tmp_path / "Übung, 2"
    folder.mkdir()
    assert written(folder, "dog\ncat\n").names == ("dog", "cat")
    assert len(read_classes(",".join(["dog"] * 5_000))) == 5_000


@pytest.mark.parametrize(("text", "name"), [("", "a.txt"), ("\n \n", "a.txt"), ("{}", "a.json")])
def test_a_list_without_a_class_is_an_error(tmp_path: Path, text: str, name: str) -> None:
    """Nothing would be left out for naming a class, without a word."""
    with pytest.raises(ParameterError, match="names no class"):
        written(tmp_path, text, name)
    with pytest.raises(ParameterError, match="an empty text names no class"):
        read_classes("")


def test_names_of_imagenets_own_list(tmp_path: Path) -> None:
    """A WordNet id, then names with commas; a comma within a name has no blank behind it."""
    text = "n01440764 tench, Tinca tinca\nn01498041 stingray\nn00000003 one,two, three\n"
    found = written(tmp_path, text)
    assert found.names == ("tench", "stingray", "one,two")
    assert found.synonyms == (("Tinca tinca",), (), ("three",))
    assert found.ids == with_synonyms(found, found).ids == ("n01440764", "n01498041", "n00000003")
    found = written(tmp_path, "n01440764 tench\n\nn01498041 stingray\n\n\n")
    assert (found.names, found.ids[1:]) == (("tench", "", "stingray"), ("", "n01498041"))
    with pytest.raises(ParameterError, match=r"line 2: 'ImageId' has no WordNet id"):
        written(tmp_path, "n01440764 tench\nImageId\n")


@pytest.mark.usefixtures("wordnet")
def test_ids_alone_get_their_names_from_wordnet(tmp_path: Path) -> None:
    """WordNet 3.0 calls n01440764 tench and Tinca tinca; two synsets are both called crane."""
    found = written(tmp_path, "n01440764\nn02012849\nn03126707\n")
    assert found.names == ("tench", "crane", "crane")
    assert found.synonyms[0] == ("Tinca tinca",)
    with pytest.raises(ParameterError, match="no noun n00000005"):
        written(tmp_path, "n00000005\n")


def test_without_wordnet_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids alone need its names."""
    import nltk.data
    from nltk.corpus import reader, wordnet
    from nltk.corpus.util import LazyCorpusLoader

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    empty = LazyCorpusLoader("wordnet", reader.WordNetCorpusReader, None)
    monkeypatch.setattr("nltk.corpus.wordnet", empty)
    assert wordnet is not empty
    with pytest.raises(ProfileError, match="WordNet, which is not installed") as error:
        written(tmp_path, "n01440764\n")
    assert error.value.hint is not None
    assert error.value.hint.startswith("python -m nltk.downloader wordnet (or set NLTK_DATA")


def test_without_nltk_the_error_says_how_to_get_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library first, then its data."""
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    with pytest.raises(ProfileError, match=r"needs NLTK.*pip install .*; python -m nltk"):
        written(tmp_path, "n01440764\n")


def test_json_of_three_shapes(tmp_path: Path) -> None:
    """A list, an object of synonyms, and one of indices, whose order counts."""
    assert written(tmp_path, '["dog", "cat"]', "a.json") == class_names(["dog", "cat"])
    found = written(tmp_path, '{"dog": ["hound"], "cat": []}', "b.json")
    assert found == ClassNames(("dog", "cat"), (("hound",), ()))
    data = {
        "1": {"name": "cat", "alternates": {"kitty": 3}},
        "0": {"name": "dog", "alternates": []},
    }
    found = written(tmp_path, json.dumps(data), "c.json")
    assert found == ClassNames(("dog", "cat"), ((), ("kitty",)))


def test_names_have_single_blanks(tmp_path: Path) -> None:
    """A tab within a name would part it where names are written one a line."""
    found = written(tmp_path, '{" fire\\tengine ": ["fire\\ntruck", " "], "  ": []}', "a.json")
    assert found == ClassNames(("fire engine", ""), (("fire truck",), ()))


def test_json_with_a_name_twice_is_an_error(tmp_path: Path) -> None:
    """JSON would keep the last, and all classes behind it would move up."""
    with pytest.raises(ParameterError, match="the name 'crane' more than once"):
        written(tmp_path, '{"crane": ["bird"], "dog": [], "crane": ["hoist"]}', "a.json")


@pytest.mark.parametrize("text", ["{", "3", '["a", 1]', '{"0": {"name": "a"}}',
                                  '{"1": {"name": "a", "alternates": []}}',
                                  '{"0": {"name": "a", "alternates": "b"}}', '{"dog": "hound"}',
                                  '{"0": "tench"}', '{"0": ["n01440764", "tench"]}'])  # fmt: skip
def test_json_that_is_no_list_of_classes(tmp_path: Path, text: str) -> None:
    """The error shows what is expected; a text is no list of letters, an index no name."""
    with pytest.raises(ParameterError, match=r"not valid JSON|holds no list of classes"):
        written(tmp_path, text, "bad.json")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """The name of a file is no name of a class."""
    with pytest.raises(ParameterError, match="cannot be read"):
        read_classes(tmp_path / "none.txt")


def test_lists_come_from_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """``imagenet`` is what eval brings: 1,000 names, two of them twice."""
    point = EntryPoint("imagenet", "conceptstats.eval.class_lists:imagenet", module.ENTRY_GROUP)

    def entry_points(*, group: str, name: str) -> list[Any]:
        return [point] if (group, name) == (module.ENTRY_GROUP, "imagenet") else []

    monkeypatch.setattr(module, "entry_points", entry_points)
    found = read_classes("imagenet")
    assert (len(found), found.names[0], found.names[999]) == (1000, "tench", "toilet paper")
    assert read_classes("other").names == ("other",)
    settled = settle(found)
    assert [(at, place) for place, at in enumerate(settled.home) if at != place] == [
        (657, 744),
        (836, 837),
    ]
    monkeypatch.setattr(module, "entry_points", lambda **_: [])
    with pytest.raises(ParameterError, match="list of classes imagenet") as error:
        read_classes("imagenet")
    assert "conceptstats[eval]" in str(error.value)


def test_readings_of_names_that_nobody_says() -> None:
    """Slashes and parentheses are for readers of a list."""
    assert readings("baluster / handrail") == ["baluster", "handrail"]
    assert readings("Mexican hairless dog (xoloitzcuintli)") == ["Mexican hairless dog"]
    assert readings("T-shirt") == readings("either/or") == []


def test_a_phrase_is_of_one_class() -> None:
    """A name goes to its class; what two have, to none; twins are the first of them."""
    classes = ClassNames(
        ("crane", "kite", "Missile", "missile", ""),
        (("hoist", "kite"), ("glede", "Hoist"), ("rocket",), ("projectile",), ("nothing",)),
    )
    settled = settle(classes)
    assert settled.phrases == [
        ["crane"],
        ["kite", "glede"],
        ["Missile", "rocket", "projectile"],
        [],
        [],
    ]
    assert settled.home == [0, 1, 2, 2, 4]
    assert "missile (2 and 3)" in settled.notes[0]
    assert "(1): hoist" in settled.notes[1].lower()


def test_a_name_without_a_word_is_left_out_and_said() -> None:
    """Two of them are no twins."""
    settled = settle(class_names(["!", "dog", "?"]))
    assert settled.phrases == [[], ["dog"], []]
    assert settled.notes == ["Left out classes without a word (2): !, ?."]


def test_synonyms_of_another_list_are_added_line_by_line() -> None:
    """As many lines; classes that share no word with theirs are named."""
    classes = class_names(["fire engine", "newt", ""])
    others = ClassNames(("fire truck", "eft", "ghost"), (("fire engine",), (), ()))
    assert with_synonyms(classes, others).synonyms == (("fire truck",), ("eft",), ("ghost",))
    assert strangers(classes, others) == ["newt"]
    with pytest.raises(ParameterError, match="3 classes and 1 lines"):
        with_synonyms(classes, class_names(["dog"]))


def test_published_synonyms_fit_openais_names(test_data: Path) -> None:
    """Of 1,000 classes three share no word with their published synonyms: the order is the same."""
    from open_clip import IMAGENET_CLASSNAMES

    classes = class_names(IMAGENET_CLASSNAMES)
    path = test_data / "data/vocab/imagenet_synonyms/metrics-LAION400M.json"
    others = read_classes(path)
    assert strangers(classes, others) == ["newt", "quilt", "mountain"]
    settled = settle(with_synonyms(classes, others))
    named = [phrases for phrases in settled.phrases if phrases]
    assert len(named) == 998
    assert sum(map(len, named)) > 5_000
    taken = [phrase.lower() for phrases in named for phrase in phrases]
    assert len(set(taken)) == len(taken)
