"""Files of lines, read in blocks that end at the end of a line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from conceptstats.sources.files import open_stream, read_up_to
from conceptstats.sources.reading import DamagedFileError

LONGEST_LINE = 1 << 30
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")


def line_blocks(path: str, nbytes: int) -> Iterator[bytes]:
    """Bytes of a file in pieces of whole lines, each line with its newline, also the last.

    A byte order mark is dropped. Where compressed data is damaged, the whole lines before the
    damage come first and then the error.

    Parameters
    ----------
    path : str
        Path or URL; compression by its extension is undone.
    nbytes : int
        About how many bytes a block has; a longer line makes a longer block.
    """
    carried: list[bytes] = []
    with open_stream(path) as stream:
        chunk, damage = read_up_to(stream, nbytes)
        chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
        while chunk:
            end = chunk.rfind(b"\n") + 1
            if end:
                yield b"".join([*carried, chunk[:end]])
                carried = []
            carried.append(chunk[end:])
            if sum(map(len, carried)) > LONGEST_LINE:
                raise DamagedFileError("a line is longer than 1 GiB")
            if damage is not None:
                break
            chunk, damage = read_up_to(stream, nbytes)
    if damage is not None:
        raise damage
    rest = b"".join(carried)
    if rest:
        yield rest + b"\n"


def split_lines(block: bytes) -> pa.BinaryArray:
    r"""The lines of a block, without their ends.

    Parameters
    ----------
    block : bytes
        Lines that each end with ``\n`` or ``\r\n``.
    """
    if b"\r\n" in block:
        block = block.replace(b"\r\n", b"\n")
    characters = np.frombuffer(block, np.uint8)
    is_newline = characters == _NEWLINE
    ends = np.flatnonzero(is_newline)
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))
    text = characters[~is_newline]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.binary(), len(ends), buffers)
