"""JSON lines: one object a line, its caption under a key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.json as pajson

from conceptstats.errors import CaptionColumnError, SourceError
from conceptstats.sources import columns
from conceptstats.sources.batch import Batch
from conceptstats.sources.blocks import line_blocks
from conceptstats.sources.columns import Detected, Wanted
from conceptstats.sources.files import read_head
from conceptstats.sources.reading import Reading
from conceptstats.sources.text import is_list, is_text, numbers_problem, text_problem

_BLOCK_BYTES = 8 << 20
_N_LINES_LOOKED_AT = 100


def detect_json_lines(path: str, wanted: Wanted) -> Detected:
    """Keys of the first objects of a file of JSON lines.

    Raises
    ------
    SourceError
        None of the first lines holds a JSON object.
    CaptionColumnError
        The caption key cannot be told, or holds no text.
    """
    objects = _first_objects(path)
    if not objects:
        raise SourceError(f"{path}: none of its first lines is a JSON object.")
    names = list(dict.fromkeys(name for each in objects for name in each))
    caption = columns.caption_column(path, names, wanted)
    scores = columns.scores_column(path, names, wanted)
    kind = _caption_type(caption, objects, with_tags=wanted.tags is not None)
    faults = [text_problem(each.get(caption), kind) for each in objects]
    if not is_text(kind) or (all(faults) and kind == pa.string()):
        raise CaptionColumnError(f"{path}: {caption!r} holds no text.", wanted.hint)
    if scores is not None and not is_list(kind):
        raise CaptionColumnError(
            f"{path}: {caption!r} has scores, so it needs lists; it holds text.", wanted.hint
        )
    return Detected("jsonl", caption, columns.id_column(path, names, wanted.id_column))


_LONGEST_FIRST_LINE = 16 << 20  # of a .json file that may be of JSON lines


def is_json_lines(path: str) -> bool:
    """Whether the first two lines of a file are a JSON object each."""
    head = read_head(path, longest=_LONGEST_FIRST_LINE)
    lines = [line for line in head.split(b"\n") if line.strip()]
    return len(lines) > 1 and all(_parse_line(line).value is not None for line in lines[:2])


def read_json_lines(reading: Reading) -> Iterator[Batch]:
    """Batches of a file of JSON lines; a blank line is no row."""
    source = reading.source
    schema = _schema(reading, _first_objects(source.path))
    row = n_lines = 0
    for block in line_blocks(source.path, _BLOCK_BYTES):
        table = _parse_block(block, schema)
        if table is not None:
            captions = reading.texts(table.column(source.caption_column).combine_chunks())
            ids = scores = None
            if reading.id_column is not None:
                ids = table.column(reading.id_column).combine_chunks().cast(pa.string())
            if reading.scores_column is not None:
                scores = table.column(reading.scores_column).combine_chunks()
            batch = Batch(captions, ids, scores=scores)
        else:
            batch = _parse_lines(block, schema, reading, row, n_lines)
        row += len(batch.captions)
        n_lines += block.count(b"\n")
        yield batch


def _first_objects(path: str) -> list[dict[str, Any]]:
    """Objects in the first lines of a file; lines that hold none are passed over."""
    lines = read_head(path).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    parsed = [_parse_line(line).value for line in lines[:_N_LINES_LOOKED_AT] if line.strip()]
    return [value for value in parsed if value is not None]


def _schema(reading: Reading, objects: Sequence[dict[str, Any]]) -> pa.Schema:
    """Types of the columns that are read."""
    name = reading.source.caption_column
    with_tags = reading.source.tags is not None
    kinds = {name: _caption_type(name, objects, with_tags=with_tags)}
    if reading.id_column is not None and reading.id_column not in kinds:
        kinds[reading.id_column] = _type_of(reading.id_column, objects)
    if reading.scores_column is not None:
        kinds[reading.scores_column] = pa.list_(pa.float64())
    return pa.schema(kinds)


def _caption_type(name: str, objects: Sequence[dict[str, Any]], *, with_tags: bool) -> pa.DataType:
    """Arrow type of the captions; tags are lists also where the first lists are empty."""
    if with_tags and any(isinstance(each.get(name), list) for each in objects):
        return pa.list_(pa.string())
    return _type_of(name, objects)


def _type_of(name: str, objects: Sequence[dict[str, Any]]) -> pa.DataType:
    """Arrow type for the values of a key, judged by the first one that is not null.

    It need not fit: values of another type are found and read line by line.
    """
    match next((each[name] for each in objects if each.get(name) is not None), None):
        case [str(), *_]:
            return pa.list_(pa.string())
        case bool():
            return pa.string()
        case int():
            return pa.int64()
        case float():
            return pa.float64()
        case _:
            return pa.string()


def _parse_block(block: bytes, schema: pa.Schema) -> pa.Table | None:
    """The columns of a block of lines; None where not every line is one good object."""
    try:
        table = pajson.read_json(
            pa.BufferReader(block),
            read_options=pajson.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pajson.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
        table.validate(full=True)  # the parser lets through what is not UTF-8
    except (pa.ArrowInvalid, UnicodeDecodeError):  # the latter for a message with a bad character
        return None
    n_lines = block.count(b"\n")
    if len(table) != n_lines:
        n_lines = sum(1 for line in block.split(b"\n") if line.strip())
    return table if len(table) == n_lines else None


class _Line(NamedTuple):
    value: dict[str, Any] | None
    problem: str | None


def _parse_line(line: bytes) -> _Line:
    """The object of a line, or why there is none."""
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return _Line(None, "not UTF-8")
    except json.JSONDecodeError as error:
        return _Line(None, f"invalid JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return _Line(None, "JSON nested too deep")
    if not isinstance(value, dict):
        return _Line(None, f"a JSON {type(value).__name__} instead of an object")
    return _Line(value, None)


def _parse_lines(
    block: bytes, schema: pa.Schema, reading: Reading, first_row: int, lines_before: int
) -> Batch:
    """As `_parse_block`, one line at a time, to tell the bad lines from the good."""
    caption_name = reading.source.caption_column
    captions: list[str | list[str] | None] = []
    ids: list[str | None] = []
    scores: list[list[float] | None] = []
    problems = []
    for number, line in enumerate(block.split(b"\n"), lines_before + 1):
        if not line.strip():
            continue
        value, problem = _parse_line(line)
        caption = (value or {}).get(caption_name)
        problem = problem or text_problem(caption, schema.field(caption_name).type)
        score = (value or {}).get(reading.scores_column) if reading.scores_column else None
        problem = problem or numbers_problem(score)
        if problem is not None:
            row = first_row + len(captions)
            problems.append(reading.bad_row(row, problem, line=number))
        captions.append(None if problem else caption)
        scores.append(None if problem else score)
        identity = (value or {}).get(reading.id_column) if reading.id_column else None
        ids.append(None if identity is None else str(identity))
    texts = reading.texts(pa.array(captions, schema.field(caption_name).type))
    id_column = pa.array(ids, pa.string()) if reading.id_column else None
    lists = pa.array(scores, pa.list_(pa.float64())) if reading.scores_column else None
    return Batch(texts, id_column, problems=tuple(problems), scores=lists)
