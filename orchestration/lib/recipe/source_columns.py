"""Which columns each source has, by the yml beside its model: what a recipe's names are held against."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache

from orchestration.lib.dbt import manifest_path
from orchestration.lib.recipe.errors import RecipeError
from orchestration.lib.recipe.sources import SOURCES

# What a mart's row holds, as a number (dbt_project/macros/row_hash.sql).
ROW_HASH = "row_hash"


@cache
def source_columns(source: str) -> Mapping[str, str]:
    """Column to type of a source, as its rows are described; the function of a day has the same as its mart.

    Not ROW_HASH, which is an engine's own: rows that hold it could not be made again by another.
    """
    described = described_columns(SOURCES[source].asset(source))
    return {name: kind for name, kind in described.items() if name != ROW_HASH}


def described_columns(model: str) -> Mapping[str, str]:
    """Column to type of a model, as the yml beside it has them."""
    return {name: of["data_type"] for name, of in _models()[model]["columns"].items()}


@cache
def _models() -> Mapping[str, Mapping[str, dict[str, dict[str, str]]]]:
    nodes = json.loads(manifest_path().read_bytes())["nodes"].values()
    return {node["name"]: node for node in nodes if node["resource_type"] == "model"}


def no_column(file: str, field: str, name: str, *, of: str, columns: Iterable[str], cure: str = "") -> RecipeError:
    """What to say of a name that is no column: the nearest ones, or all."""
    near = get_close_matches(name, columns, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(columns)}"
    return RecipeError(f"{file}: {field}: {name!r} is no column of {of}; {hint}{cure}")
