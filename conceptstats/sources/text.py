"""Text columns of every Arrow type, brought to string or large_string."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold captions; a list of strings can."""
    if pa.types.is_dictionary(kind) or is_list(kind):
        return is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_null(kind)
    )


def to_strings(values: pa.Array) -> pa.Array:
    """A column that `is_text` as string or large_string.

    Bytes are taken for UTF-8 unchecked, as Arrow strings of unknown origin are. A list of strings
    becomes one string of several lines.
    """
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    if pa.types.is_dictionary(kind):
        plain = pa.DictionaryArray.from_arrays(values.indices, to_strings(values.dictionary))
        return plain.dictionary_decode()
    if pa.types.is_binary(kind):
        return values.view(pa.string())
    if pa.types.is_large_binary(kind):
        return values.view(pa.large_string())
    if is_list(kind):
        items, bounds = flat_lists(values)
        filled = pc.fill_null(to_strings(items), "")  # null items are empty lines
        return join_lines(filled, bounds, values.is_null())
    return values.cast(pa.string())


def to_ids(values: pa.Array) -> pa.Array:
    """An id column as it is, save that views and dictionaries of text become strings."""
    kind = values.type
    encoded = pa.types.is_string_view(kind) or pa.types.is_dictionary(kind)
    return to_strings(values) if encoded and is_text(kind) else values


def null_where(mask: pa.Array, values: pa.Array) -> pa.Array:
    """The values, with null where the mask is true."""
    return pc.if_else(mask, pa.scalar(None, values.type), values)


def check_utf8(values: pa.Array) -> tuple[pa.Array, list[int]]:
    """Bytes as strings; those that are not UTF-8 are null, and their positions are given."""
    try:
        return values.cast(pa.string()), []
    except pa.ArrowInvalid:
        pass
    texts: list[str | None] = []
    bad: list[int] = []
    for position, value in enumerate(values.to_pylist()):
        try:
            texts.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            texts.append(None)
            bad.append(position)
    return pa.array(texts, pa.string()), bad


def text_problem(value: object, kind: pa.DataType) -> str | None:
    """What keeps a value read from JSON from being a caption of this type; None: nothing."""
    if value is None:
        return None
    items = [item for item in value if item is not None] if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) < len(items) or isinstance(value, list) != is_list(kind):
        return f"the caption is a {type(value).__name__}, not text"
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return "the caption holds half of a surrogate pair"
    return None


def numbers_problem(value: object) -> str | None:
    """What keeps a value read from JSON from being a list of numbers; None: nothing."""
    if value is None:
        return None
    if not isinstance(value, list):
        return f"the scores are a {type(value).__name__}, not a list"
    numbers = (int, float, type(None))
    if any(isinstance(item, bool) or not isinstance(item, numbers) for item in value):
        return "the scores are not all numbers"
    return None


def is_numbers(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of numbers."""
    numbers = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_null)
    return is_list(kind) and any(is_kind(kind.value_type) for is_kind in numbers)


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def flat_lists(values: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The items of all lists, and where each list begins and ends among them; a null one is empty.

    Arrow's own cast of list views takes the wrong items of a slice.
    """
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    return pc.list_flatten(values), np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def join_lines(
    items: pa.Array, bounds: npt.NDArray[np.int64], is_null: pa.BooleanArray
) -> pa.StringArray:
    """Each list of strings as one string of lines; null where it says so."""
    offsets = pa.array(bounds.astype(np.int32))
    lists = pa.ListArray.from_arrays(offsets, items.cast(pa.string()), mask=is_null)
    return pc.binary_join(lists, "\n")
