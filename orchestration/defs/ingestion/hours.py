"""Loading by the hour, where FEEDBACK_LOADING_PARTITIONS says so: an asset a stream, their job and its schedule.

The day's asset is downstream and loads what is left of its hours (`assets.py`). The gate is the day's: at night, a few
lines would stop an hour (docs/decisions/0035).
"""

from datetime import UTC, timedelta
from functools import partial

import dagster as dg

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.defs.ingestion.assets import column_schema, hours_key, loaded_metadata
from orchestration.defs.partitions import OWNERS, hourly_partitions, one_run_an_hour
from orchestration.defs.resources import PlatformResource
from orchestration.lib import stage_times
from orchestration.lib.erasure.late import keep_late
from orchestration.lib.ledger import check_keys, load_hour
from orchestration.lib.ledger_parts import HOURLY_STREAMS
from orchestration.lib.names import HOURS_GROUP, LOADING_JOB
from orchestration.lib.partitions import HOUR_FORMAT, hour_key, hours_from_keys
from orchestration.lib.settings import Settings

# Writers that rotate their files at the full hour have landed the last one.
HOURLY_CRON = "5 * * * *"


def hours_asset(stream: Stream) -> dg.AssetsDefinition:
    """The asset that loads hours of a stream's landing files into the ledger."""

    @dg.asset(
        key=hours_key(stream),
        group_name=HOURS_GROUP,
        deps=[f"landing_{stream.name}"],
        partitions_def=hourly_partitions,
        backfill_policy=one_run_an_hour,
        description=f"The {stream.event} lines received in an hour: one of up to 24 files of `{stream.asset_name}`.",
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        metadata={"dagster/column_schema": column_schema(stream)},
    )
    def load(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
        settings = platform.settings
        check_keys(settings, stream)
        for day, hour in hours_from_keys(context.partition_keys):
            loaded = load_hour(
                settings,
                stream,
                day,
                hour,
                holder=context.run.run_id,
                tell=context.log.info,
                keep_late=partial(keep_late, settings, stream, day),
            )
            context.add_asset_metadata(loaded_metadata(loaded), partition_key=hour_key(day, hour))
            if stream is FEEDBACK:
                stage_times.record_loaded(settings, stream.name, [day], hour)
        return dg.MaterializeResult()

    return load


loading_job = dg.define_asset_job(
    LOADING_JOB,
    selection=dg.AssetSelection.groups(HOURS_GROUP),
    partitions_def=hourly_partitions,
    description="Landing to ledger, for one hour or a range of them; the day is built of its hours.",
)


@dg.schedule(
    job=loading_job,
    cron_schedule=HOURLY_CRON,
    execution_timezone="UTC",
    description="Loads the hour that has just closed.",
)
def hourly_loading_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    closed = context.scheduled_execution_time.astimezone(UTC) - timedelta(hours=1)
    return dg.RunRequest(partition_key=closed.replace(minute=0).strftime(HOUR_FORMAT))


@dg.definitions
def hours() -> dg.Definitions:
    if not Settings.from_env().loads_by_hour:
        return dg.Definitions()
    return dg.Definitions(
        assets=[hours_asset(stream) for stream in HOURLY_STREAMS],
        jobs=[loading_job],
        schedules=[hourly_loading_schedule],
    )
