"""What a reader of a result must know: every choice and gap, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..statistics.bins import MIN_BINS
from ..statistics.resampling import MIN_REPLICATES
from .join import level_name
from .metrics import task_of
from .results import Frequency

_PUBLISHED = {
    "retrieval": "The published code has 7 points for retrieval; over which of their bins its r is "
    "was not released, and is taken from classification.",
    "generation": "As published for generation, there are 7 points, and r leaves out the first "
    "three bins.",
}

_FEW_CLUSTERS = 10
_FEW_REPLICATES = 200


class LeftOut(NamedTuple):
    """Rows of results that were left out before the join."""

    datasets: tuple[str, ...]  # that were not asked for, or that the recipe does not have
    missing: tuple[str, ...]  # data sets that the recipe has, and the results do not
    n_few: int  # results over fewer than ``min_n`` examples
    min_n: int


def caveats(found: Frequency, left_out: LeftOut) -> tuple[str, ...]:
    """Notes on a result."""
    parts = (
        _of_rows(found, left_out),
        _of_zeros(found),
        _of_recipe(found),
        _of_clusters(found),
        _of_fits(found),
    )
    return tuple(note for part in parts for note in part)


def _of_rows(found: Frequency, left_out: LeftOut) -> Iterator[str]:
    lost = sum(dataset.n_without_count for dataset in found.joined)
    if lost:
        whose = ", ".join(
            f"{d.dataset} {d.n_without_count:,} ({d.reason})"
            for d in found.joined
            if d.n_without_count
        )
        yield f"{lost:,} results have no count and are left out: {whose}."
    if left_out.datasets:
        yield f"Data sets of the results that are left out: {', '.join(left_out.datasets)}."
    if left_out.missing:
        lacking = ", ".join(left_out.missing)
        yield f"Data sets of the published trend that the results lack: {lacking}."
    if left_out.n_few:
        yield (
            f"{left_out.n_few:,} results are over fewer than {left_out.min_n:,} examples, and left "
            "out."
        )
    if aliased := sum(dataset.n_by_alias for dataset in found.joined):
        yield f"Concepts matched by alias: {aliased:,}."
    if found.pretrained and found.pretraining:
        own, counted = level_name(found.pretrained), level_name(found.pretraining)
        if counted not in own and own not in counted:
            yield (
                f"The model was trained on {found.pretrained}, and the counts are of "
                f"{found.pretraining}."
            )


def _of_zeros(found: Frequency) -> Iterator[str]:
    if not found.n_zero:
        return
    total = found.points.num_rows
    what = (
        "they count as 1, as published, and make up the first bin with the counts of 1"
        if found.zeros == "as one"
        else "they have no logarithm, so what is binned or linear leaves them out; in Spearman's r "
        "they rank lowest"
    )
    yield (
        f"{found.n_zero:,} of {total:,} concepts ({found.n_zero / total:.0%}) have a count of 0: "
        f"{what}. The figures with zeros {found.other.zeros if found.other else ''} stand beside. "
        "A zero can mean that the search cannot find a name (of several words, say) and not that "
        "the concept is rare."
    )


def _of_recipe(found: Frequency) -> Iterator[str]:
    if found.r.value is None:
        yield (
            f"The binned r is not given: it is over {found.n_bins} bins, of which it takes "
            f"{MIN_BINS} with different means."
        )
    if found.recipe == "udandarao":
        shown, used = len(found.bins), [b.n for b in found.bins if b.used]
        yield (
            f"The published r is over {found.n_bins} of {shown} bins, which hold {sum(used):,} of "
            f"{found.n_points:,} points, the smallest {min(used, default=0):,}; the others are "
            "left out, and each bin counts alike. It says how straight the means lie, not how well "
            "frequency foretells a concept's value: that is the r over points."
        )
        if note := _PUBLISHED.get(task_of(found.metric)):
            yield note
    elif found.n_bins >= MIN_BINS:
        yield (
            "A binned r takes the spread within bins away, and grows with the size of the bins; "
            "r_by_bins shows how much."
        )
    if found.weights == "equal":
        known = not found.points["n"].null_count
        why = "as asked, or as the recipe has it" if known else "it is not known of all points"
        yield (f"Points count alike, whatever the number of examples behind them ({why}).")


def _of_clusters(found: Frequency) -> Iterator[str]:
    if found.cluster == "concept":
        yield (
            "There are fewer than 3 data sets, so intervals are of concepts drawn at random; they "
            "say nothing of other data sets."
        )
    elif found.n_clusters < _FEW_CLUSTERS:
        yield (
            f"Intervals rest on {found.n_clusters} data sets only: of so few they hold the truth "
            "less often than they say."
        )
    names = [level_name(name) for name in found.points["concept"].to_pylist()]
    if found.cluster == "dataset" and (shared := len(names) - len(set(names))):
        yield (
            f"{shared:,} points are of concepts that another data set has too (by name), so data "
            "sets are not wholly independent."
        )
    if not found.n_bootstrap:
        yield "No bootstrap, so no interval but those of the mixed model and of the shapes."
    elif found.n_bootstrap < MIN_REPLICATES:
        yield (
            f"{found.n_bootstrap} bootstrap replicates are too few for an interval: "
            f"{MIN_REPLICATES} are needed, and 1,000 are good."
        )
    elif found.n_bootstrap < _FEW_REPLICATES:
        yield f"{found.n_bootstrap} bootstrap replicates are few: their intervals are rough."
    if found.r.value is not None and found.r.value in (found.r.low, found.r.high):
        yield (
            "The binned r is beyond its bootstrap interval, which is stretched to hold it: "
            "replicates are noisier than the data, and noise lowers a binned r."
        )


def _of_fits(found: Frequency) -> Iterator[str]:
    mixed = found.fits.mixed
    if mixed.problem and mixed.slope_per_decade.value is None:
        yield f"The mixed model is not given: {mixed.problem}."
    elif mixed.problem:
        yield f"The mixed model is not to be trusted: {mixed.problem}."
    if mixed.slope_per_decade.value is not None and found.weights == "n":
        yield "The mixed model takes no weights: its points count alike."
    if found.fits.compared.linear_minus_isotonic.value is None:
        yield "Shapes are not compared: that takes 3 data sets."
