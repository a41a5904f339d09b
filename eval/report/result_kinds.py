"""The kinds of results, what each holds, and by which command it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

from conceptstats.errors import TableError

from ..statistics.results import (
    Bin,
    BinnedR,
    Correlation,
    Dropped,
    Model,
    PredictorRow,
    Term,
    Unseen,
    Verified,
)
from ..statistics.slopes import Means, SlopeChange, Slopes
from .result_checks import (
    COUNT,
    FLAG,
    NUMBER,
    OPTIONAL,
    OPTIONAL_TEXT,
    TEXT,
    TEXTS,
    check_keys,
    check_rows,
    estimate_keys,
    how_made,
    keys_of,
)

Result = Mapping[str, Any]

_CORRELATE_HINT = how_made("correlate", "EXAMPLES")
_GRADED = {"is_graded": False}  # in files of earlier versions, which do not say it
_TABLES = {"bin_table": Bin, "r_by_bins": BinnedR, "predictors": PredictorRow}
_COMPARISON = {
    "predictor": TEXT,
    "n_pairs": NUMBER,
    "n_bins": NUMBER,
    "is_graded": FLAG,
    "permutation_p": OPTIONAL,
    "notes": TEXTS,
} | dict.fromkeys(estimate_keys("r_delta_binned") + estimate_keys("r_delta_unbinned"), OPTIONAL)
_COMPARISON_BIN = dict.fromkeys(("low", "high", "mean_predictor", "n", "mean_outcome"), NUMBER) | {
    "outcome_low": OPTIONAL,
    "outcome_high": OPTIONAL,
}
_SHUFFLED = {
    "predictor": TEXT,
    "n_pairs": NUMBER,
    "n_shuffles": NUMBER,
    "n_bins": NUMBER,
    "level": NUMBER,
} | dict.fromkeys(
    estimate_keys("r_binned") + estimate_keys("r_unbinned") + estimate_keys("gap_5pct"), OPTIONAL
)
_FREQUENCY = {
    "recipe": TEXT,
    "model": TEXT,
    "pretrained": OPTIONAL_TEXT,
    "metric": TEXT,
    "pretraining": OPTIONAL_TEXT,
    "search": OPTIONAL_TEXT,
    "zeros": TEXT,
    "n_points": NUMBER,
    "n_bins": NUMBER,
    "level": NUMBER,
    "notes": TEXTS,
} | dict.fromkeys(
    estimate_keys("r") + estimate_keys("r_unbinned") + estimate_keys("spearman")
    + estimate_keys("slope_per_decade"), OPTIONAL
)  # fmt: skip
_POINT = {"count": COUNT, "value": NUMBER}


def kind_of(result: Result) -> str:
    """One of `KINDS`; those without a kind are of `eval correlate`."""
    return str(result.get("kind", "correlate"))


def command_of(kind: str) -> str:
    """The command of `eval` that writes results of a kind."""
    return "compare --slopes" if kind == "slopes" else kind


def is_comparison(result: Result) -> bool:
    """Whether it compares two worlds pair by pair (`eval compare`)."""
    return kind_of(result) == "compare"


def check_result(data: object, where: object) -> None:
    """Raise unless it is a result of one of `KINDS`.

    Raises
    ------
    TableError
        Says what is missing or of another type.
    """
    if not isinstance(data, dict) or kind_of(data) not in KINDS:
        raise TableError(
            f"{where} is no result of eval {', '.join(map(command_of, KINDS))}.", _CORRELATE_HINT
        )
    KINDS[kind_of(data)](data, where)
    if not isinstance(data.get("run", {}), dict):
        raise TableError(f"{where}: run is no record of a run.", _CORRELATE_HINT)


def _check_correlation(data: Result, where: object) -> None:
    check_keys({**_GRADED, **data}, keys_of(Correlation), where, _CORRELATE_HINT)
    for name, kind in _TABLES.items():
        _check_table(data.get(name), kind, f"{where}: {name}")
    _check_bins(data, where, _CORRELATE_HINT)
    if data.get("unseen") is not None:
        _check_table([data["unseen"]], Unseen, f"{where}: unseen")
    if data.get("verified") is not None:
        _check_table([data["verified"]], Verified, f"{where}: verified")
    model = data.get("model")
    model = model if isinstance(model, dict) else {}
    check_keys(model, keys_of(Model), f"{where}: model", _CORRELATE_HINT)
    _check_table(model.get("terms"), Term, f"{where}: model terms")
    _check_table(model.get("dropped"), Dropped, f"{where}: model dropped")


def _check_table(rows: object, kind: type, where: str) -> None:
    check_rows(rows, keys_of(kind), where, _CORRELATE_HINT)


def _check_bins(data: Result, where: object, hint: str) -> None:
    if not data["bin_table"]:
        raise TableError(f"{where}: bin_table is empty.", hint)


def _check_comparison(data: Result, where: object) -> None:
    check_keys({**_GRADED, **data}, _COMPARISON, where, _CORRELATE_HINT)
    check_rows(data.get("bin_table"), _COMPARISON_BIN, f"{where}: bin_table", _CORRELATE_HINT)
    _check_bins(data, where, _CORRELATE_HINT)


def _check_slopes(data: Result, where: object) -> None:
    how = how_made("compare --slopes", "AFTER BEFORE")
    check_keys({**_GRADED, **data}, keys_of(SlopeChange), where, how)
    parts = {"outcome": Means, "unseen": Means, "alone": Slopes, "controlled": Slopes}
    for name, kind in parts.items():
        if name != "unseen" or data.get(name) is not None:
            check_keys(data.get(name), keys_of(kind), f"{where}: {name}", how)


def _check_shuffle(data: Result, where: object) -> None:
    check_keys(data, _SHUFFLED, where, _CORRELATE_HINT)


def _check_frequency(data: Result, where: object) -> None:
    from ..frequency.results import FrequencyBin

    how = how_made("frequency", "--counts COUNTS --results RESULTS")
    models = data.get("models", [data])
    check_rows(models, {}, f"{where}: models", how)
    if not models:
        raise TableError(f"{where}: models is empty.", how)
    for model in models:
        check_keys(model, _FREQUENCY, where, how)
        check_rows(model.get("bins"), keys_of(FrequencyBin), f"{where}: bins", how)
        check_rows(model.get("points"), _POINT, f"{where}: points", how)


def _check_long_tail(data: Result, where: object) -> None:
    from ..frequency.long_tail_results import RankPoint, Tail, Top, Under, Zipf

    how = how_made("long-tail", "COUNTS")
    check_keys(data, {"level": NUMBER, "notes": TEXTS}, where, how)
    check_rows(data.get("tails"), keys_of(Tail), f"{where}: tails", how)
    if not data["tails"]:
        raise TableError(f"{where}: tails is empty.", how)
    for tail in data["tails"]:
        for name, kind in (("under", Under), ("top", Top), ("curve", RankPoint)):
            check_rows(tail.get(name), keys_of(kind), f"{where}: {name}", how)
        at_least_one = [row["below"] for row in tail["under"]]
        at_least_one += [row[key] for row in tail["curve"] for key in ("rank", "count")]
        if not tail["under"] or min(at_least_one) < 1:
            raise TableError(f"{where}: an n, rank or count of a tail is below 1, or missing.", how)
        if tail.get("zipf", {}) is not None:
            check_keys(tail.get("zipf"), keys_of(Zipf), f"{where}: zipf", how)
            if not min(tail["zipf"]["alpha"] or 0, 1 + tail["zipf"]["x_min"]) > 1:
                raise TableError(f"{where}: a power law has alpha above 1 and x_min above 0.", how)


def _check_agreement(data: Result, where: object) -> None:
    from ..frequency.agreement_results import Counted, Overlap, Pair, Point

    how = how_made("agreement", "COUNTS...")
    check_keys(data, {"level": NUMBER, "notes": TEXTS}, where, how)
    check_rows(data.get("sets"), keys_of(Counted), f"{where}: sets", how)
    check_rows(data.get("pairs"), keys_of(Pair), f"{where}: pairs", how)
    if not data["pairs"]:
        raise TableError(f"{where}: pairs is empty.", how)
    labels = [row["label"] for row in data["sets"]]
    if [(pair["a"], pair["b"]) for pair in data["pairs"]] != list(combinations(labels, 2)):
        raise TableError(f"{where}: pairs are not those of the sets {', '.join(labels)}.", how)
    for pair in data["pairs"]:
        check_rows(pair.get("points"), keys_of(Point), f"{where}: points", how)
        check_rows(pair.get("overlaps"), keys_of(Overlap), f"{where}: overlaps", how)


KINDS: Mapping[str, Callable[[Result, object], None]] = {
    "correlate": _check_correlation,
    "compare": _check_comparison,
    "slopes": _check_slopes,
    "shuffle": _check_shuffle,
    "frequency": _check_frequency,
    "long-tail": _check_long_tail,
    "agreement": _check_agreement,
}
