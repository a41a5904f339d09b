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
# # A first index
#
# Build an index of captions, look at what it holds, and meet the two traps of PMI: pairs that were
# never seen, and pairs that were seen too rarely to say anything. The captions are those of a
# world of `conceptstats synth`: their joint distribution is known, so every number can be checked.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import conceptstats as cs
from conceptstats.synth.world import World, joint_table, true_pmi
from conceptstats.synth.world_files import write_world

folder = Path(tempfile.mkdtemp())
world = World(n=50_000, associated=1.0, empty=0.08)
write_world(world, folder / "world", pictures=0)
cs.build_index([folder / "world" / "captions.parquet"], folder / "index")

# %% [markdown]
# ## Look
# Opening an index takes milliseconds, whatever its size: its tables are memory-mapped.

# %%
index = cs.CaptionIndex.open(folder / "index")
index.vocabulary.slice(0, 8).to_pandas()

# %%
index.count("Lanterns"), index.count("lantern", "bird"), index.count("lantern", "bird", "photo")

# %%
index.find("lantern", "bird", k=3)

# %%
index.neighbors("lantern", by="npmi", k=8).to_pandas()

# %% [markdown]
# ## PMI, recovered and true
# One point a pair, with its 95% interval, in the order of how often the pair was seen. On the
# right, where a pair is in hundreds of captions, PMI is what it should be; on the left it is mostly
# noise.
# **Trap 1: a PMI without its count says nothing.** The interval says it.

# %%
truth = true_pmi(joint_table(world), world.named_one)
pairs = [
    (index.pmi(key, accessory), truth[i, j])
    for i, key in enumerate(world.keys)
    for j, accessory in enumerate(world.accessories)
]
seen = [(pair, true) for pair, true in pairs if pair.n_ab > 0]
error = np.array([pair.pmi - true for pair, true in seen])
low = np.array([pair.pmi - pair.pmi_low for pair, _ in seen])
high = np.array([pair.pmi_high - pair.pmi for pair, _ in seen])
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
axes.errorbar(
    [pair.n_ab for pair, _ in seen], error, [low, high], fmt=".", markersize=3, linewidth=0.4
)
axes.axhline(0, color="0.5", linewidth=0.8)
axes.set(xscale="log", xlabel="captions with both", ylabel="PMI recovered - true (nats)")
# %% [markdown]
# ## Zero counts
# **Trap 2: PMI of a pair that was never seen is minus infinity**, whether the pair is impossible or
# just unlucky. What the data do say is the upper end of the interval: with this many captions of
# both concepts, an independent pair would hardly be missing.

# %%
unseen = [(pair, true) for pair, true in pairs if pair.n_ab == 0]
for pair, true in unseen[:6]:
    expected = pair.n_a * pair.n_b / pair.n
    print(
        f"{pair.concept_a:>10} {pair.concept_b:<10} expected {expected:6.1f}  "
        f"PMI {pair.pmi} (at most {pair.pmi_high:.2f})  true {true:.2f}"
    )

# %% [markdown]
# The published formula avoids the infinity by adding constants, 1 to pairs and 1,000 to singles.
# They are made for billions of captions. In a corpus as small as this one they outweigh the counts
# of singles, so its order is mostly that of the pair counts, and the pairs that were never seen
# (crosses) stand at the bottom. In a large corpus, where common concepts have millions of captions,
# two rare words that never met score -13.8 and stand *above* common pairs. Compare:

# %%
paper = np.array([index.pmi(p.concept_a, p.concept_b, formula="paper").pmi for p, _ in pairs])
document = np.array([pair.pmi for pair, _ in pairs])
was_seen = np.isfinite(document)
figure, axes = plt.subplots(figsize=(4, 3.2), layout="constrained")
axes.plot(document[was_seen], paper[was_seen], ".", markersize=3)
left = np.full((~was_seen).sum(), document[was_seen].min() - 0.5)
axes.plot(left, paper[~was_seen], "x", markersize=4)
axes.set(xlabel="PMI, document formula (crosses: minus infinity)", ylabel="PMI, paper formula")
