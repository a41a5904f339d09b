"""What the user named, as files: a file, a folder, a glob, or a URL of either."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import SourceError
from conceptstats.sources.files import filesystem_of, is_url, suffix_of

_GLOB_CHARACTERS = frozenset("*?[")
_WEB_GLOB_CHARACTERS = frozenset("*")  # a "?" begins the query of a web address
_STATE_FILE = "state.json"


class Expansion(NamedTuple):
    """The files that a place stands for."""

    files: tuple[str, ...]  # absolute paths or URLs, in the order to read them
    named: bool  # the place is one file, so it has to be a caption file
    ignored: tuple[str, ...]  # files of a data set folder that are not its data


def expand(place: str, is_caption_kind: Callable[[str], bool]) -> Expansion:
    """Files behind a place, sorted by path.

    Parameters
    ----------
    place : str
        Path or URL of a file or a folder, or a glob pattern.
    is_caption_kind : callable
        Whether the end of a file name can be that of a caption file. Decides for a URL whether it
        is taken for a file, since web servers cannot tell files from folders.

    Raises
    ------
    SourceError
        There is nothing: no such file, an empty folder, a glob without match.
    """
    if not place:
        raise SourceError("an empty name is no file.", "check the variable it comes from")
    if is_url(place):
        return _expand_url(place, is_caption_kind(suffix_of(place).kind))
    path = Path(place)
    if path.is_file():
        return Expansion((str(path.absolute()),), True, ())
    if path.is_dir():
        root = path.absolute()
        found = _walk(root)
        return _folder(place, str(root), found, lambda state: Path(state).read_bytes())
    if path.exists():
        raise SourceError(f"{place} is neither a file nor a folder.")
    if _GLOB_CHARACTERS.isdisjoint(place):
        raise SourceError(f"{place}: no such file or folder.", _nearest_folder(path))
    # Path.glob takes no absolute pattern.
    matches = [Path(match).absolute() for match in glob(place, recursive=True)]  # noqa: PTH207
    files = sorted(str(match) for match in matches if match.is_file())
    return _glob(place, files)


def _walk(root: Path) -> list[str]:
    """Files below a folder, also behind links to folders, each folder once."""
    files: list[str] = []
    seen: set[Path] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        if real in seen or {"index.json", "vocabulary.arrow"} <= set(names):  # an index of ours
            below.clear()  # nothing further down either
            continue
        seen.add(real)
        files += [str(Path(folder, name)) for name in names if Path(folder, name).is_file()]
    return files


def _expand_url(url: str, is_caption_file: bool) -> Expansion:
    filesystem, path = filesystem_of(url)
    is_web = url.startswith(("http://", "https://"))
    glob_characters = _WEB_GLOB_CHARACTERS if is_web else _GLOB_CHARACTERS
    try:
        if not glob_characters.isdisjoint(path):
            return _glob(url, _urls(filesystem, filesystem.glob(path, detail=True)))
        if is_caption_file or filesystem.isfile(path):
            filesystem.info(path)
            return Expansion((filesystem.unstrip_protocol(path),), True, ())
        found = _urls(filesystem, filesystem.find(path, detail=True))
    except FileNotFoundError as error:
        raise SourceError(f"{url}: no such file or folder.") from error
    except Exception as error:  # each driver raises errors of its own
        raise SourceError(f"{url} cannot be reached: {type(error).__name__}: {error}.") from error
    root = filesystem.unstrip_protocol(path)
    return _folder(url, root, found, lambda state: filesystem.cat_file(filesystem_of(state)[1]))


def _urls(filesystem: Any, found: dict[str, dict[str, Any]]) -> list[str]:
    """URLs of the files among what a file system listed."""
    files = [path for path, details in found.items() if details["type"] == "file"]
    return sorted(filesystem.unstrip_protocol(path) for path in files)


def _glob(place: str, files: list[str]) -> Expansion:
    if not files:
        raise SourceError(f"{place} matches no file.", "quote the pattern, and check the folder")
    return Expansion(tuple(files), False, ())


def _folder(place: str, root: str, found: list[str], read: Callable[[str], bytes]) -> Expansion:
    """Files of a folder; of a data set that Hugging Face saved, only those that it lists.

    The folder of such a data set also holds ``cache-*.arrow``, which ``map()`` leaves behind.
    Hidden files and what is in hidden folders do not count.
    """
    files = [file for file in found if "/." not in file.removeprefix(root)]
    if not files:
        raise SourceError(f"{place} is an empty folder.")
    kept: list[str] = []
    ignored: list[str] = []
    states = [file for file in files if file.rsplit("/", 1)[-1] == _STATE_FILE]
    listed = {file.rsplit("/", 1)[0]: _data_files(read(file)) for file in states}
    for file in sorted(files):
        folder, _, name = file.rpartition("/")
        names = listed.get(folder)
        (kept if names is None or name in names else ignored).append(file)
    missing = sorted(
        f"{folder}/{name}"
        for folder, names in listed.items()
        for name in names or ()
        if f"{folder}/{name}" not in kept
    )
    if missing:
        raise SourceError(f"{missing[0]}: no such file, though {_STATE_FILE} lists it.")
    return Expansion(tuple(kept), False, tuple(ignored))


def _data_files(state: bytes) -> frozenset[str] | None:
    """Names of the data files that a state.json lists; None where it is something else."""
    try:
        return frozenset(entry["filename"] for entry in json.loads(state)["_data_files"])
    except (ValueError, KeyError, TypeError):
        return None


def _nearest_folder(path: Path) -> str:
    """The part of a path that exists."""
    existing = next(parent for parent in path.absolute().parents if parent.is_dir())
    return f"{existing} exists"
