from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from text_cases import (
    WORDS,
    caption_lists,
    concepts_in,
    save_noun_pipeline,
    string_rows,
    use_nltk_data,
)

from conceptstats import reference
from conceptstats.errors import ProfileError
from conceptstats.text import PROFILES, load_profile
from conceptstats.text.profile import Extracted, Profile
from conceptstats.text.words import STOP_WORDS, _tables, noun_lemma

TRUCKS = {"fire truck": ["fire truck", "Fire-Engine", "firetruck"], "truck": ["truck"]}
CAPTIONS = [
    "Two dogs in front of the Fire-Engine; women, leaves and gas on one side.",
    "A man sees us: 2 buses, 3 cans of paint!",
    "the dogs' firetrucks, fire trucks",
    None,
    "",
    "İstanbul ΣΊΣΥΦΟΣ — naïve cafés 🐶",
    "Big dogs running, children on grass in Paris; men",
    "dog",
]
# Words that the stop lists, the numbers' rule and the lemmas meet in every way.
ENGLISH = [*WORDS, *"cans overs noes wills havens axes species mens don ll ss men s is has".split()]
english_captions = st.lists(st.sampled_from(ENGLISH), max_size=12).map(" ".join)
mixed_lists = caption_lists | st.lists(english_captions, max_size=8)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch, test_data: Path) -> Profile:
    """Profile `paper`, with NLTK's data from the test data."""
    use_nltk_data(monkeypatch, test_data)
    return load_profile("paper")


@pytest.fixture
def profile_of(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Profile]:
    """Make a profile by name, with what it needs."""

    def make(name: str) -> Profile:
        if name == "paper":
            return request.getfixturevalue("paper")
        if name == "nouns":
            return load_profile("nouns", pipeline=str(save_noun_pipeline(tmp_path / "nouns")))
        return load_profile(name, **({"phrases": TRUCKS} if name == "concepts" else {}))

    return make


each_profile = pytest.mark.parametrize("name", PROFILES)


def extract(profile: Profile, captions: list[str | None]) -> Extracted:
    """Concepts of captions."""
    return profile.extract(pa.array(captions, pa.string()))


def forms_in(extracted: Extracted) -> dict[str, str]:
    """Concept of each form that is listed; none is listed twice."""
    concepts, forms = extracted.concepts.to_pylist(), extracted.forms.to_pylist()
    assert len(set(forms)) == len(forms) == len(extracted.form_ids)
    return {form: concepts[i] for form, i in zip(forms, extracted.form_ids, strict=True)}


def check_words(
    profile: Profile,
    captions: list[str | None],
    stop_words: frozenset[str],
    lemmatize: Callable[[str], str],
    *,
    filters_lemmas: bool,
) -> None:
    """Compare concepts and forms with the reference."""
    lemmas: dict[str, str] = {}

    def remember(form: str) -> str:
        return lemmas.setdefault(form, lemmatize(form))

    rule = (stop_words, remember)
    expected = [
        reference.words(text or "", *rule, filters_lemmas=filters_lemmas) for text in captions
    ]
    extracted = extract(profile, captions)
    assert concepts_in(extracted) == expected
    occurring = {concept for concepts in expected for concept in concepts}
    assert set(extracted.concepts.to_pylist()) == occurring
    changed = {form: lemma for form, lemma in lemmas.items() if lemma != form}
    assert forms_in(extracted) == {f: lemma for f, lemma in changed.items() if lemma in occurring}


# The profile `words`.


@pytest.mark.parametrize(
    ("form", "lemma"),
    [
        ("women", "woman"),  # a listed exception with one lemma
        ("geese", "goose"),
        ("leaves", "leaf"),  # leaf and leave: the shortest that is a noun
        ("ploughmen", "plowman"),  # ploughman is longer
        ("axes", "ax"),  # ax, axe and axis: an exception may have two characters
        ("data", "datum"),
        ("dogs", "dog"),  # suffixes, from the longest on
        ("buses", "bus"),
        ("boxes", "box"),
        ("churches", "church"),
        ("dishes", "dish"),
        ("ponies", "pony"),
        ("lenses", "lens"),  # "lense" is known too
        ("firemen", "fireman"),
        ("ties", "tie"),  # "ty" is no noun, so the next rule
        ("gas", "gas"),  # "ga" would have two characters
        ("bus", "bus"),  # no plural: us,
        ("glass", "glass"),  # ss
        ("tennis", "tennis"),  # and is
        ("leaf", "leaf"),
        ("frisbee", "frisbee"),
        ("xyzzys", "xyzzys"),  # "xyzzy" is not known
        ("running", "running"),  # only nouns' endings
        ("猫", "猫"),
        ("", ""),
    ],
)
def test_noun_lemmas_follow_the_stated_rules(form: str, lemma: str) -> None:
    """Exceptions first, then suffixes that leave a known noun, then the form itself."""
    assert noun_lemma(form) == lemma


