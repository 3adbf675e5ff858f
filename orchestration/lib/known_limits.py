"""What a card says that a version is not good for: sentences that follow from its recipe and from what was written."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestration.lib.recipe import Recipe

_PERSONAL = {"user_id", "session_id"}
_WRITTEN = {
    *("comment", "corrected_output", "input", "output", "output_text", "messages", "prompt", "completion"),
    *("chosen", "rejected", "query", "features", "alternatives"),
}


def known_limits(
    recipe: Recipe, manifest: Mapping[str, Any], columns: Sequence[str], rows: Mapping[str, int]
) -> list[str]:
    """The recipe's own sentences first."""
    return [
        *recipe.limits,
        _of_who_judges(recipe),
        *_of_reviews(recipe),
        *_of_columns(columns),
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


def _of_columns(columns: Sequence[str]) -> list[str]:
    held = [column for column in columns if column in _PERSONAL | _WRITTEN]
    if not held:
        return []
    names = ", ".join(f"`{column}`" for column in held)
    return [f"{names} hold what users wrote or who they are, as it was received: nothing is redacted."]


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
