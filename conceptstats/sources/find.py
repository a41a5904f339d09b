"""Caption files among what the user named, each with its format and its caption column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from conceptstats.errors import DamagedSourceError, ParameterError, SourceError
from conceptstats.sources.arrow_ipc import detect_arrow
from conceptstats.sources.batch import OnError, Source, Tags
from conceptstats.sources.coco import detect_coco
from conceptstats.sources.columns import Detected, Wanted
from conceptstats.sources.files import file_name, is_url, size_and_fingerprint, suffix_of
from conceptstats.sources.json_lines import detect_json_lines, is_json_lines
from conceptstats.sources.parquet import detect_parquet
from conceptstats.sources.places import expand
from conceptstats.sources.reading import DAMAGE
from conceptstats.sources.subset import Subset
from conceptstats.sources.tags import check_format
from conceptstats.sources.text_layouts import detect_csv, detect_text, detect_tsv
from conceptstats.sources.webdataset import detect_tar


def _detect_json(path: str, wanted: Wanted) -> Detected | None:
    """A .json file is of COCO, or in truth of JSON lines, or holds no captions."""
    return (detect_json_lines if is_json_lines(path) else detect_coco)(path, wanted)


_DETECTORS: dict[str, Callable[[str, Wanted], Detected | None]] = {
    ".parquet": detect_parquet,
    ".arrow": detect_arrow,
    ".feather": detect_arrow,
    ".csv": detect_csv,
    ".tsv": detect_tsv,
    ".txt": detect_text,
    ".token": detect_text,
    ".json": _detect_json,
    ".jsonl": detect_json_lines,
    ".ndjson": detect_json_lines,
    ".tar": detect_tar,
}
_NO_CAPTIONS = ("readme", "license", "licence", "notice", "citation", "changelog", "requirements")


class Found(NamedTuple):
    """What there is to read."""

    sources: tuple[Source, ...]
    ignored: tuple[str, ...]  # files met in folders and globs that hold no captions
    damaged: tuple[tuple[str, str], ...] = ()  # path and reason, with on_error="skip"


def find_sources(
    places: Sequence[str],
    *,
    caption_column: str | None = None,
    id_column: str | None = None,
    subset: str | None = None,
    tags: Tags | None = None,
    on_error: OnError = "stop",
) -> Found:
    """Caption files behind some paths, folders, globs and URLs; only their heads are read.

    Parameters
    ----------
    places : sequence of str
        Files, folders (with all below them), glob patterns, and fsspec URLs of these.
    caption_column : str, optional
        Column of the captions. Without it, the first that is there of caption, text, top_caption,
        title and prompt, without regard to case.
    id_column : str, optional
        Column that identifies a row. Without it, the first that is there of sample_id, uid, key, id
        and image_id, or none.
    subset : str, optional
        A DataComp subset, a sorted ``.npy`` of dtype ``u8,u8``; only captions whose ``uid`` is in
        it are read. Needs parquet files.
    tags : Tags, optional
        Read tags in place of captions.
    on_error : {"stop", "skip"}
        With "skip", a file that is damaged at its head is left out and listed; one at least must be
        whole.

    Returns
    -------
    Found
        The sources in the order of the places, sorted within each, and the files that were ignored.

    Raises
    ------
    SourceError
        A place is nothing or holds no caption file, a file is of no known format, is damaged, or
        was given twice.
    CaptionColumnError
        The caption column of a file cannot be told.
    ParameterError
        Both a caption column and tags were asked for.
    """
    if tags is not None and caption_column is not None:
        raise ParameterError(
            "tags are read in place of captions, so there is no caption column.",
            "leave out --caption-column; captions and tags have an index each",
        )
    if subset is not None:
        Subset.open(subset)
        subset = str(Path(subset).absolute())
    column = caption_column if tags is None else tags.column
    wanted = Wanted(column, id_column, subset, tags)
    expansions = [expand(place, _DETECTORS.__contains__) for place in places]
    files = [file for expansion in expansions for file in expansion.files]
    if not files:
        raise SourceError("no caption file was given.", "name a file, a folder, or a glob")
    _refuse_twice(files)
    beside_parquet = _tars_beside_parquet(files)
    sources: list[Source] = []
    ignored: list[str] = []
    damaged: list[tuple[str, str]] = []
    for place, expansion in zip(places, expansions, strict=True):
        n_before = len(sources)
        ignored.extend(expansion.ignored)
        for file in expansion.files:
            try:
                source = None if file in beside_parquet else _detect(file, wanted, expansion.named)
            except DamagedSourceError as error:
                if on_error == "stop":
                    raise
                damaged.append((file, error.message))
                continue
            if source is None:
                ignored.append(file)
            else:
                sources.append(source)
        of_use = beside_parquet.union(file for file, _ in damaged)
        if len(sources) == n_before and of_use.isdisjoint(expansion.files):
            raise SourceError(f"{place} holds no caption file.", _known_formats())
    if not sources:
        raise SourceError(f"no file is whole: {damaged[0][1]}")
    return Found(tuple(sources), tuple(ignored), tuple(damaged))


def _detect(path: str, wanted: Wanted, named: bool) -> Source | None:
    """The source in a file; None where it holds no captions, an error if it was named itself."""
    detect = _DETECTORS.get(suffix_of(path).kind)
    if detect is None or not (named or _can_hold_captions(path)):
        detected = None
    else:
        try:
            size, fingerprint = size_and_fingerprint(path)
            if not size and not is_url(path):
                raise DamagedSourceError(f"{path} is empty.")
            detected = detect(path, wanted)
        except DAMAGE as error:
            raise DamagedSourceError(f"{path} cannot be read: {error}.") from error
    if detected is None:
        if named:
            raise SourceError(f"{path} is no caption file of a known format.", _known_formats())
        return None
    if wanted.subset is not None and detected.format not in ("parquet", "img2dataset"):
        raise SourceError(f"{path}: a subset selects rows of parquet files, not of this format.")
    if wanted.tags is not None:
        check_format(path, detected, wanted.tags)
    return Source(path, *detected, size, fingerprint, wanted.subset, wanted.tags)


def _can_hold_captions(path: str) -> bool:
    """Whether a file met in a folder can be one of captions, by its name."""
    name = file_name(path).lower()
    return not name.startswith((".", "_")) and name.split(".")[0] not in _NO_CAPTIONS


def _tars_beside_parquet(files: Sequence[str]) -> set[str]:
    """Tar files with the table of the same samples beside them, as img2dataset writes them."""
    parquet = {file.removesuffix(".parquet") for file in files if file.endswith(".parquet")}
    return {file for file in files if file.removesuffix(".tar") in parquet - {file}}


def _refuse_twice(files: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        real = file if is_url(file) else str(Path(file).resolve())
        if real in seen:
            same = "" if seen[real] == file else f" (also as {seen[real]})"
            raise SourceError(f"{file} was given twice{same}.", "name each file once")
        seen[real] = file


def _known_formats() -> str:
    return f"known are {', '.join(_DETECTORS)}; text formats also as .gz, .zst, .bz2 or .xz"
