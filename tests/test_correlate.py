"""`conceptstats eval correlate`: its figures, its settings, and every error and gap it states."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from example_tables import QUICK, make_examples, with_column
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from conceptstats.eval.statistics.correlate import correlate, correlate_file
from conceptstats.eval.statistics.resampling import mean_estimate
from conceptstats.eval.statistics.results import Correlation, Estimate


@pytest.fixture(scope="module")
def examples() -> pa.Table:
    """Examples as `conceptstats eval join` makes them."""
    return make_examples()


@pytest.fixture(scope="module")
def found(examples: pa.Table) -> Correlation:
    """What is found in them."""
    return correlate(examples, n_bins=10, n_bootstrap=200, n_permutations=200)


def points(found: Correlation) -> dict[str, float | None]:
    """The estimates without their intervals."""
    row = found.predictors[0]
    return {
        name: getattr(owner, name).value
        for owner, names in (
            (found, "r_binned r_unbinned spearman gap_5pct slope slope_alone partial_r".split()),
            (row, ["auc", "slope_per_sd"]),
        )
        for name in names
    }


def test_hand_worked_example() -> None:
    """Forty examples, four quantile bins of ten.

    pmi -1: 10 examples, 2 right; 0: 10, 4 right; 1: 10, 4 right; 2: 9, 6 right; 5: 1, wrong.
    Bins {-1}, {0}, {1}, {2, 5}: mean pmi -1, 0, 1, 2.3 and accuracy 0.2, 0.4, 0.4, 0.6.
    Deviations from the means 0.575 and 0.4: -1.575, -0.575, 0.425, 1.725 and -0.2, 0, 0, 0.2.
    r = (0.315 + 0.345) / sqrt(5.9675 * 0.08) = 0.66 / 0.690942 = 0.955218.
    5% are two examples. Top: the one at 5, and of the nine at 2 one, which is right with chance
    6/9: (0 + 2/3) / 2 = 1/3. Bottom: two of those at -1: 0.2. Gap = 1/3 - 0.2 = 0.133333.
    """
    pmi = np.repeat([-1.0, 0.0, 1.0, 2.0, 5.0], [10, 10, 10, 9, 1])
    right = [2, 4, 4, 6, 0]
    outcome = np.concatenate(
        [np.arange(n) < k for n, k in zip((10, 10, 10, 9, 1), right, strict=True)]
    )
    table = pa.table(
        {"example_id": [str(i) for i in range(40)], "outcome": outcome.astype(float), "pmi": pmi}
    )
    found = correlate(table, cluster=(), n_bins=4, **QUICK)
    assert found.r_binned.value == pytest.approx(0.955218, abs=1e-6)
    assert found.gap_5pct.value == pytest.approx(0.133333, abs=1e-6)
    assert (found.n_bottom, found.n_top) == (10, 10)
    assert [(b.low, b.high, b.n) for b in found.bin_table] == [
        (-1, -1, 10), (0, 0, 10), (1, 1, 10), (2, 5, 10)
    ]  # fmt: skip
    assert [b.accuracy.value for b in found.bin_table] == pytest.approx([0.2, 0.4, 0.4, 0.6])
    assert [b.mean_predictor for b in found.bin_table] == pytest.approx([-1, 0, 1, 2.3])


def test_points_are_those_of_scipy(examples: pa.Table, found: Correlation) -> None:
    """Linear figures are of finite PMI, rank figures of all: as scipy has them."""
    pmi, outcome = (examples.column(name).to_numpy() for name in ("pmi", "outcome"))
    seen = np.isfinite(pmi)
    assert (found.n, found.n_used, found.unknown) == (576, seen.sum(), 0)
    assert found.r_unbinned.value == pytest.approx(stats.pearsonr(pmi[seen], outcome[seen])[0])
    assert found.spearman.value == pytest.approx(stats.spearmanr(stats.rankdata(pmi), outcome)[0])
    assert found.unseen is not None
    assert found.unseen.n == (~seen).sum()
    assert found.unseen.accuracy.value == pytest.approx(outcome[~seen].mean())
    assert found.outcome.value == pytest.approx(outcome.mean())
    assert any("-inf" in note for note in found.notes)


def test_every_figure_lies_in_its_interval(found: Correlation) -> None:
    """Low <= value <= high for whatever has an interval, and r's are between -1 and 1."""
    rows: list[Any] = [found, *found.predictors, *found.bin_table]
    estimates = [
        value
        for row in rows
        for name in row.__slots__
        if isinstance(value := getattr(row, name), Estimate)
    ]
    assert len(estimates) == 8 + 5 * 6 + 10
    for estimate in estimates:
        assert estimate.value is not None
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= estimate.value <= estimate.high
    for r in found.r_by_bins:
        assert r.low is not None
        assert r.r is not None
        assert r.high is not None
        assert -1 <= r.low <= r.r <= r.high <= 1


