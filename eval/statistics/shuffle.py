"""The predictor shuffled among pairs: what the same statistics make of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from conceptstats.errors import ParameterError

from .associations import Sample, finite_sums, gap, unbinned_r, weigh
from .bins import bin_starts, bin_sums, r_of_means
from .columns import Floats, of_pairs, read_examples
from .estimates import Settings, use
from .on_files import compute_on_files
from .results import Estimate, plain


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Figures over shuffles: their mean, and the range of the middle ``level`` of them.

    Parameters
    ----------
    predictor : str
    n, n_pairs, n_shuffles : int
    n_bins : int
        Quantile bins.
    level : float
    seed : int
    r_binned, r_unbinned, gap_5pct : Estimate
        Of the shuffled data; ``low`` and ``high`` bound the shuffles, not the mean.
    """

    predictor: str
    n: int
    n_pairs: int
    n_shuffles: int
    n_bins: int
    level: float
    seed: int
    r_binned: Estimate
    r_unbinned: Estimate
    gap_5pct: Estimate

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return {"kind": "shuffle", **plain(self)}

    def facts(self) -> dict[str, object]:
        """The figures under names that people read."""
        return {
            "shuffles": f"{self.n_shuffles:,} of {self.predictor} among {self.n_pairs:,} pairs",
            f"r over {self.n_bins} quantile bins": self.r_binned,
            "r over examples": self.r_unbinned,
            "top 5% minus bottom 5%": self.gap_5pct,
        }


def shuffle(
    examples: pa.Table,
    *,
    predictor: str = "pmi",
    n_bins: int = 20,
    n_shuffles: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> Shuffled:
    """Give every pair the predictor of another, again and again.

    Parameters
    ----------
    examples : Table
        With the column ``pair``, within which the predictor is constant.
    predictor : str
    n_bins, n_shuffles, seed : int
    level : float
        Share of the shuffles between ``low`` and ``high``.

    Raises
    ------
    TableError, ParameterError, StatisticsError
    """
    Settings(n_bins, "quantile", 0, 0, seed, level)
    if n_shuffles < 2:
        raise ParameterError(f"{n_shuffles} shuffles are asked for, expected 2 or more.")
    data = read_examples(examples, predictor, [], "pair")
    used = use(data, predictor)
    pair = np.unique(data.clusters["pair"][used.known], return_inverse=True)[1]
    values, outcome = data.predictors[predictor][used.known], data.outcome[used.known]
    of_pair = of_pairs(values, pair, predictor)
    rng = np.random.default_rng([seed, 3])
    rows = np.array(
        [_figures(rng.permutation(of_pair)[pair], outcome, n_bins) for _ in range(n_shuffles)]
    )
    low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2], axis=0).tolist()
    binned, unbinned, gaps = map(Estimate.of, rows.mean(0).tolist(), low, high)
    return Shuffled(
        predictor=predictor,
        n=len(outcome),
        n_pairs=len(of_pair),
        n_shuffles=n_shuffles,
        n_bins=n_bins,
        level=level,
        seed=seed,
        r_binned=binned,
        r_unbinned=unbinned,
        gap_5pct=gaps,
    )


def _figures(predictor: Floats, outcome: Floats, n_bins: int) -> Floats:
    sample = Sample.of(predictor, outcome, np.zeros(len(outcome), np.int64))
    weighted = weigh(sample, np.ones(1))
    values, sums = finite_sums(sample, weighted)
    binned = r_of_means(bin_sums(sums, bin_starts(values, sums.n, n_bins, "quantile")))
    return np.array([binned, unbinned_r(sample, weighted), gap(weighted)])


def shuffle_file(
    path: Path, output: Path | None = None, *, overwrite: bool = False, **options: Any
) -> Shuffled:
    """`shuffle` the examples of a file, and write the result as JSON with its run record."""
    return compute_on_files("eval shuffle", shuffle, [path], output, options, overwrite=overwrite)
