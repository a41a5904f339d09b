"""What a reader of a `Correlation` must know besides its numbers, told from the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .associations import TAIL
from .columns import MIN_CLUSTERS
from .resampling import MIN_REPLICATES
from .results import Correlation

_FEW_REPLICATES = 200


def caveats(found: Correlation) -> Iterator[str]:
    """Choices and gaps, the broadest first."""
    yield from _of_clusters(found)
    yield from _of_examples(found)
    yield from _of_bins(found)
    yield from _of_gap(found)
    yield from _of_model(found)
    yield from _of_resampling(found)


def _of_clusters(found: Correlation) -> Iterator[str]:
    if not found.cluster:
        yield "Examples are taken as independent, as was asked: no clusters."
    if len(found.cluster) == 2:
        first, second = found.cluster
        yield (
            f"The logistic models allow for clusters of {first} and of {second} (each variance is "
            f"the greatest of the two and of their two-way combination); all other intervals for "
            f"{first} alone."
        )
    if found.n_clusters < MIN_CLUSTERS:
        yield (
            f"{found.n_clusters} clusters are few: with fewer than {MIN_CLUSTERS} intervals can be "
            "too narrow."
        )


def _of_examples(found: Correlation) -> Iterator[str]:
    if found.unknown:
        yield (
            f"{found.unknown:,} examples have no known {found.predictor}: they count in the mean "
            "outcome, and in nothing else."
        )
    if found.unseen:
        yield (
            f"{found.unseen.n:,} examples have {found.predictor} = -inf: they rank lowest in "
            "spearman, gap and auc, and are left out of bins, r, models and permutations."
        )


def _of_bins(found: Correlation) -> Iterator[str]:
    if found.n_bins < found.n_bins_asked:
        why = "ties merge bins" if found.bins == "quantile" else "the others hold no example"
        yield f"{found.n_bins} of {found.n_bins_asked} bins exist: {why}."
    if found.r_binned.value is None:
        yield "r_binned is not given: fewer than three bins, or bins of one and the same accuracy."
    else:
        yield (
            "r_binned depends on the number of bins and of examples: with enough of them it nears "
            "1 or -1, however small the effect. Its interval is for data of this size."
        )
    if any(part.n_clusters < 2 for part in found.bin_table):
        yield "A bin with examples of one cluster only has no interval."


def _of_gap(found: Correlation) -> Iterator[str]:
    least = math.ceil(TAIL * (found.n - found.unknown))
    for n, end in ((found.n_top, "top"), (found.n_bottom, "bottom")):
        if n > least:
            yield (
                f"Ties cross the border of the {end} {TAIL:.0%}: {n:,} examples bear on it, the "
                "tied ones with equal parts of the place that is left."
            )


def _of_model(found: Correlation) -> Iterator[str]:
    for control in found.model.dropped:
        yield f"Control {control.name} is dropped: {control.reason}."
    if found.model.n < found.n_used:
        yield (
            f"The model with controls is of {found.model.n:,} examples: the others lack a finite "
            "control."
        )
    if found.partial_r.value is None:
        yield "partial_r is not given: there are no controls, or they make up the outcome."


def _of_resampling(found: Correlation) -> Iterator[str]:
    if not found.n_bootstrap:
        yield "No bootstrap, so no interval of any r, rank r, gap or auc."
    elif found.n_clusters < 3 and found.spearman.low is None:
        yield "With two clusters there is no bootstrap interval."
    elif found.n_bootstrap < MIN_REPLICATES:
        yield (
            f"{found.n_bootstrap} bootstrap replicates are too few for the interval of an r, rank "
            f"r, gap or auc: {MIN_REPLICATES} are needed, and 1,000 are good."
        )
    elif found.n_bootstrap < _FEW_REPLICATES:
        yield f"{found.n_bootstrap} bootstrap replicates are few: their intervals are rough."
    elif found.r_binned.value is not None and found.r_binned.low is None:
        yield "r_binned has no interval: most replicates have fewer than three bins that differ."
    elif found.r_binned.value in (found.r_binned.low, found.r_binned.high):
        yield (
            "r_binned is beyond its bootstrap interval, which is stretched to hold it: replicates "
            "are noisier than the data, and noise lowers a binned r."
        )
    if not found.n_permutations:
        yield "No permutations, so no p."
    elif found.permutation_p is None:
        yield "permutation_p is not given: one cluster alone decides the unbinned r."
