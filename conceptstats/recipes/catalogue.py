"""All recipes by name."""

from __future__ import annotations

from .pictures import FINETUNE, GENPAIRS, PASTE
from .steps import Recipe
from .vqa import TEXTVQA, VQAV2

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (GENPAIRS, PASTE, TEXTVQA, VQAV2, FINETUNE)
}
