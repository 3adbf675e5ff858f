"""The whole history of one event or user: lines received, verdicts, attribution, dataset versions that hold it."""

import json
from collections.abc import Sequence
from typing import Any

import duckdb

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.json_schema import STREAMS
from orchestration.contracts.review import REVIEWS
from orchestration.lib.duck import connect
from orchestration.lib.holdings import holdings
from orchestration.lib.ledger import ledger_rows
from orchestration.lib.ledger_sql import ledger_columns
from orchestration.lib.privacy.pseudonyms import Pseudonyms
from orchestration.lib.recipe.source_columns import ROW_HASH
from orchestration.lib.rests_on import Wanted, among
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from orchestration.lib.warehouse import read_warehouse, rows_of

History = dict[str, Any]


def feedback_history(settings: Settings, feedback_id: str) -> History | None:
    """Every line received under a feedback_id and what became of it; None if there is none."""
    received = _received(settings, FEEDBACK, "feedback_id", feedback_id)
    if not received:
        return None
    with read_warehouse(settings) as connection:
        states = rows_of(
            connection,
            "select received_date, source_file, source_line, state, reason, request_id, attributed_date "
            "from marts.feedback_status where feedback_id = ? order by received_date, source_file, source_line",
            [feedback_id],
        )
        attribution = rows_of(
            connection, "select * from marts.attributed_feedback where feedback_id = ?", [feedback_id]
        )
        flags = rows_of(
            connection,
            "select feedback_received_date, feedback_source_file, feedback_source_line, rule, state, flagged_date "
            "from intermediate.int_feedback_flags where feedback_id = ? order by flagged_date, priority, rule",
            [feedback_id],
        )
        standings = rows_of(
            connection,
            "select standing, reason, effective_date from intermediate.int_feedback_standings "
            "where feedback_id = ? order by effective_date",
            [feedback_id],
        )
        ended = rows_of(
            connection,
            "select cause, by_feedback_id, effective_date from intermediate.int_feedback_supersessions "
            "where feedback_id = ?",
            [feedback_id],
        )
        trail = _trail(connection, [feedback_id])
    versions, changes = holdings(settings, Wanted(feedback_ids=[feedback_id]), with_changes=True)
    return {
        "feedback_id": feedback_id,
        "received": received,
        "states": states,
        "flags": flags,
        "reviews": _received(settings, REVIEWS, "feedback_id", feedback_id),
        "attribution": {c: value for c, value in attribution[0].items() if c != ROW_HASH} if attribution else None,
        "standings": standings,
        "ended": ended[0] if ended else None,
        "datasets": versions,
        "trail": _in_order(trail, changes),
    }


def request_history(settings: Settings, request_id: str) -> History | None:
    """An inference's lines and all feedback that refers to it; None if neither was ever received."""
    received = _received(settings, INFERENCES, "request_id", request_id)
    with read_warehouse(settings) as connection:
        feedback = rows_of(
            connection,
            "select feedback_id, state, reason, received_date, attributed_date, source_file, source_line "
            "from marts.feedback_status where request_id = ? order by received_date, source_file, source_line",
            [request_id],
        )
        receipts = rows_of(
            connection,
            "select received_date, source_file, source_line, is_first from intermediate.int_inference_receipts "
            "where request_id = ? order by received_date, source_file, source_line",
            [request_id],
        )
        trail = _trail(connection, list({row["feedback_id"]: None for row in feedback if row["feedback_id"]}))
    if not received and not feedback:
        return None
    versions, changes = holdings(settings, Wanted(request_ids=[request_id]), with_changes=True)
    lines = [
        {
            "decided_date": line["received_date"],
            "decision": "received" if line["is_first"] else "repeated",
            "request_id": request_id,
            **{name: line[name] for name in ("source_file", "source_line")},
        }
        for line in receipts
    ]
    return {
        "request_id": request_id,
        "received": received,
        "receipts": receipts,
        "feedback": feedback,
        "datasets": versions,
        "trail": _in_order([*lines, *trail], changes),
    }


