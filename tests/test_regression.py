"""The logistic model, its controls and the partial r, against statsmodels and pingouin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.api as sm
from scipy import stats

from conceptstats.eval.statistics.columns import Floats, Ints
from conceptstats.eval.statistics.regression import (
    choose_controls,
    cluster_moments,
    fit_logit,
    partial_r,
    partial_r_of_moments,
    tabulate,
    terms,
)


class Data(NamedTuple):
    """Examples of pairs in clusters."""

    pmi: Floats
    control: Floats
    outcome: Floats
    cluster: Ints
    other: Ints  # a second cluster column, across the first


def simulate(n_clusters: int, n: int, *, fractional: bool = False) -> Data:
    """Outcomes that go with PMI and with the control, and are alike within clusters."""
    rng = np.random.default_rng(n_clusters)
    cluster = np.sort(rng.integers(0, n_clusters, n))
    pmi = np.round(rng.normal(size=n), 1)
    control = np.round(rng.normal(size=n) + 0.5 * pmi + rng.normal(size=n_clusters)[cluster], 1)
    log_odds = 0.3 + 0.4 * pmi + 0.2 * control + 0.7 * rng.normal(size=n_clusters)[cluster]
    outcome = (rng.uniform(size=n) < 1 / (1 + np.exp(-log_odds))).astype(float)
    if fractional:
        outcome = np.clip(outcome + rng.choice([-0.4, 0.0, 0.4], n), 0, 1)
    return Data(pmi, control, outcome, cluster, rng.integers(0, 12, n))


def design(data: Data) -> Floats:
    """Columns of a model of PMI and control."""
    return sm.add_constant(np.column_stack([data.pmi, data.control]))


@pytest.mark.parametrize("fractional", [False, True])
def test_logit_is_that_of_statsmodels(fractional: bool) -> None:
    """Coefficients equal those of a GLM on the examples, whose clustered errors are near.

    With 300 clusters the corrections for few clusters hardly differ.
    """
    data = simulate(300, 6000, fractional=fractional)
    table = tabulate([data.pmi, data.control], data.outcome, [data.cluster])
    assert len(table.n) < 6000 == table.n.sum()
    found = terms(fit_logit(table), ["pmi", "control"], 0.95)
    expected = sm.GLM(data.outcome, design(data), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": data.cluster}
    )
    assert [term.name for term in found] == ["intercept", "pmi", "control"]
    np.testing.assert_allclose([t.coefficient for t in found], expected.params, rtol=1e-6)
    np.testing.assert_allclose([t.se for t in found], expected.bse, rtol=0.02)
    reach = stats.t.ppf(0.975, 299)
    for term in found:
        assert term.high - term.low == pytest.approx(2 * reach * term.se)
        assert term.p == pytest.approx(2 * stats.t.sf(abs(term.coefficient / term.se), 299))


def test_binary_logit_is_statsmodels_logit() -> None:
    """For outcomes of 0 and 1 it is the logistic regression that everyone knows."""
    data = simulate(25, 800)
    table = tabulate([data.pmi, data.control], data.outcome, [data.cluster])
    found = terms(fit_logit(table), ["pmi", "control"], 0.95)
    expected = sm.Logit(data.outcome, design(data)).fit(disp=False)
    np.testing.assert_allclose([t.coefficient for t in found], expected.params, rtol=1e-6)


def test_errors_are_those_of_a_jackknife_over_clusters() -> None:
    """One step in place of a refit without each cluster changes standard errors by at most 3%."""
    data = simulate(20, 2000)
    table = tabulate([data.pmi, data.control], data.outcome, [data.cluster])
    found = terms(fit_logit(table), ["pmi", "control"], 0.95)
    family, x = sm.families.Binomial(), design(data)
    full = sm.GLM(data.outcome, x, family=family).fit().params
    refits = np.array(
        [
            sm.GLM(data.outcome[kept], x[kept], family=family).fit().params
            for kept in (data.cluster != cluster for cluster in range(20))
        ]
    )
    expected = np.sqrt(19 / 20 * ((refits - full) ** 2).sum(axis=0))
    np.testing.assert_allclose([t.se for t in found], expected, rtol=0.03)


def test_two_cluster_columns_are_never_less_careful_than_one() -> None:
    """Each standard error is at least that of either column, with the fewer degrees of freedom."""
    data = simulate(30, 3000)
    columns = [data.pmi, data.control]

    def errors(*clusters: Ints) -> tuple[Floats, int]:
        table = tabulate(columns, data.outcome, clusters)
        fit = fit_logit(table)
        return np.array([t.se for t in terms(fit, ["pmi", "control"], 0.95)]), fit.df

    (one, _), (other, _) = errors(data.cluster), errors(data.other)
    both, df = errors(data.cluster, data.other)
    assert df == 11
    assert (both >= np.maximum(one, other) - 1e-12).all()
    assert (both <= np.sqrt(one**2 + other**2)).all()


def test_separated_outcomes_have_no_coefficients() -> None:
    """Where PMI tells right from wrong exactly, wholly or almost, there is no finite slope."""
    pmi = np.linspace(-2, 2, 60)
    cluster = np.arange(60) % 20
    outcome = (pmi > 0).astype(float)
    assert "separation" in str(fit_logit(tabulate([pmi], outcome, [cluster])).problem)
    pmi = np.round(pmi)  # right and wrong examples at one value only: quasi-separation
    outcome[pmi == 0] = np.arange((pmi == 0).sum()) % 2
    fit = fit_logit(tabulate([pmi], outcome, [cluster]))
    assert "separation" in str(fit.problem)
    assert terms(fit, ["pmi"], 0.95) == ()


def test_a_coefficient_of_one_cluster_is_not_given() -> None:
    """A control that varies in one cluster only has no standard error between clusters."""
    data = simulate(20, 400)
    control = np.where(data.cluster == 3, data.control, 0.0)
    fit = fit_logit(tabulate([data.pmi, control], data.outcome, [data.cluster]))
    assert "one cluster alone" in str(fit.problem)


def test_pair_count_is_dropped_beside_pmi_and_single_counts() -> None:
    """It is their sum exactly, which the reason says; the predictor is never dropped."""
    rng = np.random.default_rng(8)
    columns = {name: rng.normal(8, 1, 300) for name in ("log_n_key", "log_n_accessory", "length")}
    columns["log_n_pair"] = rng.normal(3, 1, 300)
    columns["pmi"] = columns["log_n_pair"] - columns["log_n_key"] - columns["log_n_accessory"] + 14
    controls = ["log_n_key", "log_n_accessory", "length", "log_n_pair"]
    kept = choose_controls("pmi", controls, columns)
    assert kept.names == ("log_n_key", "log_n_accessory", "length")
    assert [control.name for control in kept.dropped] == ["log_n_pair"]
    reason = kept.dropped[0].reason
    assert "pmi, log_n_key, log_n_accessory;" in reason
    assert "length" not in reason
    assert "the coefficient of pmi is also that of log_n_pair" in reason
    kept = choose_controls("log_n_pair", ["log_n_key", "pmi"], columns)
    assert kept.names == ("log_n_key", "pmi")


def test_a_constant_control_is_dropped() -> None:
    """It cannot explain anything, and says so."""
    columns = {"pmi": np.arange(30.0), "length": np.full(30, 7.0)}
    kept = choose_controls("pmi", ["length"], columns)
    assert kept.names == ()
    assert kept.dropped[0].reason == "it is the same for all examples"


def test_partial_r_is_that_of_pingouin() -> None:
    """The value by pingouin, by moments as the bootstrap has it, and by residuals agree."""
    data = simulate(20, 500, fractional=True)
    more = np.random.default_rng(9).normal(100, 3, 500)
    frame = pd.DataFrame({"a": data.pmi, "b": data.outcome, "c": data.control, "d": more})
    expected = pingouin.partial_corr(frame, x="a", y="b", covar=["c", "d"])["r"].iloc[0]
    assert partial_r(data.pmi, data.outcome, [data.control, more]) == pytest.approx(expected)
    moments = cluster_moments([data.pmi, data.outcome, data.control, more], data.cluster, 20)
    assert partial_r_of_moments(moments, np.ones(20)) == pytest.approx(expected)
    held = sm.add_constant(np.column_stack([data.control, more]))
    residuals = [sm.OLS(column, held).fit().resid for column in (data.pmi, data.outcome)]
    assert stats.pearsonr(*residuals)[0] == pytest.approx(expected)


def test_partial_r_of_replicates_without_it_is_nan() -> None:
    """A replicate in which a column does not vary, or controls coincide, has no partial r."""
    columns = [np.arange(20.0), np.arange(20.0) % 3, np.arange(20.0) % 5]
    moments = cluster_moments(columns, np.arange(20) // 5, 4)
    assert np.isnan(partial_r_of_moments(moments, np.zeros(4)))
    constant = cluster_moments(
        [*columns[:2], np.repeat([0.0, 1.0], [15, 5])], np.arange(20) // 5, 4
    )
    assert np.isnan(partial_r_of_moments(constant, np.array([2.0, 1.0, 1.0, 0.0])))
