"""Recipes: the whole chain for one result of the paper, as plain commands.

Qu & Xie, "Impact of Pretraining Word Co-occurrence on Compositional Generalization in Multimodal
Models", arXiv 2507.08000. A recipe is a list of steps, each of which is one command line that a
user can read, edit and run; `run.run_recipe` runs those that are not done.
"""

from __future__ import annotations
