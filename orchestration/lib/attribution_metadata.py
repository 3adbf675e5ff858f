"""What the UI shows of each partition of the dbt models: rows, and the accounts of the day."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import duckdb

from orchestration.lib.warehouse import rows_per_day

# Model to its schema and partition column.
PARTITION_COLUMNS: dict[str, tuple[str, str]] = {
    "int_inference_receipts": ("intermediate", "received_date"),
    "int_inference_conflicts": ("intermediate", "received_date"),
    "int_feedback_receipts": ("intermediate", "received_date"),
    "int_feedback_candidates": ("intermediate", "attributed_date"),
    "int_feedback_matches": ("intermediate", "attributed_date"),
    "int_feedback_supersessions": ("intermediate", "effective_date"),
    "int_built_partitions": ("intermediate", "partition_date"),
    "attributed_feedback": ("marts", "attributed_date"),
    "feedback_status": ("marts", "received_date"),
    "dead_letter": ("marts", "received_date"),
    "daily_accounts": ("marts", "received_date"),
    "partition_quality": ("marts", "partition_date"),
}


def partition_metadata(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date]
) -> dict[str, dict[date, dict[str, dg.MetadataValue]]]:
    """Asset to day to metadata. Numbers become plots over partitions in the UI."""
    metadata: dict[str, dict[date, dict[str, dg.MetadataValue]]] = {
        model: {
            day: {"dagster/partition_row_count": dg.MetadataValue.int(rows), "rows": dg.MetadataValue.int(rows)}
            for day, rows in rows_per_day(connection, f"{schema}.{model}", column, days).items()
        }
        for model, (schema, column) in PARTITION_COLUMNS.items()
    }
    for table, day_column in (("daily_accounts", "received_date"), ("partition_quality", "partition_date")):
        cursor = connection.execute(
            f"select * from marts.{table} where {day_column} between ? and ?", [days[0], days[-1]]
        )
        names = [column[0] for column in cursor.description or []]
        for row in cursor.fetchall():
            values = dict(zip(names, row, strict=True))
            day = values.pop(day_column)
            if day in metadata[table]:
                numbers = {name: dg.MetadataValue.int(v) for name, v in values.items() if isinstance(v, int)}
                metadata[table][day] |= numbers
    return metadata
