"""Shuffled predictors: what the statistics make of nothing, the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from example_tables import make_examples, with_column

from conceptstats.cli import cli
from conceptstats.errors import ParameterError, StatisticsError, TableError
from conceptstats.eval.statistics.correlate import correlate
from conceptstats.eval.statistics.shuffle import shuffle, shuffle_file
from conceptstats.table_files import save_table
from conceptstats.tables import EXAMPLES

FEW = {"n_shuffles": 50, "n_bins": 10}


@pytest.fixture(scope="module")
def strong() -> pa.Table:
    """Examples whose accuracy rises with PMI from pair to pair."""
    table = make_examples()
    pmi = table["pmi"].to_numpy()
    chance = 1 / (1 + np.exp(-2 * np.where(np.isfinite(pmi), pmi, -2)))
    outcome = (np.random.default_rng(1).uniform(size=len(pmi)) < chance).astype(float)
    return with_column(table, "outcome", outcome)


def test_of_a_strong_effect_nothing_is_left(strong: pa.Table) -> None:
    """The mean over shuffles is about 0, and their range leaves out what was found."""
    measured = correlate(strong, n_bins=10, n_bootstrap=0, n_permutations=0)
    found = shuffle(strong, n_bins=10, n_shuffles=200)
    assert measured.r_unbinned.value is not None
    assert measured.r_unbinned.value > 0.5
    for name, most in (("r_binned", 0.08), ("r_unbinned", 0.02), ("gap_5pct", 0.05)):
        ours, theirs = getattr(found, name), getattr(measured, name)
        assert abs(ours.value) < most, name
        assert ours.low < 0 < ours.high < theirs.value, name
    assert found.r_binned.high > 0.4  # bins alone make this much of nothing
    assert (found.n, found.n_pairs, found.n_shuffles) == (576, 144, 200)


def test_the_spread_is_that_of_independent_pairs(strong: pa.Table) -> None:
    """With one example a pair, r of n unrelated examples has the standard deviation 1/sqrt(n-1)."""
    table = strong.filter(np.arange(576) % 4 == 0)
    table = table.filter(np.isfinite(table["pmi"].to_numpy()))
    n = table.num_rows
    found = shuffle(table, n_bins=10, n_shuffles=400, level=0.6827).r_unbinned
    assert found.low == pytest.approx(-1 / np.sqrt(n - 1), rel=0.15)
    assert found.high == pytest.approx(1 / np.sqrt(n - 1), rel=0.15)


def test_the_same_seed_gives_the_same_numbers(strong: pa.Table) -> None:
    """And another seed others."""
    assert shuffle(strong, **FEW) == shuffle(strong, **FEW)
    assert shuffle(strong, seed=1, **FEW).r_unbinned != shuffle(strong, **FEW).r_unbinned


def test_unknown_predictors_are_left_out(strong: pa.Table) -> None:
    """Null is neither shuffled nor counted; -inf, never seen together, is."""
    pmi = strong["pmi"].to_pylist()
    lost = [name in ("pair 0", "pair 5") for name in strong["pair"].to_pylist()]
    some = [None if gone else value for gone, value in zip(lost, pmi, strict=True)]
    found = shuffle(with_column(strong, "pmi", some), **FEW)
    assert (found.n, found.n_pairs) == (568, 142)
    assert -np.inf in pmi


def test_few_pairs_have_no_binned_r() -> None:
    """Two values make two bins, of which r is not given; the rest is."""
    table = pa.table(
        {
            "example_id": [str(n) for n in range(40)],
            "outcome": [float(n % 3 == 0) for n in range(40)],
            "pmi": [float(n // 20) for n in range(40)],
            "pair": [f"{n // 20}" for n in range(40)],
        }
    )
    found = shuffle(table, **FEW).to_json()
    assert found["r_binned"] is found["r_binned_low"] is None
    assert abs(found["r_unbinned"]) < 1
    assert "NaN" not in json.dumps(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_shuffles": 1}, "expected 2 or more"),
        ({"n_bins": 2}, "expected 3 or more"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], message: str, strong: pa.Table) -> None:
    """Each says what was expected."""
    with pytest.raises(ParameterError, match=message):
        shuffle(strong, **options)


def test_tables_that_cannot_be_shuffled(strong: pa.Table) -> None:
    """Without pairs, with PMI that differs within them, or that is constant."""
    with pytest.raises(TableError, match="pair"):
        shuffle(strong.drop_columns("pair"))
    with pytest.raises(ParameterError, match="pmi is not constant within pairs"):
        shuffle(with_column(strong, "pmi", np.arange(576.0)))
    with pytest.raises(StatisticsError, match="pmi is 1 wherever"):
        shuffle(with_column(strong, "pmi", np.ones(576)))
    with pytest.raises(TableError, match="no column 'surprise'"):
        shuffle(strong, predictor="surprise")


def test_command(strong: pa.Table, tmp_path: Path) -> None:
    """`eval shuffle` prints what it writes, with the run beside it."""
    save_table(tmp_path / "examples.parquet", strong, EXAMPLES)
    output = tmp_path / "shuffled.json"
    arguments = ["eval", "shuffle", str(tmp_path / "examples.parquet"), "-o", str(output)]
    arguments += ["--bins", "10", "--shuffles", "50", "--quiet"]
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    written = json.loads(output.read_text("utf-8"))
    record = written.pop("run")
    assert written == json.loads(done.stdout) == shuffle(strong, **FEW).to_json()
    assert written["kind"] == "shuffle"
    assert record["command"] == "eval shuffle"
    assert {"statsmodels", "pingouin", "pandas"} < set(record["versions"])
    done = CliRunner().invoke(cli, [*arguments, "--overwrite"])
    assert "50 of pmi among 144 pairs" in done.stdout
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ParameterError):
        shuffle_file(tmp_path / "examples.parquet", tmp_path / "other.json", n_shuffles=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
