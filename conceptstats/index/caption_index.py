"""`CaptionIndex`: questions to an index."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats import pmi as measures
from conceptstats import tables
from conceptstats.class_names import WORD_PROFILES
from conceptstats.errors import (
    AbsentConceptError,
    IndexFormatError,
    ParameterError,
    TableError,
    UnknownConceptError,
)
from conceptstats.index.forward import FoundCaption, count_rows_with, find_rows_with
from conceptstats.index.layout import Manifest, read_manifest, read_profile
from conceptstats.index.pair_table import PairTable
from conceptstats.reference import tokenize
from conceptstats.text import load_profile
from conceptstats.text.profile import Profile

Formula = Literal["document", "paper"]
Order = Literal["pmi", "npmi", "llr", "count"]

_NO_CONCEPT = {
    "words": "a stop word, a number or a single character",
    "paper": "a stop word, a number or a single character",
    "nouns": "it has no noun",
    "concepts": "it is not in its list",
    "tags": "it is blank, or not in its list",
}


class PairStatistics(NamedTuple):
    """What is known of a pair of concepts.

    Counts are captions; pmi and its interval are in nats, npmi has no unit, llr is G^2.
    """

    concept_a: str
    concept_b: str
    formula: str
    n: int
    n_a: int
    n_b: int
    n_ab: int
    pmi: float
    npmi: float
    llr: float
    pmi_low: float
    pmi_high: float


class CaptionIndex:
    """An index that was built with `build_index`, opened for reading.

    Examples
    --------
    >>> index = CaptionIndex.open("IDX")  # doctest: +SKIP
    >>> index.pmi("dog", "frisbee").pmi  # doctest: +SKIP
    """

    def __repr__(self) -> str:
        """Where it is and how large."""
        return f"<CaptionIndex {self.path}: {self.n:,} captions, {self.n_concepts:,} concepts>"

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.vocabulary: pa.Table = self._read("vocabulary.arrow", tables.VOCABULARY)
        self._forms: pa.Table = self._read("forms.arrow", tables.FORMS)
        self.pairs = PairTable(path / "pairs.arrow")

    @classmethod
    def open(cls, path: str | Path) -> CaptionIndex:
        """Open an index; the tables are memory-mapped.

        Raises
        ------
        IndexFormatError
            When it is no index, one of another format version, or damaged.
        """
        path = Path(path)
        return cls(path, read_manifest(path))

    def _read(self, name: str, schema: pa.Schema) -> pa.Table:
        try:
            return tables.read_table(self.path / name, schema)
        except TableError as error:
            raise IndexFormatError(error.message, "conceptstats index verify INDEX") from error

    @property
    def n(self) -> int:
        """Captions that count: the N of every probability."""
        return self.manifest.totals["n_captions"]

    @property
    def n_concepts(self) -> int:
        """Size of the vocabulary."""
        return int(self.vocabulary.num_rows)

    @cached_property
    def profile(self) -> Profile:
        """The profile that the captions went through."""
        data = read_profile(self.path)
        return load_profile(data["name"], **data["options"])

    @cached_property
    def _n_captions(self) -> npt.NDArray[np.int64]:
        return tables.numbers(self.vocabulary.column("n_captions"))

    def concept(self, concept_id: int) -> str:
        """Name of a concept."""
        return str(self.vocabulary.column("concept")[concept_id].as_py())

    def concept_id(self, text: str) -> int:
        """Id of the concept that a text means, under the profile of the index.

        A surface form that was seen, the name of a concept, or a text that the profile turns into
        exactly one concept: ``Dogs`` is ``dog``. Where concepts are phrases, the whole text has to
        be one: "stop sign" is not ``stop``.

        Raises
        ------
        UnknownConceptError
            When the text means no concept of the vocabulary, or several.
        """
        if (found := self._as_form(text)) is not None:
            return found
        meant = self.profile.meaning(text)
        if len(set(meant)) == 1 and (found := self._lookup(meant[0])) is not None:
            return found
        raise self._unknown(text, meant)

    def concepts_in(self, text: str) -> list[str]:
        """Names of all concepts that a text means, in or outside the vocabulary; maybe none.

        Where profiles are of words and the whole text is no form, words are looked up one by one:
        outside a sentence, a tagger would not know "polar" in "polar bear" for part of a name.
        """
        if (found := self._as_form(text)) is not None:
            return [self.concept(found)]
        if self.profile.name in WORD_PROFILES:
            forms = [self._lookup(word) for word in tokenize(text)]
            ids = dict.fromkeys(form for form in forms if form is not None)
            if len(forms) > 1 and None not in forms:
                return [self.concept(concept_id) for concept_id in ids]
        return list(dict.fromkeys(self.profile.meaning(text)))

    def spellings(self, text: str) -> tuple[str, ...]:
        """The surface forms that a text may be, the first one first.

        In lower case only where profiles are of words: a list can keep "Turkey" from "turkey".
        """
        of_words = self.manifest.profile["name"] in WORD_PROFILES  # without loading the profile
        return (text, text.lower()) if of_words else (text,)

    def _as_form(self, text: str) -> int | None:
        found = (self._lookup(form) for form in self.spellings(text))
        return next((one for one in found if one is not None), None)

    def _lookup(self, form: str) -> int | None:
        column = self._forms.column("form")
        if not len(column):
            return None
        low, high = 0, len(column)
        key = form.encode("utf-8", "surrogatepass")
        while low < high:
            middle = (low + high) // 2
            if column[middle].as_py().encode() < key:
                low = middle + 1
            else:
                high = middle
        if low < len(column) and column[low].as_py() == form:
            return int(self._forms.column("concept_id")[low].as_py())
        return None

    def _unknown(self, text: str, meant: Sequence[str]) -> UnknownConceptError:
        name = self.profile.name
        if len(set(meant)) > 1:
            return UnknownConceptError(
                f"{text!r} is {len(set(meant))} concepts under profile {name!r}: "
                f"{', '.join(dict.fromkeys(meant))}.",
                "ask for one of them, or for all with `conceptstats count`",
            )
        if not meant:
            return UnknownConceptError(
                f"{text!r} is no concept under profile {name!r}: {_NO_CONCEPT.get(name, '')}.",
                self._near(text.lower()),
            )
        hint = self._near(meant[0])
        if self.is_complete:
            return AbsentConceptError(f"no caption holds {meant[0]!r}.", hint)
        return UnknownConceptError(
            f"{meant[0]!r} is not among the {self.n_concepts:,} concepts of the vocabulary; its "
            "counts are unknown.",
            hint or "it may be rarer than the vocabulary",
        )

    def _near(self, name: str) -> str | None:
        """Concepts spelt almost like one, the closest first, then the most frequent."""
        names = self.vocabulary.column("concept").to_pylist()
        near = difflib.get_close_matches(name, names, n=30, cutoff=0.6)
        near = near[:3] + sorted(near[3:], key=names.index)[:2]
        return f"near matches: {', '.join(near)}" if near else None

    @property
    def is_complete(self) -> bool:
        """Whether the vocabulary holds every concept of the captions: nothing was cut."""
        return not self.manifest.is_cut

    def count(self, *concepts: str) -> int:
        """Captions that hold all of the concepts; one or more.

        One and two are looked up; three and more are counted in the forward index. A concept that
        no caption holds gives 0 where the vocabulary is complete; otherwise it is unknown.

        Raises
        ------
        UnknownConceptError
        """
        if not concepts:
            raise ParameterError("count needs one concept or more.")
        try:
            ids = sorted({self.concept_id(text) for text in concepts})
        except AbsentConceptError:
            return 0
        if len(ids) == 1:
            return int(self._n_captions[ids[0]])
        if len(ids) == 2:
            return self.pairs.count(*ids)
        return count_rows_with(self.path / "parts", self.manifest.parts, ids)

    def pmi(self, a: str, b: str, *, formula: Formula = "document") -> PairStatistics:
        """PMI of a pair with its interval.

        Parameters
        ----------
        a, b : str
            Two different concepts.
        formula : {"document", "paper"}
            `conceptstats.pmi.pmi`, or `conceptstats.pmi.paper_pmi`, whose npmi is not defined.

        Returns
        -------
        PairStatistics
            ``pmi`` is -inf where the pair was never seen (formula "document").

        Raises
        ------
        UnknownConceptError
            When one is outside the vocabulary.
        ParameterError
            When both are the same concept.
        """
        id_a, id_b = self._two(a, b)
        n_ab = np.array([self.pairs.count(id_a, id_b)])
        marginals = None
        if formula == "paper":
            marginals = np.zeros(self.n_concepts, np.int64)
            for concept in (id_a, id_b):
                marginals[concept] = self.pairs.counts_with(concept, self.n_concepts).sum()
        values = self._values(np.array([id_a]), np.array([id_b]), n_ab, formula, marginals)
        return PairStatistics(
            self.concept(id_a),
            self.concept(id_b),
            formula,
            **{name: column[0].item() for name, column in values.items()},
        )

    def _two(self, a: str, b: str) -> tuple[int, int]:
        id_a, id_b = self.concept_id(a), self.concept_id(b)
        if id_a == id_b:
            both = f"{a!r}" if a == b else f"{a!r} and {b!r} are both {self.concept(id_a)!r}, which"
            raise ParameterError(
                f"{both} is no pair: a pair is two different concepts.",
                f"conceptstats count INDEX {self.concept(id_a)} counts its captions",
            )
        return id_a, id_b

    def neighbors(
        self, concept: str, *, by: Order = "npmi", k: int = 20, min_count: int = 5
    ) -> pa.Table:
        """Concepts that go with one, the strongest first.

        Parameters
        ----------
        concept : str
        by : {"pmi", "npmi", "llr", "count"}
            What they are ordered by; ties by count, then by frequency. With "llr", concepts that
            avoid each other come last.
        k : int
            How many.
        min_count : int
            Least captions with both; PMI of rare pairs is mostly noise.

        Returns
        -------
        pa.Table
            `tables.PMI`.
        """
        if k < 1 or min_count < 1:
            raise ParameterError(f"k is {k} and min_count {min_count}; both must be 1 or more.")
        a = self.concept_id(concept)
        counts = self.pairs.counts_with(a, self.n_concepts)
        others = np.flatnonzero(counts >= min_count).astype(np.int32)
        n, n_a = float(self.n), float(self._n_captions[a])
        values = self._strength(by, n, n_a, self._n_captions[others], counts[others])
        order = np.lexsort((others, -counts[others], -values))[:k]
        others = others[order]
        return self._statistics(np.full(len(others), a), others, counts[others])

    @staticmethod
    def _strength(by: Order, n: float, n_a: float, n_b: npt.NDArray[np.int64],
                  n_ab: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:  # fmt: skip
        if by == "count":
            return n_ab.astype(np.float64)
        if by == "pmi":
            return measures.pmi(n, n_a, n_b, n_ab)
        if by == "npmi":
            return measures.npmi(n, n_a, n_b, n_ab)
        if by == "llr":
            sign = np.where(n_ab * n >= n_a * n_b, 1.0, -1.0)
            return sign * measures.llr(n, n_a, n_b, n_ab)
        raise ParameterError(f"by is {by!r}, expected pmi, npmi, llr or count.")

    def find(self, *concepts: str, k: int = 10) -> list[FoundCaption]:
        """The first captions that hold all of the concepts, read back from their sources.

        Parameters
        ----------
        *concepts : str
            One or more.
        k : int
            How many at most.

        Raises
        ------
        UnknownConceptError
        SourceError
            When a source is gone or has changed since the index was built.
        """
        if not concepts or k < 1:
            raise ParameterError("find needs one concept or more, and k of 1 or more.")
        ids = sorted({self.concept_id(text) for text in concepts})
        return find_rows_with(self.path / "parts", self.manifest, ids, k)

    def pmi_table(self, *, formula: Formula = "document", min_count: int = 1) -> Iterator[pa.Table]:
        """PMI of every pair that was seen, in batches of `tables.PMI`, sorted by (a, b).

        Parameters
        ----------
        formula : {"document", "paper"}
        min_count : int
            Least captions with both.
        """
        marginals = self.pairs.marginals(self.n_concepts) if formula == "paper" else None
        for batch in self.pairs.batches():
            kept = batch.n >= min_count
            a, b, n = batch.a[kept], batch.b[kept], batch.n[kept]
            yield self._statistics(a, b, n, formula, marginals)

    def _statistics(
        self,
        a: npt.NDArray[np.integer],
        b: npt.NDArray[np.integer],
        n_ab: npt.NDArray[np.int64],
        formula: Formula = "document",
        marginals: npt.NDArray[np.int64] | None = None,
    ) -> pa.Table:
        """Statistics of pairs given by ids, as `tables.PMI`."""
        names = self.vocabulary.column("concept")
        columns = {
            "concept_a": pc.cast(names.take(pa.array(a)), pa.string()),
            "concept_b": pc.cast(names.take(pa.array(b)), pa.string()),
        }
        return pa.table(
            {**columns, **self._values(a, b, n_ab, formula, marginals)}, schema=tables.PMI
        )

    def _values(
        self,
        a: npt.NDArray[np.integer],
        b: npt.NDArray[np.integer],
        n_ab: npt.NDArray[np.int64],
        formula: Formula,
        marginals: npt.NDArray[np.int64] | None,
    ) -> dict[str, npt.NDArray[Any]]:
        """The columns of `tables.PMI` that are numbers."""
        n, n_a, n_b = self.n, self._n_captions[a], self._n_captions[b]
        low, high = measures.poisson_interval(n_ab)
        if formula == "paper" and marginals is not None:
            f_a, f_b = marginals[a], marginals[b]
            value, low, high = (measures.paper_pmi(f_a, f_b, x) for x in (n_ab, low, high))
            normalised = np.full(len(n_ab), np.nan)
        elif formula == "document":
            value, low, high = (measures.pmi(n, n_a, n_b, x) for x in (n_ab, low, high))
            normalised = measures.npmi(n, n_a, n_b, n_ab)
        else:
            raise ParameterError(f"formula is {formula!r}, expected document or paper.")
        return {
            "n": np.full(len(n_ab), n, np.int64),
            "n_a": n_a,
            "n_b": n_b,
            "n_ab": n_ab,
            "pmi": value,
            "npmi": normalised,
            "llr": measures.llr(n, n_a, n_b, n_ab),
            "pmi_low": low,
            "pmi_high": high,
        }
