"""Intervals of `conceptstats eval correlate` hold the truth as often as they say: simulated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from scipy.stats import norm

from conceptstats.eval.statistics.adjusted import adjust
from conceptstats.eval.statistics.columns import Floats, read_examples
from conceptstats.eval.statistics.correlate import correlate
from conceptstats.eval.statistics.estimates import Settings, estimate, use
from conceptstats.eval.statistics.resampling import mean_estimate

N_CLASSES, N_PAIRS, N_IMAGES = 24, 30, 5
INTERCEPT, PMI, LOG_N_KEY = 0.4, 0.3, 0.2  # of the log-odds, averaged over classes
SPREAD = np.sqrt(0.3**2 + 0.6**2 + 1.2**2)  # of PMI: by key, class and pair
BRIDGE = 0.8  # its random intercept has a standard deviation of 1.36


class Truth(NamedTuple):
    """What intervals should hold."""

    mean: float
    r: float
    gap: float
    slope: float


def random_intercepts(rng: np.random.Generator) -> Floats:
    """Intercepts of classes after which the average over classes is again logistic.

    The bridge distribution (Wang & Louis, Biometrika 90, 2003): log-odds b + k in a class are
    log-odds BRIDGE * k over classes. So the true coefficients of the model are known.
    """
    u = rng.uniform(size=N_CLASSES) * BRIDGE * np.pi
    return np.log(np.sin(u) / np.sin(BRIDGE * np.pi - u)) / BRIDGE


def simulate(rng: np.random.Generator, slope: float = PMI) -> pa.Table:
    """Examples of pairs of 24 classes, which differ in accuracy and in their mean PMI."""
    classes = np.repeat(np.arange(N_CLASSES), N_PAIRS)
    log_n_key = rng.normal(size=N_CLASSES)[classes]
    by_class = rng.normal(0, 0.6, N_CLASSES)[classes]
    pmi = -0.3 * log_n_key + by_class + rng.normal(0, 1.2, len(classes))
    average = INTERCEPT + slope * pmi + (LOG_N_KEY * log_n_key if slope else 0)
    chance = expit(random_intercepts(rng)[classes] + average / BRIDGE)
    pair = np.repeat(np.arange(len(classes)), N_IMAGES)
    return pa.table(
        {
            "example_id": [str(i) for i in range(len(pair))],
            "outcome": (rng.uniform(size=len(pair)) < chance[pair]).astype(float),
            "pmi": pmi[pair],
            "log_n_key": log_n_key[pair],
            "class": classes[pair],
            "pair": pair,
        }
    )


def truth() -> Truth:
    """Mean, r and gap by numeric integration over the normal distribution of PMI."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights /= weights.sum()
    # log_n_key given PMI is normal, with these moments.
    regression, rest = -0.3 / SPREAD**2, np.sqrt(1 - (0.3 / SPREAD) ** 2)

    def accuracy(pmi: Floats) -> Floats:
        log_n_key = regression * pmi[:, None] + rest * nodes
        return np.asarray(expit(INTERCEPT + PMI * pmi[:, None] + LOG_N_KEY * log_n_key) @ weights)

    here = accuracy(SPREAD * nodes)
    mean = float(weights @ here)
    r = float(weights @ (nodes * here)) / np.sqrt(mean * (1 - mean))
    shares = (np.arange(2000) + 0.5) / 2000 * 0.05
    gap = (accuracy(SPREAD * norm.ppf(1 - shares)) - accuracy(SPREAD * norm.ppf(shares))).mean()
    return Truth(mean, float(r), float(gap), PMI)


def test_intervals_cover_the_truth() -> None:
    """Of 500 data sets, 92% to 98% of the 95% intervals hold mean, r, gap and slope."""
    rng, true = np.random.default_rng(0), truth()
    covered = np.zeros(4)
    for seed in range(500):
        settings = Settings(5, "quantile", 200, 0, seed, 0.95)
        data = read_examples(simulate(rng), "pmi", cluster="class")
        used = use(data, "pmi")
        figures = estimate(used, settings)
        mean = mean_estimate(data.outcome, used.cluster, settings.level)
        slope = adjust(data, used, settings.level).slope
        for k, found in enumerate((mean, figures.r_unbinned, figures.gap_5pct, slope)):
            assert found.low is not None
            assert found.high is not None
            covered[k] += found.low <= true[k] <= found.high
    assert (covered / 500 >= 0.92).all(), covered / 500
    assert (covered / 500 <= 0.98).all(), covered / 500


@pytest.mark.parametrize(("start", "by_class", "spread"), [(-3.0, 1.0, 2.0), (0.5, 0.5, 0.5)])
def test_intervals_cover_means_of_probabilities(
    start: float, by_class: float, spread: float
) -> None:
    """Of 500 data sets of 24 classes, 92% to 98% of the 95% intervals hold the mean.

    Log-odds are normal; the mean is by numeric integration.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    true = expit(start + np.hypot(by_class, spread) * nodes) @ weights / weights.sum()
    rng, cluster = np.random.default_rng(2), np.repeat(np.arange(N_CLASSES), N_IMAGES)
    covered = 0
    for _ in range(500):
        own = start + spread * rng.normal(size=len(cluster))
        found = mean_estimate(expit(own + by_class * rng.normal(size=24)[cluster]), cluster, 0.95)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true <= found.high
    assert 0.92 <= covered / 500 <= 0.98


def test_permutations_do_not_find_what_is_not_there() -> None:
    """Without an effect, but with classes that differ, p < 0.05 in at most 8% of 300 data sets."""
    rng = np.random.default_rng(1)
    n_found = 0
    for seed in range(300):
        found = correlate(
            simulate(rng, slope=0.0), cluster="class", n_bootstrap=0, n_permutations=99, seed=seed
        )
        assert found.permutation_p is not None
        n_found += found.permutation_p <= 0.05
    assert n_found <= 0.08 * 300
