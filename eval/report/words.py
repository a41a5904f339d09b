"""What was found, in plain words that are put together from the numbers and claim no more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from .records import models_of
from .wording import (
    POINTS,
    estimate,
    excludes_zero,
    interval,
    name_of,
    number,
    outcome_name,
    per_unit,
)


def finding(result: Mapping[str, Any]) -> list[str]:
    """Sentences on a result of `eval correlate`, the broadest first."""
    parts = (_gap, _correlations, _unseen, _limits)
    return [effect(result), *(sentence for part in parts for sentence in part(result))]


def effect(result: Mapping[str, Any]) -> str:
    """One sentence on the effect of the predictor, with the controls where there are any."""
    name, outcome = name_of(result["predictor"]), _outcome(result)
    key = "slope" if result["slope"] is not None else "slope_alone"
    if result[key] is None:
        return f"Whether {outcome} goes with {name} cannot be told: no model could be fitted."
    odds = _odds(result, key)
    held = [name_of(term["name"]) for term in result["model"]["terms"][2:]]
    with_controls = key == "slope" and held
    fixed = f" (held fixed: {', '.join(held)})" if with_controls else " (no control is held fixed)"
    step = f"one {_unit(result['predictor'])} more of {name}"
    how = f"{step} goes with {odds} times the odds of {_likely(result)}{fixed}"
    clear = excludes_zero(result, key)
    if clear is None:
        return f"{how[0].upper()}{how[1:]}; there is no interval, so this may be chance."
    level = f"{result['level']:.0%}"
    if not clear:
        return (
            f"No effect of {name} on {outcome} is shown: {how}, and the {level} interval holds 1. "
            "Effects within the interval are not ruled out."
        )
    verb = "rises" if result[key] > 0 else "falls"
    found = f"{outcome} {verb} with {name}: {how}; the {level} interval excludes 1."
    return f"{found[0].upper()}{found[1:]}{_dissent(result)}"


def _outcome(result: Mapping[str, Any]) -> str:
    """What a mean of outcomes is called in a sentence."""
    name = outcome_name(result)
    return f"the {name}" if result.get("is_graded") else name


def _likely(result: Mapping[str, Any]) -> str:
    """What the odds are of."""
    return "the mean outcome" if result.get("is_graded") else "a right answer"


def _unit(predictor: str) -> str:
    if predictor == "pmi":
        return "nat"
    return "unit of the logarithm" if predictor.startswith("log_") else "unit"


def _odds(result: Mapping[str, Any], key: str) -> str:
    """Odds ratio and its interval."""
    odds = {
        f"odds{end}": None if result[f"{key}{end}"] is None else _exp(result[f"{key}{end}"])
        for end in ("", "_low", "_high")
    }
    return estimate(odds, "odds")


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


def _dissent(result: Mapping[str, Any]) -> str:
    """Whether the permutation test says otherwise than the interval."""
    p = result["permutation_p"]
    if p is None or p <= 1 - result["level"]:
        return ""
    return f" The permutation test of the unbinned r does not agree: p = {number(p, 3)}."


def _gap(result: Mapping[str, Any]) -> Iterator[str]:
    gap, name = result["gap_5pct"], name_of(result["predictor"])
    if gap is None:
        return
    clear = excludes_zero(result, "gap_5pct")
    size = number(abs(gap) if clear else gap, 1, POINTS)
    if clear:
        sign = {f"gap_{end}": abs(result[f"gap_5pct_{end}"]) for end in ("low", "high")}
        if gap < 0:
            sign = {"gap_low": sign["gap_high"], "gap_high": sign["gap_low"]}
        points = f"{size} points {interval(sign, 'gap', 1, POINTS)}"
        if result.get("is_graded"):
            yield (
                f"The mean outcome of the top 5% of examples by {name} is {points} "
                f"{'higher' if gap > 0 else 'lower'} than that of the bottom 5%."
            )
            return
        more = "more" if gap > 0 else "less"
        yield (
            f"The top 5% of examples by {name} are right {points} {more} often than the bottom 5%."
        )
        return
    spread = interval(result, "gap_5pct", 1, POINTS)
    doubt = f"{spread}, an interval that holds 0" if spread else "and there is no interval"
    yield f"Top and bottom 5% of examples by {name} differ by {size} points {doubt}."


def _correlations(result: Mapping[str, Any]) -> Iterator[str]:
    name = name_of(result["predictor"])
    if result["r_unbinned"] is not None:
        yield f"Over single examples r = {estimate(result, 'r_unbinned')}."
    if result["r_binned"] is not None:
        yield (
            f"Over {result['n_bins']} {result['bins']} bins r = {estimate(result, 'r_binned')}: "
            "bins average the noise away, so this says how well a line fits the means, and not "
            f"how well {name} foretells a single answer."
        )


def _unseen(result: Mapping[str, Any]) -> Iterator[str]:
    unseen = result["unseen"]
    if unseen:
        mean = number(unseen["accuracy"], 1, POINTS)
        share = f"{mean}% {interval(unseen, 'accuracy', 1, POINTS)}".rstrip()
        found = f"the mean outcome is {share}" if result.get("is_graded") else f"{share} are right"
        yield f"Of {unseen['n']:,} examples whose pair was never seen together, {found}."


def _limits(result: Mapping[str, Any]) -> Iterator[str]:
    clusters = " and ".join(result["cluster"])
    of = f"{result['n_clusters']:,} clusters ({clusters})" if clusters else "no clusters"
    yield (
        f"These are figures of {result['n_used']:,} examples and {of}. They show what goes "
        "together; what else differs between pairs is held fixed only where it is named."
    )


def nothing(result: Mapping[str, Any]) -> str:
    """One sentence on a result of `eval shuffle`."""
    name = name_of(result["predictor"])
    start = (
        f"With {name} shuffled among {result['n_pairs']:,} pairs there is nothing to find, and yet "
        f"r over {result['n_bins']} bins"
    )
    spread = interval(result, "r_binned")
    if not spread:
        return f"{start} cannot be had of every shuffle."
    share = f"{result['level']:.0%} of {result['n_shuffles']:,} shuffles"
    return f"{start} lies anywhere in {spread} in {share}."


def difference(result: Mapping[str, Any]) -> str:
    """One sentence on a result of `eval compare`."""
    name = name_of(result["predictor"])
    p = result["permutation_p"]
    tested = "" if p is None else f" p by permutation: {number(p, 3)}."
    return (
        f"Over {result['n_pairs']:,} pairs that both worlds share, the difference of "
        f"{_outcome(result)} goes with the difference of {name} with "
        f"r = {estimate(result, 'r_delta_unbinned')}, and over {result['n_bins']} bins of them "
        f"with r = {estimate(result, 'r_delta_binned')}.{tested}"
    )


def slope_change(result: Mapping[str, Any]) -> str:
    """One sentence on a result of `eval compare --slopes`."""
    slopes = result["controlled"]
    if slopes["difference"] is None:
        slopes = result["alone"]
    name, same = name_of(result["predictor"]), f"Over {result['n']:,} examples that both models saw"
    points = f"{estimate(result['outcome'], 'difference', 1, POINTS)} points"
    outcome, (a, b) = _outcome(result), models_of(result)
    if slopes["difference"] is None:
        return f"{same}, {outcome} {a} - {b} is {points}. Their slopes on {name} cannot be told."
    held = ", ".join(map(name_of, slopes["controls"]))
    fixed = f"held fixed: {held}" if held else "no control is held fixed"
    clear = excludes_zero(slopes, "difference")
    doubt = "" if clear is None or clear else ", an interval that holds 0"
    return (
        f"{same}, the log-odds of {_likely(result)} change by {estimate(slopes, 'a')} in {a} and "
        f"by {estimate(slopes, 'b')} in {b} {per_unit(result['predictor'])} of {name} ({fixed}). "
        f"A - B is {estimate(slopes, 'difference')}{doubt}, and of {outcome} {points}."
    )
