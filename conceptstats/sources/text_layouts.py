"""Which layout a text file has, and which of its columns is the caption, by its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from conceptstats.errors import CaptionColumnError, SourceError
from conceptstats.sources import columns
from conceptstats.sources.columns import CAPTION_NAMES, Detected, Wanted
from conceptstats.sources.files import read_head
from conceptstats.sources.lines import layout_of

_IMAGE = r"[^\t,|]+\.(?:jpe?g|png|gif|webp|bmp)"
_FLICKR8K_LINE = re.compile(rf"{_IMAGE}(?:#\d+)?\t", re.IGNORECASE)
_IMAGE_LINE = re.compile(rf"{_IMAGE}\s*[,|]", re.IGNORECASE)
_UNQUOTED_COMMA = re.compile(rf"{_IMAGE},(?!\s*\").*,", re.IGNORECASE)
_URL = re.compile(r"(?:https?:)?//\S+$", re.IGNORECASE)
_N_LINES_LOOKED_AT = 100


def detect_text(path: str, wanted: Wanted) -> Detected:
    """Format of a text file: a Flickr layout, or one caption a line."""
    lines = _head_lines(path)
    if _FLICKR8K_LINE.match(lines[0]):
        return _detect_lines("flickr8k", path, lines, wanted)
    if _is_image_table(lines):
        return detect_csv(path, wanted)
    return _detect_lines("text", path, lines, wanted)


def detect_tsv(path: str, wanted: Wanted) -> Detected:
    """Format and columns of a tab-separated file.

    Its first line is a header if it names the caption column. Without a header, as in CC3M and
    CC12M, the caption is the column beside the one of URLs.
    """
    lines = _head_lines(path)
    if _FLICKR8K_LINE.match(lines[0]):
        return _detect_lines("flickr8k", path, lines, wanted)
    known = {*CAPTION_NAMES, wanted.caption_column}
    has_header = any(name in known or name.lower() in known for name in lines[0].split("\t"))
    return _detect_lines("tsv" if has_header else "tsv-no-header", path, lines, wanted)


def detect_csv(path: str, wanted: Wanted) -> Detected:
    """Format and columns of a comma-separated file, which has a header.

    It is of the Flickr30k layout if its lines are an image and a caption, and some captions hold
    commas without being quoted.
    """
    lines = _head_lines(path)
    if "\t" in lines[0] and "," not in lines[0]:  # as open_clip's training files are
        return detect_tsv(path, wanted)
    if _is_image_table(lines) and ("|" in lines[0] or any(map(_UNQUOTED_COMMA.match, lines))):
        return _detect_lines("flickr30k", path, lines, wanted)
    try:
        names = next(csv.reader(line + "\n" for line in lines))
    except csv.Error as error:
        raise SourceError(f"{path} has no CSV header: {error}.") from error
    caption = columns.caption_column(path, names, wanted)
    return Detected("csv", caption, columns.id_column(path, names, wanted.id_column))


def _detect_lines(kind: str, path: str, lines: Sequence[str], wanted: Wanted) -> Detected:
    """Caption and id column of a file of lines whose format is known."""
    names = layout_of(kind, lines[0]).names
    asked = wanted.caption_column
    if asked is None and kind in ("flickr8k", "flickr30k", "text"):
        asked = names[-1]
    if asked is None and kind == "tsv-no-header":
        asked = _column_beside_urls(path, lines, names)
    caption = columns.caption_column(path, names, wanted._replace(caption_column=asked))
    identity = columns.id_column(path, names, wanted.id_column)
    if identity is None and kind.startswith("flickr"):
        identity = names[0]
    return Detected(kind, caption, identity)


def _head_lines(path: str) -> list[str]:
    """First lines of a file that are not blank; at least one, if only an empty one."""
    lines = read_head(path).decode("utf-8-sig", errors="replace").split("\n")
    return [line.rstrip("\r") for line in lines if line.strip()] or [""]


def _is_image_table(lines: Sequence[str]) -> bool:
    """Whether the lines are ``image.jpg,caption`` under a header, or have bars between them."""
    header = lines[0]
    has_header = "|" in header or header.count(",") == 1
    last = re.split("[,|]", header)[-1].strip().lower()
    if not has_header or last not in (*CAPTION_NAMES, "comment") or len(lines) < 2:
        return False
    return all(_IMAGE_LINE.match(line) for line in lines[1:])


def _column_beside_urls(path: str, lines: Sequence[str], names: Sequence[str]) -> str:
    """The column of captions in a table of captions and URLs without header."""
    n_urls = dict.fromkeys(names, 0)
    for line in lines[:_N_LINES_LOOKED_AT]:
        for name, field in zip(names, line.split("\t"), strict=False):
            n_urls[name] += _URL.match(field) is not None
    captions = [name for name in names if n_urls[name] * 2 < len(lines[:_N_LINES_LOOKED_AT])]
    if len(captions) != 1 or len(names) < 2:
        raise CaptionColumnError(
            f"{path}: no known caption column in its first line ({lines[0][:80]!r}), and without a "
            f"header it is not one column of captions beside URLs (columns: {', '.join(names)}).",
            "--caption-column NAME, or --caption-column 'column 1' where there is no header",
        )
    return captions[0]
