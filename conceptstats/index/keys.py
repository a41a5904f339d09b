"""Keys of captions for ``--dedup``: what makes two rows the same, in 16 bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from conceptstats.errors import SourceError
from conceptstats.index.layout import Dedup
from conceptstats.sources import Batch

KEY = pa.binary(16)


def hash_rows(batch: Batch, dedup: Dedup, is_caption: npt.NDArray[np.bool_]) -> pa.Array:
    """xxh3-128 of each row's caption or id; null for rows that are no duplicate of anything.

    Two different texts share a key with a probability of about n^2 / 2^129 over n captions: one in
    10^21 for 400 million.

    Raises
    ------
    SourceError
        With ``dedup="id"`` and a source without an id column.
    """
    values = batch.ids if dedup == "id" else batch.captions
    if values is None:
        raise SourceError(
            "--dedup id needs an id column, and a source has none.", "--id-column NAME"
        )
    if not pa.types.is_large_binary(values.type) and not pa.types.is_binary(values.type):
        try:
            values = values.cast(pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceError(
                f"the id column holds {values.type}, expected text, bytes or integers.",
                "--id-column NAME",
            ) from error
    texts = values.cast(pa.large_binary()).to_pylist()
    digest = xxhash.xxh3_128_digest
    return pa.array(
        [
            digest(text) if keep and text is not None else None
            for text, keep in zip(texts, is_caption, strict=True)
        ],
        KEY,
    )
