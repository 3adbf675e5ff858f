"""The live view as an asset that Dagster does not make: `attribution follow` does, and a sensor tells of it here."""

import dagster as dg

from orchestration.contracts.json_schema import STREAMS
from orchestration.defs.partitions import OWNERS
from orchestration.defs.resources import PlatformResource
from orchestration.lib.follow.freshness import FRESH_SECONDS, Freshness, freshness
from orchestration.lib.names import LIVE_VIEW, LIVE_VIEW_CHECK

live_view = dg.AssetSpec(
    LIVE_VIEW,
    group_name="live",
    deps=[*(f"landing_{stream.name}" for stream in STREAMS if stream.name != "erasures"), "int_feedback_attributions"],
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    description="`marts.attributed_feedback` as it would be if the days that are not built yet ended now, within "
    "seconds of landing: live/live.duckdb, which `attribution follow` keeps.",
)


@dg.asset_check(
    asset=LIVE_VIEW,
    name=LIVE_VIEW_CHECK,
    description=f"No landed file has waited for more than {FRESH_SECONDS:.0f} s to come into the view.",
)
def live_view_is_fresh(platform: PlatformResource) -> dg.AssetCheckResult:
    found = freshness(platform.settings)
    if found is None:
        return dg.AssetCheckResult(passed=True, description="there is no live view: nobody runs `attribution follow`")
    return dg.AssetCheckResult(passed=found.is_fresh, description=found.text(), metadata=metadata(found))


def metadata(found: Freshness) -> dict[str, dg.MetadataValue]:
    """What a data team looks for; seconds are from landing to being shown, of the last ten minutes."""
    told = found.told
    counts = ("attributed", "waiting", "files", "lines", "dead_letters")
    seconds = {"p50_seconds": told["p50_seconds"], "p99_seconds": told["p99_seconds"]}
    return {
        "as_of": dg.MetadataValue.timestamp(told["as_of"]),
        "files_behind": dg.MetadataValue.int(found.files_behind),
        "behind_seconds": dg.MetadataValue.float(round(found.behind_seconds, 1)),
        **{name: dg.MetadataValue.int(told[name]) for name in counts},
        **{name: dg.MetadataValue.float(round(value, 2)) for name, value in seconds.items() if value is not None},
        "rules_have_seen_all": dg.MetadataValue.bool(told["is_settled"]),
        "open_from": dg.MetadataValue.text(str(told["open_from"])),
        "open_to": dg.MetadataValue.text(str(told["open_to"])),
    }