def test_json_has_the_promised_keys(found: Correlation) -> None:
    """Estimates become three keys, and nothing in it is NaN."""
    data = found.to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    expected = """predictor n n_used unknown level outcome outcome_low outcome_high is_graded
        clusters cluster n_clusters r_binned r_binned_low r_binned_high n_bins n_bins_asked bins
        bin_table r_unbinned r_unbinned_low r_unbinned_high spearman spearman_low spearman_high
        r_by_bins gap_5pct gap_5pct_low gap_5pct_high n_top n_bottom slope slope_low slope_high
        slope_alone slope_alone_low slope_alone_high model partial_r partial_r_low partial_r_high
        permutation_p permutation_unit n_bootstrap n_permutations seed unseen verified predictors
        notes"""
    assert list(data) == expected.split()
    assert list(data["bin_table"][0]) == (
        "low high mean_predictor n n_clusters accuracy accuracy_low accuracy_high".split()
    )
    assert list(data["r_by_bins"][0]) == ["n_bins", "r", "low", "high"]
    assert list(data["model"]) == ["terms", "dropped", "n", "n_clusters"]
    assert list(data["model"]["terms"][0]) == ["name", "coefficient", "se", "low", "high", "p"]
    assert list(data["unseen"]) == "n n_clusters accuracy accuracy_low accuracy_high".split()


def test_clusters_are_the_coarsest_column(examples: pa.Table, found: Correlation) -> None:
    """Class, not pair; with fewer than ten classes pairs; and the report says so."""
    assert found.cluster == ("class",)
    assert found.n_clusters == 12
    assert found.clusters == {"class": 12, "pair": 144, "accessory": 12}
    assert found.notes[0].startswith("Clusters: class (12 in all), the coarsest")
    few = with_column(examples, "class", [str(i % 3) for i in range(576)])
    assert correlate(few, **QUICK).cluster == ("pair",)
    fewer = correlate(few.drop_columns(["pair"]), **QUICK)
    assert fewer.cluster == ("class",)
    assert any("3 clusters are few" in note for note in fewer.notes)


def test_slopes_know_their_controls(found: Correlation) -> None:
    """The pair count is dropped as a sum of others; the first slope is the model's."""
    names = [term.name for term in found.model.terms]
    assert names == ["intercept", "pmi", "log_n_key", "log_n_accessory", "length"]
    assert found.slope.value == found.model.terms[1].coefficient
    assert [control.name for control in found.model.dropped] == ["log_n_pair"]
    assert any(note.startswith("Control log_n_pair is dropped") for note in found.notes)
    assert found.predictors[0].slope_per_sd.value != found.slope_alone.value


def test_coefficient_of_pmi_is_that_of_the_pair_count(
    examples: pa.Table, found: Correlation
) -> None:
    """With the single counts held fixed, as the reason for dropping it says."""
    other = correlate(
        examples,
        predictor="log_n_pair",
        controls=["log_n_key", "log_n_accessory", "length"],
        n_bootstrap=0,
        n_permutations=0,
    )
    assert other.slope.value == pytest.approx(found.slope.value, rel=1e-6)
    assert other.slope.low == pytest.approx(found.slope.low, rel=1e-6)


def test_all_examples_twice_change_no_point(examples: pa.Table) -> None:
    """Binned r, r, rank r, gap, slopes and partial r are of shares, not of numbers."""
    once = points(correlate(examples, **QUICK))
    twice = points(correlate(pa.concat_tables([examples, examples]), **QUICK))
    for name, value in once.items():
        assert twice[name] == pytest.approx(value, abs=1e-9), name


def test_order_of_examples_changes_no_point(examples: pa.Table) -> None:
    """Ties are not resolved by the order of rows."""
    order = np.random.default_rng(0).permutation(576)
    once, other = (points(correlate(t, **QUICK)) for t in (examples, examples.take(order)))
    for name, value in once.items():
        assert other[name] == pytest.approx(value, abs=1e-9), name


