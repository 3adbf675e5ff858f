"""Feature attributions: which days to explain, the inferences that got feedback on them, their SHAP values.

The asked days are explained anew. So is every other day that has a file and rests on a ledger that has changed: dbt
builds those again, too (lib/build_window.py), and a file knows the ledger that it was computed from.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from itertools import groupby
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import attribution_files as files
from orchestration.lib import parquet_files
from orchestration.lib.explainers import Explained, Explainer, make_explainer
from orchestration.lib.feature_rows import parse_features, unknown_features
from orchestration.lib.model_artefacts import Matrix, load_model
from orchestration.lib.model_registry import ModelEntry, ModelRegistry, RegistryError
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse

# Inferences explained at once: memory stays small, and shap's fixed cost a call does not show.
BATCH = 5_000


@dataclass
class DaySummary:
    """What became of one day's inferences; `gap` is how far shap values were from adding up, at worst."""

    explained: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    by_version: Counter[str] = field(default_factory=Counter)
    unknown_features: int = 0
    gap: float = 0.0
    # Model version, feature, mean |shap| where the reward was negative, where it was positive.
    blame: list[tuple[str, str, float | None, float | None]] = field(default_factory=list)


@dataclass(frozen=True)
class _Inference:
    request_id: str
    model_name: str | None
    model_version: str
    features: str  # JSON object


def explain_days(
    settings: Settings, registry: ModelRegistry, asked: Sequence[date], *, tell: Callable[[str], None]
) -> Iterator[tuple[date, DaySummary]]:
    """Explains and writes day by day, oldest first. Raises RegistryError for a model that can not be explained.

    Writes nothing as long as there never was a model. Whoever calls holds the warehouse's lock.
    """
    written = files.built_from(settings)
    if not registry.entries and not written:
        return
    explainers = _Explainers(registry)
    with read_warehouse(settings) as connection:
        states = _ledger_states(connection)
        stale = [day for day, state in written.items() if states.get(day) not in (None, state)]
        for day in sorted({*asked, *stale} & states.keys()):
            if day not in asked:
                tell(f"feature attributions: {day} is explained again, the ledger that it rests on has changed")
            summary = DaySummary()
            tables = _tables(connection, day, explainers, summary)
            metadata = {files.BUILT_FROM: states[day]} | ({"shap": version("shap")} if registry.entries else {})
            path = files.write(settings, day, tables, metadata=metadata)
            summary.blame = _blame(connection, day, str(path)) if summary.explained else []
            yield day, summary


class _Explainers:
    """The explainer of each model version, opened when an inference first asks for it."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._opened: dict[ModelEntry, Explainer] = {}

    def of(self, model_name: str | None, model_version: str) -> Explainer | None:
        entry = self._registry.find(model_name, model_version)
        if entry is None:
            return None
        if entry not in self._opened:
            self._opened[entry] = make_explainer(load_model(entry))
        return self._opened[entry]


def _ledger_states(connection: duckdb.DuckDBPyConnection) -> dict[date, str]:
    """Each built day with a digest of the ledger up to its end: what its rows follow from."""
    versions = ", ".join(f"{stream.name}_version" for stream in STREAMS)
    rows = connection.execute(
        f"select partition_date, {versions} from intermediate.int_built_partitions order by partition_date"
    ).fetchall()
    states, digest = {}, hashlib.sha256()
    for day, *of_day in rows:
        digest.update(f"{day} {' '.join(of_day)}\n".encode())
        states[day] = digest.hexdigest()[:16]
    return states


def _tables(
    connection: duckdb.DuckDBPyConnection, day: date, explainers: _Explainers, summary: DaySummary
) -> Iterator[pa.Table]:
    """The day's rows in a fixed order, a table a batch of one model version; counts in `summary` on the way."""
    cursor = connection.execute(
        """
        select request_id, model_name, model_version, json_extract(input, '$.features')::varchar
        from marts.attributed_feedback
        where attributed_date = ? and request_id is not null and json_type(input, '$.features') = 'OBJECT'
        qualify row_number() over (partition by request_id order by feedback_id) = 1
        order by model_version, model_name nulls first, request_id
        """,
        [day],
    )
    while rows := cursor.fetchmany(BATCH):
        inferences = [_Inference(*row) for row in rows]
        for (name, version_), of_model in groupby(inferences, key=lambda i: (i.model_name, i.model_version)):
            yield _table(list(of_model), explainers.of(name, version_), summary, day)


