from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from index_files import (
    Caption,
    expected_counts,
    random_captions,
    small_scale,
    write_captions,
)

from conceptstats import pmi as measures
from conceptstats import reference, tables
from conceptstats.errors import ParameterError, SourceError, UnknownConceptError
from conceptstats.index import CaptionIndex, FoundCaption
from conceptstats.index.build import build_index
from conceptstats.text.words import STOP_WORDS, noun_lemma


class Corpus:
    """A small corpus, what the reference counts in it, and its index of many parts."""

    def __init__(self, folder: Path) -> None:
        self.captions = random_captions(51, 700)
        bounds = {"a": (0, 430), "b": (430, 700)}
        self.sources = {
            name: write_captions(
                folder / f"{name}.parquet",
                self.captions[i:j],
                key=[f"{name}{k}" for k in range(j - i)],
            )
            for name, (i, j) in bounds.items()
        }
        self.first_row = {str(self.sources[name]): i for name, (i, _) in bounds.items()}
        self.counts = expected_counts(self.captions)
        with small_scale():
            self.path = build_index(list(self.sources.values()), folder / "index")
        self.index = CaptionIndex.open(self.path)

    def rows_with(self, *concepts: str) -> list[int]:
        """Rows of both files together that hold all of the concepts."""
        return [row for row, text in enumerate(self.captions) if set(concepts) <= words_of(text)]

    def pair(self, a: str, b: str) -> int:
        """Captions with both, in any order."""
        pairs = self.counts.n_pairs
        return pairs.get((a, b), 0) + pairs.get((b, a), 0)

    def table(self, a: str, b: str) -> tuple[int, int, int, int]:
        """n, n_a, n_b, n_ab."""
        singles = self.counts.n_captions
        return self.counts.n, singles[a], singles[b], self.pair(a, b)

    def marginal(self, concept: str) -> int:
        """Sum of a concept's pair counts."""
        return sum(n for pair, n in self.counts.n_pairs.items() if concept in pair)


def words_of(text: Caption) -> set[str]:
    return set(reference.words(text or "", STOP_WORDS, noun_lemma, filters_lemmas=True))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus(tmp_path_factory.mktemp("corpus"))


def test_the_corpus_has_several_parts_and_batches(corpus: Corpus) -> None:
    """What the other tests rest on."""
    assert len(corpus.index.manifest.parts) == 15
    assert pa.ipc.open_file(corpus.path / "pairs.arrow").num_record_batches > 5
    assert corpus.index.n == corpus.counts.n
    assert corpus.index.n_concepts == len(corpus.counts.vocabulary)


def test_counts_of_one_two_and_three_concepts(corpus: Corpus) -> None:
    """Captions that hold all of them, in any order, each concept once."""
    names = corpus.counts.vocabulary
    for concept in names:
        assert corpus.index.count(concept) == corpus.counts.n_captions[concept]
    for a, b in combinations(names, 2):
        assert corpus.index.count(a, b) == corpus.index.count(b, a) == corpus.pair(a, b)
    for three in combinations(names[:7], 3):
        assert corpus.index.count(*three) == len(corpus.rows_with(*three))
    assert corpus.index.count(*names[:4]) == len(corpus.rows_with(*names[:4]))
    assert corpus.index.count("dog", "Dogs", "dog") == corpus.index.count("dog")


def test_pmi_of_every_pair(corpus: Corpus) -> None:
    """Both formulas, both orders of the concepts: what the reference gives."""
    for a, b in combinations(corpus.counts.vocabulary, 2):
        table = corpus.table(a, b)
        found = corpus.index.pmi(a, b)
        assert (found.concept_a, found.concept_b) == (a, b)
        assert (found.n, found.n_a, found.n_b, found.n_ab) == table
        assert found.pmi == pytest.approx(reference.pmi(*table))
        assert found.npmi == pytest.approx(reference.npmi(*table))
        assert found.llr == pytest.approx(reference.llr(*table), abs=1e-9)
        low, high = measures.pmi_interval(*table)
        assert (found.pmi_low, found.pmi_high) == pytest.approx((float(low), float(high)))
        paper = corpus.index.pmi(b, a, formula="paper")
        marginals = corpus.marginal(b), corpus.marginal(a)
        assert paper.pmi == pytest.approx(reference.paper_pmi(*marginals, table[3]))
        assert paper.pmi_low <= paper.pmi < paper.pmi_high
        assert math.isnan(paper.npmi)