def test_the_seed_decides(examples: pa.Table) -> None:
    """The same seed gives the same report; another one other intervals of the same values."""
    first, again = (correlate(examples, **QUICK) for _ in range(2))
    other = correlate(examples, seed=1, **QUICK)
    assert first.to_json() == again.to_json()
    assert points(first) == points(other)
    assert first.r_unbinned != other.r_unbinned


def test_two_cluster_columns(examples: pa.Table) -> None:
    """The model allows for both, the bootstrap for the first; a note says so."""
    found = correlate(examples, cluster=["class", "accessory"], **QUICK)
    alone = correlate(examples, cluster="class", **QUICK)
    assert found.cluster == ("class", "accessory")
    assert found.r_unbinned == alone.r_unbinned
    assert found.slope.value == pytest.approx(alone.slope.value)
    for both, one in zip(found.model.terms, alone.model.terms, strict=True):
        assert both.se >= one.se - 1e-9
    assert any("class and of accessory" in note for note in found.notes)


def test_what_is_permuted(examples: pa.Table, found: Correlation) -> None:
    """The coarsest groups within which the predictor is constant."""
    assert found.permutation_unit == "pair"
    assert found.permutation_p == pytest.approx(1 / 201)
    unpaired = correlate(examples.drop_columns(["pair"]), **QUICK)
    assert unpaired.permutation_unit == "examples of equal pmi within class"
    assert correlate(examples, predictor="log_n_key", **QUICK).permutation_unit == "class"
    by_example = correlate(examples, predictor="length", **QUICK)
    assert by_example.permutation_unit == "examples of equal length within class"


def test_permutation_p_is_near_that_of_scipy() -> None:
    """Where examples are independent and nothing is to be found it is Pearson's p, about."""
    rng = np.random.default_rng(11)
    pmi, outcome = rng.normal(size=200), rng.integers(0, 2, 200).astype(float)
    table = pa.table({"example_id": [str(i) for i in range(200)], "outcome": outcome, "pmi": pmi})
    found = correlate(table, cluster=(), n_bootstrap=0, n_permutations=2000)
    expected = stats.pearsonr(pmi, outcome)[1]
    assert found.permutation_p == pytest.approx(expected, abs=0.03)


