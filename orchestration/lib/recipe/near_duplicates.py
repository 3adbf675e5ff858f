"""Rows that are almost the same: which columns tell it, how similar they are, and what becomes of the later ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.lib.recipe.errors import RecipeError

DEFAULT_SIMILARITY = 0.8
# Words that make a shingle. Fewer find short texts in which a word is another; more are for documents.
DEFAULT_SHINGLE = 3
FIRST, TOGETHER = "first", "together"


@dataclass(frozen=True)
class NearDuplicates:
    """Rows whose texts in the columns `of` share `similarity` of their shingles, runs of `shingle` words.

    `keep` the first of them, or all that are in its split together.
    """

    of: tuple[str, ...]
    similarity: float = DEFAULT_SIMILARITY
    keep: str = FIRST
    shingle: int = DEFAULT_SHINGLE


def parse_near_duplicates(file: str, given: Mapping[str, Any]) -> NearDuplicates:
    """The recipe's `near_duplicates`. Raises RecipeError."""
    field = f"{file}: near_duplicates"
    if not given.keys() <= {"of", "similarity", "keep", "shingle"} or "of" not in given:
        raise RecipeError(f"{field} must say `of`, and may say `similarity`, `keep` and `shingle`, not {given!r}")
    keep = given.get("keep", FIRST)
    if keep not in (FIRST, TOGETHER):
        raise RecipeError(f"{field}.keep is {keep!r}; write {FIRST}, or {TOGETHER} for those in the first one's split")
    return NearDuplicates(
        of=column_names(f"{field}.of", given["of"]),
        similarity=similarity_of(field, given),
        keep=keep,
        shingle=shingle_of(field, given),
    )


def column_names(field: str, given: Any) -> tuple[str, ...]:
    """A column or a list of them. Raises RecipeError."""
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"{field} is {given!r}; write a column, or a list of columns")
    return tuple(names)


def similarity_of(field: str, given: Mapping[str, Any]) -> float:
    similarity = given.get("similarity", DEFAULT_SIMILARITY)
    if isinstance(similarity, bool) or not isinstance(similarity, (int, float)) or not 0.3 <= similarity <= 1:
        # Below it half of all texts on one subject are candidates.
        raise RecipeError(f"{field}.similarity is {similarity!r}; write a share from 0.3 to 1, e.g. 0.8")
    return float(similarity)


def shingle_of(field: str, given: Mapping[str, Any]) -> int:
    shingle: Any = given.get("shingle", DEFAULT_SHINGLE)
    if isinstance(shingle, bool) or not isinstance(shingle, int) or not 1 <= shingle <= 50:
        raise RecipeError(f"{field}.shingle is {shingle!r}; write how many words make one, from 1 to 50")
    return int(shingle)
