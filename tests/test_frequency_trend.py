"""The trend over log frequency: bins as published, figures under weights, shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from conceptstats.errors import ParameterError, StatisticsError
from conceptstats.eval.frequency.fits import fit_shapes, isotonic
from conceptstats.eval.frequency.recipes import Ends, bin_values, choose_recipe, cut_at_points
from conceptstats.eval.frequency.results import POINTS, Fits
from conceptstats.eval.frequency.trend import Data, Figures, estimate_trend, read_points
from conceptstats.eval.statistics.bins import Sums

HONEST = choose_recipe("honest", metric="accuracy", pretraining=None, n_bins=5)
PUBLISHED = choose_recipe("udandarao", metric="accuracy", pretraining="laion400m")
Numbers = Sequence[float] | npt.NDArray[np.float64]


def points(
    counts: Sequence[int] | npt.NDArray[np.int64],
    values: Numbers,
    datasets: Sequence[str] | None = None,
    n: Sequence[int] | None = None,
) -> pa.Table:
    size = len(counts)
    names = [f"concept {i}" for i in range(size)]
    columns = [datasets or ["a"] * size, names, counts, values, n or [None] * size]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, POINTS, strict=True)],
                    schema=POINTS)  # fmt: skip


def many(
    slopes: Sequence[float], levels: Sequence[float], shifts: Sequence[float], noise: float = 0.0,
    size: int = 60,
) -> pa.Table:  # fmt: skip
    """Data sets d0, d1, ...: value = level + slope * (log10 count - shift) + noise."""
    rng = np.random.default_rng(0)
    counts, values, names = [], [], []
    for k, (slope, level, shift) in enumerate(zip(slopes, levels, shifts, strict=True)):
        count = np.round(10 ** (shift + rng.uniform(-1.5, 1.5, size))).astype(int).clip(1)
        counts.append(count)
        values.append(level + slope * (np.log10(count) - shift) + rng.normal(0, noise, size))
        names += [f"d{k}"] * size
    return points(np.concatenate(counts), np.concatenate(values), names)


def trend(data: Data, *, bootstrap: int = 0) -> Figures:
    return estimate_trend(data, HONEST, "left out", n_bootstrap=bootstrap, seed=0, level=0.95)


def fits(table: pa.Table) -> Fits:
    data = read_points(table, weighted=True)
    return fit_shapes(data, "left out", trend(data, bootstrap=50), 0.95)


def test_published_bins_by_hand() -> None:
    """Points of the range 0 to 4 in 5: a bin holds the point that it ends at, and not its start.

    x 0 -> bin 0; 0.5 and 1 -> bin 1; 1.5 -> bin 2; 2.5 and 3 -> bin 3; 4 -> bin 4. Means of y = x:
    0, .75, 1.5, 2.75, 4. From bin 1, without the last: points 1, 2, 3 against .75, 1.5, 2.75 have
    means 2 and 5/3; r = (1 * 11/12 + 1 * 13/12) / sqrt(2 * (121 + 4 + 169)/144)
    = 2 / sqrt(588/144) = .98974.
    """
    x = np.array([0, 0.5, 1, 1.5, 2.5, 3, 4])
    sums = Sums(np.ones(7), x.copy(), x.copy())
    recipe = PUBLISHED._replace(cut=partial(cut_at_points, ends=Ends(1, 1)))
    found = bin_values(recipe, x, sums, 5)
    assert found.cut.bin_at.tolist() == [0, 1, 1, 2, 3, 3, 4]
    assert found.mean.tolist() == [0, 0.75, 1.5, 2.75, 4]
    assert found.cut.center.tolist() == [0, 1, 2, 3, 4]
    assert found.n_bins == 3
    assert found.r == pytest.approx(2 / math.sqrt(588 / 144))


def test_an_empty_published_bin_is_left_out() -> None:
    """No point in a bin: it has no mean, and is not in r."""
    x = np.array([0.0, 1, 2, 4, 5])
    found = bin_values(PUBLISHED, x, Sums(np.ones(5), x.copy(), x.copy()), 6)
    assert math.isnan(found.mean[3])
    assert found.n_bins == 2  # of points 2, 3 and 4
    assert math.isnan(found.r)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 1)), min_size=30, max_size=80))
def test_published_bins_are_those_of_numpy(rows: list[tuple[int, float]]) -> None:
    """The same as with one pass over the points, in the words of the published code."""
    counts, values = (np.array(column) for column in zip(*rows, strict=True))
    if len(np.unique(counts)) < 2 or np.ptp(values) < 1e-6:
        return
    data = read_points(points(counts, values), weighted=False)
    found = estimate_trend(data, PUBLISHED, "as one", n_bootstrap=0, seed=0, level=0.95)
    x = np.log(counts)
    marks = np.linspace(x.min(), x.max(), 12)
    bins = np.digitize(x, marks, right=True)
    means = [values[bins == k].mean() if (bins == k).any() else None for k in range(12)]
    assert [b.n for b in found.bins] == [int((bins == k).sum()) for k in range(12)]
    assert [b.mean for b in found.bins] == pytest.approx(means)
    shown = [
        (m, mean) for m, mean in zip(marks[2:-1], means[2:-1], strict=True) if mean is not None
    ]
    assert found.n_bins == len(shown)
    if len(shown) >= 3 and np.ptp([mean for _, mean in shown]) > 1e-6:
        assert found.r.value == pytest.approx(stats.pearsonr(*zip(*shown, strict=True))[0])


def test_recipes_have_their_settings() -> None:
    """Bins of the published recipe are fixed: 12 or 7, of which r has those that were published.

    Those of classification: [1:-1], for LAION-400M [2:-1], for SynthCI-30M [0:-4]; of generation
    [-4:].
    """
    choose = partial(choose_recipe, "udandarao")

    def used(metric: str, pretraining: str | None) -> list[int]:
        recipe = choose(metric=metric, pretraining=pretraining)
        x = np.arange(float(recipe.n_bins))
        return np.flatnonzero(recipe.cut(x, Sums(*np.ones((3, len(x)))), len(x)).used).tolist()

    assert used("accuracy", "laion400m") == list(range(2, 11))
    assert used("accuracy", "cc3m") == used("acc1", None) == list(range(1, 11))
    assert used("accuracy", "SynthCI30M") == list(range(8))
    assert used("human_align", "laion_aesthetics") == [3, 4, 5, 6]
    assert used("i2t_recall@5", "cc3m") == [1, 2, 3, 4, 5]
    assert choose(metric="human_align", pretraining=None).least_n == 6
    assert choose(metric="i2t_recall@5", pretraining=None).least_n == 1
    assert choose(metric="i2t_recall@5", pretraining="cc3m").datasets == ()
    with pytest.raises(ParameterError, match="fixed"):
        choose(metric="accuracy", pretraining=None, n_bins=10)
    with pytest.raises(ParameterError, match="2 bins"):
        choose_recipe("honest", metric="accuracy", pretraining=None, n_bins=2)
    with pytest.raises(ParameterError, match="recipe is 'best'"):
        choose_recipe("best", metric="accuracy", pretraining=None)


def test_figures_are_those_of_scipy() -> None:
    """Without zeros and weights: Pearson's r, Spearman's r and the line of least squares."""
    table = many([0.1, 0.05, 0.2], [0.3, 0.5, 0.4], [2, 3, 4], noise=0.1)
    x, y = (table[name].to_numpy() for name in ("count", "value"))
    found = trend(read_points(table, weighted=True))
    line = stats.linregress(np.log10(x), y)
    assert found.r_unbinned.value == pytest.approx(line.rvalue)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y)[0])
    assert found.slope_per_decade.value == pytest.approx(line.slope)
    assert found.intercept == pytest.approx(line.intercept)


@pytest.mark.parametrize(("scale", "shift"), [(1e-9, 0.0), (1e-3, 1e5), (40.0, -7.0)])
def test_figures_do_not_depend_on_the_unit(scale: float, shift: float) -> None:
    """A tiny unit, or one far from 0, is no reason to say that nothing varies."""
    table = many([0.1, 0.05, 0.2], [0.3, 0.5, 0.4], [2, 3, 4], noise=0.1)
    other = pa.array(table["value"].to_numpy() * scale + shift)
    one, two = (
        trend(read_points(t, weighted=True), bootstrap=30)
        for t in (table, table.set_column(3, "value", other))
    )
    for name in ("r", "r_unbinned", "spearman", "within_r"):
        for end in ("value", "low", "high"):
            expected = getattr(getattr(one, name), end)
            assert getattr(getattr(two, name), end) == pytest.approx(expected, abs=1e-6), name
    assert two.slope_per_decade.value == pytest.approx(
        scale * (one.slope_per_decade.value or 0), rel=1e-6
    )
    assert two.intercept == pytest.approx(scale * (one.intercept or 0) + shift, rel=1e-9)


def test_means_of_few_clusters_have_no_interval() -> None:
    """One concept, or two data sets, cannot be drawn from, however many others there are."""
    values = [0.1 + 0.02 * k for k in range(40)]
    data = read_points(points([0, *range(1, 40)], values), weighted=True)
    found = trend(data, bootstrap=100)
    assert found.zero_mean.value == pytest.approx(0.1)
    assert found.zero_mean.low is None
    assert all(b.mean_low is not None for b in found.bins)
    # The eight most frequent concepts, which are the last bin, are all of one data set.
    sets = points(list(range(1, 41)), values, [f"d{k % 4}" for k in range(32)] + ["d0"] * 8)
    by_set = trend(read_points(sets, weighted=True), bootstrap=100)
    assert by_set.bins[-1].mean_low is None
    assert by_set.bins[0].mean_low is not None


def test_zeros_are_left_out_of_what_is_linear_and_rank_lowest() -> None:
    """Their mean is shown by itself; as one they count like a count of 1."""
    table = points([0] * 10 + list(range(1, 41)), [0.9] * 10 + [k / 100 for k in range(40)])
    data = read_points(table, weighted=True)
    left_out = trend(data)
    assert (left_out.n_points, left_out.zero_mean.value) == (40, pytest.approx(0.9))
    x, y = np.arange(1, 41), np.arange(40) / 100
    assert left_out.r_unbinned.value == pytest.approx(stats.pearsonr(np.log(x), y)[0])
    ranks = stats.spearmanr([0] * 10 + x.tolist(), table["value"].to_numpy())[0]
    assert left_out.spearman.value == pytest.approx(ranks)
    as_one = estimate_trend(data, HONEST, "as one", n_bootstrap=0, seed=0, level=0.95)
    assert as_one.n_points == 50
    logs = np.log(np.maximum(table["count"].to_numpy(), 1))
    assert as_one.r_unbinned.value == pytest.approx(
        stats.pearsonr(logs, table["value"].to_numpy())[0]
    )


def test_a_weight_is_as_many_points() -> None:
    """A concept over three examples bears on figures like three concepts over one."""
    counts, values = [2**k for k in range(20)], [0.3 + 0.02 * (k % 7) for k in range(20)]
    n = [1 + k % 3 for k in range(20)]
    weighed = trend(read_points(points(counts, values, n=n), weighted=True))
    repeated = trend(read_points(points(np.repeat(counts, n), np.repeat(values, n)), weighted=True))
    for name in ("r", "r_unbinned", "spearman", "slope_per_decade", "within_slope"):
        one, other = getattr(weighed, name).value, getattr(repeated, name).value
        assert one == pytest.approx(other), name
    plain = read_points(points(counts, values, n=n), weighted=False)
    assert plain.weights == "equal"
    assert trend(plain).r_unbinned.value != pytest.approx(weighed.r_unbinned.value)


def test_weights_need_every_n() -> None:
    """Where one is not known, or is 0, all points count alike."""
    counts, values = list(range(1, 31)), [k / 30 for k in range(30)]
    for n in ([5] * 29 + [0], None):
        assert read_points(points(counts, values, n=n), weighted=True).weights == "equal"
    assert read_points(points(counts, values, n=[5] * 30), weighted=True).weights == "n"


def test_levels_of_data_sets_do_not_bear_on_the_slope_within() -> None:
    """Simpson: frequent data sets are hard, frequent concepts easy.

    Within each, the metric rises by 0.1 a decade; the level falls by 0.3 from one data set to the
    next, whose counts are ten times as high.
    """
    table = many([0.1] * 6, [2.0 - 0.3 * k for k in range(6)], range(6), noise=0.01)
    found = fits(table)
    assert (found.linear.slope_per_decade.value or 0) < -0.1
    assert found.within.slope_per_decade.value == pytest.approx(0.1, abs=0.005)
    assert found.within.n_datasets == 6
    assert found.mixed.converged
    assert found.mixed.slope_per_decade.value == pytest.approx(0.1, abs=0.005)
    assert found.mixed.between_per_decade.value == pytest.approx(-0.3, abs=0.03)


def test_mixed_model_finds_how_slopes_differ() -> None:
    """Slopes that differ between data sets have a spread, and a wider interval."""
    slopes = [0.02, 0.06, 0.10, 0.14, 0.18, 0.10, 0.04, 0.16]
    found = fits(many(slopes, [0.5] * 8, [3] * 8, noise=0.02)).mixed
    assert found.problem is None
    assert found.sd_slope == pytest.approx(np.std(slopes, ddof=1), rel=0.2)
    slope = found.slope_per_decade
    assert slope.low is not None
    assert slope.high is not None
    assert slope.low < np.mean(slopes) < slope.high


def test_what_the_mixed_model_cannot_do_is_said() -> None:
    """Too few data sets; no spread between them; nothing that varies within them."""
    few = fits(many([0.1] * 3, [0.1, 0.5, 0.9], [2, 3, 4], noise=0.1)).mixed
    assert few.slope_per_decade.value is None
    assert "it takes 5 data sets, and here are 3" in (few.problem or "")
    alike = fits(many([0.1] * 6, [0.5] * 6, [3] * 6, noise=0.1)).mixed
    assert alike.problem is not None
    flat = points(np.repeat(10 ** np.arange(1, 7), 10), np.linspace(0, 1, 60),
                  [f"d{k}" for k in range(6) for _ in range(10)])  # fmt: skip
    assert "do not vary within" in (fits(flat).mixed.problem or "")
    assert fits(flat).within.slope_per_decade.value is None


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-1, 1)), min_size=2, max_size=20))
def test_isotonic_fit_rises_and_keeps_the_mean(rows: list[tuple[int, float]]) -> None:
    """It never falls, has the mean of the data, and is the data where these rise."""
    x, y = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    values, fitted = isotonic(x, y, np.ones(len(x)))
    assert (np.diff(fitted) >= -1e-12).all()
    assert np.interp(x, values, fitted).mean() == pytest.approx(y.mean(), abs=1e-9)
    again = isotonic(values, fitted, np.ones(len(values)))[1]
    assert again == pytest.approx(fitted)


def test_the_better_shape_wins_on_other_data_sets() -> None:
    """A line where the truth is one, the isotonic curve where it is a step, whatever the levels."""
    levels = [0.1, 0.9, 0.3, 0.7, 0.5, 0.2]
    linear = fits(many([0.1] * 6, levels, [3] * 6, noise=0.02)).compared
    assert (linear.linear_minus_constant.high or 0) < 0
    assert (linear.linear_minus_isotonic.value or 0) < 0
    table = many([0.0] * 6, levels, [3] * 6, noise=0.02)
    step = table["value"].to_numpy() + 0.4 * (table["count"].to_numpy() > 3000)
    stepped = table.set_column(3, "value", pa.array(step))
    found = fits(stepped)
    assert (found.compared.linear_minus_isotonic.low or 0) > 0
    by_name = {shape.name: shape for shape in found.compared.shapes}
    assert by_name["isotonic"].rmse_within == pytest.approx(0.02, abs=0.01)
    assert (by_name["constant"].rmse_within or 0) > 0.15
    assert (by_name["isotonic"].rmse or 0) > 0.2  # levels of other data sets are no guide


def test_intervals_hold_the_estimate_and_repeat() -> None:
    """The same seed gives the same intervals; none without replicates; clusters are data sets."""
    data = read_points(many([0.1] * 8, [0.1 * k for k in range(8)], range(8), 0.2), weighted=True)
    assert (data.clusters, data.n_clusters) == ("dataset", 8)
    one, same = (trend(data, bootstrap=60) for _ in range(2))
    assert one == same
    for figure in (one.r, one.r_unbinned, one.spearman, one.slope_per_decade, one.within_slope):
        assert figure.low is not None
        assert figure.low <= (figure.value or 0) <= (figure.high or 0)
    assert trend(data).r_unbinned.low is None


def test_few_data_sets_have_intervals_of_concepts() -> None:
    """Two data sets cannot be drawn from; concepts are."""
    data = read_points(many([0.1] * 2, [0.1, 0.5], [2, 3]), weighted=True)
    assert (data.clusters, data.n_clusters) == ("concept", 120)
    assert trend(data, bootstrap=50).within_slope.low is not None


def test_too_little_is_an_error() -> None:
    """Fewer than 20 counted concepts, equal counts, equal values."""
    with pytest.raises(StatisticsError, match="19 of 29 concepts"):
        read_points(points([0] * 10 + [1, 5] * 9 + [2], np.linspace(0, 1, 29)), weighted=True)
    with pytest.raises(StatisticsError, match="the count is the same"):
        read_points(points([7] * 30, np.linspace(0, 1, 30)), weighted=True)
    with pytest.raises(StatisticsError, match="the value is the same"):
        read_points(points(list(range(1, 31)), [0.5] * 30), weighted=True)
