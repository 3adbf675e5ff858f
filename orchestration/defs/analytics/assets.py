"""What analysts read of the warehouse, as one published file."""

import dagster as dg

from orchestration.defs.partitions import OWNERS, daily_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib import dbt
from orchestration.lib.analytics import PublishedAnalytics, publish_analytics, published_marts
from orchestration.lib.locks import WAREHOUSE_POOL, warehouse_lock

MARTS = published_marts(dbt.manifest_path())


@dg.asset(
    group_name="analytics",
    deps=MARTS,
    partitions_def=daily_partitions,
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    description="The marts without text that somebody wrote, as `published/analytics.duckdb`: for analysts, who need "
    "not read the warehouse. The file is that of the newest run, whatever partitions it was of.",
    kinds={"duckdb"},
    owners=OWNERS,
)
def analytics(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    with warehouse_lock(platform.settings, holder=context.run.run_id, tell=context.log.info):
        published = publish_analytics(platform.settings, MARTS)
    return dg.MaterializeResult(metadata=_metadata(published))


def _metadata(published: PublishedAnalytics) -> dict[str, dg.MetadataValue]:
    lines = ["| table | rows | columns | left out: may hold text |", "|---|---:|---|---|"]
    lines += [
        f"| {mart} | {rows:,} | {', '.join(published.columns[mart])} | {', '.join(published.withheld[mart]) or '–'} |"
        for mart, rows in published.rows.items()
    ]
    return {
        "path": dg.MetadataValue.path(published.path),
        "bytes": dg.MetadataValue.int(published.bytes),
        "rows": dg.MetadataValue.int(sum(published.rows.values())),
        "tables": dg.MetadataValue.md("\n".join(lines)),
    }
