"""Recipes: one declarative file a dataset, checked when it is loaded.

Each optional field that is more than a check has a module of its own here; `loading.py` lists them.
"""

from orchestration.lib.recipe.errors import RecipeError
from orchestration.lib.recipe.loading import load_recipe, load_recipes
from orchestration.lib.recipe.model import Recipe
from orchestration.lib.recipe.sources import SOURCES, Source, row_key
from orchestration.lib.recipe.split import DEFAULT_SPLIT, Split

__all__ = [
    "DEFAULT_SPLIT",
    "SOURCES",
    "Recipe",
    "RecipeError",
    "Source",
    "Split",
    "load_recipe",
    "load_recipes",
    "row_key",
]
