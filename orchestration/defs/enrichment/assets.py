"""Feature attributions: what is computed from the marts beside dbt, and shown by a view of dbt's.

The asset is the table `marts.feature_attributions`. dbt builds the view with its other models, and it shows the files
that are written here: nothing but dbt writes the warehouse. Datasets do not depend on it, so that a model that can
not be explained holds no dataset back.
"""

from datetime import date
from importlib.util import find_spec

import dagster as dg

from orchestration.defs.partitions import OWNERS, daily_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib.attribution_files import COLUMNS
from orchestration.lib.feature_attributions import DaySummary, explain_days
from orchestration.lib.locks import WAREHOUSE_POOL, warehouse_lock
from orchestration.lib.model_registry import RegistryError, load_registry
from orchestration.lib.partitions import from_keys

# The features with the most blame that become plots; the metadata's table has all.
MOST_PLOTS = 20
_SQL_TYPES = {"string": "varchar"}


@dg.asset(
    group_name="enrichment",
    deps=["attributed_feedback", "int_built_partitions"],
    partitions_def=daily_partitions,
    backfill_policy=one_run_a_range,
    pool=WAREHOUSE_POOL,
    description="What each input added to the answer of a tabular model (SHAP values), for the inferences that got "
    "feedback and whose model is in the registry (`FEEDBACK_MODEL_REGISTRY`). Grain: one feature of one inference in "
    "each attributed date; an inference that could not be explained has one row that says why in `skipped`.",
    kinds={"python", "parquet"},
    owners=OWNERS,
    metadata={
        "dagster/table_name": "marts.feature_attributions",
        "dagster/column_schema": dg.TableSchema(
            columns=[
                *(
                    dg.TableColumn(name, _SQL_TYPES.get(str(kind), str(kind)), meaning)
                    for name, (kind, meaning) in COLUMNS.items()
                ),
                dg.TableColumn("attributed_date", "date", "Partition of the feedback that asks for the explanation."),
            ]
        ),
    },
)
def feature_attributions(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    settings = platform.settings
    asked = from_keys(context.partition_keys)
    try:
        registry = load_registry(settings.model_registry)
        # Looked for and not imported: that takes seconds, and most days have nothing to explain.
        if missing := [module for module in registry.modules() if find_spec(module) is None]:
            note = (
                f"0 computed: {', '.join(missing)} not installed; "
                "pip install 'feedback-attribution[feature-attributions]'"
            )
            context.log.warning(note)
            return dg.MaterializeResult(metadata={"note": note})
        with warehouse_lock(settings, holder=context.run.run_id, tell=context.log.info):
            for day, summary in explain_days(settings, registry, asked, tell=context.log.info):
                _tell(context, day, summary, asked=day in asked)
    except RegistryError as error:
        raise dg.Failure(description=f"feature attributions: {error}", allow_retries=False) from None
    models = len(registry.entries)
    return dg.MaterializeResult(metadata={"note": f"{models} models in {settings.model_registry}"})


def _tell(context: dg.AssetExecutionContext, day: date, summary: DaySummary, *, asked: bool) -> None:
    if asked:
        context.add_asset_metadata(_metadata(summary), partition_key=day.isoformat())
    else:
        # Dagster records the asked days only.
        context.log_event(
            dg.AssetMaterialization("feature_attributions", partition=day.isoformat(), metadata=_metadata(summary))
        )
    if summary.explained or summary.skipped:
        skipped = ", ".join(f"{count:,} {reason}" for reason, count in sorted(summary.skipped.items())) or "none"
        context.log.info(f"feature attributions {day}: {summary.explained:,} inferences explained, skipped: {skipped}")


def _metadata(summary: DaySummary) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "inferences_explained": dg.MetadataValue.int(summary.explained),
        "inferences_skipped": dg.MetadataValue.int(sum(summary.skipped.values())),
        "features_not_in_model": dg.MetadataValue.int(summary.unknown_features),
        "largest_gap": dg.MetadataValue.float(summary.gap),
    }
    metadata |= {f"skipped_{reason}": dg.MetadataValue.int(n) for reason, n in sorted(summary.skipped.items())}
    metadata |= {f"explained_{title}": dg.MetadataValue.int(n) for title, n in sorted(summary.by_version.items())}
    if summary.blame:
        metadata["what_drove_the_answers"] = dg.MetadataValue.md(_blame_table(summary))
        blamed = sorted((row for row in summary.blame if row[2] is not None), key=lambda row: -(row[2] or 0.0))
        for version, feature, wrong, _ in blamed[:MOST_PLOTS]:
            metadata[f"wrong_{version}_{feature}"] = dg.MetadataValue.float(float(wrong or 0.0))
    return metadata


def _blame_table(summary: DaySummary) -> str:
    lines = ["| model version | feature | mean \\|shap\\|, reward < 0 | reward > 0 |", "|---|---|---:|---:|"]
    for version, feature, wrong, praised in summary.blame:
        numbers = " | ".join("–" if n is None else f"{n:.4g}" for n in (wrong, praised))
        lines.append(f"| {version} | {feature} | {numbers} |")
    return "\n".join(lines)
