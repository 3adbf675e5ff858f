"""Datasets: one partitioned asset a recipe, which gates and publishes immutable versions."""

from collections.abc import Iterator

import dagster as dg

from orchestration.defs.partitions import OWNERS, WAREHOUSE_POOL, daily_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib import stage_times
from orchestration.lib.check_results import check_result
from orchestration.lib.gates import DATASET_GATE, open_gates
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.partitions import from_keys
from orchestration.lib.publication import Published, publish_partitions
from orchestration.lib.recipe import Recipe, load_recipes
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse


def dataset_asset(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset that publishes a recipe's versions.

    It evaluates every gate itself before anything is visible: Dagster's blocking checks hold within one
    run only, and not for who materializes this asset alone (DESIGN decision 1).
    """
    name = f"{recipe.name}_dataset"

    @dg.asset(
        name=name,
        group_name="datasets",
        deps=[
            recipe.source,
            "feedback_under_review",
            "feedback_ended_as_of",
            "feedback_loop_latency",
            "partition_quality",
            "partition_profile",
        ],
        partitions_def=daily_partitions,
        backfill_policy=one_run_a_range,
        pool=WAREHOUSE_POOL,
        description=f"{recipe.description}\n\nPublished as immutable versions in `datasets/{recipe.name}/`.",
        kinds={"parquet", "huggingface"},
        owners=OWNERS,
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[dg.TableColumn(c, description=meaning) for c, meaning in recipe.columns.items()]
            )
        },
        check_specs=[
            dg.AssetCheckSpec(
                DATASET_GATE,
                asset=name,
                blocking=True,
                description="Every gate of a partition, and the staged rows, before a version is made visible.",
            )
        ],
    )
    def publish(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        settings = platform.settings
        asked = from_keys(context.partition_keys)
        with (
            warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info),
            open_gates(settings, with_warehouse=True, data_docs=context.run.run_id) as (gates, session),
        ):
            publication = publish_partitions(settings, recipe, asked, gates, tell=context.log.info)
            data_docs = session.build_data_docs()
            stage_times.record_partitions(settings, stage_times.PUBLISHED, publication.published)
            with read_warehouse(settings) as connection:
                latency = stage_times.latency_metadata(connection, publication.published)
        result = check_result(
            check=DATASET_GATE, reports=publication.reports, data_docs=data_docs.as_uri() if data_docs else None
        )
        landed = publication.stopped_at is None
        for day, published in publication.published.items():
            metadata = _metadata(published) | latency.get(day, {})
            if landed and day in asked:
                context.add_asset_metadata(metadata, partition_key=day.isoformat())
            else:
                # Dagster records the asked days, and of a step that fails none: these would be missing.
                context.log_event(dg.AssetMaterialization(name, partition=day.isoformat(), metadata=metadata))
        if landed:
            yield dg.MaterializeResult()
            yield result
            return
        yield result
        raise dg.Failure(description=publication.sentence(recipe), allow_retries=False)

    return publish


def _metadata(published: Published) -> dict[str, dg.MetadataValue]:
    made = published.candidate
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/partition_row_count": dg.MetadataValue.int(made.rows),
        "version": dg.MetadataValue.text(made.version or "none: no rows yet"),
        "is_new_version": dg.MetadataValue.bool(made.is_new),
        "rows": dg.MetadataValue.int(made.rows),
    }
    if published.changes:
        metadata |= {
            "rows_added": dg.MetadataValue.int(published.changes.added),
            "rows_changed": dg.MetadataValue.int(published.changes.changed),
            "rows_removed": dg.MetadataValue.int(published.changes.removed),
            "bytes": dg.MetadataValue.int(published.bytes),
        }
    return metadata


@dg.definitions
def datasets() -> dg.Definitions:
    return dg.Definitions(assets=[dataset_asset(recipe) for recipe in load_recipes(Settings.from_env().recipes)])
