from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats import pmi, reference
from conceptstats.errors import ParameterError

Table = tuple[int, int, int, int]  # n, n_a, n_b, n_ab


@st.composite
def pair_tables(draw: st.DrawFn, most: int = 10**7) -> Table:
    """Counts that captions can have: n_ab <= min(n_a, n_b), and no negative cell."""
    n = draw(st.integers(1, most))
    n_a, n_b = draw(st.integers(1, n)), draw(st.integers(1, n))
    return n, n_a, n_b, draw(st.integers(max(0, n_a + n_b - n), min(n_a, n_b)))


@given(pair_tables())
def test_scalars_are_those_of_the_reference(table: Table) -> None:
    """Every measure of a pair is what the plain definition gives."""
    n = table[0]
    assert pmi.pmi(*table) == pytest.approx(reference.pmi(*table), rel=1e-11, abs=1e-11)
    assert pmi.npmi(*table) == pytest.approx(reference.npmi(*table), abs=1e-6)
    assert pmi.llr(*table) == pytest.approx(reference.llr(*table), rel=1e-9, abs=1e-13 * n + 1e-9)


@given(st.lists(pair_tables(), min_size=1, max_size=20))
def test_arrays_are_their_scalars(drawn: list[Table]) -> None:
    """An array of pairs has the values of each pair."""
    columns = np.array(drawn).T
    for measure in (pmi.pmi, pmi.npmi, pmi.llr, pmi.pmi_interval):
        single = np.array([measure(*table) for table in drawn]).T
        np.testing.assert_allclose(measure(*columns), single, rtol=1e-12, atol=1e-8)


@given(pair_tables(), st.just(0.0) | st.floats(1e-9, 100), st.integers(1, 20_000))
def test_smoothing_is_that_of_the_reference(table: Table, alpha: float, n_concepts: int) -> None:
    """Alpha is added to each cell of the table of pairs, in both implementations."""
    smoothed = pmi.pmi(*table, alpha=alpha, n_concepts=n_concepts)
    expected = reference.pmi(*table, alpha, n_concepts)
    assert smoothed == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**8))
def test_paper_pmi_is_that_of_the_reference(f_a: int, f_b: int, f_ab: int) -> None:
    """The published code's value, from the marginals of the pair table."""
    expected = reference.paper_pmi(f_a, f_b, f_ab)
    assert pmi.paper_pmi(f_a, f_b, f_ab) == pytest.approx(expected, rel=1e-12)


@given(pair_tables())
def test_measures_are_symmetric(table: Table) -> None:
    """Exchanging the concepts changes nothing."""
    n, n_a, n_b, n_ab = table
    assert pmi.pmi(n, n_a, n_b, n_ab) == pmi.pmi(n, n_b, n_a, n_ab)
    assert pmi.npmi(n, n_a, n_b, n_ab) == pmi.npmi(n, n_b, n_a, n_ab)
    assert pmi.llr(n, n_a, n_b, n_ab) == pytest.approx(pmi.llr(n, n_b, n_a, n_ab), abs=1e-13 * n)
    assert pmi.paper_pmi(n_a, n_b, n_ab) == pmi.paper_pmi(n_b, n_a, n_ab)


@given(pair_tables())
def test_a_corpus_written_twice_has_the_same_pmi(table: Table) -> None:
    """PMI and NPMI depend on shares alone; the log-likelihood ratio doubles."""
    n = table[0]
    doubled = tuple(2 * count for count in table)
    assert pmi.pmi(*doubled) == pytest.approx(pmi.pmi(*table), rel=1e-11, abs=1e-11)
    assert pmi.npmi(*doubled) == pytest.approx(pmi.npmi(*table), abs=1e-6)
    assert pmi.llr(*doubled) == pytest.approx(2 * pmi.llr(*table), rel=1e-9, abs=1e-12 * n + 1e-9)


@given(pair_tables())
def test_ranges(table: Table) -> None:
    """NPMI is in [-1, 1], and the log-likelihood ratio is not negative."""
    assert -1 <= pmi.npmi(*table) <= 1
    assert pmi.llr(*table) >= 0


def test_a_pair_by_hand() -> None:
    """10 captions, dog in 4, frisbee in 5, both in 3: 3 * 10 / (4 * 5) = 1.5, p(a,b) = 0.3.

    The 2 x 2 table is 3 1 / 2 4: G^2 = 2 (3 ln 1.5 + 1 ln 0.5 + 2 ln 2/3 + 4 ln 4/3) = 1.7261.
    """
    assert pmi.pmi(10, 4, 5, 3) == pytest.approx(math.log(1.5))
    assert pmi.npmi(10, 4, 5, 3) == pytest.approx(math.log(1.5) / -math.log(0.3))
    by_hand = 3 * math.log(1.5) + math.log(0.5) + 2 * math.log(2 / 3) + 4 * math.log(4 / 3)
    assert pmi.llr(10, 4, 5, 3) == pytest.approx(2 * by_hand)


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ((10, 4, 5, 0), -1.0),  # never together
        ((10, 4, 4, 4), 1.0),  # only together
        ((10, 10, 10, 10), 1.0),  # every caption has both
        ((10, 4, 5, 2), 0.0),  # independent
        ((10, 10, 4, 4), 0.0),  # one is everywhere
    ],
)
def test_npmi_at_its_edges(table: Table, value: float) -> None:
    """-1 never together, 0 independent, 1 only together."""
    assert pmi.npmi(*table) == pytest.approx(value, abs=1e-15)
    assert reference.npmi(*table) == pytest.approx(value, abs=1e-15)


