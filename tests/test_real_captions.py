"""Real captions through every profile, against the reference and against published results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from text_cases import concepts_in, save_noun_pipeline, use_nltk_data

from conceptstats import reference
from conceptstats.sources import find_sources, read_batches
from conceptstats.text import load_profile
from conceptstats.text.phrases import read_concept_file
from conceptstats.text.words import STOP_WORDS, noun_lemma

# Web captions in many languages and scripts, then descriptions of photographs: 20,000.
PARTS = {"laion_sample_10k.parquet": 10_000, "flickr8k.token.txt": 5_000, "coco_30k.csv": 5_000}


def batches_of(path: Path) -> Iterator[pa.Array]:
    """Captions of a file, a batch at a time."""
    [source] = find_sources([str(path)]).sources
    return (batch.captions for batch in read_batches(source))


@cache
def read_captions(folder: Path) -> pa.Array:
    """20,000 real captions; some are null."""
    parts = []
    for name, n in PARTS.items():
        whole = pa.chunked_array([b.cast(pa.large_string()) for b in batches_of(folder / name)])
        parts += whole.slice(0, n).chunks
    return pa.concat_arrays(parts)


@pytest.fixture
def captions(test_data: Path) -> pa.Array:
    """The captions as Arrow strings."""
    found = read_captions(test_data / "data" / "captions")
    assert len(found) == 20_000
    return found


def check(found: list[list[str]], captions: pa.Array, expected: Callable[[str], list[str]]) -> None:
    """Compare concepts row by row, and show only rows that differ."""
    rows = zip(captions.to_pylist(), found, strict=True)
    different = [(text, got) for text, got in rows if got != expected(text or "")]
    assert different[:5] == []
    assert sum(map(len, found)) > len(found) // 4


def test_words(captions: pa.Array) -> None:
    """The default profile is that of the reference."""
    lemmatize = cache(noun_lemma)

    def expected(text: str) -> list[str]:
        return reference.words(text, STOP_WORDS, lemmatize, filters_lemmas=True)

    check(concepts_in(load_profile("words").extract(captions)), captions, expected)


def test_paper(captions: pa.Array, monkeypatch: pytest.MonkeyPatch, test_data: Path) -> None:
    """The published profile is the reference with NLTK's words."""
    use_nltk_data(monkeypatch, test_data)
    profile = load_profile("paper")
    from nltk.corpus import stopwords
    from nltk.stem import WordNetLemmatizer

    stop_words = frozenset(stopwords.words("english"))
    lemmatize = cache(WordNetLemmatizer().lemmatize)

    def expected(text: str) -> list[str]:
        return reference.words(text, stop_words, lemmatize, filters_lemmas=False)

    check(concepts_in(profile.extract(captions)), captions, expected)


@pytest.mark.parametrize("split", ["words", "spaced"])
@pytest.mark.parametrize("match", ["longest", "all"])
def test_concepts(captions: pa.Array, test_data: Path, match: str, split: str) -> None:
    """4,585 image tags are found where the reference finds them."""
    tags = read_concept_file(test_data / "data" / "vocab" / "ram_tag_list.txt")
    cut = reference.tokenize if split == "words" else reference.spaced_tokens
    # Spelt alike but for case, two tags are one phrase where words are compared.
    table: dict[tuple[str, ...], str] = {}
    for tag in tags:
        table.setdefault(tuple(cut(tag)), tag)
    phrases = {tag: [tag] for tag in table.values()}

    def expected(text: str) -> list[str]:
        return reference.phrases(cut(text), table, every=match == "all")

    profile = load_profile("concepts", phrases=phrases, match=match, split=split)
    check(concepts_in(profile.extract(captions)), captions, expected)


def test_nouns(captions: pa.Array, tmp_path: Path) -> None:
    """Nouns in a stream are those of the pipeline, called caption by caption."""
    spacy = pytest.importorskip("spacy")
    folder = str(save_noun_pipeline(tmp_path / "nouns"))
    some = captions.slice(9_000, 2_000)
    language = spacy.load(folder)

    def expected(text: str) -> list[str]:
        nouns = [token for token in language(text) if token.pos_ in ("NOUN", "PROPN")]
        return [(token.lemma_ or token.text).lower() for token in nouns]

    found = concepts_in(load_profile("nouns", pipeline=folder).extract(captions))
    check(found[9_000:11_000], some, expected)


@pytest.mark.parametrize(
    ("file", "golden"),
    [
        ("laion_sample_10k.parquet", "laion10k"),
        ("cc3m_validation.tsv", "cc3mval"),
        ("coco_captions_val2017.json", "coco2017"),
    ],
)
def test_published_tokens(
    file: str, golden: str, monkeypatch: pytest.MonkeyPatch, test_data: Path
) -> None:
    """The profile `paper` gives the tokens of the released code, row by row."""
    use_nltk_data(monkeypatch, test_data)
    profile = load_profile("paper")
    expected = pq.read_table(test_data / "golden" / f"{golden}_tokens.parquet")
    assert expected["row"].to_pylist() == list(range(expected.num_rows))
    found = [
        concepts
        for captions in batches_of(test_data / "data" / "captions" / file)
        for concepts in concepts_in(profile.extract(captions))
    ]
    assert found == expected["tokens"].to_pylist()
