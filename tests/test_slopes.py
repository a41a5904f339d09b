"""Slopes of two models on the same images, and their difference."""

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
from conceptstats.errors import ParameterError, StatisticsError, TableError
from conceptstats.eval.statistics.correlate import correlate
from conceptstats.eval.statistics.regression import fit_difference, fit_logit, tabulate
from conceptstats.eval.statistics.slopes import compare_slopes
from conceptstats.table_files import save_table
from conceptstats.tables import EXAMPLES


def two_models(seed: int = 0, slopes: tuple[float, float] = (0.1, 0.8)) -> tuple[pa.Table, ...]:
    """Examples of the same images by two models; classes are hard or easy for both."""
    table = make_examples(seed)
    rng = np.random.default_rng([seed, 1])
    label = np.unique(table["class"].to_pylist(), return_inverse=True)[1]
    hard = rng.normal(0, 1, 12)[label]
    pmi = np.maximum(table["pmi"].to_numpy(), -2)
    u = rng.uniform(size=len(pmi))
    return tuple(
        with_column(table, "outcome", (u < 1 / (1 + np.exp(-slope * pmi - hard))).astype(float))
        for slope in slopes
    )


def test_each_slope_is_that_of_correlate() -> None:
    """With and without controls, with its interval; the difference is that of the two."""
    a, b = two_models()
    found = compare_slopes(a, b)
    for table, slope, alone in ((a, found.controlled.a, found.alone.a),
                                (b, found.controlled.b, found.alone.b)):  # fmt: skip
        expected = correlate(table, cluster="class", **QUICK)
        for ours, theirs in ((slope, expected.slope), (alone, expected.slope_alone)):
            assert (ours.value, ours.low, ours.high) == pytest.approx(
                (theirs.value, theirs.low, theirs.high)
            )
    for slopes in (found.alone, found.controlled):
        assert slopes.difference.value == pytest.approx(slopes.a.value - slopes.b.value)
    assert found.controlled.controls == ("log_n_key", "log_n_accessory", "length")
    assert found.alone.difference.high < 0  # 0.1 against 0.8 per nat


def test_the_difference_is_the_interaction_of_a_model_of_both() -> None:
    """Both tables in one, each coefficient with another for the second: the same numbers."""
    a, b = two_models()
    kept = np.isfinite(a["pmi"].to_numpy())
    x, size = a["pmi"].to_numpy()[kept], int(kept.sum())
    cluster = np.unique(a["class"].to_pylist(), return_inverse=True)[1][kept]
    y = [table["outcome"].to_numpy()[kept] for table in (a, b)]
    model = np.repeat([1.0, 0.0], size)
    stacked = tabulate([np.tile(x, 2), model, model * np.tile(x, 2)], np.concatenate(y),
                       [np.tile(cluster, 2)])  # fmt: skip
    fit = fit_logit(stacked)
    found = fit_difference(*(tabulate([x], outcome, [cluster]) for outcome in y))
    assert found.coefficients[1] == pytest.approx(fit.coefficients[3], rel=1e-6)
    assert found.se[1] == pytest.approx(math.sqrt(fit.covariance[3, 3]), rel=1e-6)
    assert found.df == 11


def test_one_outcome_in_both_differs_by_nothing() -> None:
    """The interval of the difference has no width: what is alike falls out."""
    a, _ = two_models()
    found = compare_slopes(a, a)
    for pair in (found.alone, found.controlled, found.outcome, found.unseen):
        assert (pair.difference.value, pair.difference.low, pair.difference.high) == (0, 0, 0)
    assert found.alone.a.high - found.alone.a.low > 0.05


def test_means_by_hand() -> None:
    """Mean outcomes and their difference, of all and of pairs never seen.

    Classes k and l have 20 examples each. a is right in 15 of k and 10 of l, b in 5 and 10: means
    .625 and .375, difference .25. Without k it is 0, without l .5: shifts -.25 and .25, variance
    1/2 * (.0625 + .0625), standard error .25; t has 1 degree of freedom.
    """
    base = {
        "example_id": [f"e{i}" for i in range(40)],
        "pmi": [-math.inf] * 4 + [float(i % 7) for i in range(36)],
        "pair": [f"p{i}" for i in range(40)],
        "class": ["k"] * 20 + ["l"] * 20,
    }
    a = pa.table({**base, "outcome": [1.0] * 15 + [0.0] * 5 + [1.0, 0.0] * 10})
    b = pa.table({**base, "outcome": [1.0] * 5 + [0.0] * 15 + [1.0, 0.0] * 10})
    found = compare_slopes(a, b)
    half = float(t.ppf(0.975, 1)) * 0.25
    assert (found.outcome.a.value, found.outcome.b.value) == (0.625, 0.375)
    assert (
        found.outcome.difference.value, found.outcome.difference.low, found.outcome.difference.high
    ) == pytest.approx((0.25, 0.25 - half, 0.25 + half))  # fmt: skip
    assert (found.unseen.n, found.unseen.a.value, found.unseen.difference.value) == (4, 1, 0)
    assert (found.n, found.n_used, found.n_classes) == (40, 36, 2)
    assert found.alone.difference.value is None  # two clusters do not carry two coefficients
    assert any("no more clusters" in note for note in found.notes)


