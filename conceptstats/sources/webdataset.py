"""Tar files of samples, as webdataset and img2dataset write them, read for their captions."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa

from conceptstats.sources import columns
from conceptstats.sources.batch import Batch
from conceptstats.sources.columns import Detected, Wanted
from conceptstats.sources.files import is_url, open_stream, suffix_of
from conceptstats.sources.reading import DAMAGE, DamagedFileError, Reading
from conceptstats.sources.text import text_problem

KEY_COLUMN = "__key__"
_TEXT_MEMBER = "txt"
_JSON_MEMBER = "json"
_N_SAMPLES_LOOKED_AT = 8
_BATCH_SAMPLES = 8_192


class _Sample(NamedTuple):
    """Members of a tar file that share their name up to its first dot."""

    key: str
    members: dict[str, bytes]  # by extension; only those that can hold a caption


def detect_tar(path: str, wanted: Wanted) -> Detected | None:
    """Where the captions are, from the first samples; None where these hold no text."""
    names: list[str] = []
    try:
        for sample in islice(_samples(path), _N_SAMPLES_LOOKED_AT):
            names += [_TEXT_MEMBER] if _TEXT_MEMBER in sample.members else []
            names += _metadata(sample)[0]
    except DAMAGE:
        if not names:
            raise
    names = list(dict.fromkeys(names))
    if not names:
        return None
    asked = wanted.caption_column
    if asked is None and _TEXT_MEMBER in names:
        asked = _TEXT_MEMBER
    caption = columns.caption_column(path, names, wanted._replace(caption_column=asked))
    identity = columns.id_column(path, [KEY_COLUMN, *names], wanted.id_column or KEY_COLUMN)
    return Detected("webdataset", caption, identity)


def read_tar(reading: Reading) -> Iterator[Batch]:
    """Batches of a tar file; a sample without a caption is null."""
    first = 0
    pending: list[_Sample] = []
    damage: Exception | None = None
    samples = _samples(reading.source.path)
    while damage is None:
        try:
            pending.extend(islice(samples, _BATCH_SAMPLES))
        except DAMAGE as error:
            damage = error  # after the samples before it
        if not pending:
            break
        yield _to_batch(pending, first, reading)
        first += len(pending)
        pending = []
    if damage is not None:
        raise damage


def _to_batch(samples: list[_Sample], first_row: int, reading: Reading) -> Batch:
    captions: list[str | None] = []
    ids: list[str | None] = []
    problems = []
    for row, sample in enumerate(samples, first_row):
        caption, problem = _caption_of(sample, reading.source.caption_column)
        if problem is not None:
            problems.append(reading.bad_row(row, f"{problem} (sample {sample.key})"))
        captions.append(caption)
        is_key = reading.id_column == KEY_COLUMN
        if reading.id_column is not None:
            identity = sample.key if is_key else _metadata(sample)[0].get(reading.id_column)
            ids.append(None if identity is None else str(identity))
    id_column = pa.array(ids, pa.string()) if reading.id_column else None
    return Batch(pa.array(captions, pa.string()), id_column, problems=tuple(problems))


def _caption_of(sample: _Sample, column: str) -> tuple[str | None, str | None]:
    """Caption of a sample, and what is wrong with it."""
    if column == _TEXT_MEMBER and _TEXT_MEMBER in sample.members:
        try:
            return sample.members[_TEXT_MEMBER].decode("utf-8-sig"), None
        except UnicodeDecodeError:
            return None, "the caption is not UTF-8"
    metadata, problem = _metadata(sample)
    caption = metadata.get(column)
    problem = problem or text_problem(caption, pa.string())
    return (None, problem) if problem else (caption, None)


def _metadata(sample: _Sample) -> tuple[dict[str, Any], str | None]:
    """The JSON object of a sample, and what is wrong with it."""
    try:
        content = json.loads(sample.members.get(_JSON_MEMBER, b"{}"))
    except (ValueError, RecursionError):
        return {}, "invalid JSON"
    return (content, None) if isinstance(content, dict) else ({}, "its JSON is no object")


def _samples(path: str) -> Iterator[_Sample]:
    """Samples in file order; their images are passed over."""
    sample: _Sample | None = None
    with _open(path) as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            stem, _, extension = name.partition(".")
            if not member.isfile() or not stem or not extension:
                continue
            key = f"{folder}/{stem}" if folder else stem
            if sample is None or key != sample.key:
                if sample is not None:
                    yield sample
                sample = _Sample(key, {})
            if extension.lower() in (_TEXT_MEMBER, _JSON_MEMBER):
                content = archive.extractfile(member)
                sample.members[extension.lower()] = content.read() if content else b""
    if not _ends_properly(path):
        raise DamagedFileError("the tar file ends without its end mark; it is not whole")
    if sample is not None:
        yield sample


@contextmanager
def _open(path: str) -> Iterator[tarfile.TarFile]:
    if not is_url(path) and suffix_of(path).codec is None:
        with tarfile.open(path, "r:") as archive:
            yield archive
        return
    with (
        open_stream(path) as stream,
        tarfile.open(fileobj=cast("Any", stream), mode="r|") as archive,
    ):
        yield archive


def _ends_properly(path: str) -> bool:
    """Whether the last block is zero, as the end mark is; not looked at behind a URL or codec.

    `tarfile` takes a file that is cut off between two members for a whole one.
    """
    if is_url(path) or suffix_of(path).codec is not None:
        return True
    with Path(path).open("rb") as file:
        file.seek(-tarfile.BLOCKSIZE, 2)
        return not any(file.read())
