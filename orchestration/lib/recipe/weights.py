"""Weights: how much a row counts in training beyond what its source says, in its column `sample_weight`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.lib.recipe.errors import RecipeError

WEIGHT, PROPENSITY = "sample_weight", "propensity"


@dataclass(frozen=True)
class Weights:
    """What is done to `sample_weight`: multiplied by the inverse of `propensity`, and none is above `clip`."""

    inverse_propensity: bool = False
    clip: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the recipe has it."""
        return {"inverse_propensity": self.inverse_propensity, **({"clip": self.clip} if self.clip else {})}


def parse_weights(file: str, given: Mapping[str, Any]) -> Weights:
    """The recipe's `weights`. Raises RecipeError."""
    if not given or not given.keys() <= {"inverse_propensity", "clip"}:
        raise RecipeError(
            f"{file}: weights must say `inverse_propensity` or `clip`, e.g. {{inverse_propensity: true, clip: 20}}, "
            f"not {given!r}"
        )
    inverse, clip = given.get("inverse_propensity", False), given.get("clip")
    if not isinstance(inverse, bool):
        raise RecipeError(f"{file}: weights.inverse_propensity is {inverse!r}; write true or false")
    is_number = isinstance(clip, (int, float)) and not isinstance(clip, bool)
    if clip is not None and not (is_number and 0 < clip < math.inf):
        raise RecipeError(f"{file}: weights.clip is {clip!r}; write the highest weight, above 0")
    return Weights(inverse, clip)
