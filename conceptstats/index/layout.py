"""Where everything stands in an index folder, and what its index.json says.

    index.json               format, settings, sources, totals
    profile.json             the profile, as data
    run.json                 the run record
    checksums.json           size and xxh3-128 of every other file
    vocabulary.arrow         concepts by falling count            (tables.VOCABULARY)
    forms.arrow              surface forms                        (tables.FORMS)
    pairs.arrow              pair counts                          (tables.PAIRS)
    parts/00003-00017/       the forward index of consecutive rows: source 3, its part 17
        captions.arrow       local concept ids of each row        (tables.PART_CAPTIONS)
        concepts.arrow       name of each local id                (tables.PART_CONCEPTS)
        forms.arrow          surface forms seen here              (tables.PART_FORMS)
        part.json            rows read and left out
        ids.arrow            vocabulary id of each local id       (tables.PART_IDS)
        duplicates.arrow     rows that do not count, with --dedup (tables.PART_DUPLICATES)

A part knows nothing of the others: its concepts are numbered within it and not cut to the
vocabulary. So parts can be made anywhere, in any order, and merged exactly; only ids.arrow and
duplicates.arrow depend on the whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from conceptstats.errors import IndexFormatError, ParameterError
from conceptstats.sources import Source

FORMAT = "conceptstats-index"
FORMAT_VERSION = 1
LOCK, PLAN = "lock", "plan.json"  # in an unfinished index
MAX_CONCEPTS = 20_000
PART_ROWS = 1 << 17
PART_BYTES = 1 << 25  # of text

Dedup = Literal["none", "id", "caption"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What, besides the sources and the profile, decides every number in an index.

    Parameters
    ----------
    max_concepts : int
        Size of the vocabulary: the most frequent concepts of the whole corpus, ties by concept.
    min_count : int
        Concepts in fewer captions are left out.
    dedup : {"none", "id", "caption"}
        Of captions with the same id, or the same text, count only the first.
    """

    max_concepts: int = MAX_CONCEPTS
    min_count: int = 1
    dedup: Dedup = "none"

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.max_concepts < 1 or self.min_count < 1:
            raise ParameterError(
                f"max_concepts is {self.max_concepts} and min_count {self.min_count}; both must "
                "be 1 or more."
            )
        if self.dedup not in ("none", "id", "caption"):
            raise ParameterError(f"dedup is {self.dedup!r}, expected none, id or caption.")


@dataclass(slots=True)
class PartCounts:
    """Rows of one or more parts: what was read and what was left out. Adds with ``+``."""

    n_rows: int = 0
    n_null: int = 0  # no caption
    n_empty: int = 0  # nothing but white space
    n_failed: int = 0  # downloads that img2dataset lists as failed
    n_not_selected: int = 0  # outside --subset
    n_invalid: int = 0  # unreadable, skipped
    n_duplicates: int = 0  # not counted because of --dedup
    n_captions: int = 0  # what remains: the N of every probability
    n_tokens: int = 0  # occurrences of concepts, those of duplicates included

    def __add__(self, other: PartCounts) -> PartCounts:
        """Counts of both."""
        mine, theirs = asdict(self), asdict(other)
        return PartCounts(**{name: mine[name] + theirs[name] for name in mine})


def part_name(source: int, number: int) -> str:
    """Name of a part's folder."""
    return f"{source:05d}-{number:05d}"


@dataclass(frozen=True, slots=True)
class PartRecord:
    """One part: where it belongs and what was read."""

    source: int
    number: int
    first_row: int
    counts: PartCounts
    problems: tuple[tuple[int, str], ...] = ()  # row, reason

    @property
    def name(self) -> str:
        """Name of its folder."""
        return part_name(self.source, self.number)

    def to_json(self) -> dict[str, Any]:
        """As a dict of JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any], *, source: int) -> PartRecord:
        """From a dict; the source's number is that of the index it is in."""
        problems = tuple((row, reason) for row, reason in data["problems"])
        return cls(
            source, data["number"], data["first_row"], PartCounts(**data["counts"]), problems
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What index.json holds."""

    profile: dict[str, Any]  # name and versions; profile.json has the options too
    settings: Settings
    sources: tuple[Source, ...]
    parts: tuple[PartRecord, ...]
    totals: dict[str, int]
    skipped: tuple[tuple[str, int, str], ...] = ()  # path, row, reason
    ignored: tuple[str, ...] = field(default=())  # files in the given folders that are no captions

    @property
    def is_cut(self) -> bool:
        """Whether the vocabulary may lack concepts of the captions."""
        n_concepts = self.totals["n_concepts"]
        return n_concepts >= self.settings.max_concepts or self.settings.min_count > 1

    def to_json(self) -> dict[str, Any]:
        """As a dict of JSON types."""
        return {"format": FORMAT, "version": FORMAT_VERSION, **asdict(self)}


def read_manifest(index: Path) -> Manifest:
    """Read index.json.

    Raises
    ------
    IndexFormatError
        When the folder is not an index, or one of another format version.
    """
    try:
        data = json.loads((index / "index.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        what = "is not an index" if index.exists() else "does not exist"
        raise IndexFormatError(
            f"{index} {what} (no index.json in it).", "conceptstats index build SOURCE... -o INDEX"
        ) from None
    except (OSError, ValueError) as error:
        raise IndexFormatError(f"{index / 'index.json'} is damaged: {error}.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise IndexFormatError(f"{index} is not an index of conceptstats (format {FORMAT}).")
    if data.get("version") != FORMAT_VERSION:
        raise IndexFormatError(
            f"{index} has format version {data.get('version')}, expected {FORMAT_VERSION}.",
            "build it again, or use the conceptstats that built it (see its run.json)",
        )
    try:
        return Manifest(
            profile=data["profile"],
            settings=Settings(**data["settings"]),
            sources=tuple(Source.from_json(source) for source in data["sources"]),
            parts=tuple(PartRecord.from_json(p, source=p["source"]) for p in data["parts"]),
            totals=data["totals"],
            skipped=tuple((path, row, reason) for path, row, reason in data["skipped"]),
            ignored=tuple(data["ignored"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IndexFormatError(f"{index / 'index.json'} is damaged: {error!r}.") from error


def read_profile(index: Path) -> dict[str, Any]:
    """Read profile.json: name, options and versions.

    Raises
    ------
    IndexFormatError
        When it is missing or damaged.
    """
    path = index / "profile.json"
    try:
        profile: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IndexFormatError(
            f"{path} is missing or damaged: {error}.", "conceptstats index verify INDEX"
        ) from error
    return profile
