"""From parts to an index: duplicates, vocabulary, pairs, surface forms, manifest, checksums."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from conceptstats import tables
from conceptstats.index.duplicates import mark_duplicates
from conceptstats.index.layout import Manifest, PartCounts, PartRecord, Settings
from conceptstats.index.pairs import count_pairs
from conceptstats.index.verify import write_checksums
from conceptstats.index.vocabulary import (
    count_part,
    merge_forms,
    merge_vocabulary,
    vocabulary_lookup,
    write_part_ids,
)
from conceptstats.progress import Progress
from conceptstats.runs import dump_json
from conceptstats.sources import Found


@dataclass(frozen=True, slots=True)
class Job:
    """What the stages of a build share."""

    folder: Path  # of the unfinished index
    settings: Settings
    memory: int  # bytes
    workers: int
    executor: Executor
    progress: Progress

    @property
    def parts(self) -> Path:
        """Folder of the parts."""
        return self.folder / "parts"

    @property
    def work(self) -> Path:
        """Folder of what is removed at the end."""
        return self.folder / "work"


def finish(
    job: Job,
    parts: Sequence[PartRecord],
    found: Found,
    profile: dict[str, Any],
    run: dict[str, Any],
) -> None:
    """Turn a folder of parts into an index.

    Parameters
    ----------
    job : Job
    parts : sequence of PartRecord
        All parts, by source and number.
    found : Found
        The sources, and what was left out as a whole.
    profile : dict
        Name, options and versions.
    run : dict
        The run record.
    """
    if job.settings.dedup != "none":
        parts = _leave_out_duplicates(job, parts)
    vocabulary = _make_vocabulary(job, parts)
    job.progress.stage("counting pairs", "captions")
    n_captions = sum(part.counts.n_captions for part in parts)
    done = 0

    def tick(n: int) -> None:
        nonlocal done
        done += n
        job.progress.advance(n, done / max(n_captions, 1))

    n_pairs, n_events = count_pairs(
        job.parts, parts, vocabulary.num_rows, job.folder / "pairs.arrow", job.work, job.memory,
        job.executor, job.workers, tick,
    )  # fmt: skip
    totals = asdict(sum((part.counts for part in parts), PartCounts()))
    totals |= {
        "n_concepts": vocabulary.num_rows,
        "n_pairs": n_pairs,
        "n_pair_events": n_events,
    }
    skipped = [(path, 0, reason) for path, reason in found.damaged]
    for part in parts:
        path = found.sources[part.source].path
        skipped += [(path, row, reason) for row, reason in part.problems]
    named = {key: profile[key] for key in ("name", "versions")}
    manifest = Manifest(
        named, job.settings, found.sources, tuple(parts), totals, tuple(skipped), found.ignored
    )
    shutil.rmtree(job.work)
    dump_json(job.folder / "index.json", manifest.to_json())
    dump_json(job.folder / "profile.json", profile)
    dump_json(job.folder / "run.json", run)
    write_checksums(job.folder, job.workers)


def _leave_out_duplicates(job: Job, parts: Sequence[PartRecord]) -> list[PartRecord]:
    n_duplicates = mark_duplicates(job.parts, parts, job.memory)
    return [
        replace(
            part,
            counts=replace(part.counts, n_duplicates=n, n_captions=part.counts.n_captions - n),
        )
        for part, n in zip(parts, n_duplicates, strict=True)
    ]


def _make_vocabulary(job: Job, parts: Sequence[PartRecord]) -> pa.Table:
    """Write vocabulary.arrow, forms.arrow, and the ids of every part."""
    job.progress.stage("counting concepts", "parts")
    counts = job.work / "counts"
    counts.mkdir(exist_ok=True)
    _run(job, lambda part: count_part(job.parts, part, counts), parts)
    vocabulary = merge_vocabulary(job.parts, parts, counts, job.settings, job.executor, job.workers)
    tables.dump_table(job.folder / "vocabulary.arrow", vocabulary)
    lookup = vocabulary_lookup(vocabulary)
    _run(job, lambda part: write_part_ids(job.parts, part, lookup), parts)
    tables.dump_table(job.folder / "forms.arrow", merge_forms(job.parts, parts, vocabulary))
    return vocabulary


def _run(job: Job, work: Callable[[PartRecord], None], parts: Iterable[PartRecord]) -> None:
    for _ in job.executor.map(work, parts):
        job.progress.advance(1)
