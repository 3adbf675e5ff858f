"""Recipes: one declarative file a dataset, checked when it is loaded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestration.formats import FORMATS

_REQUIRED = {"name": str, "description": str, "license": str, "source": str, "columns": dict}
_OPTIONAL = {
    "where": str,
    "include_unreviewed": bool,
    "key": list,
    "parameters": dict,
    "split": dict,
    "most_per": dict,
    "formats": list,
    "limits": list,
    "retrain_when": dict,
}
DEFAULT_SPLIT = "train"


@dataclass(frozen=True)
class Source:
    """A mart that recipes draw on, with the columns that tell its rows apart.

    `parameters` are those of its table function `<name>_as_of(day, …)`: name to the words that it takes, or to a type.
    A source that is a plain mart has a row for each attributed feedback, and what has ended is left out of it. One
    that `is_function` only knows as of a day which rows it has. `also_reads` are assets that dbt's graph does not show.
    """

    key: tuple[str, ...] = ("feedback_id",)
    parameters: Mapping[str, tuple[str, ...] | type] = field(default_factory=dict)
    is_function: bool = False
    needs_key: bool = False
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
        key=("request_id",), parameters={"by_signal": str, "silence_after_days": int}, is_function=True
    ),
    "tabular_examples": Source(key=("request_id",), is_function=True, also_reads=("feature_attributions",)),
}


def row_key(source: str, key: Sequence[str]) -> tuple[str, ...]:
    """The columns that identify a row of a recipe over `source` that names `key`."""
    return (*SOURCES[source].key, *key)


class RecipeError(ValueError):
    """A recipe can not be used; the message names the file, the field and the cure."""


@dataclass(frozen=True)
class Split:
    """Which split a row is in: a hash of its group decides, so that it never moves and no group is in two.

    `by` is a column of the source; where it is null the row's request is its group. `shares` add up to 1. The same
    `seed` puts a group into the same split of every dataset.
    """

    by: str
    shares: Mapping[str, float]
    seed: str = ""


@dataclass(frozen=True)
class Recipe:
    """What a dataset holds: rows of a mart as of a partition, some columns of it, perhaps a filter.

    `include_unreviewed` takes in what waits for a reviewer, too; what one rejected is never in. `key` are the columns
    that tell a row from others of its feedback, where one has several. `parameters` are the source's.
    `most_per` is column to the most rows that one value of it may have: the same rows each time, drawn by a hash.
    `columns` is name to meaning; those that are no column of the source are an SQL expression over it, in `values`.
    `formats` are what a version comes in beside Parquet, `limits` sentences for its card.
    `retrain_when` says after how many changed rows, or which share of them, a training job is told.
    """

    name: str
    description: str
    license: str
    source: str
    columns: dict[str, str]
    where: str = "true"
    include_unreviewed: bool = False
    key: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    split: Split | None = None
    most_per: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    retrain_when: Mapping[str, float] | None = None

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return row_key(self.source, self.key)

    @property
    def has_silence(self) -> bool:
        """Whether there may be rows that no feedback is about."""
        return self.parameters.get("silence_after_days") is not None

    def to_dict(self) -> dict[str, Any]:
        """What the manifest tells of it: all that the rows follow from."""
        split = self.split
        optional = {
            "values": dict(self.values),
            "key": list(self.key),
            "parameters": dict(self.parameters),
            "most_per": dict(self.most_per),
            "split": {"by": split.by, "shares": dict(split.shares), "seed": split.seed} if split else None,
            "formats": list(self.formats),
            "limits": list(self.limits),
        }
        return {
            "name": self.name,
            "description": self.description,
            "license": self.license,
            "source": self.source,
            "where": self.where,
            "include_unreviewed": self.include_unreviewed,
            "columns": list(self.columns),
            **{name: value for name, value in optional.items() if value},
        }


def load_recipe(path: Path) -> Recipe:
    """Reads one recipe. Raises RecipeError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path.name}: is no YAML: {error}") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{path.name}: a recipe is a mapping of fields; see recipes/feedback.yml")
    known = _REQUIRED | _OPTIONAL
    for name in sorted(content.keys() - known.keys(), key=str):
        raise RecipeError(f"{path.name}: field {name!r} is unknown; a recipe has {', '.join(known)}")
    for name in _REQUIRED:
        if not content.get(name):
            raise RecipeError(f"{path.name}: field {name!r} is missing")
    for name, value in content.items():
        if not isinstance(value, known[name]):
            raise RecipeError(f"{path.name}: field {name!r} must be a {known[name].__name__}")
    if content["name"] != path.stem:
        raise RecipeError(f"{path.name}: name is {content['name']!r}, but must be the file's name {path.stem!r}")
    _check_source(path, content)
    content |= _columns(path, content["columns"])
    for column in ("feedback_id", "request_id", "attributed_date"):
        if column not in content["columns"]:
            raise RecipeError(f"{path.name}: columns must hold {column!r}, by which each row is traced")
    _check_formats(path, content)
    _check_retraining(path, content)
    lists = {name: tuple(content.get(name, ())) for name in ("key", "formats", "limits")}
    recipe = Recipe(**{**content, **lists, "split": _split(path, content), "most_per": _caps(path, content)})
    for column in recipe.row_key:
        if column not in recipe.columns:
            raise RecipeError(f"{path.name}: columns must hold {column!r}, which tells rows apart; add it there")
    return recipe


