"""The calibrated observer: evidence of a model, and a PMI that is known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pair_tables import make_images, make_predictions, make_probes

from conceptstats.cli import cli
from conceptstats.errors import TableError
from conceptstats.eval.observer import NAME, observe
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import IMAGES, JOINT, PREDICTIONS, PROBES

KEYS, ACCESSORIES = ("bus", "car", "mug"), ("sun", "hat")
PMI = {
    ("bus", "sun"): math.log(2),
    ("car", "sun"): 0.0,
    ("mug", "sun"): math.log(0.5),
    ("bus", "hat"): -math.inf,
    ("car", "hat"): math.log(3),
    ("mug", "hat"): 0.0,
}
ANSWERS = {
    "i1": {"bus": 0.25, "car": 0.5, "mug": 0.25},
    "i2": {"bus": 0.75, "car": 0.125, "mug": 0.125},
}
TARGETS = ["car", "bus"]
IMAGES_SHOWN = make_images({"i2": "p2", "i1": "p1"})
PROBES_SHOWN = make_probes({"p1": ("car", "sun"), "p2": ("bus", "hat")})


def joint(pmi: dict[tuple[str, str], float]) -> pa.Table:
    """A joint table of which only the PMI matters."""
    rows = [
        {"key": key, "accessory": accessory, "pmi": value, "p": 0, "p_key": 0, "p_accessory": 0}
        for (key, accessory), value in pmi.items()
    ]
    return pa.Table.from_pylist(rows, JOINT)


def answers_of(table: pa.Table) -> list[dict[str, float]]:
    """Probability of each class, by name."""
    return [
        dict(zip(row["labels"], row["probabilities"], strict=True)) for row in table.to_pylist()
    ]


def observed(pmi: dict[tuple[str, str], float] = PMI) -> pa.Table:
    """The observer's predictions of the two examples."""
    return observe(make_predictions(ANSWERS, TARGETS), IMAGES_SHOWN, PROBES_SHOWN, joint(pmi))


def test_evidence_times_association_is_the_posterior() -> None:
    """By hand, with e to the PMI as the factor.

    i1 shows a sun: 1/4 * 2, 1/2 * 1, 1/4 * 1/2 = 4/8, 4/8, 1/8 -> 4/9, 4/9, 1/9. The target car
    ties with bus, which counts against it: rank 2.
    i2 shows a hat: 3/4 * 0, 1/8 * 3, 1/8 * 1 = 0, 3/8, 1/8 -> 0, 3/4, 1/4. The target bus is never
    with a hat: probability 0, rank 3.
    """
    found = observed()
    first, second = answers_of(found)
    assert first == pytest.approx({"bus": 4 / 9, "car": 4 / 9, "mug": 1 / 9})
    assert second == pytest.approx({"bus": 0, "car": 3 / 4, "mug": 1 / 4})
    assert found["target_rank"].to_pylist() == [2, 3]
    assert found["target_probability"].to_pylist() == pytest.approx([4 / 9, 0])
    assert found["labels"].to_pylist()[1] == ["car", "mug", "bus"]
    assert found["model"].to_pylist() == [NAME] * 2
    assert found.schema.equals(PREDICTIONS)


@pytest.mark.parametrize("constant", [0.0, -0.7])
def test_without_association_it_changes_nothing(constant: float) -> None:
    """A PMI of zero, or the same of every pair: ranks and probabilities stay, down to 1e-30."""
    rows = np.exp(np.random.default_rng(0).uniform(-70, 0, (50, 3)))
    rows /= rows.sum(1, keepdims=True)
    answers = {f"i{n}": dict(zip(KEYS, map(float, row), strict=True)) for n, row in enumerate(rows)}
    predictions = make_predictions(answers, ["car"] * 50)
    images = make_images(dict.fromkeys(answers, "p1"))
    found = observe(predictions, images, PROBES_SHOWN, joint(dict.fromkeys(PMI, constant)))
    assert found["target_rank"].to_pylist() == predictions["target_rank"].to_pylist()
    for ours, given in zip(answers_of(found), answers_of(predictions), strict=True):
        assert ours == pytest.approx(given, rel=1e-5, abs=1e-37)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joint": joint({k: v for k, v in PMI.items() if k != ("mug", "hat")})}, "5 rows"),
        ({"joint": joint({**PMI, ("mug", "hat"): math.nan})}, "expected the PMI of each"),
        ({"joint": pa.concat_tables([joint(PMI), joint(PMI)])}, "once"),
        ({"joint": joint({**PMI, ("car", "hat"): -math.inf, ("mug", "hat"): -math.inf})},
         "an accessory that stands with no key"),
        ({"joint": joint({(k, a): 0.0 for k in "xyz" for a in ACCESSORIES})}, "does not have"),
        ({"joint": joint({(k, a): 0.0 for k in KEYS for a in "xy"})}, "does not have 'sun'"),
        ({"joint": joint({(k, a): 0.0 for k in (*KEYS, "x") for a in ACCESSORIES})}, "--top-k 0"),
        ({"images": make_images({"i1": "p1"})}, "1 of 2 predictions .* first of them 'i2'"),
        ({"images": make_images({"i1": "p1", "i2": None})}, "first of them 'i2'"),
        ({"probes": make_probes({"p2": ("bus", "hat")})}, "first of them 'i1'"),
        ({"predictions": PREDICTIONS.empty_table()}, "no predictions"),
    ],
)  # fmt: skip
def test_tables_that_do_not_go_together(changes: dict[str, Any], message: str) -> None:
    """A pair, a class, an image or a probe that is not there is a clear error."""
    tables = {
        "predictions": make_predictions(ANSWERS, TARGETS),
        "images": IMAGES_SHOWN,
        "probes": PROBES_SHOWN,
        "joint": joint(PMI),
    }
    with pytest.raises(TableError, match=message):
        observe(**(tables | changes))


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [(["bus", "bus", "car"], [0.5, 0.25, 0.25]), (["bus", "car", "mug"], [0.5, 0.5])],
)
def test_predictions_that_are_no_distribution(
    labels: list[str], probabilities: list[float]
) -> None:
    """A class twice, or without its probability."""
    row = {"example_id": "i1", "target": "bus", "labels": labels, "probabilities": probabilities,
           "target_rank": 1, "target_probability": 0.5, "model": "m"}  # fmt: skip
    predictions = pa.Table.from_pylist([row], PREDICTIONS)
    with pytest.raises(TableError, match="probability of each class, once"):
        observe(predictions, IMAGES_SHOWN, PROBES_SHOWN, joint(PMI))


def test_command(tmp_path: Path) -> None:
    """`eval observer` writes predictions that other commands take, with their run record."""
    tables = {
        "predictions": (make_predictions(ANSWERS, TARGETS), PREDICTIONS),
        "images": (IMAGES_SHOWN, IMAGES),
        "probes": (PROBES_SHOWN, PROBES),
        "joint": (joint(PMI), JOINT),
    }
    for name, (table, schema) in tables.items():
        save_table(tmp_path / f"{name}.parquet", table, schema)
    output = tmp_path / "observer.parquet"
    arguments = ["eval", "observer", str(tmp_path / "predictions.parquet"), "-o", str(output)]
    for name in ("images", "probes", "joint"):
        arguments += [f"--{name}", str(tmp_path / f"{name}.parquet")]
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"output": str(output), "n": 2}
    assert load_table(output, PREDICTIONS).equals(observed())
    record = json.loads((tmp_path / "observer.parquet.run.json").read_text("utf-8"))
    assert len(record["inputs"]) == 4
