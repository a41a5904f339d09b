"""Build an index from caption files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conceptstats.errors import ProfileError
from conceptstats.index.finish import Job, finish
from conceptstats.index.layout import MAX_CONCEPTS, Dedup, PartRecord, Settings
from conceptstats.index.parts import PartQueue, finished_part, make_part
from conceptstats.index.staging import (
    DEFAULT_MEMORY,
    check_output,
    check_resources,
    publish,
    unfinished,
)
from conceptstats.index.verify import checksum
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.sources import Source, Tags, find_sources
from conceptstats.sources.batch import OnError
from conceptstats.text import TAG_PROFILE, load_profile
from conceptstats.text.profile import Profile


def build_index(
    places: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    profile: str | None = None,
    profile_options: Mapping[str, Any] | None = None,
    caption_column: str | None = None,
    id_column: str | None = None,
    subset: str | Path | None = None,
    tags: Tags | None = None,
    max_concepts: int = MAX_CONCEPTS,
    min_count: int = 1,
    dedup: Dedup = "none",
    workers: int | None = None,
    memory: int = DEFAULT_MEMORY,
    dask: str | None = None,
    on_error: OnError = "stop",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Count the concepts and concept pairs of caption files, or of the tags of their images.

    Parameters
    ----------
    places : str, Path or sequence of them
        Files, folders, globs, fsspec URLs.
    output : str or Path
        Folder of the index.
    profile : {"words", "paper", "nouns", "concepts", "tags"}, optional
        How captions become concepts; with ``profile_options`` for `load_profile`. By default words,
        and for tags tags; "concepts" with tags means those tags that are a phrase of the list.
    caption_column, id_column : str, optional
        Detected by name when not given. Ids are what ``dedup="id"`` compares and `find` shows; they
        are read from the sources, not stored.
    subset : path, optional
        DataComp subset (.npy of 128-bit uids): only these rows count.
    tags : Tags, optional
        Index tags in place of captions. A row without a tag that counts is no sample.
    max_concepts, min_count, dedup
        `Settings`.
    workers : int, optional
        Threads; all cores by default.
    memory : int
        Bytes for counting and merging, which take passes beyond it. Reading takes up to 100 MB a
        worker besides.
    dask : str, optional
        Read the sources on a dask cluster: the address of its scheduler, or "local". Its workers
        must see sources and output under the same paths. The rest is done here.
    on_error : {"stop", "skip"}
        What to do with what cannot be read. What is skipped is recorded in the index.
    overwrite : bool
        Replace an index that exists.
    progress : Progress, optional

    Returns
    -------
    Path
        The index.

    Raises
    ------
    ConceptStatsError
        For bad input, with nothing left behind; except that more than a minute of finished work is
        kept, and the next build with the same arguments goes on with it.
    """
    places = [places] if isinstance(places, str | Path) else places
    output = Path(output).absolute()
    settings = Settings(max_concepts, min_count, dedup)
    workers, memory = check_resources(workers, memory)
    check_output(output, overwrite=overwrite)
    found = find_sources(
        [str(place) for place in places],
        caption_column=caption_column,
        id_column=id_column,
        subset=None if subset is None else str(subset),
        tags=tags,
        on_error=on_error,
    )
    loaded = _load_profile(profile, profile_options or {}, tags)
    profile_record = {
        "name": loaded.name,
        "options": loaded.options,
        "versions": loaded.versions,
    }
    arguments = {**asdict(settings), "profile": loaded.name, "on_error": on_error}
    if tags is not None:
        arguments["tags"] = asdict(tags)
    inputs = {source.path: source.fingerprint for source in found.sources}
    if subset is not None:
        _, inputs[str(subset)] = checksum(Path(subset))
    plan = {
        "dedup": dedup,
        "inputs": inputs,
        "profile": profile_record,
        "sources": [asdict(source) for source in found.sources],
    }
    run = run_record("index build", arguments, inputs)
    progress = progress or Silent()
    _say_columns(found.sources, progress)
    with (
        closing(progress),
        unfinished(output, plan, asdict(settings)) as folder,
        ThreadPoolExecutor(workers) as executor,
    ):
        job = Job(folder, settings, memory, workers, executor, progress)
        if n_done := sum(1 for _ in job.parts.iterdir()):
            progress.say(f"going on with an unfinished build: {n_done:,} parts are done")
        if dask is None:
            parts = _read_parts(job, found.sources, loaded, on_error)
        else:
            parts = _read_parts_on_cluster(job, found.sources, loaded, on_error, dask)
        parts.sort(key=lambda part: (part.source, part.number))
        finish(job, parts, found, profile_record, run)
        publish(folder, output, overwrite=overwrite)
    return output


def _load_profile(name: str | None, options: Mapping[str, Any], tags: Tags | None) -> Profile:
    """The profile asked for, where it fits what is read: captions, or tags."""
    if tags is None:
        if name == TAG_PROFILE:
            raise ProfileError("profile 'tags' is for tags of images.", "--tags-column COLUMN")
        return load_profile(name or "words", **options)
    if name not in (None, TAG_PROFILE, "concepts"):
        raise ProfileError(
            f"profile {name!r} cuts texts into words, and a tag is one concept.",
            "--profile tags, or --profile concepts with a list",
        )
    return load_profile(TAG_PROFILE, **options)


def _say_columns(sources: Sequence[Source], progress: Progress) -> None:
    """Say which column was taken, once for all files alike."""
    alike: dict[tuple[str, str], list[str]] = {}
    for source in sources:
        what = f"{'tags' if source.tags else 'captions'} from {source.caption_column!r}"
        alike.setdefault((source.format, what), []).append(source.path)
    for (form, what), paths in alike.items():
        files = f"{len(paths):,} files" if len(paths) > 1 else Path(paths[0]).name
        progress.say(f"{files} ({form}): {what}")


def _read_parts(
    job: Job,
    sources: Sequence[Source],
    profile: Profile,
    on_error: OnError,
) -> list[PartRecord]:
    """Make every part that is not there yet; the records of all, in any order."""
    queue = PartQueue(list(enumerate(sources)), job.settings.dedup == "id", on_error)
    job.progress.stage("reading", "captions")
    total = sum(source.size for source in sources)
    read = [0] * len(sources)

    def work() -> list[PartRecord]:
        records = []
        try:
            while (raw := queue.next()) is not None:
                source = sources[raw.source]
                dedup = job.settings.dedup
                record = finished_part(job.parts, raw, on_error)
                if record is None:
                    record = make_part(job.parts, raw, source, profile, dedup, on_error)
                records.append(record)
                size = source.size
                read[raw.source] = min(read[raw.source] + raw.batch.captions.nbytes, size)
                job.progress.advance(len(raw.batch.captions), sum(read) / max(total, 1))
        except BaseException:
            queue.stop()
            raise
        return records

    futures = [job.executor.submit(work) for _ in range(job.workers)]
    try:
        return [record for future in futures for record in future.result()]
    except BaseException:  # Ctrl-C reaches this thread alone; the readers would go on
        queue.stop()
        raise


def _read_parts_on_cluster(
    job: Job,
    sources: Sequence[Source],
    profile: Profile,
    on_error: OnError,
    address: str,
) -> list[PartRecord]:
    """The same as `_read_parts`, on a dask cluster."""
    from conceptstats.index.cluster import Recipe, read_on_cluster

    job.progress.stage("reading on the cluster", "captions")
    recipe = Recipe(
        profile.name, json.dumps(profile.options), profile.versions, job.settings.dedup, on_error
    )
    return read_on_cluster(address, job.workers, job.parts.resolve(), sources, recipe, job.progress)
