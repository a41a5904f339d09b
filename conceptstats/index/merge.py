"""Merge indexes that were built apart: the same, byte for byte, as one build over all sources."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from xxhash import xxh3_128_hexdigest

from conceptstats import tables
from conceptstats.errors import IndexFormatError, ParameterError, ProfileError, SourceError
from conceptstats.index.finish import Job, finish
from conceptstats.index.layout import (
    Manifest,
    PartRecord,
    Settings,
    read_manifest,
    read_profile,
)
from conceptstats.index.staging import (
    DEFAULT_MEMORY,
    check_output,
    check_resources,
    publish,
    unfinished,
)
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.sources import Found

_PART_FILES = ("captions.arrow", "concepts.arrow", "forms.arrow", "part.json")


def merge_indexes(
    indexes: Sequence[str | Path],
    output: str | Path,
    *,
    max_concepts: int | None = None,
    min_count: int | None = None,
    workers: int | None = None,
    memory: int = DEFAULT_MEMORY,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Merge indexes into one over all their sources.

    The parts of the indexes are taken over as they are (as hard links, where the file system can);
    vocabulary and pairs are counted over the whole, so nothing is lost to the cuts of the parts.

    Parameters
    ----------
    indexes : sequence of path
        Two or more, of one profile and one ``dedup``.
    output : path
    max_concepts, min_count : int, optional
        Of the merged vocabulary; by default those of the first index.
    workers, memory, overwrite, progress
        As for `build_index`.

    Returns
    -------
    Path
        The merged index.

    Raises
    ------
    ProfileError, ParameterError, SourceError
        When profiles or ``dedup`` differ, or a source is in two indexes.
    """
    output = Path(output).absolute()
    folders = [Path(index) for index in indexes]
    if len(folders) < 2:
        raise ParameterError("merge needs two indexes or more.")
    workers, memory = check_resources(workers, memory)
    check_output(output, overwrite=overwrite)
    manifests = [read_manifest(folder) for folder in folders]
    profile = _common_profile(folders)
    settings = _common_settings(folders, manifests, max_concepts, min_count)
    found = _all_sources(manifests)
    inputs = {source.path: source.fingerprint for source in found.sources}
    run = run_record("index merge", {**asdict(settings), "profile": profile["name"]}, inputs)
    digests = [xxh3_128_hexdigest((folder / "index.json").read_bytes()) for folder in folders]
    plan = {
        "merged": [str(folder.resolve()) for folder in folders],
        "digests": digests,
        "profile": profile,
    }
    progress = progress or Silent()
    with (
        closing(progress),
        unfinished(output, plan, asdict(settings)) as partial,
        ThreadPoolExecutor(workers) as executor,
    ):
        job = Job(partial, settings, memory, workers, executor, progress)
        parts = _take_parts(job, folders, manifests)
        finish(job, parts, found, profile, run)
        publish(partial, output, overwrite=overwrite)
    return output


def _common_profile(folders: Sequence[Path]) -> dict[str, Any]:
    profiles = [read_profile(folder) for folder in folders]
    for folder, profile in zip(folders, profiles, strict=True):
        if profile != profiles[0]:
            raise ProfileError(
                f"{folder} has another profile ({_named(profile)}) than {folders[0]} "
                f"({_named(profiles[0])}).",
                "only indexes of one profile, in one version, can be merged",
            )
    return profiles[0]


def _named(profile: dict[str, Any]) -> str:
    return f"{profile['name']} {json.dumps(profile['versions'])}"


def _common_settings(
    folders: Sequence[Path],
    manifests: Sequence[Manifest],
    max_concepts: int | None,
    min_count: int | None,
) -> Settings:
    first = manifests[0].settings
    for folder, manifest in zip(folders, manifests, strict=True):
        if manifest.settings.dedup != first.dedup:
            raise ParameterError(
                f"{folder} was built with --dedup {manifest.settings.dedup}, {folders[0]} with "
                f"--dedup {first.dedup}.",
                "build them alike",
            )
        if _threshold(manifest) != _threshold(manifests[0]):
            raise ParameterError(
                f"{folder} has the tags at {_threshold(manifest)} or above, {folders[0]} those at "
                f"{_threshold(manifests[0])}.",
                "build them with one --tag-threshold",
            )
    return replace(
        first,
        max_concepts=first.max_concepts if max_concepts is None else max_concepts,
        min_count=first.min_count if min_count is None else min_count,
    )


def _threshold(manifest: Manifest) -> float | None:
    """Least score of the tags of an index; all its sources share it."""
    tags = manifest.sources[0].tags
    return None if tags is None else tags.threshold


def _all_sources(manifests: Sequence[Manifest]) -> Found:
    """Sources of all indexes, and the files that were left out as a whole."""
    sources = tuple(source for manifest in manifests for source in manifest.sources)
    seen: set[str] = set()
    for source in sources:
        if source.path in seen:
            raise SourceError(
                f"{source.path} is in two of the indexes; its captions would count twice.",
                "merge indexes of different files",
            )
        seen.add(source.path)
    skipped = [item for manifest in manifests for item in manifest.skipped]
    damaged = tuple((path, reason) for path, _, reason in skipped if path not in seen)
    ignored = tuple(name for manifest in manifests for name in manifest.ignored)
    return Found(sources, ignored, damaged)


def _take_parts(
    job: Job, folders: Sequence[Path], manifests: Sequence[Manifest]
) -> list[PartRecord]:
    job.progress.stage("taking over", "parts")
    parts = []
    before = 0
    for folder, manifest in zip(folders, manifests, strict=True):
        for part in manifest.parts:
            mine = replace(part, source=before + part.source)
            counts = replace(
                part.counts,
                n_captions=part.counts.n_captions + part.counts.n_duplicates,
                n_duplicates=0,
            )
            parts.append(replace(mine, counts=counts))
            _link(folder / "parts" / part.name, job.parts / mine.name)
            job.progress.advance(1)
        before += len(manifest.sources)
    return parts


def _link(source: Path, target: Path) -> None:
    """Take over the files of a part that do not depend on the other parts."""
    with tables.output_errors(target):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in _PART_FILES:
            if not (source / name).is_file():
                raise IndexFormatError(
                    f"{source / name} is missing.", "conceptstats index verify INDEX"
                )
            try:
                os.link(source / name, target / name)
            except OSError:
                shutil.copyfile(source / name, target / name)
