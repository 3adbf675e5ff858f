"""A recipe against its source: every column that it names is there, its SQL can be computed, its promise is kept."""

from collections.abc import Iterator, Mapping

from orchestration.formats import column_types
from orchestration.lib.field_sql import quote
from orchestration.lib.recipe.errors import RecipeError
from orchestration.lib.recipe.expressions import Expression, check_select, column_kinds, read_expression
from orchestration.lib.recipe.model import Recipe
from orchestration.lib.recipe.privacy import check_privacy
from orchestration.lib.recipe.sample import OTHERS
from orchestration.lib.recipe.source_columns import no_column, source_columns
from orchestration.lib.recipe.sources import SOURCES
from orchestration.lib.recipe.weights import PROPENSITY, WEIGHT


def check_against_source(file: str, recipe: Recipe) -> None:
    """Raises RecipeError for the first thing that a run would stumble over."""
    source, columns = recipe.source, source_columns(recipe.source)
    for field, name, cure in _columns_named(recipe):
        if name not in columns:
            raise no_column(file, field, name, of=source, columns=columns, cure=cure)
    condition = read_expression(file, "where", recipe.where, source=source)
    if condition.kind.id != "boolean":
        raise RecipeError(f"{file}: where is a {condition.kind} for each row; write a condition, e.g. reward > 0")
    if recipe.most and recipe.most.by:
        read_expression(file, "most.by", recipe.most.by, source=source)
    kinds = column_kinds(source)
    published = {
        name: read_expression(file, f"columns.{name}.value", recipe.values[name], source=source)
        if name in recipe.values
        else Expression(kinds[name], frozenset({name}))
        for name in recipe.columns
    }
    check_select(file, "columns", f"select {recipe.select_list} from {source} as source", source=source)
    check_privacy(file, recipe.privacy, published=published, source=kinds)
    _check_weights(file, recipe, published)
    _check_sample(file, recipe)


def _columns_named(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """Each field that names a column of the source, the name, and what else one could write."""
    for name in recipe.columns:
        if name not in recipe.values:
            yield f"columns.{name}", name, "; or say what it is: {value: SQL, meaning: …}"
    for name in recipe.key:
        yield "key", name, ""
    for name in recipe.most_per:
        yield "most_per", name, ""
    if recipe.split:
        yield "split.by", recipe.split.by, ""


def _check_weights(file: str, recipe: Recipe, published: Mapping[str, Expression]) -> None:
    weights = recipe.weights
    if weights is None:
        return
    needed = (WEIGHT, PROPENSITY) if weights.inverse_propensity else (WEIGHT,)
    for name in needed:
        if name not in recipe.columns:
            cure = " (its source has none: {value: 1.0, meaning: …})" if name == WEIGHT else ""
            raise RecipeError(f"{file}: weights needs column {name!r}; add it to columns{cure}")
        if published[name].kind.id not in column_types.NUMBERS:
            raise RecipeError(f"{file}: weights: {name} is a {published[name].kind}; make it a number")
    if weights.inverse_propensity and SOURCES[recipe.source].is_weighted and WEIGHT not in recipe.values:
        raise RecipeError(
            f"{file}: weights.inverse_propensity: {WEIGHT} of {recipe.source} is the inverse of the propensity as it "
            "is; leave it out, `clip` alone may stay"
        )


def _check_sample(file: str, recipe: Recipe) -> None:
    sample = recipe.sample
    if sample is None:
        return
    if sample.rehearsal_share and recipe.window_days is None:
        raise RecipeError(
            f"{file}: sample.rehearsal mixes in rows older than the window, and there is none; add e.g. window_days: 30"
        )
    asked = {f"sample.rates.{column}": (column, values) for column, values in sample.rates.items()}
    if sample.balance:
        asked["sample.balance.by"] = (sample.balance.by, sample.balance.weights)
    known = {**source_columns(recipe.source), **recipe.columns}
    for field, (name, values) in asked.items():
        if name not in known:
            raise no_column(file, field, name, of=f"{recipe.source} or of the dataset", columns=known)
        for value in values:
            if value != OTHERS:
                test = f"select {recipe.value_of(name)} = {quote(value)} from {recipe.source} as source"
                check_select(file, f"{field}: {value!r}", test, source=recipe.source)
