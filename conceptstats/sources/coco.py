"""COCO caption files: one JSON object with a list of annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from conceptstats.sources import columns
from conceptstats.sources.batch import Batch
from conceptstats.sources.columns import Detected, Wanted
from conceptstats.sources.files import MEBIBYTE, open_stream
from conceptstats.sources.reading import BATCH_ROWS, DamagedFileError, Reading
from conceptstats.sources.text import text_problem

_ANNOTATION_KEYS = ("id", "image_id", "caption")
_MARKS = (b'"annotations"', b'"caption"')


def detect_coco(path: str, wanted: Wanted) -> Detected | None:
    """The columns, or None for a JSON file of another kind.

    The file is searched for the two names that make it one of captions, without parsing it.
    """
    if not _holds_marks(path):
        return None
    caption = columns.caption_column(path, _ANNOTATION_KEYS, wanted)
    identity = columns.id_column(path, _ANNOTATION_KEYS, wanted.id_column)
    return Detected("coco", caption, identity)


def read_coco(reading: Reading) -> Iterator[Batch]:
    """Batches of a COCO file, which is parsed as a whole."""
    annotations = _load_annotations(reading.source.path)
    for first in range(0, len(annotations), BATCH_ROWS):
        yield _to_batch(annotations[first : first + BATCH_ROWS], first, reading)


def _load_annotations(path: str) -> list[Any]:
    with open_stream(path) as stream:
        pieces = list(iter(lambda: stream.read(MEBIBYTE), b""))
    try:
        content = json.loads(b"".join(pieces))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"invalid JSON: {error}") from error
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise DamagedFileError("it has no list of annotations")
    return annotations


def _to_batch(annotations: list[Any], first_row: int, reading: Reading) -> Batch:
    captions: list[str | None] = []
    ids: list[str | None] = []
    problems = []
    for row, annotation in enumerate(annotations, first_row):
        known = isinstance(annotation, dict)
        caption = annotation.get(reading.source.caption_column) if known else None
        problem = text_problem(caption, pa.string()) if known else "the annotation is no object"
        if problem is not None:
            problems.append(reading.bad_row(row, problem))
        captions.append(None if problem else caption)
        identity = annotation.get(reading.id_column) if known and reading.id_column else None
        ids.append(None if identity is None else str(identity))
    id_column = pa.array(ids, pa.string()) if reading.id_column else None
    return Batch(pa.array(captions, pa.string()), id_column, problems=tuple(problems))


def _holds_marks(path: str) -> bool:
    """Whether all marks occur in a JSON object."""
    missing = set(_MARKS)
    tail = b""
    with open_stream(path) as stream:
        chunk = stream.read(MEBIBYTE)
        if not chunk.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return False
        while chunk and missing:
            missing = {mark for mark in missing if mark not in tail + chunk}
            tail = chunk[-max(map(len, _MARKS)) :]
            chunk = stream.read(MEBIBYTE)
    return not missing
