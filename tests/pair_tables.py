"""Small tables of predictions, images and probes, for the tests of what joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from conceptstats.table_files import conform
from conceptstats.tables import IMAGES, PREDICTIONS, PROBES


def make_predictions(
    answers: Mapping[str, Mapping[str, float]], targets: Sequence[str]
) -> pa.Table:
    """One row an example, of the probabilities of all classes, the most probable first."""
    rows = []
    for (name, answer), target in zip(answers.items(), targets, strict=True):
        ranked = sorted(answer, key=lambda label: -answer[label])
        row = {
            "example_id": name,
            "target": target,
            "labels": ranked,
            "probabilities": [answer[label] for label in ranked],
            "target_rank": ranked.index(target) + 1,
            "target_probability": answer[target],
            "model": "test",
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, PREDICTIONS)


def make_images(probe_of: Mapping[str, str | None], **columns: Sequence[Any]) -> pa.Table:
    """One row an image, which shows a probe."""
    names = list(probe_of)
    table = pa.table(
        {
            "image_id": names,
            "path": [f"{name}.png" for name in names],
            "probe_id": pa.array(probe_of.values(), pa.string()),
            **columns,
        }
    )
    return conform(table, IMAGES, "images")


def make_probes(pairs: Mapping[str, tuple[str, str]], **columns: Sequence[Any]) -> pa.Table:
    """One row a probe, of a key and an accessory."""
    keys, accessories = zip(*pairs.values(), strict=True) if pairs else ((), ())
    table = pa.table(
        {
            "probe_id": pa.array(pairs, pa.string()),
            "key": pa.array(keys, pa.string()),
            "accessory": pa.array(accessories, pa.string()),
            **columns,
        }
    )
    return conform(table, PROBES, "probes")
