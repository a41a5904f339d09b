"""Bytes of a file: local or behind a URL, plain or compressed."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

import fsspec
import pyarrow as pa
import xxhash

from conceptstats.errors import DamagedSourceError, SourceError
from conceptstats.sources.reading import DAMAGE

MEBIBYTE = 1 << 20

_PIECE_BYTES = 1 << 14

_CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
_DRIVERS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "hf": "huggingface_hub",
    "http": "aiohttp",
    "https": "aiohttp",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
}


class ByteStream(Protocol):
    """What the readers of text need: bytes in order, and an end."""

    def read(self, nbytes: int, /) -> bytes:
        """At most nbytes bytes; none at the end."""


class Suffix(NamedTuple):
    """What the end of a file's name says about it."""

    kind: str  # such as ".csv", in lower case
    codec: str | None  # "gzip", "zstd", "bz2", "xz"; None: not compressed


def is_url(path: str) -> bool:
    """Whether fsspec is needed to reach `path`."""
    return "://" in path


def file_name(path: str) -> str:
    """Last part of a path or URL, without the query of a web address."""
    web = path.startswith(("http://", "https://"))
    return PurePosixPath(urlsplit(path).path if web else path).name


def suffix_of(path: str) -> Suffix:
    """Kind and compression of a file, by its name.

    Examples
    --------
    >>> suffix_of("captions.tsv.gz")
    Suffix(kind='.tsv', codec='gzip')
    """
    suffixes = [part.lower() for part in PurePosixPath(file_name(path)).suffixes]
    codec = _CODECS.get(suffixes[-1]) if suffixes else None
    if codec is not None:
        suffixes.pop()
    return Suffix(suffixes[-1] if suffixes else "", codec)


def filesystem_of(url: str) -> tuple[Any, str]:
    """The fsspec filesystem of a URL, and the path in it.

    Raises
    ------
    SourceError
        The protocol is unknown, or the package that speaks it is not installed.
    """
    protocol = url.split("://", 1)[0].split("::")[-1]
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _DRIVERS.get(protocol)
        hint = f"pip install {package}" if package else str(error)
        raise SourceError(f"{url}: no driver for {protocol}:// is installed.", hint) from error
    except (ValueError, TypeError, OSError) as error:
        raise SourceError(f"{url}: {error}.") from error
    return filesystem, path


def open_binary(path: str) -> IO[bytes]:
    """The bytes of a file as they are on disk, from the start."""
    if not is_url(path):
        return Path(path).open("rb")
    filesystem, inner = filesystem_of(path)
    return cast("IO[bytes]", filesystem.open(inner, "rb"))


@contextmanager
def open_stream(path: str) -> Iterator[ByteStream]:
    """The bytes of a file with any compression undone.

    Reading raises OSError, EOFError or LZMAError where compressed data is damaged or ends early.
    """
    codec = suffix_of(path).codec
    with open_binary(path) as raw:
        if codec is None:
            yield raw
        elif codec == "xz":
            with lzma.open(raw, "rb") as stream:
                yield cast("ByteStream", stream)
        else:
            with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), codec) as stream:
                yield stream


def read_head(path: str, nbytes: int = MEBIBYTE, longest: int = 1 << 30) -> bytes:
    """The first bytes of a file with any compression undone: whole lines, at least one.

    Where the first line is longer than `nbytes`, it is read to its end, or to `longest` bytes. A
    file that is damaged within its head gives what could be read.

    Raises
    ------
    SourceError
        There are no bytes.
    """
    pieces: list[bytes] = []
    n_read = 0
    has_line = False
    with open_stream(path) as stream:
        while n_read < nbytes or not (has_line or n_read >= longest):
            chunk, damage = read_up_to(stream, nbytes)
            pieces.append(chunk)
            n_read += len(chunk)
            has_line = has_line or b"\n" in chunk
            if damage is not None and not n_read:
                raise damage
            if damage is not None or not chunk:
                break
    head = b"".join(pieces)
    if not head:
        raise DamagedSourceError(f"{path} is empty.")
    return head if len(head) < nbytes else head[: head.rfind(b"\n") + 1] or head


def read_up_to(stream: ByteStream, nbytes: int) -> tuple[bytes, Exception | None]:
    """The next nbytes bytes, or fewer at the end, and the damage that came after them if any.

    They are read in smaller pieces, since a read that fails gives nothing of what is before the
    damage.
    """
    pieces: list[bytes] = []
    n_left = nbytes
    try:
        while n_left and (piece := stream.read(min(_PIECE_BYTES, n_left))):
            pieces.append(piece)
            n_left -= len(piece)
    except DAMAGE as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


def size_and_fingerprint(path: str) -> tuple[int, str]:
    """Bytes of a file, and the xxh3-128 of that number and of the first and last 1 MiB."""
    with open_binary(path) as file:
        size = _size(path, file)
        digest = xxhash.xxh3_128(size.to_bytes(8, "little"))
        digest.update(file.read(MEBIBYTE))
        if size and file.seekable():
            file.seek(max(0, size - MEBIBYTE))
            digest.update(file.read(MEBIBYTE))
    return size, digest.hexdigest()


def _size(path: str, file: IO[bytes]) -> int:
    """Bytes of a file; 0 where a server does not tell."""
    if not is_url(path):
        return Path(path).stat().st_size
    filesystem, inner = filesystem_of(path)
    return filesystem.size(inner) or 0
