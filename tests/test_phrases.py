from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from text_cases import concepts_in

from conceptstats.errors import ProfileError
from conceptstats.text import load_profile
from conceptstats.text.phrases import PhraseProfile, read_concept_file

TRUCKS = {"fire truck": ["fire truck", "fire engine", "firetruck"], "truck": ["truck"]}


def write(path: Path, text: str) -> Path:
    """Write a concept file."""
    path.write_text(text, encoding="utf-8")
    return path


def concepts(caption: str, phrases: dict[str, list[str]] | list[str], **options: str) -> list[str]:
    """Concepts of one caption, by the kernels and by the reference, which agree."""
    if isinstance(phrases, list):
        phrases = {phrase: [phrase] for phrase in phrases}
    profile = load_profile("concepts", phrases=phrases, **options)
    [found] = concepts_in(profile.extract(pa.array([caption])))
    assert found == profile.concepts_of(caption)
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lines.txt", "fire truck\tfire engine\tfiretruck\ntruck\n"),
        ("spaces.tsv", "\n fire truck \t fire engine\t\tfiretruck\r\n\n\t\ntruck"),
        ("mark.txt", "\ufefffire truck\tfire engine\tfiretruck\ntruck\n"),
        (
            "twice.txt",
            "fire truck\tfire engine\ntruck\ttruck\nfire truck\tfiretruck\tfire engine\n",
        ),
        ("object.json", json.dumps(TRUCKS)),
        ("object.json", '{"fire truck": ["fire engine", "firetruck"], "truck": []}'),
        ("one.json", '\ufeff{"fire truck": ["fire engine", "", "firetruck"], "truck": "truck"}'),
    ],
)
def test_concept_files(name: str, text: str, tmp_path: Path) -> None:
    """Text with tabs and JSON objects give concepts with their synonyms, the name itself first."""
    path = write(tmp_path / name, text)
    assert read_concept_file(path) == TRUCKS
    assert load_profile("concepts", concepts=str(path)).options == {
        "phrases": TRUCKS,
        "match": "longest",
        "split": "words",
    }


