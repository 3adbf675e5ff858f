"""The retraining sensor: tells training jobs of versions that are worth a training run."""

import json

import dagster as dg

from orchestration.defs.datasets.assets import retraining_key
from orchestration.defs.resources import PlatformResource
from orchestration.lib.catalog import Catalog
from orchestration.lib.recipe import load_recipes
from orchestration.lib.retraining import RetrainingDue, retraining_due


@dg.sensor(
    minimum_interval_seconds=60,
    description="Materializes <dataset>_retraining_due when a version passed its gate and enough has changed.",
)
def retraining_sensor(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
    # The cursor has the version that each dataset's training jobs were last told of.
    announced = json.loads(context.cursor) if context.cursor else {}
    events = []
    for recipe in load_recipes(platform.settings.recipes):
        due = retraining_due(Catalog(platform.settings, recipe.name), recipe, announced.get(recipe.name))
        if due:
            announced[recipe.name] = due.version
            events.append(dg.AssetMaterialization(retraining_key(recipe), metadata=_metadata(due)))
    if not events:
        return dg.SensorResult(skip_reason="no dataset has changed enough since its training jobs were told")
    return dg.SensorResult(asset_events=events, cursor=json.dumps(announced, sort_keys=True))


def _metadata(due: RetrainingDue) -> dict[str, dg.MetadataValue]:
    return {
        "version": dg.MetadataValue.text(due.version),
        "as_of": dg.MetadataValue.text(due.as_of),
        "rows": dg.MetadataValue.int(due.rows),
        "rows_changed": dg.MetadataValue.int(due.rows_changed),
    }
