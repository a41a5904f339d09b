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
# # A controlled world
#
# Does co-occurrence in the captions *cause* what a model gets wrong, or do common pairs differ
# from rare ones in other ways? In a world of our own we can ask: the same keys, the same
# accessories, the same frequencies, the same probe images, and only the association changed.
#
# This notebook runs the chain of `conceptstats demo` in a small world, then looks at its tables.
# The full demo has 28 keys and 40 accessories and takes some minutes; give `FULL` below for it.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from conceptstats.cli import cli
from conceptstats.demo import Scale, run_demo
from conceptstats.eval.statistics.correlate import correlate
from conceptstats.eval.statistics.shuffle import shuffle

SMALL = Scale(
    n=60_000,
    pictures=6_000,
    keys=8,
    accessories=12,
    steps=400,
    strata=6,
    per_stratum=14,
    per_probe=16,
    draws=300,
)
folder = Path(tempfile.mkdtemp()) / "world"
result = run_demo(folder, lambda command: cli.main([*command], standalone_mode=False), scale=SMALL)
print((folder / "commands.sh").read_text().replace(str(folder), "world"))

# %% [markdown]
# ## What the models see
# A picture shows a key, often faint, and an accessory, always clear. Each row is one key with four
# accessories.

# %%
images = pq.read_table(folder / "images" / "images.parquet").to_pandas()
figure, rows = plt.subplots(3, 8, figsize=(8, 3.4), layout="constrained")
for row, (key, of_key) in zip(rows, images.groupby("target"), strict=False):
    for axes, path in zip(row, of_key.path.iloc[:: len(of_key) // 8], strict=False):
        axes.imshow(Image.open(folder / "images" / path))
        axes.set_axis_off()
    row[0].set_title(key, fontsize=8)

# %% [markdown]
# ## Accuracy against PMI, and its controls
# One point a pair. The *independent* world has the same concepts as often, but no association: what
# PMI its captions have is chance. The *observer* has the evidence of the model of the independent
# world and knows the PMI of the main one: it shows how much of the effect is the data's.


# %%
def by_pair(name):
    """PMI and accuracy of each pair that was seen."""
    examples = pq.read_table(folder / "examples" / f"{name}.parquet").to_pandas()
    pairs = examples.groupby("pair").agg(pmi=("pmi", "first"), accuracy=("outcome", "mean"))
    return pairs[np.isfinite(pairs.pmi)]


figure, panels = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True, layout="constrained")
for axes, name in zip(panels, ("main", "independent", "observer"), strict=True):
    pairs = by_pair(name)
    axes.plot(pairs.pmi, pairs.accuracy, ".", markersize=3)
    r = np.corrcoef(pairs.pmi, pairs.accuracy)[0, 1]
    axes.set(title=f"{name}: r over pairs {r:.2f}", xlabel="PMI (nats)")
panels[0].set_ylabel("accuracy")

# %% [markdown]
# ## What the difference of worlds shows
# In the *opposite* world the association is turned round. The probe images are the same, so how
# hard a picture is falls out of the difference of the two models.

# %%
main, opposite = by_pair("main"), by_pair("opposite")
both = main.join(opposite, rsuffix="_opposite", how="inner")
figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
axes.plot(both.pmi - both.pmi_opposite, both.accuracy - both.accuracy_opposite, ".", markersize=3)
axes.set(xlabel="difference of PMI (nats)", ylabel="difference of accuracy")

# %% [markdown]
# ## What bins make of nothing
# **A binned r is not the r of the data.** Shuffle PMI among the pairs: nothing is left to find,
# and still the r over bins of a single shuffle can be large. The fewer the bins, the larger. So a
# binned r says little without its number of bins, the r over examples, and its interval.

# %%
examples = pq.read_table(folder / "examples" / "main.parquet")
for n_bins in (5, 10, 20):
    found = correlate(examples, cluster="class", n_bins=n_bins, n_bootstrap=200, n_permutations=0)
    nothing = shuffle(examples, n_bins=n_bins)
    print(f"{n_bins:>2} bins: r {found.r_binned};  shuffled {nothing.r_binned}")
print(f"examples: r {found.r_unbinned};  shuffled {nothing.r_unbinned}")

# %% [markdown]
# ## The table
# The slope is the log-odds of a right answer per nat of PMI, the frequencies of key and accessory
# held fixed. The world is small here, so the intervals are wide; those of the full demo are in the
# README.

# %%
for row in result.rows():
    print("  ".join(f"{cell:<14}" for cell in row.values()))
