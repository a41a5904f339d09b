"""Character tables that make the kernels agree with Python's own ``re`` and ``str.lower``.

The tables are computed from the running interpreter, so they hold for its version of Unicode.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SEPARATOR = 0  # not part of any word
CAPITAL_I_WITH_DOT = 0x130  # the one character whose lower case is two characters
CAPITAL_SIGMA = 0x3A3  # the one character whose lower case depends on its neighbours

# No letter or digit stands between these planes; tests/test_unicode.py checks all code points.
_ASSIGNED = (range(0xD800), range(0xE000, 0x34000), range(0xE0000, 0xE1000))


class CharacterTables(NamedTuple):
    """What a tokeniser does with each code point.

    Attributes
    ----------
    output : (0x110000,) int32
        0 for a separator, else the code point that is written (its lower case, where that is one
        code point free of context).
    numeric : (0x110000,) bool
        ``str.isnumeric`` of the code point.
    sigma : (0x110000,) uint8
        How the character bears on a capital sigma beside it: 1 cased, 2 passed over, 0 neither.
    spaced : bool
        Tokens are what stands between *single* separators, and may be empty (a gap).
    """

    output: npt.NDArray[np.int32]
    numeric: npt.NDArray[np.bool_]
    sigma: npt.NDArray[np.uint8]
    spaced: bool


def _code_points() -> list[int]:
    return [code for block in _ASSIGNED for code in block]


@cache
def word_tables() -> CharacterTables:
    r"""Tables of the word tokeniser: maximal runs of ``[^\W_]``, lower-cased.

    Returns
    -------
    CharacterTables
    """
    size = sys.maxunicode + 1
    output = np.zeros(size, np.int32)
    numeric = np.zeros(size, np.bool_)
    sigma = np.zeros(size, np.uint8)
    for code in _code_points():
        char = chr(code)
        if char.isalnum():
            lower = char.lower()
            output[code] = ord(lower) if len(lower) == 1 else code
            numeric[code] = char.isnumeric()
            if (char + "Σ").lower()[-1] == "ς":
                sigma[code] = 1
            elif ("a" + char + "Σ").lower()[-1] == "ς":
                sigma[code] = 2
    return CharacterTables(output, numeric, sigma, False)


@cache
def spaced_tables() -> CharacterTables:
    """Tables of the spaced tokeniser: what stands between white space, as it is.

    Returns
    -------
    CharacterTables
    """
    size = sys.maxunicode + 1
    output = np.arange(size, dtype=np.int32)
    for char in " \t\n\r\0":
        output[ord(char)] = SEPARATOR
    nothing = np.zeros(size, np.bool_)
    return CharacterTables(output, nothing, nothing.astype(np.uint8), True)
