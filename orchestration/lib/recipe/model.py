"""A recipe as the rest of the platform sees it: checked, and complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.lib.recipe.label_noise import LabelNoise
from orchestration.lib.recipe.sources import row_key
from orchestration.lib.recipe.split import Split


@dataclass(frozen=True)
class Recipe:
    """What a dataset holds: rows of a mart as of a partition, some columns of it, perhaps a filter.

    `include_unreviewed` takes in what waits for a reviewer, too; what one rejected is never in. `key` are the columns
    that tell a row from others of its feedback, where one has several. `parameters` are the source's.
    `most_per` is column to the most rows that one value of it may have: the same rows each time, drawn by a hash.
    `columns` is name to meaning; those that are no column of the source are an SQL expression over it, in `values`.
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
    most_per: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    retrain_when: Mapping[str, float] | None = None
    label_noise: LabelNoise | None = None

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
            "label_noise": self.label_noise.to_dict() if self.label_noise else None,
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