def test_lemmas_are_known_nouns_or_exceptions_or_the_form() -> None:
    """What the rules give for every plural that they could form."""
    nouns, exceptions, rules = _tables()
    plurals = {noun + old for noun in nouns for old in ("s", "es")} | set(exceptions)
    lemmas = {form: noun_lemma(form) for form in plurals}
    assert {lemmas[form] for form in exceptions} == set(exceptions.values())
    for form in plurals - set(exceptions):
        lemma = lemmas[form]
        made = {form[: -len(old)] + new for old, new in rules if form.endswith(old)}
        assert lemma == form or (lemma in nouns and len(lemma) >= 3 and lemma in made)


def test_words_that_say_what_a_picture_shows_stay() -> None:
    """Numbers, sides and colours are concepts; function words, single characters, digits not."""
    profile = load_profile("words")
    seen = ["two", "dog", "front", "side", "top", "bottom", "left", "back", "red", "big"]
    caption = (
        "The two dogs: in front, at the side, on top, bottom left & back. 3 x RED, 1985, it's big"
    )
    assert profile.concepts_of(caption) == seen
    assert concepts_in(extract(profile, [caption])) == [seen]


def test_a_lemma_is_filtered_like_a_word() -> None:
    """A form whose lemma is a stop word is dropped with it."""
    assert noun_lemma("cans") == "can" in STOP_WORDS
    assert load_profile("words").concepts_of("paint cans overs tins") == ["paint", "tin"]


@settings(deadline=None, max_examples=300)
@given(mixed_lists)
@example([])
def test_words_are_those_of_the_reference(captions: list[str | None]) -> None:
    """Concepts and forms, for any Unicode."""
    check_words(load_profile("words"), captions, STOP_WORDS, noun_lemma, filters_lemmas=True)


def test_a_profile_that_was_used_before_gives_the_same() -> None:
    """Lemmas that are remembered change nothing."""
    profile = load_profile("words")
    first = concepts_in(extract(profile, CAPTIONS))
    assert concepts_in(extract(profile, CAPTIONS[::-1])) == first[::-1]


def test_words_without_tables_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of the noun tables is named with its pip command."""
    _tables.cache_clear()
    monkeypatch.setitem(sys.modules, "spacy_lookups_data", None)
    with pytest.raises(ProfileError, match="pip install spacy-lookups-data"):
        load_profile("words")


# The profile `paper`.


def test_paper_does_not_filter_lemmas(paper: Profile) -> None:
    """As published, "us" becomes "u", and words on NLTK's list go: "front" is not on it."""
    concepts = paper.concepts_of("Two dogs in front of us: leaves, 3 women & a glass, has gas!")
    assert concepts == ["two", "dog", "front", "u", "leaf", "woman", "glass", "gas"]


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the profile does not change
)
@given(captions=mixed_lists)
def test_paper_is_that_of_the_reference(paper: Profile, captions: list[str | None]) -> None:
    """NLTK's own list and lemmatiser, called word by word, give the same concepts and forms."""
    from nltk.corpus import stopwords
    from nltk.stem import WordNetLemmatizer

    stop_words = frozenset(stopwords.words("english"))
    lemmatize = WordNetLemmatizer().lemmatize
    check_words(paper, captions, stop_words, lemmatize, filters_lemmas=False)


