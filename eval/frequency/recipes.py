"""Recipes: what a count of 0 becomes, and how counts are cut into bins.

``udandarao`` is what Udandarao et al. (arXiv 2404.04125) published, as their released code has it:
a count of 0 becomes 1; x is the logarithm of counts; 12 points at equal distance mark its range (7
for retrieval and generation); a bin reaches from one point to the next, which it holds; r is that
of the *points* against the mean values of the bins, each bin counted alike. Left out of it are

- for classification the first bin (counts of 0 and 1 alone) and the last, for LAION-400M the second
  too, and for SynthCI-30M the last four instead;
- for generation the first three, and concepts with five scores or fewer;
- for retrieval what classification leaves out: which bins the published r is over is not released.

Here an empty bin is left out as well, where the code has an error or a mean of 0.

``honest`` has bins of equally many points, drawn at their mean, and leaves none out; zeros have no
logarithm, and are shown by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np

from conceptstats.errors import ParameterError

from ..statistics.bins import MIN_BINS, Sums, bin_starts, pearson
from ..statistics.columns import Flags, Floats, Ints, sum_by
from .metrics import task_of

RecipeName = Literal["honest", "udandarao"]
Zeros = Literal["as one", "left out"]

# The data sets of the published trend; imagenet-r has results there, and is not among them.
UDANDARAO_DATASETS = (
    "birdsnap", "caltech101", "caltech256", "cifar10", "cifar100", "country211", "cub", "dtd",
    "eurosat", "fgvcaircraft", "flowers102", "food101", "imagenet", "imagenet-sketch",
    "oxfordpets", "stanfordcars", "sun397", "ucf101",
)  # fmt: skip
_QUANTILE_BINS = 20


class Ends(NamedTuple):
    """How many bins do not bear on r."""

    first: int
    last: int


_ENDS = {"laion400m": Ends(2, 1), "synthci30m": Ends(0, 4)}  # by pretraining
_OTHER_ENDS = Ends(1, 1)
_GENERATION_ENDS = Ends(3, 0)
_LEAST_SCORES = 6  # of a concept, in generation


class Cut(NamedTuple):
    """Distinct values in bins."""

    bin_at: Ints  # the bin of each value
    low: Floats
    high: Floats
    center: Floats  # the x of each bin in r
    used: Flags  # whether it bears on r


class Recipe(NamedTuple):
    """How counts are treated."""

    name: RecipeName
    zeros: Zeros
    weighted: bool  # whether points may weigh as many examples as they are over
    datasets: tuple[str, ...]  # those it is meant for; empty: any
    n_bins: int  # asked for
    least_n: int  # examples that a value must be over, where that is known
    cut: Callable[[Floats, Sums, int], Cut]


def choose_recipe(
    name: str, *, metric: str, pretraining: str | None, n_bins: int | None = None
) -> Recipe:
    """The recipe of a name, for a metric and a pretraining set.

    Parameters
    ----------
    name : {"honest", "udandarao"}
    metric : str
    pretraining : str, optional
    n_bins : int, optional
        Of recipe honest; None: 20.

    Raises
    ------
    ParameterError
        When there is no such recipe, or it has other bins.
    """
    if name not in get_args(RecipeName):
        raise ParameterError(f"recipe is {name!r}, expected {' or '.join(get_args(RecipeName))}.")
    if name == "honest":
        n_bins = _QUANTILE_BINS if n_bins is None else n_bins
        if n_bins < MIN_BINS:
            raise ParameterError(f"{n_bins} bins are asked for, expected {MIN_BINS} or more.")
        return Recipe("honest", "left out", True, (), n_bins, 1, cut_quantiles)
    if n_bins is not None:
        raise ParameterError("the bins of recipe udandarao are fixed.", "--recipe honest")
    task = task_of(metric)
    ends = _ENDS.get((pretraining or "").casefold(), _OTHER_ENDS)
    return Recipe(
        "udandarao",
        "as one",
        False,
        UDANDARAO_DATASETS if task == "classification" else (),
        12 if task == "classification" else 7,
        _LEAST_SCORES if task == "generation" else 1,
        partial(cut_at_points, ends=_GENERATION_ENDS if task == "generation" else ends),
    )


def cut_quantiles(values: Floats, sums: Sums, n_bins: int) -> Cut:
    """Bins of equally many points, as `bin_starts` says; ties share a bin.

    Parameters
    ----------
    values : array of float64
        Distinct and rising: logarithms of counts.
    sums : Sums
        Weights, and weighted sums, at each of them.
    n_bins : int
    """
    starts = bin_starts(values, sums.n, n_bins, "quantile")
    bin_at = np.searchsorted(starts, np.arange(len(values)), side="right") - 1
    n = np.add.reduceat(sums.n, starts)
    filled = n > 0
    center = np.divide(np.add.reduceat(sums.x, starts), n, out=values[starts].copy(), where=filled)
    ends = np.append(starts[1:], len(values)) - 1
    return Cut(bin_at, values[starts], values[ends], center, filled)


def cut_at_points(values: Floats, sums: Sums, n_points: int, *, ends: Ends) -> Cut:
    """Bins between points at equal distance, each with the point that it ends at (published).

    Parameters
    ----------
    values, sums
        As for `cut_quantiles`.
    n_points : int
        Bins, of which the first holds the least value alone.
    ends : Ends
    """
    present = values[sums.n > 0]
    points = np.linspace(present[0], present[-1], n_points)
    bin_at = np.minimum(np.digitize(values, points, right=True), n_points - 1)
    used = (np.arange(n_points) >= ends.first) & (np.arange(n_points) < n_points - ends.last)
    return Cut(bin_at, np.append(points[:1], points[:-1]), points, points, used)


class Binned(NamedTuple):
    """Bins with their means."""

    cut: Cut
    n: Floats  # weight in each bin
    mean: Floats  # nan: empty
    r: float
    n_bins: int  # that bear on r


def bin_values(recipe: Recipe, values: Floats, sums: Sums, n_bins: int) -> Binned:
    """Means of bins, and Pearson's r of centers and means; nan with fewer than three bins."""
    if not sums.n.any():
        empty = np.zeros(0)
        return Binned(Cut(empty.astype(np.int64), empty, empty, empty, empty > 0), empty, empty,
                      float("nan"), 0)  # fmt: skip
    cut = recipe.cut(values, sums, n_bins)
    size = len(cut.center)
    n, y = sum_by(cut.bin_at, sums.n, size), sum_by(cut.bin_at, sums.y, size)
    mean = np.divide(y, n, out=np.full(size, np.nan), where=n > 0)
    used = cut.used & (n > 0)
    enough = used.sum() >= MIN_BINS
    r = pearson(cut.center[used], mean[used]) if enough else float("nan")
    return Binned(cut, n, mean, r, int(used.sum()))