def test_a_pair_that_was_never_seen(corpus: Corpus) -> None:
    """PMI is -inf and NPMI -1; the interval ends at a number."""
    names = corpus.counts.vocabulary
    a, b = next(pair for pair in combinations(names, 2) if not corpus.pair(*pair))
    found = corpus.index.pmi(a, b)
    assert (found.n_ab, found.pmi, found.npmi, found.pmi_low) == (0, -math.inf, -1.0, -math.inf)
    assert math.isfinite(found.pmi_high)
    assert math.isfinite(corpus.index.pmi(a, b, formula="paper").pmi)


@pytest.mark.parametrize("formula", ["document", "paper"])
def test_statistics_are_plain_numbers(formula: Any, corpus: Corpus) -> None:
    """They go into JSON as they are."""
    found = corpus.index.pmi("dog", "bus", formula=formula)._asdict()
    assert found["formula"] == formula
    assert {type(value) for value in found.values()} == {str, int, float}
    assert json.loads(json.dumps(found)).keys() == found.keys()


def test_an_unknown_formula(corpus: Corpus) -> None:
    """It is an error that lists the known ones."""
    with pytest.raises(ParameterError, match="expected document or paper"):
        corpus.index.pmi("dog", "bus", formula="npmi")  # type: ignore[arg-type]


def strength(corpus: Corpus, by: str, a: str, b: str) -> float:
    """What neighbours are ordered by."""
    n, n_a, n_b, n_ab = corpus.table(a, b)
    if by == "llr":
        return math.copysign(1, n_ab * n - n_a * n_b) * reference.llr(n, n_a, n_b, n_ab)
    return n_ab if by == "count" else getattr(reference, by)(n, n_a, n_b, n_ab)


@pytest.mark.parametrize("by", ["pmi", "npmi", "llr", "count"])
@pytest.mark.parametrize("min_count", [1, 5, 40])
def test_neighbors_by_brute_force(by: Any, min_count: int, corpus: Corpus) -> None:
    """Falling strength, then count, then frequency; rare pairs are left out."""
    names = corpus.counts.vocabulary
    for concept in (names[0], names[5], names[-1]):
        candidates = [b for b in names if b != concept and corpus.pair(concept, b) >= min_count]
        order = sorted(candidates, key=lambda b: (-corpus.pair(concept, b), names.index(b)))
        order.sort(key=lambda b: -strength(corpus, by, concept, b))
        found = corpus.index.neighbors(concept, by=by, k=1000, min_count=min_count)
        assert found.schema.equals(tables.PMI)
        values = [strength(corpus, by, concept, b) for b in found["concept_b"].to_pylist()]
        assert values == pytest.approx([strength(corpus, by, concept, b) for b in order], abs=1e-9)
        assert sorted(found["concept_b"].to_pylist()) == sorted(candidates)
        assert set(found["concept_a"].to_pylist()) <= {concept}
        if by == "count":
            assert found["concept_b"].to_pylist() == order
        first = corpus.index.neighbors(concept, by=by, k=3, min_count=min_count)
        assert first.equals(found.slice(0, 3))


@pytest.mark.parametrize("options", [{"k": 0}, {"min_count": 0}, {"by": "frequency"}], ids=str)
def test_neighbors_out_of_range(options: dict[str, Any], corpus: Corpus) -> None:
    """A clear error."""
    with pytest.raises(ParameterError, match=r"must be 1 or more|expected pmi, npmi, llr or count"):
        corpus.index.neighbors("dog", **options)


