"""Splits: a hash of a row's group decides which one it is in, so that it never moves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.lib.recipe.errors import RecipeError

DEFAULT_SPLIT = "train"


@dataclass(frozen=True)
class Split:
    """Which split a row is in: a hash of its group decides, so that it never moves and no group is in two.

    `by` is a column of the source; where it is null the row's request is its group. `shares` add up to 1. The same
    `seed` puts a group into the same split of every dataset.
    """

    by: str
    shares: Mapping[str, float]
    seed: str = ""


def parse_split(file: str, given: Mapping[str, Any]) -> Split:
    """The recipe's `split`. Raises RecipeError."""
    if not given.keys() <= {"by", "shares", "seed"} or not isinstance(given.get("by"), str):
        raise RecipeError(f"{file}: split must say `by` (a column) and `shares`, and may say `seed`, not {given!r}")
    shares = given.get("shares")
    if not isinstance(shares, dict) or DEFAULT_SPLIT not in shares:
        raise RecipeError(
            f"{file}: split.shares must give {DEFAULT_SPLIT} and others a share, e.g. {{train: 0.9, test: 0.1}}"
        )
    for name, share in shares.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise RecipeError(f"{file}: split.shares: {name!r} is no name of a split; write letters, digits and _")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise RecipeError(f"{file}: split.shares.{name} is {share!r}; write a share above 0 and up to 1")
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
        raise RecipeError(f"{file}: split.shares add up to {sum(shares.values()):g}; make it 1")
    return Split(given["by"], shares, str(given.get("seed", "")))
