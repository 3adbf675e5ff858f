"""Retention as an asset of its own job: what has had its time goes once a day."""

from datetime import UTC, datetime

import dagster as dg

from orchestration.defs.partitions import OWNERS, WAREHOUSE_POOL, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.retention.landing import expire_landing_files
from orchestration.lib.retention.policy import load_policy

# An hour after the day that has closed is built: its files are loaded by then.
DAILY_CRON = "15 1 * * *"


@dg.asset(
    group_name="privacy",
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    kinds={"file"},
    owners=OWNERS,
    description="Removes the landing files that are over the time of their stream (FEEDBACK_RETENTION), are in the "
    "ledger, and are not held.",
)
def retention(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    settings = platform.settings
    policy = load_policy(settings.retention)
    with warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info):
        told = expire_landing_files(settings, policy, datetime.now(UTC).date(), tell=context.log.info)
    return dg.MaterializeResult(
        metadata={
            "files_removed": sum(one.files for one in told.values()),
            "bytes_removed": sum(one.bytes for one in told.values()),
            "files_held": sum(one.held for one in told.values()),
            "files_not_loaded": sum(one.not_loaded for one in told.values()),
        }
    )


retention_job = dg.define_asset_job(
    "retention_job", selection=[retention], description="Lets go what has had its time, once a day."
)
daily_retention_schedule = dg.ScheduleDefinition(
    name="daily_retention_schedule",
    job=retention_job,
    cron_schedule=DAILY_CRON,
    execution_timezone="UTC",
    description="Removes landing files that are over the time of their stream.",
)


@dg.definitions
def retention_definitions() -> dg.Definitions:
    return dg.Definitions(assets=[retention], jobs=[retention_job], schedules=[daily_retention_schedule])
