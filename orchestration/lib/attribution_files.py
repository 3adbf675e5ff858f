"""The files of `marts.feature_attributions`: Parquet, one a attributed date, replaced whole or not at all.

A day's file follows from the ledger up to that day, the registry and the artefacts; the same give the same bytes.
dbt's view reads them all (dbt_project/models/marts/enrichment).
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa

from orchestration.lib import parquet_files
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

FOLDER = "feature_attributions"
FILE = "part-00000.parquet"
# Hive's name for the partition of no value: a file without rows, from which the view has its columns.
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
# The file's metadatum that says which state of the ledger it was computed from.
BUILT_FROM = "built_from"

COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "request_id": (pa.string(), "Identifies the inference."),
    "model_name": (pa.string(), "Name of the model that answered."),
    "model_version": (pa.string(), "Version of the model that answered."),
    "feature": (pa.string(), "Input of the model; null where the inference was skipped."),
    "feature_value": (pa.string(), "Its value as logged, as JSON."),
    "shap_value": (pa.float64(), "What it added to the explained output, in the output's unit."),
    "base_value": (pa.float64(), "The output without knowledge of any feature; with all shap values, the output."),
    "explained_output": (pa.float64(), "The output that the model itself gives."),
    "output_name": (pa.string(), "Which output was explained: the class, or `prediction`."),
    "method": (pa.string(), "shap's explainer: `tree`, `linear`, `exact` or `permutation`."),
    "artefact_sha256": (pa.string(), "The model's artefact, as the registry pins it."),
    "skipped": (pa.string(), "Why the inference was not explained, e.g. `missing_feature`; null where it was."),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])


def path_of(day: date | str) -> str:
    return f"{FOLDER}/attributed_date={day}/{FILE}"


def ensure_readable(settings: Settings) -> None:
    """Writes the file without rows where there is none: DuckDB can not read a folder without files."""
    store = Store(str(settings.enrichment_dir))
    if not store.exists(path_of(NO_DAY)):
        write(settings, NO_DAY, [], metadata={})


def write(settings: Settings, day: date | str, tables: Iterable[pa.Table], *, metadata: dict[str, str]) -> Path:
    """Replaces a day's file by the tables, a row group each; returns where it is."""
    store = Store(str(settings.enrichment_dir))
    with parquet_files.scratch_file(settings) as beside:
        parquet_files.write(settings, beside, SCHEMA, tables, metadata=lambda: metadata)
        if not parquet_files.has_same(settings, store, beside, path_of(day)):
            parquet_files.put(settings, store, beside, path_of(day))
    return Path(store.full(path_of(day)))


def built_from(settings: Settings) -> dict[date, str]:
    """Each day that has a file, with the state of the ledger that it was computed from."""
    store = Store(str(settings.enrichment_dir))
    days = [folder.removeprefix("attributed_date=") for folder in store.folders(FOLDER)]
    found = {}
    for day in (day for day in days if day != NO_DAY and store.exists(path_of(day))):
        metadata = parquet_files.metadata_of(settings, store.full(path_of(day)))
        found[date.fromisoformat(day)] = metadata.get(BUILT_FROM, "")
    return found
