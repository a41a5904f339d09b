"""Two models on the same images: differences, pair by pair."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from example_tables import QUICK, make_examples, with_column
from scipy.stats import t

from conceptstats.cli import cli
from conceptstats.errors import (
    OutputExistsError,
    ParameterError,
    StatisticsError,
    TableError,
)
from conceptstats.eval.statistics.compare import Comparison, compare, compare_files
from conceptstats.table_files import save_table
from conceptstats.tables import EXAMPLES


def examples(pmi: list[float | None], outcome: list[float], classes: str = "") -> pa.Table:
    """Two examples of each pair, with these outcomes; classes are letters, one a pair."""
    n = len(pmi)
    classes = classes or "kl" * (n // 2)
    return pa.table(
        {
            "example_id": [f"e{i}" for i in range(2 * n)],
            "outcome": outcome,
            "pmi": [value for value in pmi for _ in range(2)],
            "pair": [f"p{i // 2}" for i in range(2 * n)],
            "class": [letter for letter in classes for _ in range(2)],
        }
    )


# Differences of PMI 1, 2, 3, 4, 5, 6; of mean accuracy 0, 0.5, 0, 0.5, 0.5, 1.
A = examples([1, 2, 3, 4, 5, 6], [0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1])
B = examples([0] * 6, [1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0])
SETTINGS = {"n_bins": 3, "n_bootstrap": 0, "n_permutations": 0}


def test_by_hand() -> None:
    """Six pairs in three bins.

    x = 1, 2, 3, 4, 5, 6 (mean 3.5), y = 0, .5, 0, .5, .5, 1 (mean 2.5/6).
    Sum of (x - 3.5)^2 = 17.5; of (y - mean)^2 = 1.75 - 6.25/6 = 0.708333; of x(y - mean) = 11.5 -
    21 * 2.5/6 = 2.75. So r = 2.75 / sqrt(17.5 * 0.708333) = 0.781079.
    Bins {1,2}, {3,4}, {5,6}: means 1.5, 3.5, 5.5 and .25, .25, .75. r = 1 / sqrt(8 * 1/6) =
    0.866025.
    """
    found = compare(A, B, **SETTINGS)
    assert found.r_delta_unbinned.value == pytest.approx(0.781079, abs=1e-6)
    assert found.r_delta_binned.value == pytest.approx(0.866025, abs=1e-6)
    assert [(row.low, row.high, row.mean_predictor, row.n) for row in found.bin_table] == [
        (1, 2, 1.5, 2), (3, 4, 3.5, 2), (5, 6, 5.5, 2)
    ]  # fmt: skip
    assert [row.mean_outcome for row in found.bin_table] == [0.25, 0.25, 0.75]
    assert (found.n_pairs, found.n_images, found.n_classes) == (6, 12, 2)
    assert (found.n_left_out, found.n_unmatched, found.permutation_p) == (0, 0, None)


def test_intervals_of_bins_by_hand() -> None:
    """Jackknife over classes, t quantiles.

    The first bin has class k with y = 0 and class l with y = .5: mean .25. Without k it is .5,
    without l 0: shifts +.25, -.25. Variance = 1/2 * (.0625 + .0625) = .0625, standard error .25,
    and t has 1 degree of freedom. Of one class there is no interval.
    """
    row = compare(A, B, **SETTINGS).bin_table[0]
    half = float(t.ppf(0.975, 1)) * 0.25
    assert (row.outcome_low, row.outcome_high) == pytest.approx((0.25 - half, 0.25 + half))
    alone = "kkllkl"
    one = compare(examples([1, 2, 3, 4, 5, 6], A["outcome"].to_pylist(), alone),
                  examples([0] * 6, B["outcome"].to_pylist(), alone), **SETTINGS)  # fmt: skip
    assert one.bin_table[0].outcome_low is one.bin_table[0].outcome_high is None


def test_numpy_finds_the_same() -> None:
    """Over examples of many pairs: r of the differences of means."""
    a, b = make_examples(0), make_examples(1)
    found = compare(a, b, n_bins=10, n_bootstrap=0, n_permutations=0)
    pair = np.array([int(name.split()[1]) for name in a["pair"].to_pylist()])
    with np.errstate(invalid="ignore"):
        x = (a["pmi"].to_numpy() - b["pmi"].to_numpy())[::4]
    y = np.bincount(pair, a["outcome"].to_numpy() - b["outcome"].to_numpy()) / 4
    kept = np.isfinite(x)
    assert found.r_delta_unbinned.value == pytest.approx(np.corrcoef(x[kept], y[kept])[0, 1])
    assert found.n_pairs + found.n_left_out == 144
    assert found.n_pairs == kept.sum() < 144
    order = np.argsort(x[kept])
    sizes = [row.n for row in found.bin_table]
    parts = np.split(order, np.cumsum(sizes)[:-1])
    means = [(x[kept][part].mean(), y[kept][part].mean()) for part in parts]
    assert [(row.mean_predictor, row.mean_outcome) for row in found.bin_table] == [
        pytest.approx(mean) for mean in means
    ]
    assert found.r_delta_binned.value == pytest.approx(np.corrcoef(np.array(means).T)[0, 1])
    assert max(sizes) - min(sizes) <= 1


def test_the_other_way_round_it_is_the_same() -> None:
    """Differences b - a on both axes: the same r, and bins of the other sign."""
    a, b = make_examples(0), make_examples(1)
    there, back = compare(a, b, n_bins=6, **QUICK), compare(b, a, n_bins=6, **QUICK)
    assert there.r_delta_unbinned.value == pytest.approx(back.r_delta_unbinned.value)
    assert there.bin_table[0].low == pytest.approx(-back.bin_table[-1].high)


def test_pairs_that_have_no_difference_are_left_out_and_counted() -> None:
    """Never seen in one or both, or unknown in one: their images are not counted either."""
    pmi: list[float | None] = [1, 2, 3, 4, 5, 6, -math.inf, -math.inf, None, math.nan]
    outcome = A["outcome"].to_pylist() + [1.0] * 8
    other: list[float | None] = [0] * 7 + [-math.inf] * 3
    found = compare(examples(pmi, outcome), examples(other, outcome), **SETTINGS)
    assert (found.n_pairs, found.n_left_out, found.n_images) == (6, 4, 12)
    assert any("4 pairs are left out" in note for note in found.notes)


def test_examples_of_one_table_only_are_counted() -> None:
    """In any order the shared ones are found; the others are left out."""
    shuffled = A.take(np.random.default_rng(0).permutation(12))
    extra = with_column(B, "example_id", [f"e{i}" for i in range(11)] + ["other"])
    found = compare(shuffled, extra, **SETTINGS)
    assert (found.n_images, found.n_unmatched) == (11, 2)
    assert any("2 examples are in one of the two" in note for note in found.notes)
    same = compare(shuffled, B, **SETTINGS)
    assert same.r_delta_unbinned == compare(A, B, **SETTINGS).r_delta_unbinned


def test_intervals_and_p(tmp_path: Path) -> None:
    """Classes are resampled, pairs permuted; the same seed gives the same numbers."""
    a, b = make_examples(0), make_examples(1)
    found = compare(a, b, n_bins=10, n_bootstrap=200, n_permutations=99)
    for r in (found.r_delta_binned, found.r_delta_unbinned):
        assert r.low is not None
        assert r.high is not None
        assert r.low <= r.value <= r.high
        assert r.high - r.low > 0.05
    assert found.permutation_p == 0.01  # the effect is strong: none of 99 is as strong
    assert found == compare(a, b, n_bins=10, n_bootstrap=200, n_permutations=99)
    other = compare(a, b, n_bins=10, n_bootstrap=200, n_permutations=99, seed=1)
    assert other.r_delta_unbinned.value == found.r_delta_unbinned.value
    assert other.r_delta_unbinned != found.r_delta_unbinned


@pytest.mark.parametrize(
    ("n_bootstrap", "has_interval"), [(0, False), (1, False), (19, False), (20, True)]
)
def test_an_interval_needs_replicates(n_bootstrap: int, has_interval: bool) -> None:
    """Of one or of nineteen there is none, and a note says so."""
    found = compare(make_examples(0), make_examples(1), n_bins=10, n_bootstrap=n_bootstrap,
                    n_permutations=0)  # fmt: skip
    assert (found.r_delta_unbinned.low is not None) == has_interval
    assert found.notes[0].startswith("Intervals" if has_interval else "No r has an interval")


def nothing_but_json(found: Comparison) -> dict[str, Any]:
    """The result as strict JSON, which has no NaN and no infinity."""
    data: dict[str, Any] = json.loads(json.dumps(found.to_json(), allow_nan=False))
    return data


def test_there_is_no_nan_in_the_json() -> None:
    """What cannot be had is null: r of equal accuracies, p that rests on one class."""
    same = examples([0] * 6, A["outcome"].to_pylist())
    data = nothing_but_json(compare(A, same, n_bins=3, **QUICK))
    assert data["kind"] == "compare"
    assert data["r_delta_unbinned"] is data["r_delta_binned"] is data["permutation_p"] is None
    data = nothing_but_json(compare(A, B, n_bins=3, **QUICK))
    assert data["r_delta_unbinned"] == pytest.approx(0.781079, abs=1e-6)
    assert data["r_delta_unbinned_low"] is None  # two classes have no bootstrap interval
    assert data["bin_table"][0]["outcome_low"] < 0.25
    assert (data["n_bootstrap"], data["seed"]) == (40, 0)


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (A.drop_columns("pair"), B, TableError, "first table has no column 'pair'"),
        (A, B.drop_columns("class"), TableError, "second table has no column 'class'"),
        (A, B.drop_columns("pmi"), TableError, "no column 'pmi'"),
        (pa.concat_tables([A, A]), B, TableError, "first table has an example_id more than once"),
        (A, with_column(B, "example_id", list("abcdefghijkl")), TableError, "share no example_id"),
        (A, with_column(B, "pair", B["pair"].to_pylist()[::-1]), TableError, "one pair in"),
        (A, with_column(B, "class", B["class"].to_pylist()[::-1]), TableError, "one class in"),
        (A, with_column(B, "outcome", [2.0] * 12), TableError, "outside"),
        (with_column(A, "pmi", np.arange(12.0)), B, ParameterError, "not constant within pairs"),
        (A, with_column(B, "pmi", [0.0, -math.inf] * 6), ParameterError, "not constant"),
        (A, A, StatisticsError, "differ in pmi by 0 for every pair"),
        (examples([-math.inf] * 6, [1.0] * 12), B, StatisticsError, "0 pairs have a finite pmi"),
        (A.slice(0, 10), B, StatisticsError, "5 pairs have a finite pmi in both, expected 6"),
        (with_column(A, "class", ["k"] * 12), with_column(B, "class", ["k"] * 12),
         StatisticsError, "one class"),
        (with_column(A, "class", [None] * 12), with_column(B, "class", [None] * 12), TableError,
         "'class' is null|has 12 nulls"),
        (with_column(A, "class", list("kl" * 6)), with_column(B, "class", list("kl" * 6)),
         TableError, "several classes"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_compared(
    a: pa.Table, b: pa.Table, error: type[Exception], message: str
) -> None:
    """The error says which table, and what is wrong with it."""
    with pytest.raises(error, match=message):
        compare(a, b, **SETTINGS)


@pytest.mark.parametrize(
    "options", [{"n_bins": 2}, {"n_bootstrap": -1}, {"seed": -1}, {"level": 0.0}]
)
def test_settings_that_cannot_be(options: dict[str, Any]) -> None:
    """As for `correlate`."""
    with pytest.raises(ParameterError):
        compare(A, B, **(SETTINGS | options))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The two tables as files."""
    for name, table in (("a", A), ("b", B)):
        save_table(tmp_path / f"{name}.parquet", table, EXAMPLES)
    return [str(tmp_path / f"{name}.parquet") for name in "ab"]


def test_command(files: list[str], tmp_path: Path) -> None:
    """`eval compare` prints what it writes, with its run; a mistake leaves nothing behind."""
    output = tmp_path / "c.json"
    arguments = ["eval", "compare", *files, "-o", str(output), "--bins", "3", "--quiet"]
    done = CliRunner().invoke(cli, [*arguments, "--bootstrap", "10", "--json"])
    assert done.exit_code == 0, done.output
    written = json.loads(output.read_text("utf-8"))
    record = written.pop("run")
    assert written == json.loads(done.stdout)
    assert set(record["inputs"]) == set(files)
    assert {"statsmodels", "pingouin", "pandas"} < set(record["versions"])
    done = CliRunner().invoke(cli, [*arguments, "--overwrite"])
    assert "6, 0 left out" in done.stdout
    assert "No r has an interval: there are 1,000 replicates of 2 classes" in done.stdout
    with pytest.raises(OutputExistsError):
        compare_files(Path(files[0]), Path(files[1]), output)
    with pytest.raises(StatisticsError):
        compare_files(Path(files[0]), Path(files[1]), tmp_path / "d.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet", "c.json"]
