"""Pictures of coloured blocks with their images table, and the probes that they show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from conceptstats.table_files import load_table, save_table
from conceptstats.tables import IMAGES, PROBES

PAIRS = [("dog", "frisbee"), ("cat", "sofa"), ("bus", "tree"), ("owl", "snow")]
SIZES = [(90, 40), (40, 90), (64, 64)]  # width and height


def picture(number: int) -> Image.Image:
    """A picture of coloured blocks."""
    width, height = SIZES[number % len(SIZES)]
    blocks = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BILINEAR)


def write_pictures(
    folder: Path,
    rows: Sequence[dict[str, Any]] = (),
    pairs: Sequence[tuple[str, str]] = PAIRS,
) -> tuple[Path, Path]:
    """12 pictures, the images table of all or of these rows, and the probes table."""
    (folder / "images").mkdir()
    made = []
    for number in range(12):
        path = folder / "images" / f"{number}.png"
        picture(number).save(path)
        made.append(
            {
                "image_id": f"i{number}",
                "path": path.name,
                "probe_id": f"p{number % len(pairs)}",
                "target": pairs[number % len(pairs)][0],
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    images = folder / "images" / "images.parquet"
    save_table(images, pa.Table.from_pylist(list(rows) or made, schema=IMAGES), IMAGES)
    named = [
        {"probe_id": f"p{n}", "key": key, "accessory": accessory}
        for n, (key, accessory) in enumerate(pairs)
    ]
    probes = folder / "probes.csv"
    save_table(probes, pa.Table.from_pylist(named, schema=PROBES), PROBES)
    return images, probes


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Rows of an images table by id."""
    return {row["image_id"]: row for row in load_table(path, IMAGES).to_pylist()}
