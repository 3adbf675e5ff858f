"""A recipe as the rest of the platform sees it: checked, and complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.lib.recipe.every import DAY
from orchestration.lib.recipe.held_out import HeldOut
from orchestration.lib.recipe.label_noise import LabelNoise
from orchestration.lib.recipe.most import Most
from orchestration.lib.recipe.near_duplicates import NearDuplicates
from orchestration.lib.recipe.privacy import PERSONAL
from orchestration.lib.recipe.sample import Sample
from orchestration.lib.recipe.sources import SOURCES, row_key
from orchestration.lib.recipe.split import Split
from orchestration.lib.recipe.weights import Weights


@dataclass(frozen=True)
class Recipe:
    """What a dataset holds: rows of a mart as of a partition, some columns of it, perhaps a filter.

    `include_unreviewed` takes in what waits for a reviewer, too; what one rejected is never in. `key` are the columns
    that tell a row from others of its feedback, where one has several. `parameters` are the source's.
    `every` says how often the rows are made anew. `window_days` takes only the rows of so many partitions, `sample`
    draws among them, `most_per` is column to the most rows that one value of it may have, and `most` is how many rows
    there are at most: the same rows each time, drawn by a hash, or the first by what `most` says.
    `near_duplicates` says what becomes of rows that are almost others, `held_out` which texts no row may be near.
    `columns` is name to meaning; those that are no column of the source are an SQL expression over it, in `values`.
    `weights` change what a row counts; `privacy` is the class of what the columns may hold.
    `formats` are what a version comes in beside Parquet, `limits` sentences for its card.
    `retrain_when` says after how many changed rows, or which share of them, a training job is told.
    `label_noise` asks for two columns more, which tell how far a row's label can be trusted.
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
    every: str = DAY
    most: Most | None = None
    window_days: int | None = None
    sample: Sample | None = None
    most_per: Mapping[str, int] = field(default_factory=dict)
    near_duplicates: NearDuplicates | None = None
    held_out: HeldOut | None = None
    weights: Weights | None = None
    privacy: str = PERSONAL
    values: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    retrain_when: Mapping[str, float] | None = None
    label_noise: LabelNoise | None = None

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return row_key(self.source, self.key)

    def value_of(self, column: str) -> str:
        """SQL for a column of the dataset, or else of its source, whose rows are called `source`."""
        return f"({self.values[column]})" if column in self.values else f"source.{column}"

    @property
    def select_list(self) -> str:
        """SQL for the columns as they are in the source, before weights."""
        return ", ".join(f"{self.value_of(column)} as {column}" for column in self.columns)

    @property
    def has_silence(self) -> bool:
        """Whether there may be rows that no feedback is about."""
        return self.parameters.get("silence_after_days") is not None or self.asks_for_feedback

    @property
    def asks_for_feedback(self) -> bool:
        """Whether its rows wait for feedback: none are left once all have it."""
        return SOURCES[self.source].asks_for_feedback

    def to_dict(self) -> dict[str, Any]:
        """What the manifest tells of it: all that the rows follow from."""
        split, near, held_out = self.split, self.near_duplicates, self.held_out
        optional = {
            "values": dict(self.values),
            "key": list(self.key),
            "parameters": dict(self.parameters),
            "every": self.every if self.every != DAY else None,
            "most": self.most.to_dict() if self.most else None,
            "window_days": self.window_days,
            "sample": self.sample.to_dict() if self.sample else None,
            "most_per": dict(self.most_per),
            "near_duplicates": {**vars(near), "of": list(near.of)} if near else None,
            "held_out": held_out.to_dict() if held_out else None,
            "weights": self.weights.to_dict() if self.weights else None,
            # Not where it is the default: what was published before there were classes can still be rebuilt.
            "privacy": self.privacy if self.privacy != PERSONAL else None,
            "split": {"by": split.by, "shares": dict(split.shares), "seed": split.seed} if split else None,
            "formats": list(self.formats),
            "limits": list(self.limits),
            "label_noise": self.label_noise.to_dict() if self.label_noise else None,
        }
        return {
            "name": self.name,
            "description": self.description,
            "license": self.license,
            "source": self.source,
            "where": self.where,
            "include_unreviewed": self.include_unreviewed,
            "columns": dict(self.columns),
            **{name: value for name, value in optional.items() if value},
        }
