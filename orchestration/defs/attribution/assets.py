"""The dbt project as assets: every model one, every data test a check, one dbt run for a range of days."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets
from dagster_duckdb import DuckDBResource

from orchestration.contracts.json_schema import STREAMS
from orchestration.defs.partitions import OWNERS, daily_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib import attribution_files, dbt, stage_times
from orchestration.lib.attribution_metadata import partition_metadata
from orchestration.lib.build_window import BuildWindow, build_window
from orchestration.lib.feedback_rules import RULES_WINDOW_DAYS
from orchestration.lib.ledger_metadata import ledger_versions
from orchestration.lib.locks import WAREHOUSE_POOL, warehouse_lock
from orchestration.lib.names import APPLIED_ERASURES, RETENTION
from orchestration.lib.partitions import days as span
from orchestration.lib.partitions import from_keys
from orchestration.lib.retention import findings
from orchestration.lib.reviews import oldest_reviewed
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import built_versions, wait_until_writable

ENRICHMENT_VIEWS = "marts.enrichment"
# Every step of a run adds to this log (lib/stage_times.py): no one asset makes it, so it is none itself.
RUN_LOG = dg.AssetKey(["operations", "stage_times"])
# Files that an asset makes from this step's tables are read when a dataset is published, which depends on that asset.
NO_DEPENDENCIES = (RUN_LOG, dg.AssetKey("feature_attributions"), dg.AssetKey(RETENTION))


class Translator(DagsterDbtTranslator):
    """Groups are named for what happens there; models are keyed by their name, as the contract calls them."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id)
        if node is None or node["resource_type"] != "model":
            return spec
        folder = node["fqn"][1]
        group = {"staging": "staging", "rules": "rules", "intermediate": "attribution", "marts": "marts"}[folder]
        if node["config"]["materialized"] == "table_function":
            group = node["fqn"][2]
        # A change of the events' schema changes what every model holds, though no model's SQL changes.
        schemas = "-".join(f"{stream.event}.v{stream.version}" for stream in STREAMS)
        if folder == "rules":
            spec = _as_rule(spec, node["config"]["meta"]["rule"])
        # Nothing is built of what is about to be erased.
        erased = [dg.AssetDep(APPLIED_ERASURES)] if folder == "staging" else []
        return spec.replace_attributes(
            key=dg.AssetKey(node["name"]),
            deps=[*(dep for dep in spec.deps if dep.asset_key not in NO_DEPENDENCIES), *erased],
            group_name=group,
            owners=OWNERS,
            code_version=f"{spec.code_version}-{schemas}",
            kinds={"dbt", "duckdb"},
        )


def _as_rule(spec: dg.AssetSpec, rule: Mapping[str, Any]) -> dg.AssetSpec:
    """A rule is described by its declaration, so that one file is all that a new one needs."""
    columns = [
        dg.TableColumn("feedback_received_date", "date", "UTC day on which the flagged line was received."),
        dg.TableColumn("feedback_source_file", "varchar", "Landing file of the line."),
        dg.TableColumn("feedback_source_line", "bigint", "Number of the line in its file, from 1."),
        dg.TableColumn("flagged_date", "date", "The day on which it could first be known; the last run's days only."),
    ]
    return spec.replace_attributes(
        description=f"{rule['description']}\n\n**Source:** {rule['source']}",
        metadata={
            **spec.metadata,
            "dagster/column_schema": dg.TableSchema(columns=columns),
            "state": rule["state"],
            "reason": rule["reason"],
            "threshold": dg.MetadataValue.json(dict(rule["threshold"])),
            "enabled_by_default": rule["enabled"],
        },
    )


@dbt_assets(
    manifest=dbt.manifest_path(),
    # dbt builds this view with the rest, and it shows the files of the asset of its name (defs/enrichment).
    exclude=ENRICHMENT_VIEWS,
    dagster_dbt_translator=Translator(),
    partitions_def=daily_partitions,
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    name="attribution",
)
def attribution(
    context: dg.AssetExecutionContext, warehouse: DuckDBResource, platform: PlatformResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """One `dbt build` for all days of the run, and for the days that changed before them."""
    settings = platform.settings
    days = from_keys(context.partition_keys)
    with warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info):
        wait_until_writable(settings, tell=context.log.info)
        attribution_files.ensure_readable(settings)
        findings.ensure_readable(settings)
        stage_times.ensure_readable(settings)
        window = window_of(settings, days[0], days[-1])
        if (window.window_from, window.window_to) != (days[0], days[-1]):
            context.log.info(
                f"building {window.window_from} to {window.window_to}: the ledger of a day in it has changed, "
                "and later partitions rest on earlier days"
            )
        variables = json.dumps(dbt.run_variables(settings, window))
        results = list(dbt.build(settings, variables, tell=context.log.info))
        with warehouse.get_connection() as connection:
            by_asset = partition_metadata(connection, days) if all(r.success for r in results) else {}
        if by_asset:
            stage_times.record_partitions(settings, stage_times.ATTRIBUTED, span(window.window_from, window.window_to))
    for asset, of_day in by_asset.items():
        for day, metadata in of_day.items():
            context.add_asset_metadata(metadata, asset_key=dg.AssetKey(asset), partition_key=day.isoformat())
    yield from _events(results)
    broken = [f"{r.resource_type} {r.name}: {r.message.strip()}" for r in results if r.status in ("error", "fail")]
    if broken:
        raise dg.Failure(description="dbt: " + "; ".join(broken), allow_retries=False)


def _events(results: Sequence[dbt.NodeResult]) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """What dbt did as Dagster's events: a built model is materialized, a test that ran is a check."""
    checked = {spec.name: spec.asset_key for spec in attribution.check_specs}
    for result in results:
        seconds = dg.MetadataValue.float(result.seconds)
        key = dg.AssetKey(result.name)
        if result.resource_type == "model" and result.success and key in attribution.keys:
            yield dg.MaterializeResult(asset_key=key, metadata={"dbt_seconds": seconds})
        elif result.name in checked and result.status != "skipped":
            yield dg.AssetCheckResult(
                asset_key=checked[result.name],
                check_name=result.name,
                passed=result.status == "pass",
                severity=dg.AssetCheckSeverity.WARN if result.status == "warn" else dg.AssetCheckSeverity.ERROR,
                metadata={"failing_rows": result.failures, "message": result.message, "dbt_seconds": seconds},
            )


def window_of(settings: Settings, first: date, last: date) -> BuildWindow:
    """What to build for a run of `first` to `last`, from what the ledger holds and what has been built."""
    return build_window(
        first=first,
        last=last,
        ledger=ledger_versions(settings),
        built=built_versions(settings),
        waiting_days=max(settings.attribution_window_days, RULES_WINDOW_DAYS),
        reviewed=partial(oldest_reviewed, settings),
    )
