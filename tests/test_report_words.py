from __future__ import annotations

from typing import Any

import pytest
from example_tables import QUICK, make_examples

from conceptstats.eval.report.words import effect, finding, slope_change
from conceptstats.eval.statistics.correlate import correlate


@pytest.fixture(scope="module")
def main() -> dict[str, Any]:
    """A result with controls and with pairs that were never seen."""
    return correlate(make_examples(), cluster="class", n_bins=8, **QUICK).to_json()


def found_with(main: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The main result with other numbers; a tuple is an estimate with its interval."""
    result = dict(main)
    for name, value in changes.items():
        if isinstance(value, tuple):
            result |= dict(zip((name, f"{name}_low", f"{name}_high"), value, strict=True))
        else:
            result[name] = value
    return result


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"slope": (0.5, 0.4, 0.6)}, "Accuracy rises with PMI: one nat more of PMI goes with 1.65 "
         "[1.49, 1.82] times the odds of a right answer (held fixed: captions with the key, "
         "captions with the accessory, length); the 95% interval excludes 1."),
        ({"slope": (-0.5, -0.6, -0.4)}, "Accuracy falls with PMI: one nat more"),
        ({"slope": (0.1, -0.1, 0.3)}, "No effect of PMI on accuracy is shown: one nat more"),
        ({"slope": (0.1, -0.1, 0.3)}, "interval holds 1. Effects within the interval are not"),
        ({"slope": (0.1, None, None)}, "no interval, so this may be chance"),
        ({"slope": (None,) * 3, "slope_alone": (0.5, 0.4, 0.6)}, "(no control is held fixed)"),
        ({"slope": (None,) * 3, "slope_alone": (None,) * 3}, "cannot be told"),
        ({"slope": (0.5, 0.4, 0.6), "permutation_p": 0.3}, "does not agree: p = 0.300."),
        ({"slope": (0.5, 0.4, 0.6), "predictor": "length"}, "one unit more of length"),
    ],
)  # fmt: skip
def test_the_effect_in_words(changes: dict[str, Any], expected: str, main: dict[str, Any]) -> None:
    """The sentence says what the interval of the slope allows, and no more."""
    assert expected in effect(found_with(main, **{"permutation_p": 0.001, **changes}))


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        ((0.2, 0.1, 0.3), "are right 20.0 points [10.0, 30.0] more often than the bottom 5%."),
        ((-0.2, -0.3, -0.1), "are right 20.0 points [10.0, 30.0] less often than the bottom 5%."),
        ((0.1, -0.1, 0.3), "differ by 10.0 points [-10.0, 30.0], an interval that holds 0."),
        ((0.1, None, None), "differ by 10.0 points and there is no interval."),
    ],
)
def test_the_gap_in_words(gap: tuple[float, ...], expected: str, main: dict[str, Any]) -> None:
    """The gap is told with its direction only where its interval has one."""
    assert expected in " ".join(finding(found_with(main, gap_5pct=gap)))


def test_both_correlations_are_told(main: dict[str, Any]) -> None:
    """The unbinned r stands before the binned one, which is qualified; what is None is not told."""
    text = " ".join(finding(main))
    single = f"Over single examples r = {main['r_unbinned']:.2f} ["
    binned = f"Over 8 quantile bins r = {main['r_binned']:.2f} ["
    assert text.index(single) < text.index(binned) < text.index("not how well PMI foretells")
    nothing = found_with(main, r_binned=None, r_unbinned=None, gap_5pct=None, unseen=None)
    assert "None" not in " ".join(finding(nothing))
    assert "bins" not in " ".join(finding(nothing))


def test_graded_outcomes_are_not_right(main: dict[str, Any]) -> None:
    """Of probabilities there is a mean, and neither accuracy nor right answers."""
    graded = {**main, "is_graded": True, "permutation_p": 0.001}
    up = found_with(graded, slope=(0.5, 0.4, 0.6), gap_5pct=(0.2, 0.1, 0.3))
    text = " ".join(finding(up))
    assert text.startswith(
        "The mean outcome rises with PMI: one nat more of PMI goes with 1.65 [1.49, 1.82] times "
        "the odds of the mean outcome (held fixed"
    )
    assert "top 5% of examples by PMI is 20.0 points [10.0, 30.0] higher than that of" in text
    assert "examples whose pair was never seen together, the mean outcome is" in text
    down = " ".join(finding(found_with(graded, gap_5pct=(-0.2, -0.3, -0.1))))
    assert "20.0 points [10.0, 30.0] lower than" in down
    change = slope_change({**change_of((-0.7, -0.8, -0.6), []), "is_graded": True})
    assert "the log-odds of the mean outcome change by 0.10" in change
    for sentence in (text, down, change):
        assert "right" not in sentence
        assert "accuracy" not in sentence.lower()


def change_of(difference: tuple[float | None, ...], controls: list[str]) -> dict[str, Any]:
    """A result of `eval compare --slopes`."""
    ends = {"a": (0.1, 0.0, 0.2), "b": (0.8, 0.7, 0.9), "difference": difference}
    if None in difference:
        ends = dict.fromkeys(ends, (None,) * 3)
    of = {f"{k}{e}": v[i] for k, v in ends.items() for i, e in enumerate(("", "_low", "_high"))}
    means = {"difference": 0.1, "difference_low": 0.05, "difference_high": 0.15}
    none = dict.fromkeys(of)
    return {"predictor": "pmi", "n": 1200, "outcome": means, "alone": {**of, "controls": []},
            "controlled": {**(of if controls else none), "controls": controls}}  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "controls", "expected"),
    [
        ((-0.7, -0.8, -0.6), ["length"], "Over 1,200 examples that both models saw, the log-odds "
         "of a right answer change by 0.10 [0.00, 0.20] in A and by 0.80 [0.70, 0.90] in B per nat "
         "of PMI (held fixed: length). A - B is -0.70 [-0.80, -0.60], and of accuracy 10.0 [5.0, "
         "15.0] points."),
        ((-0.7, -0.8, 0.6), [], "(no control is held fixed). A - B is -0.70 [-0.80, 0.60], an "
         "interval that holds 0, and"),
        ((None, None, None), [], "accuracy A - B is 10.0 [5.0, 15.0] points. Their slopes on PMI "
         "cannot be told."),
    ],
)  # fmt: skip
def test_the_change_of_a_slope(
    difference: tuple[float | None, ...], controls: list[str], expected: str
) -> None:
    """It claims no more than the intervals allow."""
    assert expected in slope_change(change_of(difference, controls))
