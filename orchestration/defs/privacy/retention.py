"""Retention as an asset of its own job: what has had its time goes once a day."""

from datetime import UTC, datetime

import dagster as dg

from orchestration.defs.partitions import OWNERS, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib.locks import WAREHOUSE_POOL, warehouse_lock
from orchestration.lib.names import RETENTION_JOB
from orchestration.lib.retention.landing import expire_landing_files
from orchestration.lib.retention.policy import load_policy
from orchestration.lib.retention.texts import expire_texts, held_users
from orchestration.lib.retention.versions import expire_versions

# An hour after the day that has closed is built: its files are loaded by then.
DAILY_CRON = "15 1 * * *"


@dg.asset(
    group_name="privacy",
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    kinds={"file"},
    owners=OWNERS,
    description="Lets go what is over its time (FEEDBACK_RETENTION) and not held: landing files that are in the "
    "ledger, texts in ledger and warehouse, dataset versions.",
)
def retention(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    settings = platform.settings
    policy = load_policy(settings.retention)
    today = datetime.now(UTC).date()
    with warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info):
        files = expire_landing_files(settings, policy, today, tell=context.log.info)
        texts = expire_texts(settings, policy, today, tell=context.log.info)
        versions = expire_versions(settings, policy, held_users(settings, policy), today, tell=context.log.info)
    return dg.MaterializeResult(
        metadata={
            "files_removed": sum(one.files for one in files.values()),
            "bytes_removed": sum(one.bytes for one in files.values()),
            "files_held": sum(one.held for one in files.values()),
            "files_not_loaded": sum(one.not_loaded for one in files.values()),
            "days_without_texts": sum(one.days for one in texts.values()),
            "days_held": sum(one.held for one in texts.values()),
            "days_waiting": sum(one.waiting for one in texts.values()),
            "versions_withdrawn": versions.versions,
            "versions_held": versions.held,
        }
    )


retention_job = dg.define_asset_job(
    RETENTION_JOB, selection=[retention], description="Lets go what has had its time, once a day."
)
daily_retention_schedule = dg.ScheduleDefinition(
    name="daily_retention_schedule",
    job=retention_job,
    cron_schedule=DAILY_CRON,
    execution_timezone="UTC",
    description="Removes landing files, texts and dataset versions that are over their time.",
)


@dg.definitions
def retention_definitions() -> dg.Definitions:
    return dg.Definitions(assets=[retention], jobs=[retention_job], schedules=[daily_retention_schedule])
