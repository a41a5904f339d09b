"""The pairs that a model got right most and least often, and some of their images."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from conceptstats.errors import TableError
from conceptstats.table_files import conform, load_table
from conceptstats.tables import EXAMPLES, IMAGES

from ..statistics.columns import Floats
from ..statistics.wilson import wilson
from .by_pair import column
from .chart import mean_text, value_text
from .wording import name_of, number

_N_PAIRS, _N_IMAGES = 6, 4
_SIDE = 112  # pixels


class Picture(NamedTuple):
    """An image of an example, as it stands in the page; no address where it cannot be read."""

    uri: str
    width: int
    height: int
    alt: str
    outcome: str


@dataclass(frozen=True, slots=True)
class PairShown:
    """A pair with some of its images."""

    name: str
    facts: tuple[str, ...]
    pictures: tuple[Picture, ...]


class Extremes(NamedTuple):
    """The pairs at both ends, and of how many they are."""

    best: list[PairShown]
    worst: list[PairShown]
    n_pairs: int  # of which there are images


def extremes(
    examples: pa.Table,
    pairs: pa.Table,
    images: Path,
    predictor: str,
    *,
    outcome: str = "accuracy",
) -> Extremes:
    """Choose the pairs at both ends of accuracy, and read images of them.

    The best are those whose 95% Wilson interval of accuracy begins highest, the worst those where
    it ends lowest, so that a pair of few examples does not stand there by luck. Of equal ones the
    further from the trend, a least-squares line over pairs, comes first.

    Parameters
    ----------
    examples : Table
    pairs : Table
        As `conceptstats.eval.report.by_pair.pairs_of` makes it of the examples.
    images : Path
        Table of `conceptstats.tables.IMAGES`, whose image_id is an example_id.
    predictor : str
    outcome : str
        As `wording.outcome_name` calls it.

    Raises
    ------
    TableError
        When the table is missing or damaged, or has no image of an example.
    """
    table = load_table(images, IMAGES)
    columns = (table.column(name).to_pylist() for name in ("image_id", "path"))
    places = dict(zip(*columns, strict=True))
    by_pair = _examples_with_images(conform(examples, EXAMPLES, "examples"), places)
    has_images = [name in by_pair for name in pairs.column("pair").to_pylist()]
    pairs = pairs.filter(pa.array(has_images, pa.bool_()))
    if not pairs.num_rows:
        raise TableError(f"no image_id of {images} is the example_id of an example with a pair.")
    size = min(_N_PAIRS, max(1, pairs.num_rows // 2))
    best, worst = _orders(pairs)
    rows = pairs.to_pylist()

    def show(order: Sequence[int]) -> list[PairShown]:
        return [
            _show(rows[k], predictor, outcome, by_pair[rows[k]["pair"]], places, images.parent)
            for k in order[:size]
        ]

    return Extremes(show(best), show(worst), pairs.num_rows)


def _examples_with_images(
    examples: pa.Table, places: Mapping[str, str]
) -> dict[str, list[tuple[str, float]]]:
    """Id and outcome of the examples of each pair that have an image, by id."""
    columns = (examples.column(name).to_pylist() for name in ("pair", "example_id", "outcome"))
    found: dict[str, list[tuple[str, float]]] = {}
    for pair, example, outcome in zip(*columns, strict=True):
        if pair is not None and example in places:
            found.setdefault(str(pair), []).append((example, outcome))
    return {pair: sorted(rows) for pair, rows in found.items()}


def _orders(pairs: pa.Table) -> tuple[list[int], list[int]]:
    accuracy, n = column(pairs, "accuracy"), column(pairs, "n")
    above = accuracy - _trend(column(pairs, "predictor"), accuracy, n)
    ends = wilson(accuracy, n * worth(accuracy, n, column(pairs, "between")))
    low, high = (np.round(end, 9) for end in ends)  # or rounding would break ties
    names = np.array(pairs.column("pair").to_pylist(), dtype=object).astype(str)
    return (
        [int(k) for k in np.lexsort((names, -above, -low))],
        [int(k) for k in np.lexsort((names, above, high))],
    )


def worth(accuracy: Floats, n: Floats, between: Floats) -> float:
    """How many answers, right or wrong, an example is worth: 1 where outcomes are 0 and 1.

    Other outcomes vary less about the mean of their pair: :math:`s^2` instead of m(1 - m), both
    summed over examples.
    """
    most = float(n @ (accuracy * (1 - accuracy)))
    own = most - float(n @ between)
    if not most > 0:
        return 1.0
    return most / own if own > 0 else math.inf


def _trend(x: Floats, accuracy: Floats, n: Floats) -> Floats:
    """Accuracy as the line over pairs has it; of pairs never seen, their mean."""
    expected = np.full(len(x), np.average(accuracy, weights=n))
    finite = np.isfinite(x)
    if (~finite).any():
        expected[~finite] = np.average(accuracy[~finite], weights=n[~finite])
    if finite.any() and np.ptp(x[finite]) > 0:
        line = np.polyfit(x[finite], accuracy[finite], 1, w=np.sqrt(n[finite]))
        expected[finite] = np.polyval(line, x[finite])
    return expected


def _show(
    pair: dict[str, Any],
    predictor: str,
    outcome: str,
    examples: Sequence[tuple[str, float]],
    places: Mapping[str, str],
    folder: Path,
) -> PairShown:
    names = [name for name in (pair["key"], pair["accessory"]) if name is not None]
    name = " with ".join(names) if len(names) == 2 else pair["pair"]
    pictures = [
        _picture(folder / places[example], example, own, name)
        for example, own in examples[:_N_IMAGES]
    ]
    mean = mean_text(pair, outcome)
    facts = (
        f"{mean} right" if outcome == "accuracy" else f"{outcome} {mean}",
        f"{name_of(predictor)} {value_text(pair, predictor)}",
    )
    return PairShown(name, facts, tuple(pictures))


def _picture(path: Path, example: str, outcome: float, name: str) -> Picture:
    told = {0.0: "wrong", 1.0: "right"}.get(outcome, f"outcome {number(outcome)}")
    alt = f"{name}, example {example}: {told}"
    try:
        with Image.open(path) as image:
            image.thumbnail((_SIDE, _SIDE))
            small = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture("", _SIDE, _SIDE, alt, told)
    page = Image.new("RGB", small.size, "white")  # takes over nothing that a camera wrote
    page.paste(small, mask=small)
    out = BytesIO()
    page.save(out, "PNG", optimize=True)
    uri = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
    return Picture(uri, page.width, page.height, alt, told)
