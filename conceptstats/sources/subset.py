"""DataComp subsets: the uids that a filter kept, as a sorted array of pairs of 64-bit numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import SourceError

UID_COLUMN = "uid"

_UID_DIGITS = 32
_N_CHECKED = 65_536
_NOT_HEX = 255


def _hex_values() -> npt.NDArray[np.uint8]:
    """Value of each ASCII character as a hexadecimal digit."""
    values = np.full(256, _NOT_HEX, np.uint8)
    for digit in "0123456789abcdefABCDEF":
        values[ord(digit)] = int(digit, 16)
    return values


_HEX_VALUES = _hex_values()


@dataclass(frozen=True, slots=True)
class Subset:
    """The selected uids, mapped from disk.

    Parameters
    ----------
    uids : ndarray of structured dtype (f0: uint64, f1: uint64)
        The upper and the lower 16 hexadecimal digits of each uid, sorted.
    """

    uids: npt.NDArray[Any]

    @classmethod
    def open(cls, path: str) -> Subset:
        """Map a subset file into memory.

        Raises
        ------
        SourceError
            The file cannot be read, holds another type, or is not sorted.
        """
        try:
            uids = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise SourceError(f"subset {path} cannot be read: {error}.") from error
        if uids.dtype != np.dtype("u8,u8") or uids.ndim != 1:
            raise SourceError(
                f"subset {path}: expected a list of dtype 'u8,u8' as DataComp writes it, "
                f"got dtype {uids.dtype} of shape {uids.shape}."
            )
        # A pool has a billion uids; a sample shows an unsorted file without reading all of it.
        places = np.linspace(0, len(uids), min(len(uids), _N_CHECKED), endpoint=False)
        sample = uids[places.astype(np.int64)]
        upper, lower = sample["f0"], sample["f1"]
        falls = (upper[1:] < upper[:-1]) | ((upper[1:] == upper[:-1]) & (lower[1:] < lower[:-1]))
        if falls.any():
            raise SourceError(f"subset {path} is not sorted.", "numpy.sort() it and save it again")
        return cls(uids)

    def contains(self, uids: pa.Array, path: str) -> pa.BooleanArray:
        """Which of these uids are selected; a null one is not.

        Parameters
        ----------
        uids : pyarrow.Array of string
            Uids of 32 hexadecimal digits.
        path : str
            Their file, for the error.

        Raises
        ------
        SourceError
            A uid is not of 32 hexadecimal digits.
        """
        present = pc.is_valid(uids)
        upper, lower = _parse_uids(uids.drop_null(), path)
        selected = np.zeros(len(uids), np.bool_)
        selected[present.to_numpy(zero_copy_only=False)] = self._find(upper, lower)
        return pa.array(selected)

    def _find(
        self, upper: npt.NDArray[np.uint64], lower: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.bool_]:
        """Binary search of all pairs at once; touches only the pages it needs."""
        if not len(self.uids):
            return np.zeros(len(upper), np.bool_)
        low = np.zeros(len(upper), np.int64)
        high = np.full(len(upper), len(self.uids) - 1, np.int64)
        for _ in range(len(self.uids).bit_length()):
            middle = (low + high) >> 1
            probe = self.uids[middle]
            below = (probe["f0"] < upper) | ((probe["f0"] == upper) & (probe["f1"] < lower))
            low = np.where(below, np.minimum(middle + 1, high), low)
            high = np.where(below, high, middle)
        found = self.uids[low]
        return np.asarray((found["f0"] == upper) & (found["f1"] == lower))


def _parse_uids(uids: pa.Array, path: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Upper and lower 64 bits of each uid."""
    proper = pc.all(pc.equal(pc.binary_length(uids), _UID_DIGITS), min_count=0).as_py()
    digits = _HEX_VALUES[np.frombuffer(_bytes_of(uids), np.uint8)]
    if not proper or (digits == _NOT_HEX).any():
        raise SourceError(f"{path}: column 'uid' holds something else than 32 hex digits.")
    nibbles = digits.reshape(-1, 2, _UID_DIGITS // 2).astype(np.uint64)
    shifts = np.arange(60, -4, -4).astype(np.uint64)
    halves = (nibbles << shifts).sum(axis=2, dtype=np.uint64)
    return halves[:, 0], halves[:, 1]


def _bytes_of(uids: pa.Array) -> bytes:
    """The characters of all uids in one piece; none of them is null."""
    if not len(uids):
        return b""
    values = uids.cast(pa.large_string())
    _, offsets, characters = values.buffers()
    bounds = np.frombuffer(offsets, np.int64)[[values.offset, values.offset + len(values)]]
    return bytes(memoryview(characters)[bounds[0] : bounds[1]])
