"""Erasure as assets: one takes people out of files before dbt reads them, one finishes when all else has followed."""

import hashlib

import dagster as dg

from orchestration.contracts.json_schema import STREAMS
from orchestration.defs.partitions import OWNERS, daily_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib.erasure.apply import apply_erasures, erasures_to_load
from orchestration.lib.erasure.finish import finish_erasures
from orchestration.lib.erasure.models import TRAINED_MODELS
from orchestration.lib.locks import WAREHOUSE_POOL, warehouse_lock
from orchestration.lib.names import APPLIED_ERASURES, ERASURE_JOB, ERASURE_REPORTS, HOURS_GROUP, LIVE_VIEW, RETENTION
from orchestration.lib.warehouse import built_versions

# Of the steps that could be done, Dagster does the one of the highest number first. The datasets have to come before
# the reports, which name their new versions, and may fail at a gate, which must not leave an erasure half done: so the
# reports do not depend on them, and are done last all the same.
LAST = {"dagster/priority": "-1000"}


@dg.asset(
    name=APPLIED_ERASURES,
    group_name="privacy",
    deps=[*(stream.asset_name for stream in STREAMS), "raw_erasures"],
    partitions_def=daily_partitions,
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    kinds={"parquet", "file"},
    owners=OWNERS,
    description="Takes everybody whose erasure has landed out of landing files, ledger and dataset versions, whatever "
    "days these are of.",
)
def applied_erasures(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    settings = platform.settings
    with warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info):
        applied = apply_erasures(settings, tell=context.log.info)
    return dg.MaterializeResult(metadata={"erasures": len(applied), "erasure_ids": dg.MetadataValue.json(applied)})


@dg.asset(
    name=ERASURE_REPORTS,
    group_name="privacy",
    deps=["int_built_partitions", "feature_attributions", "analytics"],
    partitions_def=daily_partitions,
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    op_tags=LAST,
    kinds={"file"},
    owners=OWNERS,
    description="Writes the warehouse anew without what was deleted, searches every file for the erased people's ids, "
    "and signs the report of each erasure.",
)
def erasure_reports(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    settings = platform.settings
    with warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info):
        reports = finish_erasures(settings, tell=context.log.info)
    lines = sum(sum(one["found"]["lines_erased"].values()) for one in reports)
    return dg.MaterializeResult(
        metadata={
            "erasures": len(reports),
            "erasure_ids": dg.MetadataValue.json([one["erasure_id"] for one in reports]),
            "lines_erased": lines,
            "versions_withdrawn": sum(len(one["datasets"]) for one in reports),
            "models": dg.MetadataValue.json(sorted({m["model"] for one in reports for m in one["models"]})),
        }
    )


trained_models = dg.AssetSpec(
    TRAINED_MODELS,
    group_name="privacy",
    kinds={"file"},
    owners=OWNERS,
    description="Models with the dataset versions that they were trained on, as `attribution register-model` tells it.",
)

# What an erasure needs of a run: everything but loading the streams again.
erasure_job = dg.define_asset_job(
    ERASURE_JOB,
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.groups("landing", "ingestion", HOURS_GROUP)
    - dg.AssetSelection.assets(RETENTION)
    - dg.AssetSelection.checks_for_assets(LIVE_VIEW),
    description="Applies the erasures that have landed, builds what rests on the changed days, and reports.",
)


@dg.sensor(
    job=erasure_job,
    minimum_interval_seconds=60,
    description="Sees erasures that have landed and that no run has loaded, whatever day they landed in.",
)
def erasure_sensor(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
    landed = erasures_to_load(platform.settings)
    built = built_versions(platform.settings) if landed else {}
    if not built:
        return dg.SensorResult(skip_reason="no erasure has landed that is not loaded, or nothing is built yet")
    key = hashlib.sha256(repr(sorted(landed.items())).encode()).hexdigest()
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key, partition_key=max(built).isoformat())])


@dg.definitions
def privacy() -> dg.Definitions:
    return dg.Definitions(
        assets=[applied_erasures, erasure_reports, trained_models], jobs=[erasure_job], sensors=[erasure_sensor]
    )
