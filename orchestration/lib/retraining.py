"""Whether enough has changed in a dataset since a training job was last told of it."""

from dataclasses import dataclass

from orchestration.lib.catalog import Catalog
from orchestration.lib.recipe import Recipe


@dataclass(frozen=True)
class RetrainingDue:
    """The version to train on, and how many rows are others than in the one that was last announced."""

    version: str
    as_of: str
    rows: int
    rows_changed: int


def retraining_due(catalog: Catalog, recipe: Recipe, announced: str | None) -> RetrainingDue | None:
    """The latest version that passed its gate, if what changed since `announced` reaches what the recipe says.

    Rows are counted along the parents; without an announced version among them every row is a change.
    """
    latest = catalog.latest()
    if latest is None or recipe.retrain_when is None or latest["version"] == announced:
        return None
    manifest = catalog.manifest(latest["version"])
    rows, changed, version = sum(manifest["rows"].values()), 0, manifest
    while version["parent_version"] and version["version"] != announced:
        # A label that is trusted more or less than before is no news to train on.
        changed += sum(version["changes"].values()) - version.get("label_noise", {}).get("rows_changed", 0)
        version = catalog.manifest(version["parent_version"])
    if version["version"] == announced:
        before = sum(version["rows"].values())
    else:
        changed, before = rows, 0
    # What a row that changed twice counts for is generous: training once too often costs less than not at all.
    reached = [
        changed >= recipe.retrain_when["changed_rows"] if "changed_rows" in recipe.retrain_when else False,
        changed >= recipe.retrain_when["changed_share"] * before if "changed_share" in recipe.retrain_when else False,
    ]
    return RetrainingDue(latest["version"], latest["as_of"], rows, changed) if changed and any(reached) else None
