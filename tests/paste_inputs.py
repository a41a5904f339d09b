"""What the tests of `synth paste` work on: captions, photographs and cut-outs, made here."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from conceptstats.index import build_index
from conceptstats.synth.paste.listing import PROBLEMS
from conceptstats.synth.paste.run import TABLE, PasteSummary, paste_photos
from conceptstats.synth.paste.saving import PASTED, Edit
from conceptstats.table_files import load_table

# How many captions hold a class with an accessory; each accessory also stands alone as often as
# ALONE says. Nobody has seen a lion with a fork, or a sports car with a kite.
TOGETHER = {
    "lion": {"umbrella": 1, "cake": 2, "boat": 4, "kite": 8, "clock": 16, "vase": 3},
    "sports car": {"umbrella": 8, "cake": 4, "boat": 2, "fork": 3, "clock": 1, "vase": 5},
}
ALONE = {"umbrella": 20, "cake": 20, "boat": 20, "kite": 20, "clock": 20, "vase": 20, "fork": 20}
ACCESSORIES = sorted(ALONE)


def captions() -> list[str]:
    """One a line."""
    lines = [f"a {key} beside a {other}" for key, others in TOGETHER.items()
             for other, n in others.items() for _ in range(n)]  # fmt: skip
    return lines + [f"one {other}" for other, n in ALONE.items() for _ in range(n)]


def picture(seed: int, width: int = 120, height: int = 90) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 120, (height, width, 3), dtype=np.uint8)


def write_inputs(root: Path) -> Path:
    """An index, photographs of two classes, and a cut-out or two of each accessory."""
    (root / "captions.txt").write_text("\n".join(captions()))
    build_index([root / "captions.txt"], root / "index")
    for at, name in enumerate(("lion", "sports_car")):
        (root / "photos" / name).mkdir(parents=True)
        for number in range(5):
            image = Image.fromarray(picture(10 * at + number))
            image.save(root / "photos" / name / f"{number}.png")
    for at, name in enumerate(ACCESSORIES):
        (root / "accessories" / name).mkdir(parents=True)
        for number in range(1 + at % 2):
            cut = np.zeros((50, 60, 4), np.uint8)
            cut[5:45, 5 + number : 55] = [250, 20 * at, 200, 255]
            Image.fromarray(cut).save(root / "accessories" / name / f"{number}.png")
    return root


def paste(inputs: Path, output: Path, edit: Edit | None = None, **options: Any) -> PasteSummary:
    """Run over the inputs of the fixture."""
    places = {"photos": inputs / "photos", "accessories": inputs / "accessories"}
    found = {name: options.pop(name, place) for name, place in places.items()}
    return paste_photos(
        found["photos"], found["accessories"], inputs / "index", output, edit, **options
    )


def rows(output: Path) -> list[dict[str, Any]]:
    return load_table(output / TABLE, PASTED).to_pylist()


def problems(output: Path) -> list[dict[str, Any]]:
    return load_table(output / "problems.parquet", PROBLEMS).to_pylist()


def digests(output: Path) -> dict[str, str]:
    """Of each picture, as the table has it and as it is on disk."""
    found = {row["image_id"]: row["sha256"] for row in rows(output)}
    for row in rows(output):
        data = (output / row["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
    return found
