"""Concepts counted by text, by the tags of images and by both, and how far the two differ.

Source: Udandarao et al., arXiv 2404.04125.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats.errors import OutputExistsError, ParameterError, SourceError
from conceptstats.index.caption_index import CaptionIndex
from conceptstats.index.line_up import By, Matched, by_id, by_row, choose_way
from conceptstats.index.searches import make_search
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.table_files import check_ending, fingerprint, save_table
from conceptstats.tables import COUNTS

SEARCHES = ("text", "tags", "joint")


@dataclass(slots=True)
class Samples:
    """How many samples hold anything of a list; a sample is a caption and its image."""

    n: int = 0  # with a caption or a tag
    n_by_text: int = 0  # with a concept by their text
    n_by_tags: int = 0  # with a concept by their tags
    n_by_both: int = 0  # with concepts on both sides, the same or not
    n_misaligned: int = 0  # with concepts on both sides, and none in common
    n_unmatched_text: int = 0  # captions whose id no row of tags has
    n_unmatched_tags: int = 0  # tags whose id no caption has

    def add(self, rows: Matched) -> npt.NDArray[np.int64]:
        """Count some rows; how often each concept is in both sides of one."""
        text, tags = rows.text.held, rows.tags.held
        in_text, in_tags = np.diff(text.indptr) > 0, np.diff(tags.indptr) > 0
        common = text.multiply(tags).tocsr()
        common.eliminate_zeros()
        both = in_text & in_tags
        self.n += int((rows.text.counted | rows.tags.counted).sum())
        self.n_by_text += int(in_text.sum())
        self.n_by_tags += int(in_tags.sum())
        self.n_by_both += int(both.sum())
        self.n_misaligned += int((both & (np.diff(common.indptr) == 0)).sum())
        if not rows.is_joined:
            self.n_unmatched_text += int(rows.text.counted.sum())
            self.n_unmatched_tags += int(rows.tags.counted.sum())
        return np.bincount(common.indices, minlength=common.shape[1])


class Misalignment(NamedTuple):
    """Samples with concepts on both sides and none in common, as a share; None: of nothing."""

    misalignment: float | None  # of the samples with concepts on both sides
    misalignment_low: float | None  # its 95% interval (Wilson)
    misalignment_high: float | None
    misalignment_of_all: float | None  # of all samples: published as of fixed size
    misalignment_of_found: float | None  # of those with a concept by text, or by tags, if more


@dataclass(frozen=True, slots=True)
class JointCounts:
    """What `count_joint` found.

    Parameters
    ----------
    concepts : tuple of str
    n_text, n_tags, n_joint : (concepts,) int64
        Samples that hold each concept by their text, by their tags, and by both.
    known_by_text, known_by_tags : (concepts,) bool
        False: the concept means nothing to the profile of that index, so the count is unknown.
    samples : Samples
    by : {"row", "id"}
        How the rows of the indexes were lined up.
    """

    concepts: tuple[str, ...]
    n_text: npt.NDArray[np.int64]
    n_tags: npt.NDArray[np.int64]
    n_joint: npt.NDArray[np.int64]
    known_by_text: npt.NDArray[np.bool_]
    known_by_tags: npt.NDArray[np.bool_]
    samples: Samples
    by: By

    def misalignment(self) -> Misalignment:
        """How far text and tags differ."""
        from scipy.stats import binomtest

        n, of = self.samples.n_misaligned, self.samples
        low = high = None
        if of.n_by_both:
            interval = binomtest(n, of.n_by_both).proportion_ci(method="wilson")
            low, high = float(interval.low), float(interval.high)
        found = max(of.n_by_text, of.n_by_tags)
        return Misalignment(_share(n, of.n_by_both), low, high, _share(n, of.n), _share(n, found))

    def unknown(self, known: npt.NDArray[np.bool_]) -> list[str]:
        """Concepts that are not known to one side."""
        return [self.concepts[i] for i in np.flatnonzero(~known)]

    def to_table(self, dataset: str, pretraining: str | None = None) -> pa.Table:
        """The counts as `tables.COUNTS`, search by search; what is unknown is left out."""
        known = (self.known_by_text, self.known_by_tags, self.known_by_text & self.known_by_tags)
        names = pa.array(self.concepts, pa.string())
        found = zip(SEARCHES, (self.n_text, self.n_tags, self.n_joint), known, strict=True)
        pieces = [
            pa.table({"concept": names, "n_captions": counts})
            .filter(pa.array(is_known))
            .append_column("search", pa.array([search] * int(is_known.sum()), pa.string()))
            for search, counts, is_known in found
        ]
        table = pa.concat_tables(pieces)
        same = {"dataset": dataset, "pretraining": pretraining}
        for name, value in same.items():
            column = pa.array([value] * table.num_rows, pa.string())
            table = table.append_column(name, column)
        return table.select(COUNTS.names).cast(COUNTS)

    def to_json(self) -> dict[str, Any]:
        """Everything but the counts of concepts, as JSON types."""
        return {
            **asdict(self.samples),
            **self.misalignment()._asdict(),
            "n_concepts": len(self.concepts),
            "unknown_by_text": self.unknown(self.known_by_text),
            "unknown_by_tags": self.unknown(self.known_by_tags),
            "by": self.by,
        }


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def count_joint(
    text: CaptionIndex,
    tags: CaptionIndex,
    concepts: Mapping[str, Sequence[str]] | Iterable[str] | None = None,
    *,
    by: By | None = None,
    max_unmatched: float = 0.0,
    progress: Progress | None = None,
) -> JointCounts:
    """Count the samples that hold each concept by their text, by their tags, and by both.

    One pass over the parts of both indexes, in bounded memory. Counts are exact also for concepts
    outside the vocabularies. A row that does not count in an index (without caption or tag, or a
    duplicate with ``dedup``) holds nothing there.

    Parameters
    ----------
    text, tags : CaptionIndex
        Of captions, and of the tags of the same images.
    concepts : mapping of str to sequence of str, or iterable of str, optional
        Concepts, with their phrases or by themselves. A sample holds a concept where it holds one
        of the phrases, and a phrase where it holds all concepts that the phrase means to the index:
        "polar bear" is "polar" and "bear" under profile words. By default the vocabulary of
        ``tags``.
    by : {"row", "id"}, optional
        Row r of one index is row r of the other; or samples are joined by id, which is read from
        the sources. By default by row where both were read from the same files, else by id.
    max_unmatched : float
        Largest share of the samples with tags that may have no caption's id.
    progress : Progress, optional

    Returns
    -------
    JointCounts

    Raises
    ------
    ParameterError
        When there is no concept, or ``max_unmatched`` is outside [0, 1].
    SourceError
        When the rows do not line up.
    """
    listed = _listed(tags, concepts)
    if not 0 <= max_unmatched <= 1:
        raise ParameterError(f"max_unmatched is {max_unmatched}, expected a share in [0, 1].")
    way = choose_way(text, tags, by)
    searches = [make_search(index, listed) for index in (text, tags)]
    totals = np.zeros((3, len(listed)), np.int64)
    samples = Samples()
    with closing(progress or Silent()) as shown:
        shown.stage("counting", "samples")
        line_up = by_row if way == "row" else by_id
        for rows in line_up((text, searches[0]), (tags, searches[1])):
            totals[2] += samples.add(rows)
            for total, block in zip(totals, (rows.text, rows.tags), strict=False):
                total += np.bincount(block.held.indices, minlength=len(listed))
            shown.advance(len(rows.text))
    _check_unmatched(samples, tags, max_unmatched)
    return JointCounts(
        tuple(listed),
        n_text=totals[0],
        n_tags=totals[1],
        n_joint=totals[2],
        known_by_text=searches[0].known,
        known_by_tags=searches[1].known,
        samples=samples,
        by=way,
    )


def _listed(
    tags: CaptionIndex, concepts: Mapping[str, Sequence[str]] | Iterable[str] | None
) -> dict[str, Sequence[str]]:
    """Concepts, with their phrases."""
    if concepts is None:
        concepts = tags.vocabulary.column("concept").to_pylist()
    if not isinstance(concepts, Mapping):
        concepts = {concept: (concept,) for concept in concepts}
    if not concepts:
        raise ParameterError("there is no concept to count.", "name some, or index more tags")
    return dict(concepts)


def _check_unmatched(samples: Samples, tags: CaptionIndex, max_unmatched: float) -> None:
    share = samples.n_unmatched_tags / max(tags.n, 1)
    if share > max_unmatched:
        raise SourceError(
            f"{samples.n_unmatched_tags:,} of {tags.n:,} samples with tags ({share:.2%}) have an "
            f"id that no caption has; at most {max_unmatched:.2%} may.",
            "check the id columns of both indexes, or --max-unmatched SHARE",
        )


def joint_files(
    text: Path,
    tags: Path,
    output: Path,
    *,
    concepts: Path | None = None,
    dataset: str | None = None,
    pretraining: str | None = None,
    by: By | None = None,
    max_unmatched: float = 0.0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> JointCounts:
    """`count_joint` of two indexes on disk; the counts are written as `tables.COUNTS`.

    Parameters
    ----------
    text, tags : Path
        Indexes.
    output : Path
        Table to write: .parquet, .csv or .arrow.
    concepts : Path, optional
        Concept file, as for profile concepts.
    dataset : str, optional
        Whose concepts they are; by default the name of the concept file, or of the index of tags.
    pretraining : str, optional
        What was indexed.
    by, max_unmatched, progress
        As for `count_joint`.
    overwrite : bool

    Raises
    ------
    OutputExistsError, ProfileError, IndexFormatError, ParameterError, SourceError
    """
    from conceptstats.text.phrases import read_concept_file

    check_ending(output)
    if output.exists() and not overwrite:
        raise OutputExistsError(f"{output} exists.", "choose another name, or --overwrite")
    listed = None if concepts is None else read_concept_file(concepts)
    found = count_joint(
        CaptionIndex.open(text),
        CaptionIndex.open(tags),
        listed,
        by=by,
        max_unmatched=max_unmatched,
        progress=progress,
    )
    inputs = [path for path in (text, tags, concepts) if path is not None]
    dataset = dataset or (tags.resolve().name if concepts is None else concepts.stem)
    record = run_record(
        "index joint",
        {"dataset": dataset, "pretraining": pretraining, "by": found.by,
         "max_unmatched": max_unmatched},
        {str(path): fingerprint(path) for path in inputs},
    )  # fmt: skip
    table = found.to_table(dataset, pretraining)
    save_table(output, table, COUNTS, record=record, overwrite=overwrite)
    return found
