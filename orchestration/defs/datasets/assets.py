"""Datasets: one partitioned asset a recipe, which gates and publishes immutable versions."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from orchestration.defs.partitions import OWNERS, daily_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib import stage_times
from orchestration.lib.catalog import Catalog
from orchestration.lib.check_results import check_result
from orchestration.lib.dataset_metadata import dataset_metadata
from orchestration.lib.gates import DATASET_GATE, open_gates
from orchestration.lib.ledger_files import LedgerFiles
from orchestration.lib.locks import WAREHOUSE_POOL, warehouse_lock
from orchestration.lib.partitions import from_keys
from orchestration.lib.publication import publish_partitions
from orchestration.lib.recipe import SOURCES, Recipe, load_recipes
from orchestration.lib.recipe.every import overdue_after
from orchestration.lib.recipe.privacy import PROMISES
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse

Events = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def asset_name(recipe: Recipe) -> str:
    return f"{recipe.name}_dataset"


def dataset_spec(recipe: Recipe) -> dg.AssetSpec:
    """A recipe as an asset: what it rests on, and what its rows are."""
    source = SOURCES[recipe.source]
    return dg.AssetSpec(
        asset_name(recipe),
        group_name="datasets",
        deps=[
            source.asset(recipe.source),
            *source.also_reads,
            "feedback_under_review",
            "feedback_ended_as_of",
            "feedback_loop_latency",
            "partition_quality",
            "partition_profile",
        ],
        partitions_def=daily_partitions,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=overdue_after(recipe.every)),
        description=f"{recipe.description}\n\nPublished as immutable versions in `datasets/{recipe.name}/`.",
        kinds={"parquet", "huggingface"},
        owners=OWNERS,
        tags={"privacy": recipe.privacy},
        metadata={"dagster/column_schema": _column_schema(recipe, {}), "privacy": PROMISES[recipe.privacy]},
    )


def retraining_key(recipe: Recipe) -> dg.AssetKey:
    return dg.AssetKey(f"{recipe.name}_retraining_due")


def retraining_spec(recipe: Recipe) -> dg.AssetSpec:
    """What a training job listens to: it is materialized when enough of the dataset has changed."""
    return dg.AssetSpec(
        retraining_key(recipe),
        group_name="retraining",
        deps=[asset_name(recipe)],
        description=f"Materialized by the retraining sensor when enough of `{recipe.name}` has changed since the last "
        "time, in a version that passed its gate. Its metadata name the version to train on.",
        kinds={"huggingface"},
        owners=OWNERS,
    )


def dataset_assets(step: str, recipes: Sequence[Recipe]) -> dg.AssetsDefinition:
    """The assets that publish the recipes' versions, as one step of that name: what they share is gated once.

    It evaluates every gate itself before anything is visible: Dagster's blocking checks hold within one
    run only, and not for who materializes a dataset alone (DESIGN decision 1).
    """

    @dg.multi_asset(
        name=step,
        specs=[dataset_spec(recipe) for recipe in recipes],
        can_subset=True,
        backfill_policy=one_run_a_range,
        pool=WAREHOUSE_POOL,
        check_specs=[
            dg.AssetCheckSpec(
                DATASET_GATE,
                asset=asset_name(recipe),
                blocking=True,
                description="Every gate of a partition, and the staged rows, before a version is made visible.",
            )
            for recipe in recipes
        ],
    )
    def publish(context: dg.AssetExecutionContext, platform: PlatformResource) -> Events:
        settings = platform.settings
        selected = [recipe for recipe in recipes if dg.AssetKey(asset_name(recipe)) in context.selected_asset_keys]
        asked = from_keys(context.partition_keys)
        with (
            warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info),
            # A session's pages take the place of those that are in the folder.
            open_gates(settings, with_warehouse=True, data_docs=f"{context.run.run_id}/{step}") as (gates, session),
            read_warehouse(settings) as connection,
        ):
            ledger_files = LedgerFiles(settings)
            publications = [
                publish_partitions(
                    connection, settings, recipe, asked, gates, ledger_files=ledger_files, tell=context.log.info
                )
                for recipe in selected
            ]
            data_docs = session.build_data_docs()
            published = {day: one for p in publications for day, one in p.published.items()}
            stage_times.record_partitions(settings, stage_times.PUBLISHED, published)
            latency = stage_times.latency_metadata(connection, published)
        stopped = []
        for recipe, publication in zip(selected, publications, strict=True):
            name, landed = asset_name(recipe), publication.stopped_at is None
            for day, made in publication.published.items():
                metadata: dict[str, dg.MetadataValue] = {
                    "dagster/column_schema": dg.MetadataValue.table_schema(
                        _column_schema(recipe, made.candidate.types)
                    ),
                    **dataset_metadata(Catalog(settings, recipe.name), made, publication.reports[day]),
                    **latency.get(day, {}),
                }
                if landed and day in asked:
                    context.add_asset_metadata(metadata, asset_key=name, partition_key=day.isoformat())
                else:
                    # Dagster records the asked days, and of a step that fails none: these would be missing.
                    context.log_event(dg.AssetMaterialization(name, partition=day.isoformat(), metadata=metadata))
            if landed:
                yield dg.MaterializeResult(asset_key=name)
            else:
                stopped.append(publication.sentence(recipe))
            yield check_result(
                check=DATASET_GATE,
                reports=publication.reports,
                data_docs=data_docs.as_uri() if data_docs else None,
                asset_key=dg.AssetKey(name),
            )
        if stopped:
            raise dg.Failure(description="\n".join(stopped), allow_retries=False)

    return publish


def _column_schema(recipe: Recipe, types: Mapping[str, str]) -> dg.TableSchema:
    """The columns with their types, which are known once there are rows."""
    return dg.TableSchema(
        columns=[dg.TableColumn(c, types.get(c, "").lower(), meaning) for c, meaning in recipe.columns.items()]
    )


@dg.definitions
def datasets() -> dg.Definitions:
    recipes = load_recipes(Settings.from_env().recipes)
    # What rests on an asset beside dbt's is a step of its own: where that fails, the others are published all the same.
    steps = {
        "datasets": [recipe for recipe in recipes if not SOURCES[recipe.source].also_reads],
        "explained_datasets": [recipe for recipe in recipes if SOURCES[recipe.source].also_reads],
    }
    announced = [retraining_spec(recipe) for recipe in recipes if recipe.retrain_when]
    published = [dataset_assets(step, of_step) for step, of_step in steps.items() if of_step]
    return dg.Definitions(assets=[*published, *announced])
