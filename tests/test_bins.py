"""Bins of a predictor and what goes with it, against independent computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from conceptstats.eval.statistics.associations import (
    Sample,
    auc,
    finite_sums,
    gap,
    rank_r,
    tails,
    unbinned_r,
    weigh,
)
from conceptstats.eval.statistics.bins import BinKind, bin_starts, bin_sums, r_of_means
from conceptstats.eval.statistics.columns import Floats

PREDICTORS = arrays(float, 40, elements=st.integers(-8, 8).map(float))  # so many ties
OUTCOMES = arrays(float, 40, elements=st.sampled_from([0.0, 0.5, 1.0]))


def sample(predictor: Floats, outcome: Floats) -> Sample:
    """A sample in which every example is a cluster of its own."""
    return Sample.of(predictor, outcome, np.arange(len(outcome)))


def r_in_bins(predictor: Floats, outcome: Floats, n_bins: int, kind: BinKind = "quantile") -> float:
    """Binned r of examples."""
    counted = sample(predictor, outcome)
    values, sums = finite_sums(counted, weigh(counted, np.ones(counted.n_clusters)))
    return r_of_means(bin_sums(sums, bin_starts(values, sums.n, n_bins, kind)))


def by_pandas(predictor: Floats, outcome: Floats, edges: Floats, *, right: bool) -> float:
    """The same with `pandas.cut` and `scipy.stats.pearsonr`."""
    inside = pd.cut(predictor, np.unique(edges), right=right, labels=False, include_lowest=True)
    means = pd.DataFrame({"x": predictor, "y": outcome}).groupby(inside).mean()
    return float(stats.pearsonr(means["x"], means["y"])[0])


@pytest.fixture
def noisy() -> tuple[Floats, Floats]:
    """A predictor without ties, and outcomes that rise with it."""
    rng = np.random.default_rng(3)
    predictor = rng.normal(size=1003)
    return predictor, (rng.uniform(size=1003) < 0.5 + 0.1 * predictor).astype(float)


@pytest.fixture
def tied() -> tuple[Floats, Floats]:
    """A predictor of eleven values, and fractional outcomes."""
    rng = np.random.default_rng(4)
    return rng.binomial(10, 0.3, 997).astype(float), rng.choice([0.0, 0.3, 0.6, 1.0], 997)


@pytest.mark.parametrize("n_bins", [3, 7, 20, 100])
def test_quantile_bins_are_those_of_numpy(noisy: tuple[Floats, Floats], n_bins: int) -> None:
    """Edges are numpy's inverted_cdf quantiles, and r is scipy's over the means between them."""
    predictor, outcome = noisy
    edges = np.quantile(predictor, np.linspace(0, 1, n_bins + 1), method="inverted_cdf")
    edges[0] = -np.inf
    expected = by_pandas(predictor, outcome, edges, right=True)
    assert r_in_bins(predictor, outcome, n_bins) == pytest.approx(expected, abs=1e-12)


def test_quantile_bins_keep_ties_together(tied: tuple[Floats, Floats]) -> None:
    """Equal predictors share a bin; edges that fall together make fewer bins."""
    predictor, outcome = tied
    edges = np.quantile(predictor, np.linspace(0, 1, 21), method="inverted_cdf")
    edges[0] = -np.inf
    expected = by_pandas(predictor, outcome, edges, right=True)
    assert r_in_bins(predictor, outcome, 20) == pytest.approx(expected, abs=1e-12)
    values, n = np.unique(predictor, return_counts=True)
    starts = bin_starts(values, n.astype(float), 20, "quantile")
    assert len(starts) == len(np.unique(edges)) - 1 < 11


def test_bins_of_equal_width_are_those_of_numpy(noisy: tuple[Floats, Floats]) -> None:
    """Edges are equally spaced; bins without examples do not count."""
    predictor, outcome = noisy
    predictor[0] = 30.0  # leaves empty bins below it
    edges = np.linspace(predictor.min(), predictor.max(), 21)
    edges[-1] = np.inf
    expected = by_pandas(predictor, outcome, edges, right=False)
    assert r_in_bins(predictor, outcome, 20, "width") == pytest.approx(expected, abs=1e-12)


def test_two_bins_have_no_r() -> None:
    """Of two means r is always 1 or -1, so it is not given."""
    predictor = np.repeat([0.0, 1.0], 20)
    assert np.isnan(r_in_bins(predictor, np.tile([0.0, 1.0], 20), 20))


def test_unweighted_figures_are_those_of_scipy(tied: tuple[Floats, Floats]) -> None:
    """Pearson's r, Spearman's r and AUC of fixed data with ties."""
    predictor, outcome = tied
    counted = sample(predictor, outcome)
    weighted = weigh(counted, np.ones(counted.n_clusters))
    assert unbinned_r(counted, weighted) == pytest.approx(stats.pearsonr(predictor, outcome)[0])
    assert rank_r(counted, weighted) == pytest.approx(stats.spearmanr(predictor, outcome)[0])
    right = outcome == 1.0
    counted = sample(predictor, right.astype(float))
    expected = stats.mannwhitneyu(predictor[right], predictor[~right]).statistic
    found = auc(weigh(counted, np.ones(counted.n_clusters)))
    assert found == pytest.approx(expected / (right.sum() * (~right).sum()))


def test_weights_are_repetitions(tied: tuple[Floats, Floats]) -> None:
    """A cluster of weight 2 counts as if its examples were there twice, one of weight 0 not."""
    predictor, outcome = tied
    weights = np.random.default_rng(5).integers(0, 4, len(outcome))
    counted = sample(predictor, outcome)
    weighted = weigh(counted, weights.astype(float))
    repeated = sample(np.repeat(predictor, weights), np.repeat(outcome, weights))
    plain = weigh(repeated, np.ones(repeated.n_clusters))
    assert unbinned_r(counted, weighted) == pytest.approx(unbinned_r(repeated, plain))
    assert rank_r(counted, weighted) == pytest.approx(rank_r(repeated, plain))
    assert gap(weighted) == pytest.approx(gap(plain))
    for n_bins in (5, 20):
        for kind in ("quantile", "width"):
            values, sums = finite_sums(counted, weighted)
            found = r_of_means(bin_sums(sums, bin_starts(values, sums.n, n_bins, kind)))
            expected = r_in_bins(
                np.repeat(predictor, weights), np.repeat(outcome, weights), n_bins, kind
            )
            assert found == pytest.approx(expected, abs=1e-12)


def test_never_seen_ranks_lowest() -> None:
    """A predictor of -inf has a rank and a place in the gap, and none in r or bins."""
    rng = np.random.default_rng(6)
    predictor, outcome = rng.normal(size=200), rng.choice([0.0, 1.0], 200)
    predictor[:40] = -np.inf
    counted = sample(predictor, outcome)
    weighted = weigh(counted, np.ones(200))
    expected = stats.spearmanr(stats.rankdata(predictor), outcome)[0]
    assert rank_r(counted, weighted) == pytest.approx(expected)
    expected = stats.pearsonr(predictor[40:], outcome[40:])[0]
    assert unbinned_r(counted, weighted) == pytest.approx(expected)
    top = outcome[np.argsort(predictor)[-10:]].mean()
    assert gap(weighted) == pytest.approx(top - outcome[:40].mean())


@given(PREDICTORS, OUTCOMES)
def test_figures_do_not_depend_on_units_order_or_size(predictor: Floats, outcome: Floats) -> None:
    """Other units, another order, or all examples twice: the same figures; r within [-1, 1]."""
    changed = (
        (3 * predictor - 7, outcome),
        (predictor[::-1], outcome[::-1]),
        (np.repeat(predictor, 2), np.repeat(outcome, 2)),
    )
    first = figures(predictor, outcome)
    for other in changed:
        np.testing.assert_allclose(figures(*other), first, atol=1e-9)
    assert (np.abs(first[np.isfinite(first)]) <= 1).all()


@given(PREDICTORS, OUTCOMES)
def test_figures_turn_with_their_predictor(predictor: Floats, outcome: Floats) -> None:
    """With the predictor negated r, rank r and gap change sign, and AUC turns about a half."""
    there, back = figures(predictor, outcome)[1:], figures(-predictor, outcome)[1:]
    np.testing.assert_allclose(back[:3], -there[:3], atol=1e-9)
    np.testing.assert_allclose(back[3], 1 - there[3], atol=1e-9)


def figures(predictor: Floats, outcome: Floats) -> Floats:
    """Binned r, r, rank r, gap and AUC."""
    counted = sample(predictor, outcome)
    weighted = weigh(counted, np.ones(counted.n_clusters))
    return np.array(
        [
            r_in_bins(predictor, outcome, 8),
            unbinned_r(counted, weighted),
            rank_r(counted, weighted),
            gap(weighted),
            auc(weighted),
        ]
    )


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_tails_are_five_percent(counts: list[int]) -> None:
    """Whatever the ties, each tail sums to 5% of examples and takes no more than there are."""
    n = np.array(counts, float)
    for tail in tails(n):
        assert tail.sum() == pytest.approx(0.05 * n.sum())
        assert ((tail >= 0) & (tail <= n)).all()