def test_interval_of_a_mean() -> None:
    """Wilson's where each example is a cluster; wider where clusters are alike or all right."""
    outcome = np.array([1.0] * 300 + [0.0] * 100)
    found = mean_estimate(outcome, np.arange(400), 0.95)
    expected = proportion_confint(300, 400, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-3)
    alike = mean_estimate(outcome, np.arange(400) // 10, 0.95)
    assert alike.low is not None
    assert found.low is not None
    assert alike.low < found.low - 0.05
    right = mean_estimate(np.ones(400), np.arange(400) // 40, 0.95)
    assert right.value == right.high == 1.0
    assert right.low is not None
    assert right.low < 0.8
    assert mean_estimate(np.ones(3), np.zeros(3, np.int64), 0.95) == Estimate(1.0)


def test_interval_of_a_mean_of_probabilities_by_hand() -> None:
    """Four clusters of one each, with outcomes .1, .2, .3 and .4.

    Mean .25. Without one of them it shifts by .05, .01667, -.01667 and -.05, so v = 3/4 * .0055556
    = .0041667, as uncertain as .25 * .75 / v = 45 answers. t has 3 degrees of freedom and .975 at
    3.1824: reach 10.128 / 45 = .22506, centre (.25 + .11253) / 1.22506 = .29593, half
    sqrt(.22506 * (.1875 + .05627)) / 1.22506 = .19119.
    """
    found = mean_estimate(np.array([0.1, 0.2, 0.3, 0.4]), np.arange(4), 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.10474, 0.48712), abs=1e-4)


def test_interval_of_a_mean_of_small_probabilities() -> None:
    """As wide as they differ, and not as that of so few right answers; alike ones say nothing."""
    rng = np.random.default_rng(0)
    outcome, cluster = 0.001 * rng.uniform(0.5, 1.5, 80), np.arange(80) // 2
    found = mean_estimate(outcome, cluster, 0.95)
    assert found.low is not None
    assert found.high is not None
    assert 0.0009 < found.low < 0.001 < found.high < 0.0011
    alike, none = mean_estimate(np.full(80, 0.3), cluster, 0.95), np.zeros(80)
    assert alike.high is not None
    assert alike.high > 0.4
    assert mean_estimate(none, cluster, 0.95).low == 0


def test_whether_outcomes_are_graded(examples: pa.Table, found: Correlation) -> None:
    """One that is neither 0 nor 1 is enough; then bins have intervals of a mean, not of a share."""
    assert not found.is_graded
    outcome = (0.5 + 0.1 * np.tanh(np.arange(576) % 7 - 3)).tolist()
    graded = correlate(with_column(examples, "outcome", outcome), **QUICK)
    assert graded.is_graded
    for part in graded.bin_table:
        assert part.accuracy.high is not None
        assert part.accuracy.high - part.accuracy.low < 0.3
    one = correlate(with_column(examples, "outcome", [0.3, *([0.0, 1.0] * 288)[1:]]), **QUICK)
    assert one.is_graded


def test_clusters_are_those_of_the_examples_in_use(examples: pa.Table) -> None:
    """A class of which no pair was ever seen is not among them; the whole table has it."""
    pmi = examples["pmi"].to_numpy().copy()
    pmi[:48] = -np.inf  # all of class 0
    table = with_column(examples, "pmi", pmi)
    found = correlate(table, cluster="class", **QUICK)
    assert (found.n_clusters, found.clusters["class"]) == (11, 12)
    assert found.facts()["clusters"] == "11 (class)"


def test_dictionaries_and_whole_numbers_are_labels(examples: pa.Table, found: Correlation) -> None:
    """Clusters can be stored as parquet and pandas like to."""
    for column in (
        examples.column("class").dictionary_encode(),
        examples.column("class").cast(pa.large_string()),
        pa.array(np.arange(576) // 48),
    ):
        table = examples.drop_columns("class").append_column("class", column)
        other = correlate(table, n_bins=10, n_bootstrap=0, n_permutations=0)
        assert other.n_clusters == 12
        assert other.slope.low == pytest.approx(found.slope.low)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `conceptstats eval correlate` in a process of its own."""
    code = "from conceptstats.cli import main; main()"
    command = [sys.executable, "-W", "error", "-c", code, "eval", "correlate"]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def path(examples: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples as a file."""
    path = tmp_path_factory.mktemp("examples") / "examples.parquet"
    pq.write_table(examples, path)
    return path


def test_command_prints_figures_predictors_and_notes(path: Path, tmp_path: Path) -> None:
    """A table for people, a file with its run for programs."""
    output = tmp_path / "results.json"
    done = run(path, "--bootstrap", 40, "--permutations", 20, "-o", output)
    assert done.returncode == 0, done.stderr
    figures, predictors, notes = done.stdout.split("\n\n")
    assert "r over 20 quantile bins" in figures
    assert [line.split()[0] for line in predictors.splitlines()[1:]] == [
        "pmi", "log_n_pair", "log_n_key", "log_n_accessory", "length"
    ]  # fmt: skip
    assert notes.startswith("- Clusters: class (12 in all)")
    data = json.loads(output.read_text())
    assert data["run"]["command"] == "eval correlate"
    assert data["run"]["inputs"][str(path)].startswith("sha256:")
    assert data["run"]["arguments"]["n_bootstrap"] == 40
    assert f"written: {output}" in done.stderr
    done = run(path, "-o", output)
    assert done.returncode == 1
    assert "--overwrite" in done.stderr


def test_command_takes_settings(path: Path) -> None:
    """Controls, clusters and bins as given; --json prints one document and nothing else."""
    quick = ("--bootstrap", 0, "--permutations", 0, "--json", "--quiet")
    options = ("--controls", "length,log_n_key", "--cluster", "class", "--cluster", "accessory")
    done = run(path, *options, "--bins", 7, "--binning", "width", *quick)
    data = json.loads(done.stdout)
    assert done.stderr == ""
    assert data["cluster"] == ["class", "accessory"]
    assert [t["name"] for t in data["model"]["terms"][2:]] == ["length", "log_n_key"]
    assert (data["n_bins_asked"], data["bins"]) == (7, "width")
    data = json.loads(run(path, "--controls", "none", "--cluster", "none", *quick).stdout)
    assert data["cluster"] == []
    assert [t["name"] for t in data["model"]["terms"]] == ["intercept", "pmi"]


def test_file_function_equals_the_command(path: Path, tmp_path: Path) -> None:
    """The same call, without an output or with one that may be replaced."""
    output = tmp_path / "results.json"
    first = correlate_file(path, output, **QUICK)
    again = correlate_file(path, output, overwrite=True, **QUICK)
    assert first == again == correlate_file(path, **QUICK)
