"""What recipes draw on: marts and the functions of a day, with the columns that tell their rows apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestration.lib.recipe.errors import RecipeError


@dataclass(frozen=True)
class Source:
    """A mart that recipes draw on, with the columns that tell its rows apart.

    `parameters` are those of its table function `<name>_as_of(day, …)`: name to the words that it takes, or to a type.
    A source that is a plain mart has a row for each attributed feedback, and what has ended is left out of it. One
    that `is_function` only knows as of a day which rows it has. One that `asks_for_feedback` has rows that nobody has
    judged, and none once all are. One that `is_weighted` has the inverse of the propensity in its `sample_weight`.
    `also_reads` are assets that dbt's graph does not show.
    """

    key: tuple[str, ...] = ("feedback_id",)
    parameters: Mapping[str, tuple[str, ...] | type] = field(default_factory=dict)
    is_function: bool = False
    needs_key: bool = False
    asks_for_feedback: bool = False
    is_weighted: bool = False
    also_reads: tuple[str, ...] = ()

    def asset(self, name: str) -> str:
        """The Dagster asset that a recipe's asset depends on."""
        return f"{name}_as_of" if self.is_function else name


# A word that comes first is the default (dbt_project/macros/{component_credit,retrieval}.sql).
SOURCES: dict[str, Source] = {
    "attributed_feedback": Source(),
    "component_credit": Source(parameters={"method": ("weight", "agreement", "equal")}, needs_key=True),
    "chunk_credit": Source(parameters={"method": ("cited", "rank_discount", "equal")}, needs_key=True),
    "retrieval_outcomes": Source(),
    "inference_history": Source(),
    "sft_examples": Source(is_function=True),
    "preference_examples": Source(
        key=("feedback_id", "other_feedback_id", "rejected_request_id", "position"), is_function=True
    ),
    # One answer is one row, whoever spoke of it last.
    "reward_examples": Source(key=("request_id",), is_function=True),
    "retrieval_examples": Source(key=("request_id",), is_function=True),
    "ranking_examples": Source(
        key=("request_id",),
        parameters={"by_signal": str, "silence_after_days": int},
        is_function=True,
        is_weighted=True,
    ),
    "tabular_examples": Source(key=("request_id",), is_function=True, also_reads=("feature_attributions",)),
    "label_candidates": Source(
        key=("request_id",), parameters={"days": int, "candidates": int}, is_function=True, asks_for_feedback=True
    ),
}


def row_key(source: str, key: Sequence[str]) -> tuple[str, ...]:
    """The columns that identify a row of a recipe over `source` that names `key`."""
    return (*SOURCES[source].key, *key)


def check_source(file: str, content: Mapping[str, Any]) -> None:
    name = content["source"]
    if name not in SOURCES:
        raise RecipeError(f"{file}: source {name!r} is unknown; write one of {', '.join(SOURCES)}")
    source = SOURCES[name]
    for parameter, value in content.get("parameters", {}).items():
        if parameter not in source.parameters:
            known = ", ".join(source.parameters) or "none: leave it out"
            raise RecipeError(f"{file}: parameters.{parameter} is unknown to {name}, which has {known}")
        wanted = source.parameters[parameter]
        if isinstance(wanted, tuple) and value not in wanted:
            raise RecipeError(f"{file}: parameters.{parameter} is {value!r}; write one of {', '.join(wanted)}")
        if isinstance(wanted, type) and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise RecipeError(f"{file}: parameters.{parameter} is {value!r}; write a {wanted.__name__}")
        if wanted is int and value < 0:
            raise RecipeError(f"{file}: parameters.{parameter} is {value!r}; write 0 or more")
    if content.get("include_unreviewed") and name != "attributed_feedback":
        raise RecipeError(f"{file}: include_unreviewed is for source attributed_feedback only; leave it out")
    if source.needs_key and not content.get("key"):
        raise RecipeError(f"{file}: {name} has several rows a feedback; add e.g. key: [position]")