@pytest.mark.parametrize("concepts", [["dog"], ["dog", "leaf"], ["cat", "bus", "dog"]])
@pytest.mark.parametrize("k", [1, 10, 10_000])
def test_find_reads_captions_back(concepts: list[str], k: int, corpus: Corpus) -> None:
    """The first captions with all concepts, by source and row, as the files have them."""
    expected = []
    for row in corpus.rows_with(*concepts)[:k]:
        name = "a" if row < 430 else "b"
        path = str(corpus.sources[name])
        local = row - corpus.first_row[path]
        expected.append(FoundCaption(path, local, f"{name}{local}", corpus.captions[row] or ""))
    assert corpus.index.find(*concepts, k=k) == expected


@pytest.mark.parametrize(("concepts", "k"), [([], 10), (["dog"], 0)])
def test_find_out_of_range(concepts: list[str], k: int, corpus: Corpus) -> None:
    """Nothing to look for, or nothing wanted, is an error; so is a count of nothing."""
    with pytest.raises(ParameterError, match="one concept or more"):
        corpus.index.find(*concepts, k=k)
    with pytest.raises(ParameterError, match="one concept or more"):
        corpus.index.count()


@pytest.mark.parametrize("change", ["gone", "other captions", "fewer rows", "empty", "a folder"])
def test_find_after_the_source_has_changed(change: str, tmp_path: Path) -> None:
    """An error that names the file, never another caption."""
    source = write_captions(tmp_path / "c.parquet", ["a dog", "a cat", "a red dog"])
    index = CaptionIndex.open(build_index([source], tmp_path / "index"))
    assert [found.caption for found in index.find("dog")] == ["a dog", "a red dog"]
    source.unlink()
    if change == "other captions":
        write_captions(source, ["a cat", "a dog", "a red cat"])
    elif change == "fewer rows":
        write_captions(source, ["a dog"])
    elif change == "empty":
        source.touch()
    elif change == "a folder":
        source.mkdir()
    with pytest.raises(SourceError, match=r"c\.parquet (has changed|cannot be read any more)"):
        index.find("dog")
    assert index.count("dog") == 2


@pytest.mark.parametrize("min_count", [1, 7])
def test_the_pmi_table_has_every_pair_that_was_seen(min_count: int, corpus: Corpus) -> None:
    """In batches, sorted by the ids of the concepts; both formulas."""
    names = corpus.counts.vocabulary
    expected = [pair for pair in combinations(names, 2) if corpus.pair(*pair) >= min_count]
    for formula in ("document", "paper"):
        batches = list(corpus.index.pmi_table(formula=formula, min_count=min_count))  # type: ignore[arg-type]
        assert len(batches) > 5
        assert all(batch.schema.equals(tables.PMI) for batch in batches)
        rows = pa.concat_tables(batches).to_pylist()
        assert [(row["concept_a"], row["concept_b"]) for row in rows] == expected
        for row in rows[::17]:
            single = corpus.index.pmi(row["concept_a"], row["concept_b"], formula=formula)._asdict()  # type: ignore[arg-type]
            single.pop("formula")
            assert row == pytest.approx(single, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "concept"),
    [("dog", "dog"), ("Dogs", "dog"), ("DOG", "dog"), (" dogs! ", "dog"), ("leaves", "leaf"),
     ("the bus", "bus"), ("Straße", "straße"), ("犬", None), ("buses", "bus")],
)  # fmt: skip
def test_a_text_means_a_concept(text: str, concept: str | None, corpus: Corpus) -> None:
    """It goes the way that captions went."""
    if concept is None:
        with pytest.raises(UnknownConceptError):
            corpus.index.concept_id(text)
    else:
        assert corpus.index.concept(corpus.index.concept_id(text)) == concept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dogg", "no caption holds 'dogg'.*near matches: dog"),
        ("xylophone", "no caption holds 'xylophone'"),
        ("dog cat", "is 2 concepts under profile 'words': dog, cat"),
        ("the", "is no concept under profile 'words'"),
        ("7", "is no concept"),
        ("", "is no concept"),
        ("\udcff", "is no concept|is not among"),
    ],
)
def test_a_text_that_means_no_concept(text: str, message: str, corpus: Corpus) -> None:
    """Unknown is an error that says why, never a zero."""
    for question in (corpus.index.concept_id, corpus.index.neighbors, corpus.index.find,
                     lambda text: corpus.index.pmi("dog", text)):  # fmt: skip
        with pytest.raises(UnknownConceptError, match=message):
            question(text)  # type: ignore[operator]


