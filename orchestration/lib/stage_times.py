"""When each stage of the feedback loop was done: an append-only log beside the data, for `marts.feedback_loop_latency`.

Run times are no data: in the ledger, the marts or a dataset they would make other bytes of each rerun. Every run adds
small Parquet files and changes none; a reader takes the first time at which a stage can have held an event, so that a
backfill does not make a loop look longer or shorter than it was.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lib.credit_metadata import table
from orchestration.lib.landing import LandingFile, landing_files
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

LANDED, LOADED, VALIDATED, ATTRIBUTED, PUBLISHED = "landed", "loaded", "validated", "attributed", "published"
SCHEMA = pa.schema(
    [
        ("stage", pa.string()),
        ("partition_date", pa.date32()),  # the received date of a file, or the attributed date of pairs
        ("source_file", pa.string()),  # null for the stages of pairs
        ("done_at", pa.timestamp("us", tz="UTC")),
    ]
)
_NOTHING = "00000000.parquet"


def record(settings: Settings, rows: Iterable[tuple[str, date, str | None, datetime]]) -> None:
    """Adds rows of stage, partition, file and time to the log, in a file of their own."""
    rows = list(rows)
    if rows:
        _write(settings, rows, f"{uuid.uuid4().hex}.parquet")


def record_partitions(settings: Settings, stage: str, days: Iterable[date]) -> None:
    """A stage of pairs is done now, for these attributed dates."""
    now = datetime.now(UTC)
    record(settings, [(stage, day, None, now) for day in days])


def record_files(settings: Settings, stage: str, stream: str, days: Iterable[date]) -> None:
    """A stage of landed files is done now, for all files of these received dates."""
    now = datetime.now(UTC)
    record(settings, [(stage, day, file.source_file, now) for day, file in _files(settings, stream, days)])


def record_landed(settings: Settings, stream: str, days: Iterable[date]) -> None:
    """When the files of these received dates came, as their store says."""
    store = Store(settings.landing_url)
    rows = []
    for day, file in _files(settings, stream, days):
        came = store.modified(file.stored.path)
        if came is not None:
            rows.append((LANDED, day, file.source_file, came))
    record(settings, rows)


def ensure_readable(settings: Settings) -> None:
    """Writes a file without rows where there is none: DuckDB can not read a folder without files."""
    if not (_folder(settings) / _NOTHING).exists():
        _write(settings, [], _NOTHING)


def latency_metadata(
    connection: duckdb.DuckDBPyConnection, days: Iterable[date]
) -> dict[date, dict[str, dg.MetadataValue]]:
    """Day to a table of the loop's parts, and their medians and 95th percentiles as numbers that become plots."""
    asked = sorted(days)
    if not asked:
        return {}
    # Each day by itself: DuckDB 1.5 does not take `in (select unnest(?))` into the view, and reads all history.
    rows = connection.execute(
        f"""
        select attributed_date, part, feedback, p50_seconds, p95_seconds, max_seconds
        from marts.feedback_loop_latency where attributed_date in ({", ".join("?" * len(asked))}) order by all
        """,
        asked,
    ).fetchall()
    of_day: dict[date, list[tuple[object, ...]]] = {}
    metadata: dict[date, dict[str, dg.MetadataValue]] = {}
    for day, part, feedback, p50, p95, longest in rows:
        of_day.setdefault(day, []).append((part, feedback, f"{p50:,.1f}", f"{p95:,.1f}", f"{longest:,.1f}"))
        numbers = metadata.setdefault(day, {})
        numbers[f"seconds_{part}"] = dg.MetadataValue.float(p50)
        numbers[f"seconds_{part}_p95"] = dg.MetadataValue.float(p95)
    for day, parts in of_day.items():
        metadata[day]["latency"] = table("part | feedback | median s | 95 % s | longest s", parts)
    return metadata


def _folder(settings: Settings) -> Path:
    return settings.operations_dir / "stage_times"


def _files(settings: Settings, stream: str, days: Iterable[date]) -> list[tuple[date, LandingFile]]:
    store = Store(settings.landing_url)
    return [(day, file) for day in days for file in landing_files(store, stream, day)]


def _write(settings: Settings, rows: list[tuple[str, date, str | None, datetime]], name: str) -> None:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{name}.{uuid.uuid4().hex}"
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in SCHEMA.names]
    pq.write_table(pa.table(columns, schema=SCHEMA), beside)
    beside.replace(folder / name)
