from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from index_files import write_captions
from scipy.optimize import minimize_scalar
from scipy.special import zeta

from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, StatisticsError, TableError
from conceptstats.eval.frequency.long_tail import long_tail, long_tail_file
from conceptstats.eval.frequency.long_tail_results import LongTail, Tail
from conceptstats.eval.frequency.power_law import (
    compare_lognormal,
    fit_power_law,
    log_lognormal,
    lower_cuts,
    tail_sum,
)
from conceptstats.index import build_index
from conceptstats.table_files import save_table
from conceptstats.tables import COUNTS


def counts(n: Any, dataset: str = "d", **columns: str) -> pa.Table:
    """A table of counts, of concepts c0, c1, ..."""
    n = np.asarray(n, np.int64)
    size = len(n)
    table = {
        "dataset": [dataset] * size,
        "concept": [f"c{k}" for k in range(size)],
        "n_captions": n,
    }
    return pa.table(table | {name: [value] * size for name, value in columns.items()})


def described(n: Any, **options: Any) -> Tail:
    """The tail of one data set."""
    options = {"n_bootstrap": 0} | options
    (tail,) = long_tail(pa.table(counts(n)), **options).tails
    return tail


def fitted(x: Any) -> Any:
    """The power law of counts, with every lower cut tried."""
    values, weights = np.unique(np.asarray(x, np.float64), return_counts=True)
    weights = weights.astype(np.float64)
    return fit_power_law(values, weights, lower_cuts(values, weights)), values, weights


def test_a_worked_example() -> None:
    """Ten concepts, worked by hand.

    Counts 0, 0, 1, 2, 3, 4, 10, 80, 400, 500 sum to 1,000. Under 1: 2 of 10; under 10: 6 of 10;
    under 100: 8 of 10; under 1,000: all. The top 1% and the top 10% are one concept: 0.5 of all.
    Gini: sum of i * x_i over rising ranks i is 1*0 + 2*0 + 3*1 + 4*2 + 5*3 + 6*4 + 7*10 + 8*80 +
    9*400 + 10*500 = 9,360; 2 * 9,360 / (10 * 1,000) - 11 / 10 = 0.772.
    """
    tail = described([0, 0, 1, 2, 3, 4, 10, 80, 400, 500])
    assert [(row.below, row.n, row.share.value) for row in tail.under] == [
        (1, 2, 0.2), (10, 6, 0.6), (100, 8, 0.8), (1_000, 10, 1.0), (10_000, 10, 1.0),
    ]  # fmt: skip
    assert [(row.n, row.share.value) for row in tail.top] == [(1, 0.5), (1, 0.5)]
    assert tail.gini.value == pytest.approx(0.772)
    assert (tail.total, tail.greatest, tail.n_concepts) == (1000, 500, 10)
    assert tail.zipf is None
    assert "No power law is fitted: of 8 concepts" in tail.notes[0]
    # Wilson, 2 of 10 at z = 1.95996: (0.2 + z2/20 -+ z sqrt(0.016 + z2/400)) / (1 + z2/10).
    assert tail.under[0].share.low == pytest.approx(0.05668, abs=1e-5)
    assert tail.under[0].share.high == pytest.approx(0.50984, abs=1e-5)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.integers(1, 50))
def test_shares_do_not_depend_on_scale_or_order(values: list[int], factor: int) -> None:
    """Gini and top shares of counts and of their multiples are equal, in [0, 1], in any order."""
    one, other = described(values), described([factor * x for x in reversed(values)])
    assert other.gini.value == pytest.approx(one.gini.value, abs=1e-9)
    for a, b in zip(one.top, other.top, strict=True):
        assert b.share.value == pytest.approx(a.share.value)
    if any(values):
        assert 0 <= (one.gini.value or 0) + 1e-12 <= 1
    else:
        assert one.gini.value is None


def test_zeta_far_up() -> None:
    """The series is the Hurwitz zeta function to 1e-8, on both sides of where it takes over."""
    alpha, start = np.meshgrid([1.05, 1.5, 2.5, 6.0], [1, 2, 19, 20, 21, 1e3, 1e7])
    assert tail_sum(alpha, start) == pytest.approx(zeta(alpha, start), rel=1e-8)


