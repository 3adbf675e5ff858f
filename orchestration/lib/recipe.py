"""Recipes: one declarative file a dataset, checked when it is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestration.lib.settings import REPOSITORY

RECIPE_DIR = REPOSITORY / "recipes"
_REQUIRED = {"name": str, "description": str, "license": str, "source": str, "columns": dict}
_OPTIONAL = {"where": str, "include_unreviewed": bool}


class RecipeError(ValueError):
    """A recipe can not be used; the message names the file, the field and the cure."""


@dataclass(frozen=True)
class Recipe:
    """What a dataset holds: rows of a mart as of a partition, some columns of it, perhaps a filter.

    `include_unreviewed` takes in what waits for a reviewer, too; what one rejected is never in.
    """

    name: str
    description: str
    license: str
    source: str
    columns: dict[str, str]
    where: str = "true"
    include_unreviewed: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "license": self.license,
            "source": self.source,
            "where": self.where,
            "include_unreviewed": self.include_unreviewed,
            "columns": list(self.columns),
        }


def load_recipe(path: Path) -> Recipe:
    """Reads one recipe. Raises RecipeError."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise RecipeError(f"{path.name}: a recipe is a mapping of fields; see recipes/feedback.yml")
    known = _REQUIRED | _OPTIONAL
    for field in sorted(content.keys() - known.keys()):
        raise RecipeError(f"{path.name}: field {field!r} is unknown; a recipe has {', '.join(known)}")
    for field in _REQUIRED:
        if not content.get(field):
            raise RecipeError(f"{path.name}: field {field!r} is missing")
    for field, value in content.items():
        if not isinstance(value, known[field]):
            raise RecipeError(f"{path.name}: field {field!r} must be a {known[field].__name__}")
    if content["name"] != path.stem:
        raise RecipeError(f"{path.name}: name is {content['name']!r}, but must be the file's name {path.stem!r}")
    for column in ("feedback_id", "request_id", "attributed_date"):
        if column not in content["columns"]:
            raise RecipeError(f"{path.name}: columns must hold {column!r}, by which each row is traced")
    return Recipe(**content)


def load_recipes(folder: Path = RECIPE_DIR) -> list[Recipe]:
    return [load_recipe(path) for path in sorted(folder.glob("*.yml"))]
