"""What the UI shows of each partition of the dbt models: rows, and the accounts of the day."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import duckdb

from orchestration.lib.credit_metadata import credit_metadata
from orchestration.lib.experiments_metadata import experiments_metadata
from orchestration.lib.warehouse import rows_per_day

# Model to its schema and partition column.
PARTITION_COLUMNS: dict[str, tuple[str, str]] = {
    "int_inference_receipts": ("intermediate", "received_date"),
    "int_inference_conflicts": ("intermediate", "received_date"),
    "int_feedback_receipts": ("intermediate", "received_date"),
    "int_feedback_candidates": ("intermediate", "paired_date"),
    "int_feedback_matches": ("intermediate", "paired_date"),
    "int_correction_measures": ("intermediate", "paired_date"),
    "int_feedback_flags": ("intermediate", "flagged_date"),
    "int_review_decisions": ("intermediate", "received_date"),
    "int_day_end_states": ("intermediate", "received_date"),
    "int_feedback_attributions": ("intermediate", "attributed_date"),
    "int_feedback_standings": ("intermediate", "effective_date"),
    "int_feedback_supersessions": ("intermediate", "effective_date"),
    "int_component_shares": ("intermediate", "attributed_date"),
    "int_chunk_shares": ("intermediate", "attributed_date"),
    "int_conversation_turns": ("intermediate", "known_date"),
    "int_preference_sides": ("intermediate", "known_date"),
    "int_outcome_changes": ("intermediate", "partition_date"),
    "int_variant_days": ("intermediate", "partition_date"),
    "int_policy_days": ("intermediate", "partition_date"),
    "int_variant_controls": ("intermediate", "partition_date"),
    "int_variant_differences": ("intermediate", "partition_date"),
    "int_traffic_splits": ("intermediate", "partition_date"),
    "int_output_uncertainties": ("intermediate", "received_date"),
    "int_built_partitions": ("intermediate", "partition_date"),
    "attributed_feedback": ("marts", "attributed_date"),
    "component_credit": ("marts", "attributed_date"),
    "chunk_credit": ("marts", "attributed_date"),
    "retrieval_outcomes": ("marts", "attributed_date"),
    "conversation_turns": ("marts", "known_date"),
    "preference_sides": ("marts", "known_date"),
    "inference_history": ("marts", "attributed_date"),
    "variant_comparison": ("marts", "partition_date"),
    "off_policy_estimates": ("marts", "partition_date"),
    "logged_choices": ("marts", "received_date"),
    "feedback_under_review": ("marts", "paired_date"),
    "feedback_status": ("marts", "received_date"),
    "rule_rates": ("marts", "received_date"),
    "dead_letter": ("marts", "received_date"),
    "daily_accounts": ("marts", "received_date"),
    "partition_quality": ("marts", "partition_date"),
    "partition_profile": ("marts", "partition_date"),
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
    for of_topic in (_rule_metadata, credit_metadata, experiments_metadata):
        for asset, of_day in of_topic(connection, days).items():
            for day, values in of_day.items():
                metadata.setdefault(asset, {}).setdefault(day, {}).update(values)
    return metadata


def _rule_metadata(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date]
) -> dict[str, dict[date, dict[str, dg.MetadataValue]]]:
    """Each rule's rate as a plot of its own asset, and all of them by variant and source on `rule_rates`."""
    rows = connection.execute(
        """
        select received_date, rule, coalesce(variant, ''), coalesce(source, ''), feedback::bigint, flagged::bigint
        from marts.rule_rates where received_date between ? and ? order by all
        """,
        [days[0], days[-1]],
    ).fetchall()
    by_day: dict[date, list[tuple[str, str, str, int, int]]] = {}
    for day, *rate_of_kind in rows:
        by_day.setdefault(day, []).append(tuple(rate_of_kind))
    metadata: dict[str, dict[date, dict[str, dg.MetadataValue]]] = {}
    for day, of_day in by_day.items():
        for rule in sorted({row[0] for row in of_day}):
            feedback = sum(row[3] for row in of_day if row[0] == rule)
            flagged = sum(row[4] for row in of_day if row[0] == rule)
            rate = dg.MetadataValue.float(flagged / feedback)
            metadata.setdefault(f"rule_{rule}", {})[day] = {"flagged": dg.MetadataValue.int(flagged), "rate": rate}
            metadata.setdefault("rule_rates", {}).setdefault(day, {})[f"rate_{rule}"] = rate
        metadata["rule_rates"][day]["rates"] = dg.MetadataValue.md(_rates_table(of_day))
    return metadata


def _rates_table(rates: Sequence[tuple[str, str, str, int, int]]) -> str:
    """The kinds that a rule has flagged anything of; the others would hide them."""
    lines = ["| rule | variant | source | feedback | flagged | rate |", "|---|---|---|---:|---:|---:|"]
    for rule, variant, source, feedback, flagged in rates:
        if flagged:
            kind = f"{rule} | {variant or '–'} | {source or '–'}"
            lines.append(f"| {kind} | {feedback:,} | {flagged:,} | {flagged / feedback:.2%} |")
    return "\n".join(lines) if len(lines) > 2 else "No rule has flagged anything."
