"""Examples for the tests of `conceptstats eval correlate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

QUICK = {"n_bootstrap": 40, "n_permutations": 20}


def make_examples(seed: int = 0, *, n_images: int = 4) -> pa.Table:
    """Examples of 12 classes with 12 accessories each, a tenth of the pairs never seen."""
    rng = np.random.default_rng(seed)
    key, accessory = np.divmod(np.arange(144), 12)
    log_n_key, log_n_accessory = rng.normal(8, 1, 12)[key], rng.normal(7, 1, 12)[accessory]
    pmi = rng.normal(0, 1.3, 144)
    pmi[rng.uniform(size=144) < 0.1] = -np.inf
    seen = np.where(np.isfinite(pmi), pmi, -2.0)
    log_odds = 0.4 + 0.5 * seen + 0.1 * log_n_accessory + rng.normal(0, 0.5, 12)[key]
    pair = np.repeat(np.arange(144), n_images)
    outcome = rng.uniform(size=len(pair)) < 1 / (1 + np.exp(-log_odds[pair]))
    return pa.table(
        {
            "example_id": [f"e{i}" for i in range(len(pair))],
            "outcome": outcome.astype(float),
            "pmi": pmi[pair],
            "log_n_key": log_n_key[pair],
            "log_n_accessory": log_n_accessory[pair],
            "log_n_pair": (pmi + log_n_key + log_n_accessory - 12)[pair],
            "length": rng.integers(4, 12, len(pair)),
            "class": [f"class {i}" for i in key[pair]],
            "pair": [f"pair {i}" for i in pair],
            "accessory": [f"accessory {i}" for i in accessory[pair]],
        }
    )


def with_column(table: pa.Table, name: str, values: Sequence[Any] | pa.Array) -> pa.Table:
    """The table with a column replaced or added."""
    if name in table.column_names:
        table = table.drop_columns(name)
    return table.append_column(name, pa.array(values))
