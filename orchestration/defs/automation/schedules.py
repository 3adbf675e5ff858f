"""The daily schedule: the received date that has just closed."""

from datetime import UTC, timedelta

import dagster as dg

from orchestration.defs.automation.jobs import attribution_job
from orchestration.lib.partitions import FORMAT

# A quarter past midnight UTC: writers that rotate their files at midnight have landed the last one.
DAILY_CRON = "15 0 * * *"


@dg.schedule(
    job=attribution_job,
    cron_schedule=DAILY_CRON,
    execution_timezone="UTC",
    description="Builds the received date that has just closed.",
)
def daily_attribution_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    closed = context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)
    return dg.RunRequest(partition_key=closed.strftime(FORMAT))
