"""The recipe fields that need no more than a check of what they hold."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orchestration.formats import FORMATS
from orchestration.lib.recipe.errors import RecipeError


def parse_columns(file: str, given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Each column's meaning, and what those are that are no column of the source."""
    columns, values = {}, {}
    for name, told in given.items():
        if isinstance(told, dict) and told.keys() == {"value", "meaning"}:
            values[name], columns[name] = str(told["value"]), str(told["meaning"])
        elif isinstance(told, str):
            columns[name] = told
        else:
            raise RecipeError(f"{file}: columns.{name} is {told!r}; write what it means, or {{value: SQL, meaning: …}}")
    return {"columns": columns, "values": values}


def parse_formats(file: str, given: Sequence[Any]) -> tuple[str, ...]:
    """The formats beside Parquet, all of them installed."""
    for name in given:
        if not isinstance(name, str) or name not in FORMATS:
            raise RecipeError(f"{file}: formats: {name!r} is unknown; write some of {', '.join(FORMATS)}")
        if cure := FORMATS[name].not_installed():
            raise RecipeError(f"{file}: formats: {name} is not installed; {cure}")
    return tuple(given)


def check_formats_have_columns(file: str, formats: Sequence[str], columns: Collection[str]) -> None:
    for name in formats:
        for column in FORMATS[name].needs:
            if column not in columns:
                raise RecipeError(f"{file}: formats: {name} needs column {column!r}; add it to columns")


def parse_limits(file: str, given: Sequence[Any]) -> tuple[str, ...]:
    """Sentences for the card."""
    for sentence in given:
        if not isinstance(sentence, str):
            raise RecipeError(f"{file}: limits must be sentences, not {sentence!r}; put it in quotes")
    return tuple(given)


def parse_retrain_when(file: str, given: Mapping[str, Any]) -> Mapping[str, float]:
    """How many changed rows, or which share of them, a training job is told of."""
    if not given or not given.keys() <= {"changed_rows", "changed_share"}:
        raise RecipeError(f"{file}: retrain_when must say `changed_rows` or `changed_share`, not {given!r}")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise RecipeError(f"{file}: retrain_when.{name} is {value!r}; write a number above 0")
    return given


def parse_most_per(file: str, given: Mapping[str, Any]) -> Mapping[str, int]:
    """The most rows that one value of a column may have."""
    for column, most in given.items():
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise RecipeError(f"{file}: most_per.{column} is {most!r}; write how many rows at most, 1 or more")
    return given
