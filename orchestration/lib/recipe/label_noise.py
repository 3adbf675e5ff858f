"""Label noise: which column of a recipe is doubted, and from what the right label could be told."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from orchestration.lib.recipe.errors import RecipeError

if TYPE_CHECKING:
    from orchestration.lib.recipe.model import Recipe

QUALITY, ISSUE = "label_quality", "is_label_issue"
_MEANINGS = {
    QUALITY: "How likely the label is right by what all other rows say, from 0 to 1 in tenths; null where unknown.",
    ISSUE: "Whether the label is suspected to be wrong; null where unknown.",
}
_NULLS = {QUALITY: "null::double", ISSUE: "null::boolean"}
_FOLDS = range(2, 21)
# What the values follow from, beside the rows.
_LIBRARIES = ("cleanlab", "scikit-learn")


@dataclass(frozen=True)
class LabelNoise:
    """The labels in column `label` are doubted where the columns `given` speak against them.

    Each row is judged by what was learned from the other `folds`. A dataset of more than `most_rows` is left as it is:
    every value follows from all rows, so that each version writes all its files anew.
    """

    label: str
    given: tuple[str, ...]
    folds: int = 5
    # A smaller version is written anew each time, whatever is in it (lib/shards.py).
    most_rows: int = 50_000

    def to_dict(self) -> dict[str, Any]:
        """What the manifest tells of it."""
        told = asdict(self) | {"from": list(self.given), "libraries": {name: version(name) for name in _LIBRARIES}}
        return {name: value for name, value in told.items() if name != "given"}


def not_installed() -> str | None:
    """What to do where its libraries are missing."""
    if find_spec("cleanlab") and find_spec("sklearn"):
        return None
    return "install the extra: pip install 'feedback-attribution[label-noise]', or leave label_noise out"


def parse_label_noise(file: str, given: Mapping[str, Any]) -> LabelNoise:
    """The recipe's `label_noise`. Raises RecipeError."""
    if not given.keys() <= {"label", "from", "folds", "most_rows"} or not isinstance(given.get("label"), str):
        raise RecipeError(
            f"{file}: label_noise must say `label` (a column) and `from` (columns), and may say `folds` and "
            f"`most_rows`, not {given!r}"
        )
    columns = given.get("from")
    if not isinstance(columns, list) or not columns or not all(isinstance(column, str) for column in columns):
        raise RecipeError(
            f"{file}: label_noise.from is {columns!r}; write a list of columns, e.g. [prompt, completion]"
        )
    if given["label"] in columns:
        raise RecipeError(f"{file}: label_noise.from holds the label {given['label']!r} itself; take it out")
    numbers = {"folds": LabelNoise.folds, "most_rows": LabelNoise.most_rows} | {
        name: given[name] for name in ("folds", "most_rows") if name in given
    }
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RecipeError(f"{file}: label_noise.{name} is {value!r}; write a whole number above 0")
    if numbers["folds"] not in _FOLDS:
        raise RecipeError(f"{file}: label_noise.folds is {numbers['folds']}; write {_FOLDS[0]} to {_FOLDS[-1]}")
    if cure := not_installed():
        raise RecipeError(f"{file}: label_noise: its libraries are not installed; {cure}")
    return LabelNoise(given["label"], tuple(columns), **numbers)


def with_noise_columns(file: str, recipe: "Recipe") -> "Recipe":
    """The recipe with the two columns that it asks for, which are null until its rows are known. Raises RecipeError."""
    noise = recipe.label_noise
    if noise is None:
        return recipe
    for column in (noise.label, *noise.given):
        if column not in recipe.columns:
            raise RecipeError(f"{file}: label_noise: {column!r} is none of the columns; add it there")
    if recipe.split and recipe.split.by not in recipe.columns:
        raise RecipeError(f"{file}: label_noise needs {recipe.split.by!r}, which the split is by, in columns; add it")
    for column in _MEANINGS:
        if column in recipe.columns:
            raise RecipeError(f"{file}: columns.{column} is made by label_noise; take it out of columns")
    return replace(recipe, columns=recipe.columns | _MEANINGS, values={**recipe.values, **_NULLS})
