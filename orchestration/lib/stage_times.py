"""When each stage of the feedback loop was done: an append-only log beside the data, for `marts.feedback_loop_latency`.

Run times are no data: in the ledger, the marts or a dataset they would make other bytes of each rerun. Every run adds
small Parquet files and changes none; a reader takes the first time at which a stage can have held an event, so that a
backfill does not make a loop look longer or shorter than it was.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lib.landing import landing_files
from orchestration.lib.metadata_tables import rows_by_day, table
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
FOLDER = "stage_times"
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


def record_loaded(
    settings: Settings, stream: str, days: Iterable[date], hour: int | None = None
) -> list[tuple[date, str]]:
    """The files of these received dates, or of an hour of them, are in the ledger now, and came when their store says;
    returns them.
    """
    now, store = datetime.now(UTC), Store(settings.landing_url)
    files = [(day, file) for day in days for file in landing_files(store, stream, day, hour)]
    came = [(day, file.source_file, store.modified(file.stored.path)) for day, file in files]
    landed = [(LANDED, day, source_file, at) for day, source_file, at in came if at is not None]
    record(settings, [*landed, *((LOADED, day, file.source_file, now) for day, file in files)])
    return [(day, file.source_file) for day, file in files]


def record_validated(settings: Settings, files: Iterable[tuple[date, str]]) -> None:
    """The gate has judged these files, by received date and name."""
    now = datetime.now(UTC)
    record(settings, [(VALIDATED, day, source_file, now) for day, source_file in files])


def ensure_readable(settings: Settings) -> None:
    """Writes a file without rows where there is none: DuckDB can not read a folder without files."""
    if not Store(str(settings.operations_dir)).exists(f"{FOLDER}/{_NOTHING}"):
        _write(settings, [], _NOTHING)


def latency_metadata(
    connection: duckdb.DuckDBPyConnection, days: Iterable[date]
) -> dict[date, dict[str, dg.MetadataValue]]:
    """Day to a table of the loop's parts, and their medians and 95th percentiles as numbers that become plots."""
    asked = sorted(days)
    if not asked:
        return {}
    # Each day by itself: DuckDB 1.5 does not take `in (select unnest(?))` into the view, and reads all history.
    rows = rows_by_day(
        connection,
        f"""
        select attributed_date, part, feedback, p50_seconds, p95_seconds, max_seconds
        from marts.feedback_loop_latency where attributed_date in ({", ".join("?" * len(asked))}) order by all
        """,
        asked,
    )
    metadata: dict[date, dict[str, dg.MetadataValue]] = {}
    for day, parts in rows.items():
        shown = [(part, feedback, *(f"{seconds:,.1f}" for seconds in rest)) for part, feedback, *rest in parts]
        metadata[day] = {"latency": table("part | feedback | median s | 95 % s | longest s", shown)}
        for part, _, p50, p95, _ in parts:
            metadata[day][f"seconds_{part}"] = dg.MetadataValue.float(p50)
            metadata[day][f"seconds_{part}_p95"] = dg.MetadataValue.float(p95)
    return metadata


def _write(settings: Settings, rows: list[tuple[str, date, str | None, datetime]], name: str) -> None:
    scratch = settings.data_dir / ".scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    beside = scratch / f"{FOLDER}-{uuid.uuid4().hex}.parquet"
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in SCHEMA.names]
    pq.write_table(pa.table(columns, schema=SCHEMA), beside)
    Store(str(settings.operations_dir)).put(beside, f"{FOLDER}/{name}")
