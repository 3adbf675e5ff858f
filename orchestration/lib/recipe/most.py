"""The most of something: how many rows a recipe has at most, and which come first.

What is drawn is the same each time: by a value, and where that says nothing by a hash of the row's key.
"""

from collections.abc import Mapping, Sequence
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


def is_among_first(rows: int, *, per: str | None, most: Most | None, key: Sequence[str]) -> str:
    """SQL for whether a row of `source` is one of the first `rows`, or of the first of its value of the column `per`.

    Those with the most of `most.by` come first, then those whose hash does: as rows come and go, they stay.
    """
    text = " || chr(31) || ".join(f"coalesce(source.{column}::varchar, '')" for column in key)
    order = f"sha256({text})"
    if most and most.by:
        order = f"({most.by}) desc nulls last, {order}, {', '.join(f'source.{column}' for column in key)}"
    partition = f"partition by source.{per} " if per else ""
    is_first = f"row_number() over ({partition}order by {order}) <= {rows}"
    return f"(source.{per} is null or {is_first})" if per else is_first
