"""What `conceptstats eval correlate` cannot give: an error, or a gap that it states."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from example_tables import QUICK, make_examples, with_column

from conceptstats.errors import ConceptStatsError, ParameterError, StatisticsError, TableError
from conceptstats.eval.statistics.correlate import correlate
from conceptstats.eval.statistics.results import Estimate


@pytest.fixture(scope="module")
def examples() -> pa.Table:
    """Examples as `conceptstats eval join` makes them."""
    return make_examples()


def test_a_constant_control_is_dropped_and_missing_values_are_told(examples: pa.Table) -> None:
    """A control without values is dropped; one with gaps leaves its examples out of the model."""
    table = with_column(examples, "length", [7] * 576)
    table = with_column(table, "log_n_key", pa.nulls(576, pa.float64()))
    gaps = [None if i < 100 else float(i % 7) for i in range(576)]
    table = with_column(table, "words", gaps)
    found = correlate(table, controls=["length", "log_n_key", "words"], **QUICK)
    reasons = {control.name: control.reason for control in found.model.dropped}
    assert reasons == {
        "length": "it is the same for all examples", "log_n_key": "it has no finite value"
    }  # fmt: skip
    assert found.model.n < found.n_used
    assert any("the others lack a finite control" in note for note in found.notes)
    assert any("Predictor length is not compared: length is 7" in note for note in found.notes)


def test_a_constant_outcome_has_a_way_on(examples: pa.Table) -> None:
    """A model that is never right has probabilities all the same."""
    with pytest.raises(StatisticsError, match="the outcome is 0 for all 520 examples") as caught:
        correlate(with_column(examples, "outcome", [0.0] * 576), **QUICK)
    assert "eval join --outcome probability" in str(caught.value.hint)


def test_without_controls_there_is_no_partial_r(examples: pa.Table) -> None:
    """Both slopes are the same then."""
    found = correlate(examples, controls=(), **QUICK)
    assert found.partial_r == Estimate(None)
    assert found.slope == found.slope_alone
    assert any("partial_r is not given" in note for note in found.notes)


def test_a_control_that_is_the_outcome_has_no_partial_r(examples: pa.Table) -> None:
    """Nothing is left to explain then; no warning leaks."""
    table = with_column(examples, "answer", 2 * examples.column("outcome").to_numpy() - 1)
    found = correlate(table, controls=["answer"], **QUICK)
    assert found.partial_r == Estimate(None)
    assert any("make up the outcome" in note for note in found.notes)


def test_unknown_predictors_are_left_out(examples: pa.Table) -> None:
    """Null and NaN count in the mean outcome, and in nothing else."""
    pmi = examples.column("pmi").to_pylist()
    pmi[:10] = [None] * 5 + [float("nan")] * 5
    found = correlate(with_column(examples, "pmi", pmi), **QUICK)
    rest = correlate(examples.slice(10), **QUICK)
    assert (found.n, found.unknown) == (576, 10)
    for name in ("r_binned", "r_unbinned", "spearman", "gap_5pct", "slope", "partial_r"):
        assert getattr(found, name) == getattr(rest, name)
    assert any(note.startswith("10 examples have no known pmi") for note in found.notes)


def test_ties_merge_bins(examples: pa.Table) -> None:
    """Fewer quantile bins than asked are a note; fewer than three have no r."""
    found = correlate(examples, predictor="length", **QUICK)
    assert found.n_bins <= 8 < found.n_bins_asked == 20
    assert any("ties merge bins" in note for note in found.notes)
    assert [r.n_bins for r in found.r_by_bins] == sorted({r.n_bins for r in found.r_by_bins})
    found = correlate(
        with_column(examples, "length", [i % 2 for i in range(576)]), predictor="length", **QUICK
    )
    assert found.r_binned == Estimate(None)
    assert any("r_binned is not given" in note for note in found.notes)


def test_bins_of_equal_width_can_be_empty(examples: pa.Table) -> None:
    """Those without examples are not in the table, and counted in a note."""
    pmi = np.array(examples.column("pmi").to_numpy())
    pmi[0] = 100.0
    found = correlate(with_column(examples, "pmi", pmi), bins="width", **QUICK)
    assert found.n_bins == len(found.bin_table) < 20
    assert any("hold no example" in note for note in found.notes)
    assert any("one cluster only" in note for note in found.notes)
    assert found.bin_table[-1].accuracy.low is None


def test_separation_is_a_gap_not_a_number() -> None:
    """Outcomes that PMI tells apart exactly have no slope, and no warning either."""
    pmi = np.linspace(-2, 2, 80)
    table = pa.table(
        {
            "example_id": [str(i) for i in range(80)],
            "outcome": (pmi > 0).astype(float),
            "pmi": pmi,
            "length": np.arange(80) % 7,
            "class": [str(i % 20) for i in range(80)],
        }
    )
    found = correlate(table, **QUICK)
    assert found.slope == found.slope_alone == Estimate(None)
    assert found.model.terms == ()
    assert sum("separation" in note for note in found.notes) == 2
    assert found.predictors[0].auc.value == 1.0
    json.dumps(found.to_json(), allow_nan=False)


def test_resampling_can_be_left_out(examples: pa.Table) -> None:
    """No bootstrap: no interval; no permutations: no p; both are said."""
    found = correlate(examples, n_bootstrap=0, n_permutations=0)
    assert found.r_unbinned.low is None
    assert found.slope.low is not None
    assert found.permutation_p is None
    assert {"No permutations, so no p."} < set(found.notes)
    assert any(note.startswith("No bootstrap") for note in found.notes)
    assert any("replicates are few" in note for note in correlate(examples, **QUICK).notes)


def test_two_clusters_have_no_bootstrap_interval(examples: pa.Table) -> None:
    """They are an answer still, with the gaps said."""
    table = with_column(examples, "class", [str(i % 2) for i in range(576)])
    found = correlate(table, cluster="class", **QUICK)
    assert found.r_unbinned.value is not None
    assert found.r_unbinned.low is None
    assert any("With two clusters" in note for note in found.notes)
    assert any("no more clusters than coefficients" in note for note in found.notes)


def test_independent_examples_must_be_asked_for(examples: pa.Table) -> None:
    """Without clusters there is an error that says how; asked for, each example is a cluster."""
    table = examples.drop_columns(["class", "pair"])
    with pytest.raises(ParameterError, match=r"columns: .*accessory.*--cluster none"):
        correlate(table, **QUICK)
    found = correlate(table, cluster=(), **QUICK)
    assert found.n_clusters == found.n_used == 520
    assert found.permutation_unit == "example"
    assert any("independent, as was asked" in note for note in found.notes)


def test_a_predictor_that_one_cluster_decides_has_no_p(examples: pa.Table) -> None:
    """Where it varies in one class only, nothing is known between classes."""
    first = pc.equal(examples.column("class"), "class 0").to_numpy()
    table = with_column(examples, "pmi", np.where(first, np.arange(576) % 5, 0.0))
    found = correlate(table, controls=(), **QUICK)
    assert found.permutation_p is None
    assert any("permutation_p is not given" in note for note in found.notes)
    assert any("slope without controls is not given" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"outcome": [2.0] * 576}, TableError, "576 outcomes are outside"),
        ({"outcome": [float("nan")] * 576}, TableError, "576 outcomes are outside"),
        ({"outcome": [None] * 576}, TableError, "576 nulls"),
        ({"outcome": [1.0] * 576}, StatisticsError, "the outcome is 1 for all"),
        ({"pmi": [1.5] * 576}, StatisticsError, "pmi is 1.5 wherever"),
        ({"pmi": [None] * 570 + [1.0] * 6}, StatisticsError, "6 of 576 .* expected 20 or more"),
        ({"pmi": [float("inf")] * 576}, TableError, "576 values of inf"),
        ({"pmi": ["high"] * 576}, TableError, "expected numbers"),
        ({"pmi": [[1.0]] * 576}, TableError, "expected numbers"),
        ({"class": ["one"] * 576}, StatisticsError, "of one class, expected two clusters"),
        ({"class": [None] + ["one"] * 575}, TableError, "'class' has 1 nulls"),
        ({"class": [1.5] * 576}, TableError, "strings or whole numbers"),
    ],
)
def test_data_that_cannot_be_used(
    examples: pa.Table,
    change: Mapping[str, Sequence[Any]],
    error: type[ConceptStatsError],
    message: str,
) -> None:
    """Each error says what was found and what was expected."""
    for name, values in change.items():
        examples = with_column(examples, name, values)
    with pytest.raises(error, match=message):
        correlate(examples, cluster="class", **QUICK)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"predictor": "npmi"}, TableError, "no column 'npmi' .*columns: pmi, log_n_key"),
        ({"predictor": "outcome"}, TableError, "no column 'outcome' of predictors"),
        ({"controls": ["pmi"]}, ParameterError, "cannot be its own control"),
        ({"controls": ["words"]}, TableError, "no column 'words'"),
        ({"cluster": "scene"}, TableError, "no column 'scene'"),
        ({"cluster": ["class", "pair", "accessory"]}, ParameterError, "3 cluster columns"),
        ({"n_bins": 2}, ParameterError, "expected 3 or more"),
        ({"bins": "equal"}, ParameterError, "expected quantile or width"),
        ({"n_bootstrap": -1}, ParameterError, "expected 0 or more"),
        ({"level": 95}, ParameterError, "between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_used(
    examples: pa.Table, settings: dict[str, Any], error: type[ConceptStatsError], message: str
) -> None:
    """Each error says what was given and what was expected."""
    with pytest.raises(error, match=message):
        correlate(examples, **settings)


def test_no_examples(examples: pa.Table) -> None:
    """An empty table is an error of its own."""
    with pytest.raises(StatisticsError, match="no examples"):
        correlate(examples.slice(0, 0))
