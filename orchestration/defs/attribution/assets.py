"""The dbt project as assets: every model one, every data test a check, one dbt run for a range of days."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets
from dagster_duckdb import DuckDBResource

from orchestration.defs.partitions import OWNERS, WAREHOUSE_POOL, daily_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib import dbt as dbt_project
from orchestration.lib.attribution_metadata import partition_metadata
from orchestration.lib.build_window import BuildWindow, build_window
from orchestration.lib.ledger import ledger_metadata
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.partitions import from_keys
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import built_versions
from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.inference import INFERENCES


class Translator(DagsterDbtTranslator):
    """Groups are named for what happens there; models are keyed by their name, as the contract calls them."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id)
        if node is None or node["resource_type"] != "model":
            return spec
        folder = node["fqn"][1]
        group = {"staging": "staging", "intermediate": "attribution", "marts": "marts"}[folder]
        # A change of the events' schema changes what every model holds, though no model's SQL changes.
        schemas = "-".join(f"{stream.event}.v{stream.version}" for stream in (INFERENCES, FEEDBACK))
        return spec.replace_attributes(
            key=dg.AssetKey(node["name"]),
            group_name=group,
            owners=OWNERS,
            code_version=f"{spec.code_version}-{schemas}",
            kinds={"dbt", "duckdb"},
        )


@dbt_assets(
    manifest=dbt_project.manifest_path(),
    dagster_dbt_translator=Translator(),
    partitions_def=daily_partitions,
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    name="attribution",
)
def attribution(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: DuckDBResource, platform: PlatformResource
) -> Iterator[Any]:
    """One `dbt build` for all days of the run, and for the days that changed before them."""
    settings = platform.settings
    days = from_keys(context.partition_keys)
    with warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info):
        window = window_of(settings, days[0], days[-1])
        if (window.window_from, window.window_to) != (days[0], days[-1]):
            context.log.info(
                f"building {window.window_from} to {window.window_to}: the ledger of a day in it has changed, "
                "and later partitions rest on earlier days"
            )
        variables = dbt_project.run_variables(settings, window)
        target = settings.data_dir / ".scratch" / f"dbt-{context.run.run_id}"
        invocation = dbt.cli(
            ["build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables)],
            context=context,
            target_path=target,
        )
        # All events first: the counts below need the warehouse, which dbt holds until it ends.
        events = list(invocation.stream())
        shutil.rmtree(target, ignore_errors=True)
        with warehouse.get_connection() as connection:
            by_asset = partition_metadata(connection, days)
    for asset, of_day in by_asset.items():
        for day, metadata in of_day.items():
            context.add_asset_metadata(metadata, asset_key=dg.AssetKey(asset), partition_key=day.isoformat())
    yield from events


def window_of(settings: Settings, first: date, last: date) -> BuildWindow:
    """What to build for a run of `first` to `last`, from what the ledger holds and what has been built."""
    inferences = ledger_metadata(settings, INFERENCES, "ledger_version")
    feedback = ledger_metadata(settings, FEEDBACK, "ledger_version")
    return build_window(
        first=first,
        last=last,
        ledger={day: (inferences[day], feedback[day]) for day in inferences.keys() & feedback.keys()},
        built=built_versions(settings),
        attribution_window_days=settings.attribution_window_days,
    )
