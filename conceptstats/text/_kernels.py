"""Numba kernels of the text side: UTF-8 in, token ids out. They know nothing of files or Arrow.

An *interner* gives every distinct token an id. It is four arrays: ``arena`` (the tokens' UTF-8, one
after another), ``ends`` (token i is ``arena[ends[i]:ends[i + 1]]``), ``slots`` (an open-addressing
hash table of key, id + 1) and ``size`` (number of tokens). A token of up to eight bytes is its own
key, so that comparing keys compares tokens; a longer one has a hash for a key, marked by a top byte
that UTF-8 cannot hold, and is compared byte by byte.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from conceptstats._machine import load64, store64, trailing_zeros
from conceptstats.text._unicode import CAPITAL_I_WITH_DOT, CAPITAL_SIGMA

_LONG = np.uint64(0xFF << 56)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_2 = np.uint64(0xD6E8FEB86659FD93)
_U32 = np.uint64(32)
_ONES, _LOW_4 = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0xFFFFFFFF)
_EACH = 0x0101010101010101  # a byte's value in each of eight bytes
_TOP = np.uint64(0x80 * _EACH)
_LOW = np.uint64(0x7F * _EACH)
_CASE, _TO_CASE = np.uint64(0x20 * _EACH), np.uint64(2)  # 0x80 >> 2 is 0x20
# Added to a byte below 0x80, each carries into its top bit from that character on.
_FROM_A, _BEYOND_Z = np.uint64((0x80 - 0x61) * _EACH), np.uint64((0x80 - 0x7B) * _EACH)
_FROM_0, _BEYOND_9 = np.uint64((0x80 - 0x30) * _EACH), np.uint64((0x80 - 0x3A) * _EACH)
_FINAL_SIGMA, _SMALL_SIGMA = 0x3C2, 0x3C3
_SMALL_I, _COMBINING_DOT = 0x69, 0x307


@njit(nogil=True, cache=True)
def _mix(x):
    x = np.uint64(x) * _MULTIPLIER
    x ^= x >> _U32
    x *= _MULTIPLIER_2
    return x ^ (x >> _U32)


@njit(nogil=True, cache=True)
def _load(data, at, length):
    """The bytes ``data[at:at + length]`` as one number; length 0 to 8."""
    if at + 8 <= data.size and length > 0:
        return load64(data, at) & (_ONES >> np.uint64(64 - 8 * length))
    word = np.uint64(0)
    for i in range(length):
        word |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return word


@njit(nogil=True, cache=True)
def _key(data, start, length):
    """Key of the token ``data[start:start + length]``."""
    if length <= 8:
        return _load(data, start, length)
    hashed = np.uint64(0)
    for i in range(0, length, 8):
        hashed = _mix(hashed ^ _load(data, start + i, min(length - i, 8)))
    return hashed | _LONG


@njit(nogil=True, cache=True)
def _ascii_letters(word):
    """Which of eight bytes are ASCII letters, and which are neither letter nor digit: top bits."""
    low = (word | _CASE) & _LOW
    letters = (low + _FROM_A) & ~(low + _BEYOND_Z)
    low = word & _LOW
    digits = (low + _FROM_0) & ~(low + _BEYOND_9)
    letters &= ~word & _TOP
    return letters, ~((digits & ~word) | letters) & _TOP


@njit(nogil=True, cache=True)
def grow(slots):
    """A table of twice the size with the same entries."""
    bigger = np.zeros(2 * slots.size, np.uint64)
    mask = np.int64(bigger.size // 2 - 1)
    for old in range(0, slots.size, 2):
        if slots[old + 1] != 0:
            at = np.int64(_mix(slots[old]) >> _U32) & mask
            while bigger[2 * at + 1] != 0:
                at = (at + 1) & mask
            bigger[2 * at] = slots[old]
            bigger[2 * at + 1] = slots[old + 1]
    return bigger


@njit(nogil=True, cache=True)
def _same(arena, begin, end, data, start, length):
    """Whether the token ``arena[begin:end]`` is ``data[start:start + length]``."""
    if end - begin != length:
        return False
    for i in range(length):
        if arena[begin + i] != data[start + i]:
            return False
    return True


@njit(nogil=True, cache=True)
def _find(arena, ends, slots, key, data, start, length):
    """Id of the token at ``data[start:start + length]``, or -1 - the slot where it would go."""
    mask = np.int64(slots.size // 2 - 1)
    at = np.int64(_mix(key) >> _U32) & mask
    while slots[2 * at + 1] != 0:
        if slots[2 * at] == key:
            found = np.int64(slots[2 * at + 1]) - 1
            # A key takes no notice of NULs at the end, which whole strings can have.
            if _same(arena, ends[found], ends[found + 1], data, start, length):
                return found
        at = (at + 1) & mask
    return -1 - at


@njit(nogil=True, cache=True)
def _decode(word, available):
    """The code point at the low end of a word and its length in bytes.

    Numbers in and out, no array, so that the compiler makes it part of its callers.

    Returns
    -------
    code : int
        -1 where the UTF-8 is not valid within the ``available`` bytes.
    length : int
    """
    word = np.int64(word & _LOW_4)
    lead = word & 0xFF
    if lead < 0x80:
        return lead, 1
    second, third, fourth = (word >> 8) & 0xFF, (word >> 16) & 0xFF, word >> 24
    if available < 2 or second & 0xC0 != 0x80:
        return -1, 1
    if lead < 0xE0:
        return (((lead & 0x1F) << 6) | (second & 0x3F), 2) if lead >= 0xC2 else (-1, 1)
    if available < 3 or third & 0xC0 != 0x80:
        return -1, 1
    code = ((lead & 0x0F) << 12) | ((second & 0x3F) << 6) | (third & 0x3F)
    if lead < 0xF0:
        return (code, 3) if code >= 0x800 and not 0xD800 <= code <= 0xDFFF else (-1, 1)
    if available < 4 or fourth & 0xC0 != 0x80:
        return -1, 1
    code = ((code & 0x7FFF) << 6) | (fourth & 0x3F)
    return (code, 4) if lead < 0xF5 and 0x10000 <= code <= 0x10FFFF else (-1, 1)


@njit(nogil=True, cache=True)
def _encode(code):
    """UTF-8 of a code point at the low end of a word, and its length in bytes."""
    if code < 0x80:
        return np.uint64(code), 1
    last = 0x80 | (code & 0x3F)
    if code < 0x800:
        return np.uint64(0xC0 | (code >> 6) | last << 8), 2
    middle = 0x80 | ((code >> 6) & 0x3F)
    if code < 0x10000:
        return np.uint64(0xE0 | (code >> 12) | middle << 8 | last << 16), 3
    high = 0x80 | ((code >> 12) & 0x3F)
    return np.uint64(0xF0 | (code >> 18) | high << 8 | middle << 16 | last << 24), 4


@njit(nogil=True, cache=True)
def _lower_sigma(data, begin, at, end, output, sigma):
    """Lower case of the capital sigma at ``data[at]``: final, or not, by Unicode's rule.

    Final: a cased letter before it in the token and none behind it, whatever is passed over.
    Outside the token stand separators, which end the search.
    """
    before = at
    cased = False
    while before > begin:
        before -= 1
        while before > begin and data[before] & 0xC0 == 0x80:
            before -= 1
        code, _ = _decode(_load(data, before, min(4, end - before)), end - before)
        if code < 0 or output[code] == 0:
            break
        if sigma[code] != 2:
            cased = sigma[code] == 1
            break
    if not cased:
        return _SMALL_SIGMA
    behind = at + 2
    while behind < end:
        code, length = _decode(_load(data, behind, min(4, end - behind)), end - behind)
        behind += length
        if code < 0 or output[code] == 0:
            break
        if sigma[code] != 2:
            return _SMALL_SIGMA if sigma[code] == 1 else _FINAL_SIGMA
    return _FINAL_SIGMA


@njit(nogil=True, cache=True)
def _any_token(data, begin, at, end, output, numeric, sigma, spaced, arena, start):
    """The next token, of any script.

    Returns
    -------
    at : int
        Behind the token and its separator.
    length : int
        Its bytes at ``arena[start:]``; 0 for a gap, or at the end; -1 where the text is not UTF-8.
    is_word : bool
        It has two characters or more, not all of them numeric.
    """
    stop = start
    n_chars = 0
    only_numeric = True
    while at < end:
        here = at
        word = load64(data, at) if at + 8 <= data.size else _load(data, at, min(4, end - at))
        code, length = _decode(word, end - at)
        if code < 0:
            return at, -1, False
        at += length
        out = np.int64(output[code])
        if out == 0:
            if n_chars > 0 or spaced:
                return at, stop - start, n_chars > 1 and not only_numeric
            continue
        only_numeric &= numeric[code]
        if not spaced:
            if code == CAPITAL_SIGMA:
                out = _lower_sigma(data, begin, here, end, output, sigma)
            elif code == CAPITAL_I_WITH_DOT:
                arena[stop] = _SMALL_I
                stop += 1
                out = _COMBINING_DOT
                n_chars += 1
        word, length = _encode(out)
        store64(arena, stop, word)
        stop += length
        n_chars += 1
    return at + 1, stop - start, n_chars > 1 and not only_numeric


@njit(nogil=True, cache=True)
def tokenize(
    data,
    offsets,
    valid,
    output,
    numeric,
    sigma,
    spaced,
    keep_all,
    arena,
    ends,
    slots,
    size,
    tokens,
    bounds,
    row,
):
    """Tokens of every caption, as ids in order.

    Parameters
    ----------
    data, offsets : (bytes,) uint8, (rows + 1,) int
        UTF-8 of the captions, as Arrow keeps them.
    valid : (rows,) bool
        False: the row holds no caption.
    output, numeric, sigma, spaced
        `CharacterTables`.
    keep_all : bool
        Keep tokens of one character and numeric ones; otherwise they are dropped.
    arena, ends, slots, size
        The interner. ``arena`` and ``ends`` have room for every token of ``data``.
    tokens : (room,) int32
        Receives the ids.
    bounds : (rows + 1,) int64
        Row r has ``tokens[bounds[r]:bounds[r + 1]]``; written from ``row + 1`` on.
    row : int
        The row to begin with.

    Returns
    -------
    row : int
        The row to go on with: ``rows`` when done. Where a token would fill the hash table by more
        than two thirds the kernel returns; `grow` it and call again.
    size : int
        Number of tokens in the interner.
    invalid : int
        The row that is not UTF-8 and ended this call (it yields no token), or -1.
    """
    rows = offsets.size - 1
    n_tokens = bounds[row]
    mask = slots.size // 2 - 1
    while row < rows:
        at = np.int64(offsets[row])
        end = np.int64(offsets[row + 1]) if valid[row] else at
        begin = at
        is_utf8 = True
        while at < end or (spaced and at == end):
            start = ends[size]  # where the token at hand is written
            length = -1
            is_word = False
            key = np.uint64(0)
            if not spaced and at + 8 <= data.size:
                # Eight bytes at once, as long as they are ASCII. This is the usual case.
                word = load64(data, at)
                letters, others = _ascii_letters(word)
                ahead = min(trailing_zeros(others) >> 3, end - at)
                if ahead == 0:
                    if data[at] < 128:
                        at += 1
                        continue
                elif ahead < 8:
                    if at + ahead == end or data[at + ahead] < 128:
                        length = ahead
                        cut = _ONES >> np.uint64(64 - 8 * length)
                        key = (word | letters >> _TO_CASE) & cut
                        store64(arena, start, key)
                        is_word = length > 1 and letters & cut != 0
                        at += length + 1
                else:
                    here = at
                    any_letter = np.uint64(0)
                    hashed = np.uint64(0)
                    while ahead == 8 and here + 16 <= data.size:
                        word |= letters >> _TO_CASE
                        store64(arena, start + (here - at), word)
                        any_letter |= letters
                        hashed = _mix(hashed ^ word)
                        key = word
                        here += 8
                        word = load64(data, here)
                        letters, others = _ascii_letters(word)
                        ahead = min(trailing_zeros(others) >> 3, end - here)
                    if ahead < 8 and (here + ahead == end or data[here + ahead] < 128):
                        length = here + ahead - at
                        if ahead > 0:
                            cut = _ONES >> np.uint64(64 - 8 * ahead)
                            word = (word | letters >> _TO_CASE) & cut
                            store64(arena, start + (here - at), word)
                            any_letter |= letters & cut
                            hashed = _mix(hashed ^ word)
                        if length > 8:
                            key = hashed | _LONG
                        is_word = any_letter != 0
                        at += length + 1
            if length < 0:
                at, length, is_word = _any_token(
                    data, begin, at, end, output, numeric, sigma, spaced, arena, start
                )
                if length < 0:
                    is_utf8 = False
                    break
                key = _key(arena, start, length)
            if not (is_word or spaced or (keep_all and length > 0)):
                continue
            slot = np.int64(_mix(key) >> _U32) & mask
            found = np.int64(-1)
            while slots[2 * slot + 1] != 0:
                if slots[2 * slot] == key:
                    found = np.int64(slots[2 * slot + 1]) - 1
                    if length <= 8 or _same(
                        arena, ends[found], ends[found + 1], arena, start, length
                    ):
                        break
                    found = -1
                slot = (slot + 1) & mask
            if found < 0:
                if 3 * (size + 1) > slots.size:
                    return row, size, -1
                found = size
                size += 1
                slots[2 * slot] = key
                slots[2 * slot + 1] = np.uint64(size)
                ends[size] = start + length
            tokens[n_tokens] = found
            n_tokens += 1
        if not is_utf8:
            bounds[row + 1] = bounds[row]
            return row + 1, size, row
        row += 1
        bounds[row] = n_tokens
    return row, size, -1


@njit(nogil=True, cache=True)
def add_strings(data, offsets, arena, ends, slots, size, ids):
    """Ids of whole strings; those not yet known are added.

    Parameters
    ----------
    data, offsets : (bytes,) uint8, (n + 1,) int64
    arena, ends, slots, size
        The interner; ``arena`` has room for all of ``data`` and ``slots`` for n more.
    ids : (n,) int32
        Receives the ids.

    Returns
    -------
    size : int
    """
    for i in range(offsets.size - 1):
        begin = offsets[i]
        length = offsets[i + 1] - begin
        key = _key(data, begin, length)
        found = _find(arena, ends, slots, key, data, begin, length)
        if found < 0:
            at_slot = -1 - found
            start = ends[size]
            for j in range(length):
                arena[start + j] = data[begin + j]
            found = size
            size += 1
            slots[2 * at_slot] = key
            slots[2 * at_slot + 1] = np.uint64(size)
            ends[size] = start + length
        ids[i] = found
    return size


@njit(nogil=True, cache=True)
def find_strings(data, offsets, arena, ends, slots, ids):
    """Ids of whole strings, -1 where unknown. Several threads may look up at once."""
    for i in range(offsets.size - 1):
        begin = offsets[i]
        length = offsets[i + 1] - begin
        key = _key(data, begin, length)
        ids[i] = max(_find(arena, ends, slots, key, data, begin, length), -1)


@njit(nogil=True, cache=True)
def map_tokens(tokens, bounds, concept_of):
    """Replace tokens by concepts, in place, and close the gaps of those that are none.

    Parameters
    ----------
    tokens : (n,) int32
        Overwritten with concepts.
    bounds : (rows + 1,) int64
        Overwritten with the new bounds.
    concept_of : (tokens,) int32
        Concept of each token, or -1.

    Returns
    -------
    n_kept : int
    """
    kept = 0
    begin = bounds[0]
    for row in range(bounds.size - 1):
        end = bounds[row + 1]
        bounds[row] = kept
        for i in range(begin, end):
            concept = concept_of[tokens[i]]
            tokens[kept] = concept
            kept += concept >= 0
        begin = end
    bounds[bounds.size - 1] = kept
    return kept
