"""Images to evaluate: those of a table, of a folder of classes, or of webdataset shards.

All become one list of places where the bytes of an image stand, so that images can be read in any
order, by any number of processes, from any image on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import ParameterError, SourceError, TableError
from conceptstats.table_files import ENDINGS, fingerprint, load_table
from conceptstats.tables import IMAGES

from ..json_files import is_unicode
from .shards import read_shard

ImagesArgument = str | Path | Sequence[str | Path]

_IMAGES = frozenset("png jpg jpeg jpe jfif webp bmp gif tif tiff ppm pgm pnm jp2 avif".split())


class Place(NamedTuple):
    """Where the bytes of an image stand."""

    path: str
    offset: int = 0
    size: int = -1  # -1: up to the end of the file


@dataclass(frozen=True, slots=True)
class ImageList:
    """Images in the order in which they are evaluated.

    Parameters
    ----------
    name : str
        What the user called them.
    ids : list of str
        Each stands once.
    targets : list of str
        Name or index of the class that each shows.
    places : list of Place
    subfolders : tuple of str, optional
        Of a folder of classes.
    inputs : mapping
        Fingerprints of files that are no images, by path.
    notes : tuple of str
        What the user should know.
    """

    name: str
    ids: list[str]
    targets: list[str]
    places: list[Place]
    subfolders: tuple[str, ...] | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def stamp(self) -> str:
        """Changes when an image, its id or its target does, as far as can be told unread."""
        digest = hashlib.sha256()
        for identity, target, place in zip(self.ids, self.targets, self.places, strict=True):
            try:
                found = os.stat(place.path)  # noqa: PTH116  # one of a million
                state: tuple[int, ...] = (found.st_size, found.st_mtime_ns)
            except OSError:
                state = ()
            digest.update(repr((identity, target, place, state)).encode())
        return f"sha256:{digest.hexdigest()}"


def find_images(images: ImagesArgument, target_key: str | None = None) -> ImageList:
    """List images, with their ids and targets.

    Parameters
    ----------
    images : path or sequence of paths
        An images table (`conceptstats.tables.IMAGES`); a folder with one subfolder a class; or
        webdataset shards (.tar), also as a glob or with braces as in ``{00..03}``.
    target_key : str, optional
        Column of the table, or field of a shard's ``.json``, that holds the target.

    Raises
    ------
    SourceError
        When there is no image, a target is missing, or an id stands twice or is no UTF-8.
    TableError
        When the table lacks a column.
    ParameterError
        When places of several kinds are named.
    """
    places = [str(images)] if isinstance(images, str | Path) else [str(place) for place in images]
    files = [file for place in places for file in _expand(place)]
    name = " ".join(places)
    if len(files) == 1 and Path(files[0]).is_dir():
        if target_key is not None:
            raise ParameterError(
                f"{files[0]} is a folder, whose targets are the names of its subfolders.",
                "leave out the key of the target",
            )
        found = _of_folder(Path(files[0]))
    elif len(files) == 1 and Path(files[0]).suffix in ENDINGS:
        found = _of_table(Path(files[0]), target_key or "target")
    else:
        found = _of_shards(name, files, target_key)
    if not found.ids:
        raise SourceError(f"{name} holds no image.")
    _check_ids(found)
    return found


def _expand(place: str) -> list[str]:
    """The files or the folder that a place stands for."""
    if Path(place).exists():
        return [place]
    if "{" in place:
        from webdataset.shardlists import expand_urls

        files = list(expand_urls(place))
        missing = [file for file in files if not Path(file).is_file()]
        if missing:
            raise SourceError(f"{missing[0]}: no such file, though {place} names it.")
        return files
    if any(character in place for character in "*?["):
        files = sorted(glob(place, recursive=True))  # noqa: PTH207  # takes absolute patterns
        if not files:
            raise SourceError(f"{place} matches no file.", "quote the pattern, and check it")
        return files
    raise SourceError(f"{place}: no such file or folder.")


def _of_table(path: Path, column: str) -> ImageList:
    table = load_table(path, IMAGES)
    if column not in table.column_names:
        raise TableError(
            f"{path}: no column {column!r} (columns: {', '.join(table.column_names)})."
        )
    try:
        targets = table.column(column).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(f"{path}: column {column!r} holds no targets: {error}.") from error
    if targets.null_count:
        row = pc.index(targets.is_null(), True).as_py()
        raise SourceError(
            f"{path}: {targets.null_count:,} images have no {column!r}, the first of them "
            f"{table.column('image_id')[row]}.",
            "name the column that holds the class with --target-key",
        )
    return ImageList(
        name=str(path),
        ids=table.column("image_id").to_pylist(),
        targets=targets.to_pylist(),
        places=[Place(str(path.parent / image)) for image in table.column("path").to_pylist()],
        inputs=((str(path), fingerprint(path)),),
    )


def _of_folder(root: Path) -> ImageList:
    classes = sorted(
        child.name for child in root.iterdir() if child.is_dir() and child.name[0] != "."
    )
    if not classes:
        raise SourceError(f"{root} has no subfolder, expected one a class.", _other_sources(root))
    ids, targets, ignored = [], [], 0
    for name in classes:
        kept = []
        for file in _shown_files(f"{root}/{name}"):
            if _is_image(file):
                kept.append(file.removeprefix(f"{root}/"))
            else:
                ignored += 1
        ids += sorted(kept)
        targets += [name] * len(kept)
    ignored += sum(_is_image(child.name) for child in root.iterdir() if child.is_file())
    notes = (f"{root}: {ignored:,} files are in no subfolder, or no images, and are ignored",)
    return ImageList(
        name=str(root),
        ids=ids,
        targets=targets,
        places=[Place(f"{root}/{identity}") for identity in ids],
        subfolders=tuple(classes),
        notes=notes if ignored else (),
    )


def _shown_files(folder: str) -> Iterator[str]:
    """Files of a folder and of those below it, but for what is hidden; a million, so no `Path`."""
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        yield from (f"{at}/{name}" for name in files if name[0] != ".")


def _is_image(name: str) -> bool:
    return name.rpartition(".")[2].lower() in _IMAGES


def _other_sources(root: Path) -> str | None:
    """A hint on what else in a folder can be evaluated."""
    tables = [child for child in sorted(root.iterdir()) if child.name.startswith("images.")]
    for table in tables:
        if table.suffix in ENDINGS:
            return f"name the table: {table}"
    if any(child.suffix == ".tar" for child in root.iterdir()):
        return f"name the shards: '{root}/*.tar'"
    return None


def _of_shards(name: str, files: Iterable[str], target_key: str | None) -> ImageList:
    ids: list[str] = []
    targets: list[str] = []
    places: list[Place] = []
    n_without = 0
    for file in files:
        if Path(file).suffix != ".tar":
            raise ParameterError(
                f"{file} is no shard (.tar), nor a table or a folder by itself.",
                "one table, one folder with a subfolder a class, or any number of .tar files",
            )
        for sample in read_shard(file, target_key):
            if sample.target is None:
                n_without += 1
                continue
            ids.append(sample.key)
            targets.append(sample.target)
            places.append(Place(file, sample.offset, sample.size))
    notes = (f"{n_without:,} samples hold no image, and are ignored",) if n_without else ()
    return ImageList(name, ids, targets, places, notes=notes)


def _check_ids(found: ImageList) -> None:
    first: dict[str, int] = {}
    for number, identity in enumerate(found.ids):
        if not is_unicode(identity):
            raise SourceError(f"the name {identity!r} is no UTF-8.", "rename the file")
        if first.setdefault(identity, number) != number:
            one, other = found.places[first[identity]], found.places[number]
            raise SourceError(
                f"two images have the id {identity!r}: {one.path} and {other.path}.",
                "ids say which prediction belongs to which image; give each its own",
            )
