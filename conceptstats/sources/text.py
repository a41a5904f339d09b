"""Text columns of every Arrow type, brought to string or large_string."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold captions; a list of strings can."""
    if pa.types.is_dictionary(kind) or _is_list(kind):
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
    if _is_list(kind):
        return _join_lines(values.cast(pa.list_(pa.string())))
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
    items = value if isinstance(value, list) and _is_list(kind) else [value]
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) < len(items) or isinstance(value, list) != _is_list(kind):
        return f"the caption is a {type(value).__name__}, not text"
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return "the caption holds half of a surrogate pair"
    return None


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _join_lines(lists: pa.ListArray) -> pa.Array:
    """Each list as one string of lines; null for a null list; null items are empty lines."""
    filled = pa.ListArray.from_arrays(lists.offsets, pc.fill_null(lists.values, ""))
    return null_where(pc.is_null(lists), pc.binary_join(filled, "\n"))