def _columns(path: Path, given: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Each column's meaning, and what those are that are no column of the source."""
    columns, values = {}, {}
    for name, told in given.items():
        if isinstance(told, dict) and told.keys() == {"value", "meaning"}:
            values[name], columns[name] = str(told["value"]), str(told["meaning"])
        elif isinstance(told, str):
            columns[name] = told
        else:
            raise RecipeError(
                f"{path.name}: columns.{name} is {told!r}; write what it means, or {{value: SQL, meaning: …}}"
            )
    return {"columns": columns, "values": values}


def _check_source(path: Path, content: dict[str, Any]) -> None:
    name = content["source"]
    if name not in SOURCES:
        raise RecipeError(f"{path.name}: source {name!r} is unknown; write one of {', '.join(SOURCES)}")
    source = SOURCES[name]
    for parameter, value in content.get("parameters", {}).items():
        if parameter not in source.parameters:
            known = ", ".join(source.parameters) or "none: leave it out"
            raise RecipeError(f"{path.name}: parameters.{parameter} is unknown to {name}, which has {known}")
        wanted = source.parameters[parameter]
        if isinstance(wanted, tuple) and value not in wanted:
            raise RecipeError(f"{path.name}: parameters.{parameter} is {value!r}; write one of {', '.join(wanted)}")
        if isinstance(wanted, type) and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise RecipeError(f"{path.name}: parameters.{parameter} is {value!r}; write a {wanted.__name__}")
        if wanted is int and value < 0:
            raise RecipeError(f"{path.name}: parameters.{parameter} is {value!r}; write 0 or more")
    if content.get("include_unreviewed") and name != "attributed_feedback":
        raise RecipeError(f"{path.name}: include_unreviewed is for source attributed_feedback only; leave it out")
    if source.needs_key and not content.get("key"):
        raise RecipeError(f"{path.name}: {name} has several rows a feedback; add e.g. key: [position]")


def _split(path: Path, content: dict[str, Any]) -> Split | None:
    given = content.get("split")
    if given is None:
        return None
    if not given.keys() <= {"by", "shares", "seed"} or not isinstance(given.get("by"), str):
        raise RecipeError(
            f"{path.name}: split must say `by` (a column) and `shares`, and may say `seed`, not {given!r}"
        )
    shares = given.get("shares")
    if not isinstance(shares, dict) or DEFAULT_SPLIT not in shares:
        raise RecipeError(
            f"{path.name}: split.shares must give {DEFAULT_SPLIT} and others a share, e.g. {{train: 0.9, test: 0.1}}"
        )
    for name, share in shares.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise RecipeError(f"{path.name}: split.shares: {name!r} is no name of a split; write letters, digits and _")
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise RecipeError(f"{path.name}: split.shares.{name} is {share!r}; write a share above 0 and up to 1")
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
        raise RecipeError(f"{path.name}: split.shares add up to {sum(shares.values()):g}; make it 1")
    return Split(given["by"], shares, str(given.get("seed", "")))


def _check_formats(path: Path, content: dict[str, Any]) -> None:
    for name in content.get("formats", ()):
        if not isinstance(name, str) or name not in FORMATS:
            raise RecipeError(f"{path.name}: formats: {name!r} is unknown; write some of {', '.join(FORMATS)}")
        for column in FORMATS[name].needs:
            if column not in content["columns"]:
                raise RecipeError(f"{path.name}: formats: {name} needs column {column!r}; add it to columns")
        if cure := FORMATS[name].not_installed():
            raise RecipeError(f"{path.name}: formats: {name} is not installed; {cure}")
    for sentence in content.get("limits", ()):
        if not isinstance(sentence, str):
            raise RecipeError(f"{path.name}: limits must be sentences, not {sentence!r}; put it in quotes")


def _check_retraining(path: Path, content: dict[str, Any]) -> None:
    given = content.get("retrain_when")
    if given is None:
        return
    if not given or not given.keys() <= {"changed_rows", "changed_share"}:
        raise RecipeError(f"{path.name}: retrain_when must say `changed_rows` or `changed_share`, not {given!r}")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise RecipeError(f"{path.name}: retrain_when.{name} is {value!r}; write a number above 0")


def _caps(path: Path, content: dict[str, Any]) -> dict[str, int]:
    caps: dict[str, int] = content.get("most_per", {})
    for column, most in caps.items():
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise RecipeError(f"{path.name}: most_per.{column} is {most!r}; write how many rows at most, 1 or more")
    return caps


def load_recipes(folder: Path) -> list[Recipe]:
    """The recipes of a folder, by name. Raises RecipeError."""
    return [load_recipe(path) for path in sorted(folder.glob("*.yml"))]
