# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Concept frequency and accuracy: a published figure, redrawn and looked into
#
# Udandarao et al. (arXiv 2404.04125) counted how many samples of LAION-400M hold each class name of
# a benchmark, and set the count against the zero-shot accuracy of the class. They publish both, so
# the figure can be redrawn from their files, with no image and no GPU, and then looked into: what
# do the bins hide, what are the zeros, and does frequency foretell accuracy?
#
# Intervals here are from 300 bootstrap replicates over data sets, to be quick. `conceptstats eval
# frequency` takes 1,000 unless told otherwise.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
from IPython.display import Image, Markdown

from conceptstats.eval.frequency.agreement import agreement
from conceptstats.eval.frequency.concept_counts import name_concepts, read_concept_counts
from conceptstats.eval.frequency.long_tail import long_tail
from conceptstats.eval.frequency.run import Settings, frequency, read_accuracies
from conceptstats.eval.report.figures import draw_figure, render

# Clone github.com/bethgelab/frequency_determines_performance: two of its folders are the input.
COUNTS, RESULTS = Path("search_counts"), Path("zero_shot_evaluations")
if "CONCEPTSTATS_TEST_DATA" in os.environ:  # where the tests of this project have them
    published = Path(os.environ["CONCEPTSTATS_TEST_DATA"]) / "data" / "frequency"
    COUNTS, RESULTS = published / "search_counts", published / "zero_shot"

MODELS = ("ViT-B-32/laion400m", "ViT-B-16/laion400m", "ViT-L-14/laion400m")
SEARCHES = {"text": "lemmatized", "tags": "rampp0.7", "joint": "integrated_tlemmatized_i0.7"}

results = read_accuracies([RESULTS], prompts="ensemble")
counts = {
    name: read_concept_counts(COUNTS, pretraining="laion400m", search=search)
    for name, search in SEARCHES.items()
}


def table(rows):
    """Rows as a table; an estimate shows its interval."""
    return pd.DataFrame(rows).map(str)


def picture(result, recipe, width):
    """A figure as `conceptstats eval figure --recipe` draws it."""
    drawn = draw_figure({"LAION-400M": result.to_json()}, recipe, width)
    return Image(render(drawn, ".png"), width=int(110 * width))


# %% [markdown]
# ## The published figure
# A sample counts where its text names the concept *and* its image is tagged with it. The published
# recipe takes a count of 0 as 1, cuts the logarithms of the counts into 12 bins of equal width,
# leaves out those at both ends, and correlates the bins with their mean accuracy. Three models are
# published for LAION-400M, and the r of their bins is matched to four places.

# %%
settings = Settings(recipe="udandarao", n_bootstrap=300)
by_recipe = frequency(counts["joint"], results, models=MODELS, settings=settings)
assert [round(m.r.value, 4) for m in by_recipe.models] == [0.9858, 0.9760, 0.9441]
table(by_recipe.rows())

# %% [markdown]
# The r of the bins (hollow ones are left out) is near 1. That of the classes, one dot each, is not:
# nobody publishes it.

# %%
picture(by_recipe, "accuracy-frequency", 6)

# %% [markdown]
# ## What the bins do
# A bin's mean has lost the spread within the bin. The fewer bins, the more is lost, and the nearer
# r comes to 1: it says how straight the means lie, and not how well one class is foretold. The
# lines are the r over classes.

# %%
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
for shift, colour, found in zip((0.97, 1, 1.03), ("C0", "C1", "C2"), by_recipe.models, strict=True):
    r = np.array([(b.n_bins, b.r, b.r - b.low, b.high - b.r) for b in found.r_by_bins]).T
    axes.errorbar(r[0] * shift, r[1], r[2:], fmt="o", markersize=3, elinewidth=0.7, color=colour)
    axes.axhline(found.r_unbinned.value, color=colour, linewidth=0.8, label=found.model)
axes.set(xscale="log", xlabel="bins that bear on r", ylim=(0, 1.02), ylabel="r, 95% interval")
axes.set_xticks(r[0], [f"{n:.0f}" for n in r[0]])
axes.minorticks_off()
axes.legend(frameon=False, loc="lower left", ncols=3)

# %% [markdown]
# ## What the zeros are
# More than a third of the classes are counted as never seen. That is the search's doing:
# "wine-bottle" and "american-flag" are not missing from 400 million samples. The more words a name
# has (a car's maker, model, kind and year), the less often it is found, and that has little to do
# with how hard the class is.