def _table(inferences: list[_Inference], explainer: Explainer | None, summary: DaySummary, day: date) -> pa.Table:
    """The rows of some inferences of one model version: the explained ones by feature, then the skipped ones."""
    sound: list[_Inference] = []
    matrix: list[list[float]] = []
    logged: list[dict[str, Any]] = []
    texts: list[dict[str, str]] = []
    skipped: list[tuple[_Inference, str]] = []
    for inference in inferences:
        features, of_features = parse_features(inference.features)
        row = "no_model" if explainer is None else explainer.model.encoder.encode(features)
        if isinstance(row, str):
            skipped.append((inference, row))
            continue
        sound.append(inference)
        matrix.append(row)
        logged.append(features)
        texts.append(of_features)
    summary.skipped.update(reason for _, reason in skipped)
    tables = [_rows([inference for inference, _ in skipped], skipped=[reason for _, reason in skipped])]
    if explainer is not None and sound:
        entry = explainer.model.entry
        explained = _explained(explainer, sound, np.array(matrix, dtype=np.float64), day)
        summary.explained += len(sound)
        summary.by_version[entry.title] += len(sound)
        summary.gap = max(summary.gap, explained.gap)
        summary.unknown_features += unknown_features(entry, logged)
        count = len(entry.features)
        by_feature = _rows(
            [inference for inference in sound for _ in range(count)],
            feature=list(entry.features) * len(sound),
            feature_value=[of_features[feature] for of_features in texts for feature in entry.features],
            shap_value=explained.values.ravel(),
            base_value=np.repeat(explained.base, count),
            explained_output=np.repeat(explained.output, count),
            output_name=[name for name in explained.output_names for _ in range(count)],
            method=[explainer.method] * len(sound) * count,
            artefact_sha256=[entry.artefact.sha256] * len(sound) * count,
        )
        tables.insert(0, by_feature)
    return pa.concat_tables(tables)


def _rows(inferences: list[_Inference], **columns: Any) -> pa.Table:
    """Rows of the files, one for each inference given; columns that are not given are null."""
    shown = {name: [getattr(i, name) for i in inferences] for name in ("request_id", "model_name", "model_version")}
    given = {**shown, **columns}
    arrays = [
        pa.array(given[column.name], column.type) if column.name in given else pa.nulls(len(inferences), column.type)
        for column in files.SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=files.SCHEMA)


def _explained(explainer: Explainer, inferences: list[_Inference], matrix: Matrix, day: date) -> Explained:
    try:
        return explainer.explain(matrix)
    except RegistryError:
        raise
    except Exception as error:
        # Its message may quote what users sent, which does not belong in the event log.
        raise RegistryError(
            f"model {explainer.model.entry.title}: {type(error).__name__} while {len(inferences)} inferences of {day} "
            f"were explained ({inferences[0].request_id} to {inferences[-1].request_id}, method {explainer.method}); "
            "try the model on their logged features"
        ) from None


def _blame(
    connection: duckdb.DuckDBPyConnection, day: date, path: str
) -> list[tuple[str, str, float | None, float | None]]:
    """Which inputs drove the answers that were found bad, and which the good ones; the most to blame first."""
    return connection.execute(
        f"""
        select
            model_version,
            feature,
            avg(abs(shap_value)) filter (reward < 0) as wrong,
            avg(abs(shap_value)) filter (reward > 0) as praised
        from {parquet_files.read([path], options="hive_partitioning = false")}
        join marts.attributed_feedback using (request_id, model_version)
        where attributed_date = ? and skipped is null
        group by all
        order by model_version, wrong desc nulls last, feature
        """,
        [day],
    ).fetchall()
