"""What a row counts in training: the weights that a recipe asks for, and how many rows a weighted version is worth."""

from collections.abc import Mapping
from typing import Any

import duckdb

from orchestration.formats.column_types import NUMBERS
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.weights import PROPENSITY, WEIGHT


def weight_sql(recipe: Recipe) -> str:
    """SQL for the published `sample_weight`; the factor of a row without a propensity is 1."""
    weights, weight = recipe.weights, recipe.value_of(WEIGHT)
    if weights and weights.inverse_propensity:
        propensity = recipe.value_of(PROPENSITY)
        weight = f"({weight} * case when {propensity} > 0 then 1 / {propensity} else 1 end)"
    if weights and weights.clip:
        clip = f"{float(weights.clip)!r}::double"
        weight = f"case when {weight} > {clip} then {clip} else {weight} end"
    return weight


def weight_facts(
    connection: duckdb.DuckDBPyConnection, recipe: Recipe, types: Mapping[str, str], rows: str
) -> dict[str, Any]:
    """What the weights of `rows` come to; nothing where there are none.

    `effective_rows` is how many rows of equal weight say as much: (Σw)² / Σw².
    """
    if types.get(WEIGHT, "").split("(")[0].lower() not in NUMBERS:
        return {}
    # In order, so that the sums of doubles are the same on every machine.
    effective, weighted = connection.execute(
        f"""
        select sum(w order by w) ** 2 / nullif(sum(w * w order by w), 0), count(w)
        from (select {WEIGHT}::double as w from {rows})
        """
    ).fetchone() or (None, 0)
    facts: dict[str, Any] = {
        "effective_rows": None if effective is None else round(effective, 3),
        "weighted_rows": weighted,
    }
    weights = recipe.weights
    if weights and weights.clip:
        facts["clipped_rows"] = _count(connection, f"from {rows} where {WEIGHT} = {float(weights.clip)!r}")
    if weights and weights.inverse_propensity:
        facts["rows_without_propensity"] = _count(connection, f"from {rows} where ({PROPENSITY} > 0) is not true")
    return facts


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    (count,) = connection.execute(f"select count(*) {query}").fetchone() or (0,)
    return int(count)
