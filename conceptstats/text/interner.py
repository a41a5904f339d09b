"""Captions as Arrow strings in, token ids out: the arrays that the text kernels work on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats.text import _kernels
from conceptstats.text._unicode import CharacterTables

Ids = npt.NDArray[np.int32]
Bounds = npt.NDArray[np.int64]

_FIRST_SLOTS = 1 << 14


class Tokens(NamedTuple):
    """Token ids of consecutive captions: row r has ``ids[bounds[r]:bounds[r + 1]]``."""

    ids: Ids
    bounds: Bounds
    invalid: tuple[int, ...]  # rows that are not UTF-8; they have no tokens


def string_buffers(
    strings: pa.Array,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Buffers of an Arrow string array as NumPy arrays, without a copy of the text.

    Parameters
    ----------
    strings : pa.Array
        ``string``, ``large_string``, or ``binary`` forms of them, with any offset.

    Returns
    -------
    data : (bytes,) uint8
    offsets : (n + 1,) int64
    valid : (n,) bool
    """
    wide = pa.types.is_large_string(strings.type) or pa.types.is_large_binary(strings.type)
    n = len(strings)
    _, offsets_buffer, data_buffer = strings.buffers()
    if n == 0 or offsets_buffer is None:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.bool_)
    stored = np.frombuffer(offsets_buffer, np.int64 if wide else np.int32)
    offsets = stored[strings.offset : strings.offset + n + 1].astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.zeros(0, np.uint8)
    if strings.null_count == 0:
        return data, offsets, np.ones(n, np.bool_)
    return data, offsets, strings.is_valid().to_numpy(zero_copy_only=False)


def string_array(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.Array:
    """An Arrow ``large_string`` array over the given buffers, without a copy."""
    return pa.LargeStringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data)
    )


class Interner:
    """Gives every distinct token an id, in the order of their first appearance."""

    __slots__ = ("_arena", "_ends", "_slots", "size")

    def __init__(self, room: int = 0) -> None:
        """Make an empty interner; with ``room`` tokens to come it need not grow on the way."""
        self._arena = np.zeros(1024, np.uint8)
        self._ends = np.zeros(128, np.int64)
        self._slots = np.zeros(max(_FIRST_SLOTS, 2 << max(room - 1, 0).bit_length()), np.uint64)
        self.size = 0

    def copy(self) -> Interner:
        """An interner with the same tokens that grows on its own."""
        twin = Interner()
        twin._arena, twin._ends, twin._slots = self._arena, self._ends, self._slots.copy()
        twin.size = self.size
        twin._reserve(0, 0, own=True)
        return twin

    def strings(self) -> pa.Array:
        """All tokens by id, as ``large_string``; later additions do not change it."""
        ends = self._ends[: self.size + 1].copy()
        return string_array(self._arena[: ends[-1]], ends)

    def tokenize(self, captions: pa.Array, tables: CharacterTables, *, keep_all: bool) -> Tokens:
        """Tokens of every caption.

        Parameters
        ----------
        captions : pa.Array
            Strings; null and empty ones have no tokens, but a gap where spaced.
        tables : CharacterTables
            What a token is.
        keep_all : bool
            False drops tokens of one character and numeric ones (``str.isnumeric``).

        Returns
        -------
        Tokens
        """
        data, offsets, valid = string_buffers(captions)
        n_bytes = int(offsets[-1] - offsets[0])
        rows = len(offsets) - 1
        # A token takes a byte and a separator behind it; lower case is at most half as long again.
        # A spaced text can have one token a byte: the gaps.
        room = (n_bytes if tables.spaced else n_bytes // 2) + rows + 1
        self._reserve(n_bytes + n_bytes // 2 + 16, room)
        tokens = np.empty(room, np.int32)
        bounds = np.zeros(rows + 1, np.int64)
        invalid: list[int] = []
        row = 0
        while row < rows:
            row, self.size, bad = _kernels.tokenize(
                data, offsets, valid, *tables, keep_all,
                self._arena, self._ends, self._slots, self.size, tokens, bounds, row,
            )  # fmt: skip
            if bad >= 0:
                invalid.append(bad)
            elif row < rows:
                self._slots = _kernels.grow(self._slots)
        return Tokens(tokens[: bounds[-1]], bounds, tuple(invalid))

    def add(self, strings: pa.Array) -> Ids:
        """Ids of whole strings; unknown ones are added.

        Parameters
        ----------
        strings : pa.Array
            Without nulls.

        Returns
        -------
        (n,) int32
        """
        data, offsets, _ = string_buffers(strings)
        self._reserve(int(offsets[-1] - offsets[0]) + 16, len(strings))
        while 3 * (self.size + len(strings)) > self._slots.size:
            self._slots = _kernels.grow(self._slots)
        ids = np.empty(len(strings), np.int32)
        self.size = _kernels.add_strings(
            data, offsets, self._arena, self._ends, self._slots, self.size, ids
        )
        return ids

    def find(self, strings: pa.Array) -> Ids:
        """Ids of whole strings without nulls, -1 where unknown; safe for several threads."""
        data, offsets, _ = string_buffers(strings)
        ids = np.empty(len(strings), np.int32)
        _kernels.find_strings(data, offsets, self._arena, self._ends, self._slots, ids)
        return ids

    def _reserve(self, n_bytes: int, n_tokens: int, *, own: bool = False) -> None:
        used = int(self._ends[self.size])
        if own or used + n_bytes > self._arena.size:
            arena = np.empty(used + n_bytes + used // 2 + 16, np.uint8)
            arena[:used] = self._arena[:used]
            self._arena = arena
        if own or self.size + n_tokens + 2 > self._ends.size:
            ends = np.empty(self.size + n_tokens + 2 + self.size // 2, np.int64)
            ends[: self.size + 1] = self._ends[: self.size + 1]
            self._ends = ends
