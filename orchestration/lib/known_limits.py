"""What a card says that a version is not good for: sentences that follow from its recipe and from what was written."""

from collections.abc import Mapping
from typing import Any

from duckdb.sqltypes import DuckDBPyType

from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.privacy import PERSON, PERSONAL, holds
from orchestration.lib.sampling import stages


def known_limits(
    recipe: Recipe, manifest: Mapping[str, Any], types: Mapping[str, DuckDBPyType], rows: Mapping[str, int]
) -> list[str]:
    """The recipe's own sentences first."""
    return [
        *recipe.limits,
        _of_who_judges(recipe),
        *_of_reviews(recipe),
        *_of_sampling(recipe),
        *_of_columns(recipe, types),
        *_of_splits(rows),
        *_of_formats(manifest["formats"]),
    ]


def _of_who_judges(recipe: Recipe) -> str:
    if recipe.asks_for_feedback:
        return (
            "It was picked for what is doubtful in it: it is no sample of the traffic, and nothing measured on it is."
        )
    silence_after_days = recipe.parameters.get("silence_after_days")
    if silence_after_days is not None:
        return f"Who gave no signal within {silence_after_days} days is taken for one who did not want it."
    return (
        "Only what somebody judged is in it, and those who judge are not all users: rates here are not those of the "
        "traffic."
    )


def _of_reviews(recipe: Recipe) -> list[str]:
    if recipe.include_unreviewed:
        return ["It holds feedback that a rule flagged and no reviewer has decided on: some may be noise or an attack."]
    return ["Feedback that a rule flagged is left out until a reviewer accepts it, sound feedback among it."]


def _of_sampling(recipe: Recipe) -> list[str]:
    lines = []
    if recipe.window_days:
        days = "a day" if recipe.window_days == 1 else f"{recipe.window_days} days"
        rehearsed = recipe.sample and recipe.sample.rehearsal_share
        before = "a share of what was before" if rehearsed else "nothing of what was before"
        lines.append(f"It holds what became known within {days}, and {before}.")
    if any(stage.field != "window_days" for stage in stages(recipe)):
        lines.append("Its rows were drawn: how often something is in it does not tell how often it was said.")
    return lines


def _of_columns(recipe: Recipe, types: Mapping[str, DuckDBPyType]) -> list[str]:
    found = {column: holds(column, kind) for column, kind in types.items()}
    # A promise was held against what each column is made from; by its name a column that keeps it may look otherwise.
    held = [column for column, what in found.items() if (what if recipe.privacy == PERSONAL else PERSON in what)]
    if not held:
        return []
    names = ", ".join(f"`{column}`" for column in held)
    told = "what users wrote or who they are" if recipe.privacy == PERSONAL else "who users are"
    return [f"{names} may hold {told}: what looked like personal data when it was loaded is masked, nothing else is."]


def _of_splits(rows: Mapping[str, int]) -> list[str]:
    if len(rows) > 1:
        return []
    return ["There is one split. Who divides it further should keep a user's rows together: they are alike."]


def _of_formats(formats: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, told in formats.items():
        if told["left_out"]:
            reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in told["left_out"].items())
            lines.append(f"`{name}` has {told['rows']:,} rows; left out of it: {reasons}.")
    if "tfrecord" in formats:
        lines.append("In TFRecord numbers have 32 bits, and a null within a list is left out.")
    return lines
