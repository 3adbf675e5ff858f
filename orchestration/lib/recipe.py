"""Recipes: one declarative file a dataset, checked when it is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_REQUIRED = {"name": str, "description": str, "license": str, "source": str, "columns": dict}
_OPTIONAL = {"where": str, "include_unreviewed": bool, "key": list, "credit_method": str}
# Marts that spread a reward, and how (dbt_project/macros/{component_credit,retrieval}.sql); the first is the default.
CREDIT_METHODS = {
    "component_credit": ("weight", "agreement", "equal"),
    "chunk_credit": ("cited", "rank_discount", "equal"),
}


class RecipeError(ValueError):
    """A recipe can not be used; the message names the file, the field and the cure."""


@dataclass(frozen=True)
class Recipe:
    """What a dataset holds: rows of a mart as of a partition, some columns of it, perhaps a filter.

    `include_unreviewed` takes in what waits for a reviewer, too; what one rejected is never in. `key` are the columns
    that tell a row from others of its feedback, where one has several. `credit_method` says how a mart that spreads
    rewards is to do it.
    """

    name: str
    description: str
    license: str
    source: str
    columns: dict[str, str]
    where: str = "true"
    include_unreviewed: bool = False
    key: tuple[str, ...] = ()
    credit_method: str | None = None

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return ("feedback_id", *self.key)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "license": self.license,
            "source": self.source,
            "where": self.where,
            "include_unreviewed": self.include_unreviewed,
            "columns": list(self.columns),
            **({"key": list(self.key)} if self.key else {}),
            **({"credit_method": self.credit_method} if self.credit_method else {}),
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
    _check_source(path, content)
    return Recipe(**{**content, "key": tuple(content.get("key", ()))})


def _check_source(path: Path, content: dict[str, Any]) -> None:
    source, method = content["source"], content.get("credit_method")
    methods = CREDIT_METHODS.get(source, ())
    if method is not None and method not in methods:
        cure = f"write one of {', '.join(methods)}" if methods else f"leave it out: {source} spreads no rewards"
        raise RecipeError(f"{path.name}: credit_method is {method!r}; {cure}")
    if content.get("include_unreviewed") and source != "attributed_feedback":
        raise RecipeError(f"{path.name}: include_unreviewed is for source attributed_feedback only; leave it out")
    for column in content.get("key", ()):
        if column not in content["columns"]:
            raise RecipeError(f"{path.name}: key names {column!r}, which is not among the columns; add it there")
    if methods and not content.get("key"):
        raise RecipeError(f"{path.name}: {source} has several rows a feedback; add e.g. key: [position]")


def load_recipes(folder: Path) -> list[Recipe]:
    """The recipes of a folder, by name. Raises RecipeError."""
    return [load_recipe(path) for path in sorted(folder.glob("*.yml"))]