def test_a_json_list_holds_concepts_without_synonyms(tmp_path: Path) -> None:
    """Each phrase is a concept, in the order of the file."""
    path = write(tmp_path / "list.json", '["straße", "dog", "fire truck"]')
    phrases = {"straße": ["straße"], "dog": ["dog"], "fire truck": ["fire truck"]}
    assert read_concept_file(path) == phrases
    assert list(read_concept_file(path)) == list(phrases)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.txt", "", "holds no concept.*synonyms behind tabs"),
        ("blank.txt", "\n \t\n", "holds no concept"),
        ("empty.json", "[]", "holds no concept"),
        ("empty.json", "", "not valid JSON"),
        ("broken.json", '["dog", "cat"', "not valid JSON"),
        ("number.json", "[1, 2]", "not a phrase"),
        ("null.json", '{"dog": null}', "not a phrase"),
        ("nested.json", '{"dog": {"puppy": []}}', "not a phrase"),
        ("deep.json", '{"dog": [["puppy"]]}', "not a phrase"),
        ("text.json", "12", "not a phrase"),
    ],
)
def test_bad_concept_files(name: str, text: str, message: str, tmp_path: Path) -> None:
    """The error names the file and what is wrong with it."""
    path = write(tmp_path / name, text)
    with pytest.raises(ProfileError, match=message) as caught:
        load_profile("concepts", concepts=path)
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, and one that is not UTF-8, are named."""
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    for name in ("missing.txt", "latin.txt"):
        with pytest.raises(ProfileError, match=rf"cannot read the concept file .*{name}"):
            load_profile("concepts", concepts=tmp_path / name)


def test_a_profile_needs_a_list_and_known_ways() -> None:
    """Options that cannot be are refused with what can."""
    with pytest.raises(ProfileError, match="--concepts FILE"):
        load_profile("concepts")
    for wrong in ({"match": "shortest"}, {"split": "letters"}):
        with pytest.raises(ProfileError, match=r"'longest' or 'all'.*'words' or 'spaced'"):
            load_profile("concepts", phrases=TRUCKS, **wrong)


@pytest.mark.parametrize("split", ["words", "spaced"])
@pytest.mark.parametrize("phrase", ["", " ", "\t \n"])
def test_a_phrase_without_a_word_is_refused(phrase: str, split: str) -> None:
    """It would match everywhere, or nowhere."""
    with pytest.raises(ProfileError, match=r"no word in it.*remove it"):
        load_profile("concepts", phrases={"dog": ["dog", phrase]}, split=split)


def test_marks_alone_are_no_words() -> None:
    """Split into words, "!" has none."""
    with pytest.raises(ProfileError, match="no word in it"):
        load_profile("concepts", phrases={"!": ["!"]})


def test_a_phrase_of_two_concepts_is_refused() -> None:
    """Phrases are compared as the captions are: by words without case, spaced with it."""
    phrases = {"dog": ["dog", "Hot-Dog"], "sausage": ["hot dog"]}
    with pytest.raises(ProfileError, match=r"two concepts: 'dog' and 'sausage'.*in lower case"):
        load_profile("concepts", phrases=phrases)
    assert concepts("a hot dog", phrases, split="spaced", match="all") == ["sausage", "dog"]
    with pytest.raises(ProfileError, match="'dog' and 'pet'"):
        load_profile("concepts", phrases={"dog": ["dog"], "pet": ["dog"]}, split="spaced")


def test_longest_match_and_every_match() -> None:
    """A fire truck is a fire truck alone, or a truck as well, as it is asked for."""
    caption = "Fire truck behind a truck; a fire-engine, fire"
    assert concepts(caption, TRUCKS) == ["fire truck", "truck", "fire truck"]
    every = ["fire truck", "truck", "truck", "fire truck"]
    assert concepts(caption, TRUCKS, match="all") == every


def test_the_longest_match_begins_at_the_left() -> None:
    """What is matched is used up; a longer phrase that begins inside it is not found."""
    phrases = ["a b", "b c d", "c"]
    assert concepts("a b c d", phrases) == ["a b", "c"]
    assert concepts("a b c d", phrases, match="all") == ["a b", "b c d", "c"]
    assert concepts("a a b b c", ["a b b b", "a b"]) == ["a b"]


def test_synonyms_lead_to_their_concept() -> None:
    """Any of its phrases is the concept; the ones spelt otherwise are its forms."""
    profile = PhraseProfile(TRUCKS)
    extracted = profile.extract(pa.array(["FIRETRUCK and fire engine", "fire trucks"]))
    assert concepts_in(extracted) == [["fire truck", "fire truck"], []]
    assert extracted.concepts.to_pylist() == ["fire truck"]
    assert extracted.forms.to_pylist() == ["fire engine", "firetruck"]
    assert extracted.form_ids.tolist() == [0, 0]


def test_words_are_compared_without_case_and_whatever_stands_between() -> None:
    """Punctuation and underscores separate; part of a word is no word."""
    caption = "HOT_dog, hot... Dog; hotdog hot dogs Straße STRASSE"
    found = ["hot dog", "hot dog", "straße"]
    assert concepts(caption, ["hot dog", "straße"]) == found


def test_spaced_keeps_case_and_marks() -> None:
    """MetaCLIP's way: seven marks are padded with blanks, all others are part of a token."""
    phrases = ["Dog", "St. Louis", "t-shirt", "it's", "!"]
    assert concepts("a dog, Dog,Dog! (Dog) Dog's", phrases, split="spaced") == ["Dog", "Dog", "!"]
    found = ["it's", "t-shirt", "it's"]  # a phrase is not padded as the caption is
    assert concepts("St. Louis? it's t-shirt`it's It's", phrases, split="spaced") == found
    trucks = concepts("fire\ttruck, two fire\ntruck", ["fire truck"], split="spaced")
    assert trucks == ["fire truck", "fire truck"]


def test_spaced_phrases_do_not_reach_over_two_blanks() -> None:
    """Between two blanks stands an empty token, which no phrase of words has."""
    phrases = ["fire truck", "dog", "dog cat"]
    assert concepts("fire  truck dog", phrases, split="spaced") == ["dog"]
    assert concepts("dog, cat", phrases, split="spaced") == ["dog"]
    assert concepts("a dog cat", phrases, split="spaced", match="all") == ["dog", "dog cat"]
    assert concepts("a  b", {"gap": ["a  b"]}, split="spaced") == ["gap"]