def test_intervals_hold_the_difference() -> None:
    """Over 200 data sets without a difference the 95% interval holds 0 in 91% or more."""
    held = 0
    for seed in range(200):
        found = compare_slopes(*two_models(seed, (0.5, 0.5)), controls=[])
        assert found.alone.difference.low is not None
        held += found.alone.difference.low <= 0 <= found.alone.difference.high
    assert held >= 182


def test_order_and_strangers() -> None:
    """Rows may be in any order; examples of one table only are counted."""
    a, b = two_models()
    mixed = b.take(np.random.default_rng(0).permutation(len(b)))
    assert compare_slopes(a, mixed) == compare_slopes(a, b)
    fewer = compare_slopes(a, b.slice(4))
    assert (fewer.n, fewer.n_unmatched) == (len(a) - 4, 4)
    assert any("4 examples" in note for note in fewer.notes)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"level": 1.5}, ParameterError, "between 0 and 1"),
        ({"predictor": "nothing"}, TableError, "no column 'nothing'"),
        ({"drop": "class"}, TableError, "no column 'class'"),
        ({"outcome": 1.0}, StatisticsError, "constant in the first table"),
        ({"rows": 16}, StatisticsError, "expected 20 or more"),
        ({"class": "k"}, StatisticsError, "one class"),
    ],
)
def test_what_cannot_be_compared(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    """The error says what is wrong."""
    a, b = two_models()
    if "drop" in change:
        a = a.drop_columns(change.pop("drop"))
    if "rows" in change:
        a = a.slice(0, change.pop("rows"))
    if "outcome" in change:
        a = with_column(a, "outcome", [change.pop("outcome")] * len(a))
    if "class" in change:
        name = [change.pop("class")] * len(a)
        a, b = with_column(a, "class", name), with_column(b, "class", name)
    with pytest.raises(error, match=message):
        compare_slopes(a, b, **change)


def test_what_is_left_out_is_said() -> None:
    """Controls that one table lacks, that are known nowhere or everywhere alike; examples too."""
    a, b = two_models()
    n = len(a)
    a = with_column(a, "log_n_concept", [1.0] * n)
    b = with_column(b, "log_n_concept", [1.0] * n)
    length = [None if k % 4 == 0 else float(k % 7) for k in range(n)]
    a, b = with_column(a, "length", length), with_column(b, "length", length)
    a = with_column(a, "log_n_key", [math.nan] * n)
    pmi = b["pmi"].to_pylist()
    pmi[next(k for k, value in enumerate(pmi) if math.isfinite(value))] = None
    b = with_column(b, "pmi", pmi).drop_columns("log_n_accessory")
    found = compare_slopes(a, b)
    assert found.controlled.controls == ("length", "log_n_pair")
    assert found.controlled.n < found.alone.n == found.n_used
    notes = "\n".join(found.notes)
    for words in (
        "Control log_n_key is dropped: it is finite in no example.",
        "Control log_n_accessory is dropped: one of the two tables lacks it.",
        "Control log_n_concept is dropped: it is the same for all examples.",
        f"The model with controls is of {found.controlled.n:,} examples",
        f"{found.unseen.n:,} examples have pmi = -inf, and bear on no slope.",
        "1 examples have no known pmi in one of the two",
    ):
        assert words in notes
    assert found.n_used == n - found.unseen.n - 1
    assert any(found.notes[0] in str(fact) for fact in found.facts().values())
    few = with_column(a, "length", [1.0 if k < 19 else None for k in range(n)])
    none = compare_slopes(few, b, controls=["length"])
    assert none.controlled == none.alone
    assert any("No control is held fixed" in note for note in none.notes)


def test_command(tmp_path: Path) -> None:
    """`eval compare A B --slopes` prints and writes the same; the JSON has no NaN."""
    for name, table in zip("ab", two_models(), strict=True):
        save_table(tmp_path / f"{name}.parquet", table, EXAMPLES)
    arguments = ["eval", "compare", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    output = tmp_path / "slopes.json"
    done = CliRunner().invoke(cli, [*arguments, "--slopes", "-o", str(output), "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["kind"] == "slopes"
    assert data["alone"]["difference_low"] < data["alone"]["difference"] < 0
    written = json.loads(output.read_text("utf-8"))
    assert written.pop("run")["command"] == "eval compare --slopes"
    assert written == data
    done = CliRunner().invoke(cli, [*arguments, "--slopes"])
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert lines[:2] == [["A", arguments[2]], ["B", arguments[3]]]
    assert ["clusters", "12 (class)"] in lines
    assert "log-odds per unit" in done.stdout
    done = CliRunner().invoke(cli, [*arguments, "--slopes", "--bins", "9"])
    assert done.exit_code == 2
    assert "--bins does not go with --slopes" in done.output
    done = CliRunner().invoke(cli, arguments)  # the same PMI in both
    assert "--slopes" in str(done.exception)