@pytest.mark.parametrize(("alpha", "seed"), [(1.7, 0), (2.0, 1), (2.5, 2)])
def test_the_exponent_is_that_of_greatest_likelihood(alpha: float, seed: int) -> None:
    """At the chosen cut no other exponent is likelier, as a search over scipy's zeta finds."""
    fit, values, weights = fitted(np.random.default_rng(seed).zipf(alpha, 3000))
    tail = values >= fit.x_min
    mean = float(weights[tail] @ np.log(values[tail]) / weights[tail].sum())
    found = minimize_scalar(
        lambda a: a * mean + math.log(zeta(a, fit.x_min)), bounds=(1.1, 6), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert fit.alpha == pytest.approx(found.x, abs=1e-5)
    assert fit.alpha == pytest.approx(alpha, abs=0.1)


def test_the_cut_is_the_closest() -> None:
    """Distances of a few cuts, counted out over every whole number, are no smaller."""
    rng = np.random.default_rng(3)
    fit, values, weights = fitted(np.concatenate([rng.integers(1, 8, 500), 7 + rng.zipf(2.2, 500)]))
    x = np.repeat(values, weights.astype(int))

    def distance(alpha: float, x_min: float) -> float:
        tail = x[x >= x_min]
        whole = np.arange(x_min, min(tail.max(), 200_000) + 1)
        observed = 1 - np.searchsorted(np.sort(tail), whole, side="right") / len(tail)
        law = zeta(alpha, whole + 1) / zeta(alpha, x_min)
        return float(np.abs(observed - law).max())

    assert fit.distance == pytest.approx(distance(fit.alpha, fit.x_min), abs=1e-6)
    for x_min in (1.0, 3.0, 9.0):
        single = fit_power_law(values, weights, np.array([x_min]))
        assert single.distance == pytest.approx(distance(single.alpha, x_min), abs=1e-6)
        assert single.distance >= fit.distance


def test_intervals_hold_a_known_exponent() -> None:
    """Of 40 samples of Zipf's law, the 95% interval holds the exponent in 34 at least.

    At the nominal level fewer have a chance of 0.3%. The measured coverage over 300 samples stands
    in `long_tail`.
    """
    held = 0
    for seed in range(40):
        x = np.random.default_rng(seed).zipf(2.2, 400)
        zipf = described(np.minimum(x, 2**50), n_bootstrap=100, seed=seed).zipf
        assert zipf is not None
        assert zipf.alpha.low is not None
        assert zipf.alpha.high is not None
        held += zipf.alpha.low <= 2.2 <= zipf.alpha.high
    assert held >= 34


def test_rank_exponents() -> None:
    """Counts that fall as rank**-0.8 give that exponent, by likelihood and by regression."""
    n = np.round(1e9 * (np.arange(1, 3001) - 0.5) ** -0.8)
    zipf = described(n).zipf
    assert zipf is not None
    assert zipf.rank_exponent.value == pytest.approx(0.8, abs=0.02)
    assert zipf.rank_regression.value == pytest.approx(0.8, abs=0.005)
    assert zipf.rank_exponent.value == pytest.approx(1 / (zipf.alpha.value - 1))


def test_a_lognormal_is_told_from_a_power_law() -> None:
    """Vuong's test finds a log-normal, over its whole range, and not in a power law."""
    rng = np.random.default_rng(5)
    for x, expected in (
        (np.ceil(np.exp(rng.normal(3, 1, 5000))), "log-normal"),
        (rng.zipf(2.0, 5000), "power law"),
    ):
        values, weights = np.unique(x.astype(float), return_counts=True)
        weights = weights.astype(float)
        fit = fit_power_law(values, weights, values[:1])  # everything is the tail
        versus = compare_lognormal(values, weights, fit)
        assert (versus.log_ratio > 0) == (expected == "power law")
        assert versus.p < 0.01 or expected == "power law"
    assert described(np.exp(rng.normal(9, 2, 500))).zipf is not None


def test_great_counts_are_compared_too() -> None:
    """Where whole numbers lie closer than floats, the log-normal is still a number, and fits."""
    rng = np.random.default_rng(7)
    x = np.round(np.exp(rng.normal(34, 2, 400)))
    fit, values, weights = fitted(x)
    versus = compare_lognormal(values, weights, fit)
    assert math.isfinite(versus.z)
    # Both ways to the chance of a whole number meet where one takes over.
    law = log_lognormal(np.array([999_999.0, 1_000_000.0, 1_000_001.0]), 10.0, 9.0, 0.7)
    assert law[2] - law[1] == pytest.approx(law[1] - law[0], abs=1e-8)


def test_many_cuts_are_thinned() -> None:
    """A bootstrap tries some cuts, spread over the logarithm of the tail's size."""
    values, weights = np.arange(1.0, 5001.0), np.ones(5000)
    few = lower_cuts(values, weights, 20)
    assert len(few) == 20
    assert set(few) <= set(lower_cuts(values, weights))
    assert (few[0], few[-1]) == (1.0, 4951.0)
    assert list(few) == sorted(few)


def test_data_sets_and_pooled() -> None:
    """Each pretraining and search has its data sets, and pools them with each name once."""
    a = counts([5, 0, 7], "a", pretraining="x", search="text")
    b = pa.table(counts([5, 3], "b", pretraining="x", search="text"))
    b = b.set_column(1, "concept", pa.array(["C0 ", "c_1"]))
    c = counts([1], "a", pretraining="y", search="text")
    found = long_tail(pa.concat_tables([a, b, c]), n_bootstrap=0)
    assert [(t.pretraining, t.dataset, t.n_concepts) for t in found.tails] == [
        ("x", "a", 3), ("x", "b", 2), ("x", "pooled", 4), ("y", "a", 1),
    ]  # fmt: skip
    pooled = found.tails[2]
    # C0 is c0; "c_1" is "c 1" and so not c1.
    assert (pooled.n_rows, pooled.n_repeated, pooled.n_disagreeing, pooled.total) == (5, 1, 0, 15)


def test_counts_that_disagree() -> None:
    """Of spellings with different counts the largest is taken, and the others are counted."""
    table = pa.table(
        {"dataset": ["d"] * 3, "concept": ["Dunlin", "dunlin", "elk"], "n_captions": [2, 9, 1]}
    )
    (tail,) = long_tail(table, n_bootstrap=0).tails
    assert (tail.n_concepts, tail.n_repeated, tail.n_disagreeing, tail.total) == (2, 1, 1, 10)


def test_equal_seeds_make_equal_results() -> None:
    """Another seed moves the intervals, and nothing else."""
    x = np.random.default_rng(0).zipf(2.0, 300)
    one, again, other = (described(x, n_bootstrap=30, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.gini.value == other.gini.value
    assert one.gini != other.gini


@pytest.mark.parametrize("options", [{"n_bootstrap": -1}, {"level": 1.0}, {"seed": -1}])
def test_settings_outside_their_range(options: dict[str, Any]) -> None:
    """They are refused."""
    with pytest.raises(ParameterError):
        long_tail(counts([1, 2]), **options)


def test_an_index(tmp_path: Path) -> None:
    """The vocabulary of an index is described as a data set of its own."""
    source = write_captions(tmp_path / "captions.parquet", ["dog park", "dog", "cat dog"])
    build_index([source], tmp_path / "IDX")
    found = long_tail_file([tmp_path / "IDX"], None, n_bootstrap=0)
    (tail,) = found.tails
    assert (tail.dataset, tail.n_concepts, tail.total, tail.greatest) == ("vocabulary", 3, 5, 3)
    assert tail.pretraining == "IDX"
    assert any("none of its concepts has count 0" in note for note in found.notes)
    assert not any("was cut" in note for note in found.notes)


def test_a_cut_vocabulary_is_said(tmp_path: Path) -> None:
    """The rare concepts are not there, which makes shares under n too low."""
    source = write_captions(tmp_path / "captions.parquet", ["dog park", "dog", "cat dog"])
    build_index([source], tmp_path / "CUT", max_concepts=1)
    found = long_tail_file([tmp_path / "CUT"], None, n_bootstrap=0)
    assert any(note.startswith("The vocabulary of CUT was cut") for note in found.notes)


def test_sources_are_never_put_together_unasked(tmp_path: Path) -> None:
    """Two indexes of one name, or a table that is given twice, are not one data set."""
    source = write_captions(tmp_path / "captions.parquet", ["dog park", "dog"])
    places = [tmp_path / run / "IDX" for run in ("a", "b")]
    for place in places:
        build_index([source], place)
    with pytest.raises(ParameterError, match="both have counts of IDX vocabulary") as caught:
        long_tail_file(places, None, n_bootstrap=0)
    assert "names of their folders" in str(caught.value.hint)
    save_table(tmp_path / "c.csv", counts([1, 2]), COUNTS)
    with pytest.raises(ParameterError, match="both have counts of d"):
        long_tail_file([tmp_path / "c.csv", tmp_path / ".." / tmp_path.name / "c.csv"], None)
    save_table(tmp_path / "e.csv", counts([1, 2], "e"), COUNTS)
    both = long_tail_file([tmp_path / "c.csv", tmp_path / "e.csv"], None, n_bootstrap=0)
    assert [tail.dataset for tail in both.tails] == ["d", "e", "pooled"]


def test_published_counts(test_data: Path) -> None:
    """LAION-400M's counts: 21 data sets and all pooled, with the shares counted by hand."""
    folder = test_data / "data" / "frequency" / "search_counts"
    found = long_tail_file([folder], None, search="lemmatized", n_bootstrap=0)
    assert len(found.tails) == 22
    pooled = found.tails[-1]
    files = folder.glob("*_laion400m_lemmatized_search_counts.json")
    n: dict[str, int] = {}
    for file in files:
        for name, count in json.loads(file.read_text()).items():
            key = " ".join(name.casefold().replace("_", " ").split())
            n[key] = max(n.get(key, 0), count)
    assert (pooled.n_rows, pooled.n_concepts) == (5614, len(n)) == (5614, 3738)
    for row in pooled.under:
        assert row.n == sum(count < row.below for count in n.values())
    assert pooled.under[-1].share.value == pytest.approx(0.693, abs=1e-3)
    assert pooled.zipf is not None


def test_command(tmp_path: Path) -> None:
    """`eval long-tail` writes its result with the run, once, and prints tables or JSON."""
    table, output = tmp_path / "counts.csv", tmp_path / "tail.json"
    rows = counts(np.random.default_rng(0).zipf(2.0, 300), pretraining="x", search="text")
    save_table(table, rows, COUNTS)
    arguments = ["eval", "long-tail", str(table), "--bootstrap", "20", "-o", str(output)]
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    printed, written = json.loads(done.stdout), json.loads(output.read_text())
    assert printed["kind"] == "long-tail"
    run = written.pop("run")
    assert written == printed
    assert list(run["inputs"]) == [str(table)]
    assert isinstance(CliRunner().invoke(cli, arguments).exception, OutputExistsError)
    shown = CliRunner().invoke(cli, [*arguments, "--overwrite"])
    assert "alpha" in shown.stdout
    assert "Names are joined" in shown.stdout
    assert CliRunner().invoke(cli, ["eval", "long-tail"]).exit_code == 2


def test_what_is_not_there(tmp_path: Path) -> None:
    """Selections that nothing fits, negative counts and missing files are clear errors."""
    table = tmp_path / "counts.parquet"
    save_table(table, counts([1, -2], search="text"), COUNTS)
    with pytest.raises(StatisticsError, match="no counts of search 'tags'") as caught:
        long_tail_file([table], None, search="tags")
    assert "it has: text" in str(caught.value.hint)
    with pytest.raises(TableError, match="a count is -2"):
        long_tail_file([table], None)
    with pytest.raises(TableError, match="missing"):
        long_tail_file([tmp_path / "none"], None)


def test_facts_for_readers() -> None:
    """Columns that are the same throughout are not shown; what is not fitted is told."""
    found: LongTail = long_tail(counts([1, 2, 3], pretraining="x"), n_bootstrap=0)
    rows, columns = found.table()
    assert "pretraining" not in columns
    assert rows[0]["< 10"] == "100.0%"
    assert found.all_notes()[-1].startswith("x d: No power law")
