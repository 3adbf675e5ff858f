"""The most of something: how many rows a recipe has at most, and which come first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.lib.recipe.errors import RecipeError


@dataclass(frozen=True)
class Most:
    """At most so many `rows`: those with the highest value of `by`, a column or an SQL expression over the source."""

    rows: int
    by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the recipe has it."""
        return {"rows": self.rows, **({"by": self.by} if self.by else {})}


def parse_most(file: str, given: Mapping[str, Any]) -> Most:
    """The recipe's `most`. Raises RecipeError."""
    if not {"rows"} <= given.keys() <= {"rows", "by"}:
        raise RecipeError(f"{file}: most must say `rows`, and may say `by`, e.g. {{rows: 500, by: uncertainty}}")
    rows, by = given["rows"], given.get("by")
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise RecipeError(f"{file}: most.rows is {rows!r}; write how many rows at most, 1 or more")
    if by is not None and (not isinstance(by, str) or not by.strip()):
        raise RecipeError(f"{file}: most.by is {by!r}; write a column of the source, or an SQL expression over it")
    return Most(rows, by)