def user_history(settings: Settings, user_id: str) -> History | None:
    """What there is of a user, who asked or gave feedback; None if no line names them. With keys it has their token."""
    user_id = Pseudonyms.of(settings).stored(user_id)
    lines = _lines_of_user(settings, user_id)
    with read_warehouse(settings) as connection:
        feedback = rows_of(
            connection,
            """
            with given as (
                select distinct received_date, source_file, source_line
                from intermediate.int_feedback_receipts where user_id = $1
            ),
            asked as (
                select distinct request_id from intermediate.int_inference_receipts where user_id = $1 and is_first
            )
            select status.feedback_id, status.request_id, status.state, status.reason, status.received_date,
                status.attributed_date, status.source_file, status.source_line,
                given.source_line is not null as is_by_user, asked.request_id is not null as is_on_what_user_asked
            from marts.feedback_status as status
            left join given using (received_date, source_file, source_line)
            left join asked on status.request_id = asked.request_id
            where is_by_user or is_on_what_user_asked
            order by status.received_date, status.source_file, status.source_line
            """,
            [user_id],
        )
        requests = [
            row[0]
            for row in connection.execute(
                "select request_id from intermediate.int_inference_receipts where user_id = ? and is_first order by 1",
                [user_id],
            ).fetchall()
        ]
    if not any(of_stream["lines"] + of_stream["dead_letters"] for of_stream in lines.values()):
        return None
    by_user = [row["feedback_id"] for row in feedback if row["is_by_user"]]
    wanted = Wanted(feedback_ids=by_user, request_ids=requests, user_id=user_id)
    versions, _ = holdings(settings, wanted, with_changes=False)
    return {"user_id": user_id, "received": lines, "feedback": feedback, "datasets": versions}


def _lines_of_user(settings: Settings, user_id: str) -> dict[str, dict[str, int]]:
    """Lines a stream that name a user, and dead letters whose raw text does, though it could not be read."""
    ledger = Store(settings.ledger_url)
    told = {}
    with connect(settings, stores=(ledger,)) as connection:
        for stream in STREAMS:
            if "user_id" in ledger_columns(stream) and ledger.folders(stream.name):
                told[stream.name] = rows_of(
                    connection,
                    "select count(*) filter (where raw is null) as lines, "
                    "count(*) filter (where raw is not null) as dead_letters "
                    f"from {ledger_rows(settings, stream.name)} where user_id = $1 or contains(raw, $2)",
                    [user_id, json.dumps(user_id, ensure_ascii=False)],
                )[0]
    return told


def _trail(connection: duckdb.DuckDBPyConnection, feedback_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The decisions on some feedback up to the newest partition, in order."""
    return rows_of(
        connection,
        f"""
        select decided_date, decision, decided_by, feedback_id, state, reason, is_in_force,
            coalesce(by_source_file, source_file) as source_file, coalesce(by_source_line, source_line) as source_line
        from marts.decision_trail_as_of((select max(partition_date) from intermediate.int_built_partitions)) as trail
        where {among("feedback_id", feedback_ids)}
        order by decided_date, trail.received_date, trail.source_file, trail.source_line, position
        """,
        [],
    )


def _in_order(trail: Sequence[dict[str, Any]], changes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Decisions and what they came to in the datasets: of one day, the decisions first."""
    return sorted([*trail, *changes], key=lambda one: (one["decided_date"], "dataset" in one))


def _received(settings: Settings, stream: Stream, key: str, value: str) -> list[dict[str, Any]]:
    """The ledger's rows, without the fields that are null."""
    ledger = Store(settings.ledger_url)
    if not ledger.folders(stream.name):
        return []
    with connect(settings, stores=(ledger,)) as connection:
        rows = rows_of(
            connection,
            f"select * from {ledger_rows(settings, stream.name)} where {key} = ? "
            "order by received_date, source_file, source_line",
            [value],
        )
    return [{name: v for name, v in row.items() if v is not None} for row in rows]
