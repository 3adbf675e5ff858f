"""The attribution gate: Great Expectations on each partition of the attributed table, after dbt built it.

An early signal and a red mark in the UI. What holds a bad partition back is the dataset asset, which asks
the same suites again before it publishes: a blocking check stops a whole range for one bad day, and does
not stop whoever materializes the dataset alone (docs/decisions/0001).
"""

import dagster as dg

from orchestration.defs.partitions import daily_partitions
from orchestration.defs.resources import PlatformResource
from orchestration.lib.check_results import check_result
from orchestration.lib.gates import ATTRIBUTION_GATE, open_gates
from orchestration.lib.locks import WAREHOUSE_POOL, warehouse_lock
from orchestration.lib.partitions import from_keys


@dg.asset_check(
    asset="attributed_feedback",
    name=ATTRIBUTION_GATE,
    additional_deps=["partition_quality", "partition_profile"],
    partitions_def=daily_partitions,
    pool=WAREHOUSE_POOL,
    description="Keys, ranges and lag of each partition, its shares of dead letters and invalid feedback, and how it "
    "compares with the days before it.",
)
def attribution_gate(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> dg.AssetCheckResult:
    settings = platform.settings
    days = from_keys(context.partition_keys)
    with (
        warehouse_lock(settings, holder=context.op_execution_context.run_id, tell=context.log.info),
        open_gates(settings, with_warehouse=True) as (gates, _),
    ):
        reports = gates.attribution_of(days)
    return check_result(check=ATTRIBUTION_GATE, reports=reports)