# %%
points = by_recipe.models[0].points.to_pandas()
n_words = points.concept.str.replace("_", " ").str.split().str.len()
points = points.assign(
    words=n_words.map(lambda n: f"{n}" if n < 4 else "4 or more"), never=points["count"] == 0
)
points.groupby("words").agg(
    classes=("never", "size"), never_seen=("never", "mean"), accuracy=("value", "mean")
).round(2)

# %% [markdown]
# ## The same without these choices
# The honest recipe leaves zeros out of what is linear (their mean stands beside), takes 20 bins of
# as many classes, and all 19 data sets. *Within data sets* each data set has a level of its own, so
# that an easy data set of frequent classes proves nothing; the slope is in points of accuracy for
# ten times as many samples.

# %%
honest = frequency(counts["joint"], results, models=MODELS, settings=Settings(n_bootstrap=300))


def within(found):
    """What is left within data sets."""
    slope = found.fits.within.slope_per_decade
    low, value, high = (100 * x for x in (slope.low, slope.value, slope.high))
    return {
        "model": found.model,
        f"r, {found.n_bins} bins": found.r,
        "r over classes": found.r_unbinned,
        "r within data sets": found.fits.within.r,
        "points per tenfold, within": f"{value:.1f} [{low:.1f}, {high:.1f}]",
        "accuracy": f"{found.mean:.3f}",
        "accuracy of zeros": found.zero_mean,
    }


table([within(found) for found in honest.models])

# %% [markdown]
# ## Does frequency foretell accuracy?
# Leave out one data set after the other, fit the trend to the rest, and foretell the accuracies of
# the one left out, its mean given: root mean squared error.

# %%
table(
    {"model": found.model} | {s.name: f"{s.rmse_within:.3f}" for s in found.fits.compared.shapes}
    for found in honest.models
)

# %% [markdown]
# ## The long tail
# How often the classes of all benchmarks occur, by each of the three searches. "Long-tailed" holds
# by any measure; that the tail follows Zipf's law does not: a power law is fitted only to the top
# few percent, and a log-normal is compared with it there.

# %%
pooled = pd.concat(
    counted.to_pandas().assign(dataset="all benchmarks", search=name)
    for name, counted in counts.items()
)
tail = long_tail(pa.Table.from_pandas(pooled, preserve_index=False), n_bootstrap=300)
picture(tail, "long-tail", 5)

# %%
rows, columns = tail.table()
table(rows)[columns]

# %% [markdown]
# ## Do the searches agree?
# Text, tags, and both at once are three counts of the same class in the same data.

# %%
agreed = agreement({name: name_concepts(c) for name, c in counts.items()}, n_bootstrap=300)
picture(agreed, "agreement", 6)

# %% [markdown]
# They rank classes differently, and the trend depends on which one counts.

# %%
by_search = {
    name: frequency(counts[name], results, models=MODELS[:1], settings=settings).models[0]
    for name in SEARCHES
}
table(
    {
        "search": name,
        "never seen": f"{found.n_zero / found.points.num_rows:.0%}",
        f"r, {found.n_bins} bins": found.r,
        "r over classes": found.r_unbinned,
        "r within data sets": found.fits.within.r,
    }
    for name, found in by_search.items()
)

# %% [markdown]
# ## What holds up


# %%
def verdict(estimate):
    """What an interval allows to say."""
    side = "above 0" if estimate.low > 0 else "below 0" if estimate.high < 0 else "not told from 0"
    return f"{estimate}, {side}"


lines = ["Model by model, honest recipe, joint search:"]
for found in honest.models:
    gain = found.fits.compared.linear_minus_constant
    lines.append(
        f"- **{found.model}**: r over classes {verdict(found.r_unbinned)}; within data sets "
        f"{verdict(found.fits.within.r)}; change of the squared error on a data set left out "
        f"{verdict(gain)}."
    )
Markdown("\n".join(lines))

# %% [markdown]
# - **Holds**: the published r. It is a property of the means of bins.
# - **Holds**: classes that are more frequent are classified better on average, for each of these
#   models with joint counts, and within data sets too.
# - **Does not follow**: that frequency explains a class's accuracy. The r over classes is about a
#   third of the binned one, and its square is the share of the variance that a line explains.
# - **Does not follow**: a law that carries over. On data sets that it has not seen, a line in log
#   frequency is not told from no trend at all.
# - **Beware**: a count of 0 is a name that the search cannot find, more than a rare concept.
