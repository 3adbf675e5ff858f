"""The live view sensor: what the follower tells of itself, where the rest of the platform is looked at."""

import dagster as dg

from orchestration.defs.live.assets import metadata
from orchestration.defs.resources import PlatformResource
from orchestration.lib.follow.freshness import freshness
from orchestration.lib.names import LIVE_VIEW, LIVE_VIEW_CHECK


@dg.sensor(
    minimum_interval_seconds=30,
    description="Tells of the live view without a run: a materialization when it is another one, and whether anything "
    "that has landed waits.",
)
def live_view_sensor(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
    found = freshness(platform.settings)
    if found is None:
        return dg.SensorResult(skip_reason="there is no live view: nobody runs `attribution follow`")
    shown = found.told["as_of"].isoformat()
    key, of_view = dg.AssetKey(LIVE_VIEW), metadata(found)
    checked = dg.AssetCheckEvaluation(
        asset_key=key, check_name=LIVE_VIEW_CHECK, passed=found.is_fresh, description=found.text(), metadata=of_view
    )
    is_new = shown != context.cursor
    made = [dg.AssetMaterialization(key, metadata=of_view)] if is_new else []
    return dg.SensorResult(asset_events=[*made, checked], cursor=shown)