def test_the_count_of_an_absent_concept_is_zero_where_nothing_was_cut(tmp_path: Path) -> None:
    """Zero is an answer where the vocabulary is complete; where it was cut, it is unknown."""
    (tmp_path / "c.txt").write_text("a dog\na dog and a cat\n", encoding="utf-8")
    whole = CaptionIndex.open(build_index(tmp_path / "c.txt", tmp_path / "whole"))
    assert whole.is_complete
    assert whole.count("xylophone") == whole.count("dog", "xylophone") == 0
    with pytest.raises(UnknownConceptError, match="is no concept"):
        whole.count("the")
    for number, options in enumerate(({"max_concepts": 2}, {"min_count": 2})):
        folder = build_index(tmp_path / "c.txt", tmp_path / f"cut-{number}", **options)
        with pytest.raises(UnknownConceptError, match="its counts are unknown"):
            CaptionIndex.open(folder).count("xylophone")


def test_a_pair_is_two_concepts(corpus: Corpus) -> None:
    """One concept with itself, under any spelling, is an error."""
    with pytest.raises(ParameterError, match="'dog' is no pair"):
        corpus.index.pmi("dog", "dog")
    with pytest.raises(ParameterError, match="'Dogs' and 'dog' are both 'dog', which is no pair"):
        corpus.index.pmi("Dogs", "dog")


def test_counts_of_a_concept_outside_the_vocabulary_are_unknown(tmp_path: Path) -> None:
    """A form that was seen is unknown too when its concept is cut off."""
    source = write_captions(tmp_path / "c.parquet", ["dog", "dog", "cats dog"])
    index = CaptionIndex.open(build_index([source], tmp_path / "index", max_concepts=1))
    with pytest.raises(UnknownConceptError, match="'cat' is not among the 1 concepts"):
        index.count("cats")


def test_synonyms_of_a_list_mean_their_concept(tmp_path: Path) -> None:
    """Under profile `concepts` a phrase is a form of its concept, case and blanks aside."""
    source = write_captions(tmp_path / "c.parquet", ["a Fire Engine", "fire-truck, dog", "dog"])
    phrases = {"fire truck": ["fire truck", "fire engine"], "dog": ["dog"]}
    index = CaptionIndex.open(
        build_index([source], tmp_path / "index", profile="concepts",
                    profile_options={"phrases": phrases})
    )  # fmt: skip
    for text in ("fire truck", "fire engine", "Fire  Engine", "FIRE-TRUCK"):
        assert index.count(text) == 2
    assert index.pmi("fire engine", "dog").n_ab == 1


QUESTIONS = """
import sys
import conceptstats
assert "numba" not in sys.modules and "pyarrow" not in sys.modules
index = conceptstats.CaptionIndex.open(sys.argv[1])
index.count("dog"), index.count("dog", "bus"), index.pmi("dog", "bus")
assert "pandas" not in sys.modules
index.count("dog", "bus", "cat"), index.neighbors("dog"), index.find("dog")
list(index.pmi_table())
print(sorted({"numba", "spacy", "nltk"} & set(sys.modules)))
"""


def test_questions_need_no_compiler(corpus: Corpus) -> None:
    """Neither importing the package nor asking an index imports numba, or anything else heavy."""
    done = subprocess.run([sys.executable, "-c", QUESTIONS, str(corpus.path)],
                          capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    assert (done.stdout, done.stderr) == ("[]\n", "")