@pytest.mark.parametrize("there", [[], ["stopwords"]], ids=["nothing", "stop words only"])
def test_paper_without_data_says_how_to_get_it(
    there: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names NLTK's download command, whichever data is missing; NLTK itself is there."""
    corpus = pytest.importorskip("nltk.corpus")
    from nltk.corpus.reader import WordListCorpusReader, WordNetCorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    for name in there:
        folder = tmp_path / "corpora" / name
        folder.mkdir(parents=True)
        (folder / "english").write_text("the\n")
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    # Loaders that no other test has made load.
    for name, reader in (("stopwords", WordListCorpusReader), ("wordnet", WordNetCorpusReader)):
        monkeypatch.setattr(corpus, name, LazyCorpusLoader(name, reader, r"(?!README|\.).*"))
    with pytest.raises(ProfileError) as caught:
        load_profile("paper")
    assert "pip install" not in str(caught.value)
    assert "python -m nltk.downloader stopwords wordnet" in str(caught.value)


@pytest.mark.parametrize(("name", "module"), [("paper", "nltk.corpus"), ("nouns", "spacy")])
def test_a_library_that_is_not_installed(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ProfileError, match=r'not installed.*pip install "conceptstats\[text\]"'):
        load_profile(name)


# The profile `nouns`.


def test_nouns_are_the_pipelines_lemmas(profile_of: Callable[[str], Profile]) -> None:
    """Lemmas of nouns and names in lower case; the form where the pipeline gives no lemma."""
    profile = profile_of("nouns")
    extracted = extract(profile, CAPTIONS)
    concepts = [["dog", "front", "side"], ["man"], ["dog"], [], [], []]
    assert concepts_in(extracted) == [*concepts, ["dog", "child", "grass", "paris", "man"], ["dog"]]
    assert forms_in(extracted) == {"dogs": "dog", "children": "child", "men": "man"}
    assert set(profile.versions) == {"spacy", "pipeline"}


def test_nouns_of_a_row_that_is_not_utf8(profile_of: Callable[[str], Profile]) -> None:
    """It is reported and has no concepts; its neighbours keep theirs."""
    rows = string_rows([b"dogs", b"dogs \xff grass", b"men"])
    extracted = profile_of("nouns").extract(rows)
    assert extracted.invalid == (1,)
    assert concepts_in(extracted) == [["dog"], [], ["man"]]


def test_a_missing_pipeline_is_named_with_its_download() -> None:
    """The error has the command that installs it."""
    pytest.importorskip("spacy")
    with pytest.raises(ProfileError, match="python -m spacy download no_such_pipeline"):
        load_profile("nouns", pipeline="no_such_pipeline")


# What all profiles share.


@each_profile
def test_a_query_means_what_a_caption_means(
    name: str, profile_of: Callable[[str], Profile]
) -> None:
    """concepts_of agrees with extract."""
    profile = profile_of(name)
    found = concepts_in(extract(profile, CAPTIONS))
    assert found == [profile.concepts_of(caption or "") for caption in CAPTIONS]
    assert any(found)


@each_profile
def test_options_make_the_same_profile_again(
    name: str, profile_of: Callable[[str], Profile]
) -> None:
    """Name and options survive JSON, as in an index, and give the same extract."""
    profile = profile_of(name)
    options = json.loads(json.dumps(profile.options))
    again = load_profile(profile.name, **options)
    assert (again.name, again.options, again.versions) == (name, options, profile.versions)
    first, second = extract(profile, CAPTIONS), extract(again, CAPTIONS)
    assert concepts_in(first) == concepts_in(second)
    assert forms_in(first) == forms_in(second)
    assert (options == {}) == (name in ("words", "paper"))


@each_profile
def test_captions_may_be_slices_of_any_string_type(
    name: str, profile_of: Callable[[str], Profile]
) -> None:
    """Concepts do not depend on how Arrow stores the captions."""
    profile = profile_of(name)
    expected = concepts_in(extract(profile, CAPTIONS))[1:-1]
    for kind in (pa.string(), pa.large_string()):
        assert concepts_in(profile.extract(pa.array(CAPTIONS, kind)[1:-1])) == expected


@each_profile
@pytest.mark.parametrize("captions", [[], [None], ["", " - "]], ids=str)
def test_nothing_gives_nothing(
    name: str, captions: list[str | None], profile_of: Callable[[str], Profile]
) -> None:
    """Without words there are no concepts and no forms."""
    extracted = extract(profile_of(name), captions)
    assert concepts_in(extracted) == [[] for _ in captions]
    assert len(extracted.concepts) == len(extracted.forms) == len(extracted.form_ids) == 0


@pytest.mark.parametrize("name", ["words", "paper", "concepts"])
def test_words_of_a_row_that_is_not_utf8_do_not_occur(
    name: str, profile_of: Callable[[str], Profile]
) -> None:
    """What stands before the fault is neither a concept nor a form."""
    extracted = profile_of(name).extract(string_rows([b"zebras truck \xff", b"a dog firetruck"]))
    assert extracted.invalid == (0,)
    assert "zebra" not in extracted.concepts.to_pylist()
    assert "truck" not in extracted.concepts.to_pylist()
    assert "zebras" not in forms_in(extracted)


def test_unknown_profiles_and_options_are_refused() -> None:
    """The error lists the profiles, or names the option."""
    with pytest.raises(ProfileError, match=r"no profile 'lemmas'.*words, paper, nouns, concepts"):
        load_profile("lemmas")
    with pytest.raises(ProfileError, match=r"'words' does not take .*: pipeline"):
        load_profile("words", pipeline="en")
    with pytest.raises(ProfileError, match=r"'concepts' does not take .*: file"):
        load_profile("concepts", file="concepts.txt")
