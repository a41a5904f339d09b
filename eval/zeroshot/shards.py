"""Webdataset shards: the image of each sample in a tar file, with its target or its caption."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import SourceError

_IMAGES = frozenset("png jpg jpeg webp bmp gif tif tiff ppm pgm".split())
_CLASS = "cls"
_JSON = "json"
_TEXT = "txt"
_FIELDS = ("target", "class", "label", "key")  # of the JSON; the first that is there


class ShardImage(NamedTuple):
    """The image of a sample: ``size`` bytes from ``offset`` on."""

    key: str
    target: str | None  # None: the sample has no image
    offset: int
    size: int


class CaptionedImage(NamedTuple):
    """An image as it is stored, with its caption."""

    key: str
    image: bytes
    caption: str


class _Sample(NamedTuple):
    """Members of a tar file that share their name up to its first dot."""

    key: str
    images: list[tarfile.TarInfo]
    texts: dict[str, bytes]  # by extension: cls, json, txt


def read_shard(path: str, target_key: str | None = None) -> Iterator[ShardImage]:
    """List the samples of a shard; images are passed over, not read.

    Parameters
    ----------
    path : str
    target_key : str, optional
        Field of the ``.json`` that holds the target. None: the ``.cls``, or else the first field
        of target, class, label and key. A key that only repeats the name of the sample is none.

    Raises
    ------
    SourceError
        When the file is damaged, or a sample has no target or several images.
    """
    try:
        for sample in _samples(path):
            yield _to_image(path, sample, target_key)
        _refuse_cut(path)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise SourceError(f"{path} is missing or damaged: {error}.") from error


def read_captioned(path: str) -> Iterator[CaptionedImage]:
    """Read the images of a shard with their captions (.txt), in order.

    Raises
    ------
    SourceError
        When the file is damaged, or a sample lacks an image or a caption, or has several images.
    """
    try:
        _refuse_cut(path)
        with Path(path).open("rb") as file:
            for sample in _samples(path):
                image = _only_image(path, sample)
                if image is None or _TEXT not in sample.texts:
                    lacks = "image" if image is None else "caption (.txt)"
                    raise SourceError(f"{path}: sample {sample.key} has no {lacks}.")
                file.seek(image.offset_data)
                yield CaptionedImage(sample.key, file.read(image.size), _caption(path, sample))
    except (OSError, tarfile.TarError, EOFError) as error:
        raise SourceError(f"{path} is missing or damaged: {error}.") from error


def _caption(path: str, sample: _Sample) -> str:
    try:
        return sample.texts[_TEXT].decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: sample {sample.key}: the .txt is no UTF-8.") from error


def _only_image(path: str, sample: _Sample) -> tarfile.TarInfo | None:
    if len(sample.images) > 1:
        names = " and ".join(member.name for member in sample.images)
        raise SourceError(f"{path}: sample {sample.key} holds several images: {names}.")
    return sample.images[0] if sample.images else None


def _to_image(path: str, sample: _Sample, target_key: str | None) -> ShardImage:
    image = _only_image(path, sample)
    if image is None:
        return ShardImage(sample.key, None, 0, 0)
    target = _target(path, sample, target_key)
    return ShardImage(sample.key, target, image.offset_data, image.size)


def _target(path: str, sample: _Sample, target_key: str | None) -> str:
    where = f"{path}: sample {sample.key}"
    if target_key is None and _CLASS in sample.texts:
        target = sample.texts[_CLASS].decode("utf-8", "replace").strip()
        if target:
            return target
        raise SourceError(f"{where}: the .cls is empty.")
    fields = _fields(where, sample)
    if target_key is not None:
        wanted = [target_key]
    else:  # img2dataset calls the sample itself "key"
        wanted = [name for name in _FIELDS if str(fields.get(name)) != sample.key]
    for name in wanted:
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    have = f"fields of its .json: {', '.join(fields)}" if fields else "it has no .json"
    raise SourceError(
        f"{where} has no target, expected a .cls or {' or '.join(wanted)} ({have}).",
        "--target-key FIELD",
    )


def _fields(where: str, sample: _Sample) -> dict[str, Any]:
    try:
        fields = json.loads(sample.texts.get(_JSON, b"{}"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: the .json is damaged: {error}.") from error
    if not isinstance(fields, dict):
        raise SourceError(f"{where}: the .json holds no object.")
    return fields


def _samples(path: str) -> Iterator[_Sample]:
    """Samples in file order."""
    sample: _Sample | None = None
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            stem, _, extension = name.partition(".")
            if not member.isreg() or not stem or not extension:
                continue
            key = f"{folder}/{stem}" if folder else stem
            if sample is None or key != sample.key:
                if sample is not None:
                    yield sample
                sample = _Sample(key, [], {})
            extension = extension.lower()
            if extension in _IMAGES:
                sample.images.append(member)
            elif extension in (_CLASS, _JSON, _TEXT):
                content = archive.extractfile(member)
                sample.texts[extension] = content.read() if content else b""
    if sample is not None:
        yield sample


def _refuse_cut(path: str) -> None:
    """Raise unless the last block is zero: `tarfile` takes a file cut between members for whole."""
    with Path(path).open("rb") as file:
        file.seek(-tarfile.BLOCKSIZE, 2)
        if any(file.read()):
            raise tarfile.ReadError("it ends without its end mark")
