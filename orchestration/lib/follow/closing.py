"""Live against batch, pair for pair, once the batch has closed a day."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb

from orchestration.lib.warehouse import ALIAS as WAREHOUSE

# One line a closed day: how many pairs either had, and which only one had.
CLOSED = "closed.jsonl"
_PAIR = "attributed_date, feedback_id, request_id, reason, feedback_source_file, feedback_source_line"
_EXAMPLES = 5


def compare(connection: duckdb.DuckDBPyConnection, folder: Path, first: date, last: date) -> Iterator[str]:
    """Compares the store's attributions with the warehouse's, which is attached; notes and tells each day."""
    connection.execute(
        f"""
        create or replace temp table compared as
        with live as (select {_PAIR}, 'live' as side from fresh.int_feedback_attributions),
        batch as (select {_PAIR}, 'batch' as side from {WAREHOUSE}.intermediate.int_feedback_attributions)
        select {_PAIR}, list(side) as sides from (from live union all from batch)
        where attributed_date between date '{first}' and date '{last}'
        group by all
        """
    )
    days = connection.execute(
        """
        select attributed_date, count(*) filter (list_contains(sides, 'live')),
            count(*) filter (list_contains(sides, 'batch')),
            list(feedback_id order by feedback_id) filter (sides = ['live']),
            list(feedback_id order by feedback_id) filter (sides = ['batch'])
        from compared group by attributed_date order by attributed_date
        """
    ).fetchall()
    with open(folder / CLOSED, "a", encoding="utf-8") as closed:
        for day, live, batch, only_live, only_batch in days:
            told = {"day": str(day), "live": live, "batch": batch}
            told |= {"only_live": len(only_live or []), "only_batch": len(only_batch or [])}
            closed.write(json.dumps(told) + "\n")
            examples = ", ".join([*(only_live or []), *(only_batch or [])][:_EXAMPLES])
            differ = f"{told['only_live']} only live, {told['only_batch']} only in the batch: {examples}"
            yield f"{day} is closed: {batch:,} pairs, " + (f"NOT the same: {differ}" if examples else "the same live")
