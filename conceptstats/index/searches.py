"""Which rows of an index hold which concepts of a list: one sparse matrix a part.

A concept of a list has one phrase or more, and a row holds the concept when it holds one of them.
A phrase means one concept of the index, or several ("polar bear" is two under profile words), and a
row holds the phrase when it holds all of these, as in arXiv 2404.04125. Concepts are looked up by
name in the parts, which are not cut to the vocabulary, so the counts of rare ones are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from conceptstats import tables
from conceptstats.index.caption_index import CaptionIndex
from conceptstats.index.layout import PartRecord
from conceptstats.index.part_files import read_tokens


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of an index.

    Parameters
    ----------
    held : (rows, concepts) int32
        1 where the row holds the concept of the list.
    counted : (rows,) bool
        Rows that count in the index: with a caption or a tag, and no duplicate.
    """

    held: csr_array
    counted: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.counted)

    def take(self, rows: slice | npt.NDArray[np.integer]) -> Block:
        """Some of the rows."""
        return Block(self.held[rows], self.counted[rows])

    def nothing(self, n_rows: int) -> Block:
        """Rows that hold nothing and do not count, over the same concepts."""
        empty = csr_array((n_rows, self.held.shape[1]), dtype=np.int32)
        return Block(empty, np.zeros(n_rows, np.bool_))


@dataclass(frozen=True, slots=True)
class Search:
    """What the concepts of a list mean to an index.

    Parameters
    ----------
    folder : Path
        Of the index's parts.
    names : (n,) array of large_string
        The concepts of the index that are needed.
    phrases : (n, phrases) int32
        1 where a phrase needs the concept.
    concepts : (phrases, concepts) int32
        1 where a concept of the list has the phrase.
    known : (concepts,) bool
        False: no phrase of it means anything under the profile of the index.
    """

    folder: Path
    names: pa.Array
    phrases: csr_array
    concepts: csr_array
    known: npt.NDArray[np.bool_]

    def block(self, part: PartRecord) -> Block:
        """Rows of a part, and what they hold."""
        tokens = read_tokens(self.folder / part.name)
        path = self.folder / part.name / "concepts.arrow"
        concepts = tables.one_array(tables.read_table(path, tables.PART_CONCEPTS).column("concept"))
        column = pc.fill_null(pc.index_in(concepts, value_set=self.names), -1)
        columns = tables.numbers(column)[tokens.ids]
        counts = np.repeat(tokens.counted, np.diff(tokens.bounds))
        kept = (columns >= 0) & counts
        bounds = np.concatenate([[0], np.cumsum(kept)])[tokens.bounds]
        ones = np.ones(int(bounds[-1]), np.int32)
        shape = (len(tokens.counted), len(self.names))
        words = _ones(csr_array((ones, columns[kept], bounds), shape=shape))
        phrases = words @ self.phrases
        n_needed = self.phrases.sum(axis=0)
        phrases.data = (phrases.data == n_needed[phrases.indices]).astype(np.int32)
        phrases.eliminate_zeros()
        return Block(_ones(phrases @ self.concepts), tokens.counted)


def _ones(matrix: csr_array) -> csr_array:
    """The matrix with 1 wherever it has something, columns in order."""
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def make_search(index: CaptionIndex, concepts: Mapping[str, Sequence[str]]) -> Search:
    """Look up every phrase of every concept in an index.

    Parameters
    ----------
    index : CaptionIndex
    concepts : mapping of str to sequence of str
        Concept: its phrases.
    """
    number: dict[str, int] = {}
    needs: list[tuple[int, int]] = []  # concept of the index, phrase
    owners: list[tuple[int, int]] = []  # phrase, concept of the list
    for concept, phrases in enumerate(concepts.values()):
        for phrase in phrases:
            meant = index.concepts_in(phrase)
            if meant:
                needs += [(number.setdefault(name, len(number)), len(owners)) for name in meant]
                owners.append((len(owners), concept))
    known = np.zeros(len(concepts), np.bool_)
    known[[concept for _, concept in owners]] = True
    return Search(
        index.path / "parts",
        pa.array(list(number), pa.large_string()),
        _incidence(needs, (len(number), len(owners))),
        _incidence(owners, (len(owners), len(concepts))),
        known,
    )


def _incidence(places: Sequence[tuple[int, int]], shape: tuple[int, int]) -> csr_array:
    rows, columns = np.array(places, np.int64).reshape(-1, 2).T
    return csr_array((np.ones(len(places), np.int32), (rows, columns)), shape=shape)
