"""Reading recipes: what every file must have, and each optional field by its own parser."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from orchestration.lib.recipe import fields
from orchestration.lib.recipe.checks import check_against_source
from orchestration.lib.recipe.errors import RecipeError
from orchestration.lib.recipe.every import parse_every
from orchestration.lib.recipe.held_out import parse_held_out
from orchestration.lib.recipe.label_noise import parse_label_noise, with_noise_columns
from orchestration.lib.recipe.model import Recipe
from orchestration.lib.recipe.most import parse_most
from orchestration.lib.recipe.near_duplicates import TOGETHER, parse_near_duplicates
from orchestration.lib.recipe.privacy import parse_privacy
from orchestration.lib.recipe.sample import parse_sample, parse_window_days
from orchestration.lib.recipe.sources import check_source
from orchestration.lib.recipe.split import parse_split
from orchestration.lib.recipe.weights import parse_weights

_REQUIRED: dict[str, type] = {"name": str, "description": str, "license": str, "source": str, "columns": dict}
# By these each row is traced to what it came from.
_TRACED_BY = ("feedback_id", "request_id", "attributed_date")
# The same in C where there is one: all recipes are read each time that something loads.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class _Optional:
    """A field that a recipe may have: its YAML type, and what makes it the Recipe's value or raises RecipeError."""

    kind: type
    parse: Callable[[str, Any], Any] = lambda _, given: given


# One line a field: its parser has a module here where it is more than a check.
_OPTIONAL: dict[str, _Optional] = {
    "where": _Optional(str),
    "include_unreviewed": _Optional(bool),
    "key": _Optional(list, lambda _, given: tuple(given)),
    "parameters": _Optional(dict),
    "split": _Optional(dict, parse_split),
    "every": _Optional(str, parse_every),
    "most": _Optional(dict, parse_most),
    "window_days": _Optional(int, parse_window_days),
    "sample": _Optional(dict, parse_sample),
    "most_per": _Optional(dict, fields.parse_most_per),
    "near_duplicates": _Optional(dict, parse_near_duplicates),
    "held_out": _Optional(dict, parse_held_out),
    "weights": _Optional(dict, parse_weights),
    "privacy": _Optional(str, parse_privacy),
    "formats": _Optional(list, fields.parse_formats),
    "limits": _Optional(list, fields.parse_limits),
    "retrain_when": _Optional(dict, fields.parse_retrain_when),
    "label_noise": _Optional(dict, parse_label_noise),
}


def load_recipe(path: Path) -> Recipe:
    """Reads one recipe. Raises RecipeError."""
    content = _read(path)
    check_source(path.name, content)
    optional = {name: _OPTIONAL[name].parse(path.name, content[name]) for name in content.keys() & _OPTIONAL.keys()}
    recipe = Recipe(**{**content, **optional, **fields.parse_columns(path.name, content["columns"])})
    for column in _TRACED_BY:
        if column not in recipe.columns:
            raise RecipeError(f"{path.name}: columns must hold {column!r}, by which each row is traced")
    for column in recipe.row_key:
        if column not in recipe.columns:
            raise RecipeError(f"{path.name}: columns must hold {column!r}, which tells rows apart; add it there")
    fields.check_formats_have_columns(path.name, recipe.formats, recipe.columns)
    check_against_source(path.name, recipe)
    return _compared(path, with_noise_columns(path.name, recipe))


def _compared(path: Path, recipe: Recipe) -> Recipe:
    """The recipe with what its rows are compared by and with: columns and files that are there. Raises RecipeError."""
    near, held_out = recipe.near_duplicates, recipe.held_out
    for name, columns in (
        ("near_duplicates.of", near.of if near else ()),
        ("held_out.against", held_out.against if held_out else ()),
    ):
        for column in columns:
            if column not in recipe.columns:
                raise RecipeError(f"{path.name}: {name}: {column!r} is none of columns; write one, or add it there")
    if near and near.keep == TOGETHER and not recipe.split:
        raise RecipeError(f"{path.name}: near_duplicates.keep: {TOGETHER} is about splits; add split, or write first")
    if held_out:
        held_out = replace(held_out, folder=path.parent)
        recipe = replace(recipe, held_out=held_out)
        try:
            held_out.paths()
        except RecipeError as error:
            raise RecipeError(f"{path.name}: {error}") from None
    return recipe


def load_recipes(folder: Path) -> list[Recipe]:
    """The recipes of a folder, by name. Raises RecipeError."""
    return [load_recipe(path) for path in sorted(folder.glob("*.yml"))]


def _read(path: Path) -> Mapping[str, Any]:
    """A recipe's fields: all that it must have, no other than those that there are, each of its YAML type."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path.name}: is no YAML: {error}") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{path.name}: a recipe is a mapping of fields; see recipes/feedback.yml")
    kinds = _REQUIRED | {name: optional.kind for name, optional in _OPTIONAL.items()}
    for name in sorted(content.keys() - kinds.keys(), key=str):
        raise RecipeError(f"{path.name}: field {name!r} is unknown; a recipe has {', '.join(kinds)}")
    for name in _REQUIRED:
        if not content.get(name):
            raise RecipeError(f"{path.name}: field {name!r} is missing")
    for name, value in content.items():
        if not isinstance(value, kinds[name]):
            raise RecipeError(f"{path.name}: field {name!r} must be a {kinds[name].__name__}")
    if content["name"] != path.stem:
        raise RecipeError(f"{path.name}: name is {content['name']!r}, but must be the file's name {path.stem!r}")
    return content