def test_pmi_without_counts() -> None:
    """-inf for a pair that was never seen, nan for a concept that was never seen."""
    assert pmi.pmi(10, 4, 5, 0) == -math.inf == reference.pmi(10, 4, 5, 0)
    assert math.isnan(pmi.pmi(10, 0, 5, 0))
    values = pmi.pmi(10, [4, 0, 4], [5, 5, 0], [2, 0, 0])
    assert values[0] == pytest.approx(0) and np.isnan(values[1:]).all()


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.data())
def test_llr_is_zero_for_independent_concepts(p: int, q: int, m: int, data: st.DataObject) -> None:
    """Shares i/p and j/q that multiply exactly: n = pqm, n_a = iqm, n_b = jpm, n_ab = ijm."""
    i, j = data.draw(st.integers(1, p)), data.draw(st.integers(1, q))
    table = (p * q * m, i * q * m, j * p * m, i * j * m)
    assert pmi.llr(*table) == pytest.approx(0, abs=1e-13 * table[0] + 1e-12)
    assert pmi.pmi(*table) == pytest.approx(0, abs=1e-12)


@given(pair_tables(), st.floats(0.5, 0.999))
def test_the_interval_holds_the_value(table: Table, level: float) -> None:
    """It is finite above, also for a pair that was never seen, and -inf below only there."""
    low, high = pmi.pmi_interval(*table, level=level)
    assert low <= pmi.pmi(*table) <= high
    assert math.isfinite(high)
    assert (low == -math.inf) == (table[3] == 0)


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)]
)
def test_garwood_interval(count: int, low: float, high: float) -> None:
    """The published 95% limits of a Poisson mean."""
    interval = pmi.poisson_interval(count)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_covers_at_least_its_level(level: float) -> None:
    """For any mean, the counts whose interval holds it have at least that probability."""
    counts = np.arange(200)
    low, high = pmi.poisson_interval(counts, level=level)
    log_factorials = np.cumsum(np.log(np.maximum(counts, 1)))
    for mean in np.linspace(0.05, 40, 150):
        probabilities = np.exp(counts * np.log(mean) - mean - log_factorials)
        assert probabilities[(low <= mean) & (mean <= high)].sum() >= level


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 95.0])
def test_a_level_is_between_0_and_1(level: float) -> None:
    """95 is not 95%."""
    with pytest.raises(ParameterError, match=r"expected a number between 0 and 1"):
        pmi.pmi_interval(10, 4, 5, 2, level=level)


def test_smoothing_by_hand() -> None:
    """(2 + 1/2) (10 + 9/2) / ((4 + 3/2) (5 + 3/2)) with alpha 1/2 and three concepts."""
    value = pmi.pmi(10, 4, 5, 2, alpha=0.5, n_concepts=3)
    assert value == pytest.approx(math.log(2.5 * 14.5 / (5.5 * 6.5)))


def test_much_smoothing_makes_everything_independent() -> None:
    """Singles and pairs are smoothed alike, so PMI goes to 0 and not to a constant."""
    value = pmi.pmi(10, [4, 4, 0], [5, 5, 5], [0, 4, 0], alpha=1e9, n_concepts=100)
    assert value == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("alpha", "n_concepts"), [(-0.1, 10), (0.1, 0)])
def test_smoothing_needs_its_parameters(alpha: float, n_concepts: int) -> None:
    """Alpha is not negative, and comes with the size of the vocabulary."""
    with pytest.raises(ParameterError, match="expected alpha >= 0, and V with it"):
        pmi.pmi(10, 4, 5, 2, alpha=alpha, n_concepts=n_concepts)


def test_paper_pmi_of_what_was_never_seen() -> None:
    """ln(1 / 1000^2) = -13.82 for two unseen words: above a strong pair of common ones."""
    unseen = pmi.paper_pmi(0, 0, 0)
    assert unseen == pytest.approx(-13.8155, abs=1e-4)
    assert pmi.paper_pmi(1_000_000, 1_000_000, 500_000) < unseen


def test_paper_pmi_orders_pairs() -> None:
    """It grows with the pair's count and falls with the singles' counts."""
    assert (np.diff(pmi.paper_pmi(5000, 7000, np.arange(100))) > 0).all()
    assert (np.diff(pmi.paper_pmi(np.arange(100), 7000, 5)) < 0).all()
