"""The whole history of one event: lines received, verdict, attribution, dataset versions that hold it."""

from collections.abc import Mapping
from typing import Any

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.review import REVIEWS
from orchestration.lib.catalog import Catalog, datasets
from orchestration.lib.duck import connect
from orchestration.lib.ledger import LEDGER_FILE
from orchestration.lib.settings import Settings
from orchestration.lib.snapshot import column_types
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
    return {
        "feedback_id": feedback_id,
        "received": received,
        "states": states,
        "flags": flags,
        "reviews": _received(settings, REVIEWS, "feedback_id", feedback_id),
        "attribution": attribution[0] if attribution else None,
        "standings": standings,
        "ended": ended[0] if ended else None,
        "datasets": _versions(settings, "feedback_id", feedback_id),
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
    if not received and not feedback:
        return None
    return {
        "request_id": request_id,
        "received": received,
        "receipts": receipts,
        "feedback": feedback,
        "datasets": _versions(settings, "request_id", request_id),
    }


def _received(settings: Settings, stream: Stream, key: str, value: str) -> list[dict[str, Any]]:
    """The ledger's rows, without the fields that are null."""
    ledger = Store(settings.ledger_url)
    if not ledger.folders(stream.name):
        return []
    with connect(settings, stores=(ledger,)) as connection:
        rows = rows_of(
            connection,
            f"select * from read_parquet('{ledger.url(stream.name)}/received_date=*/{LEDGER_FILE}', "
            f"hive_partitioning = true, union_by_name = true) where {key} = ? "
            "order by received_date, source_file, source_line",
            [value],
        )
    return [{name: v for name, v in row.items() if v is not None} for row in rows]


def _holds(key: str, columns: Mapping[str, str]) -> str:
    """SQL for whether a row rests on an event: it is its own, the other side of a pair, or one judgement of several."""
    places = [column for column in (key, f"other_{key}", f"rejected_{key}") if column in columns]
    held = [f"{column} = $id" for column in places]
    if key == "feedback_id" and "judgements" in columns:
        held.append("list_contains(list_transform(judgements, lambda one: one.feedback_id), $id)")
    return " or ".join(held)


def _versions(settings: Settings, key: str, value: str) -> list[dict[str, Any]]:
    found = []
    for name in datasets(settings):
        catalog = Catalog(settings, name)
        with connect(settings, stores=(catalog.store,)) as connection:
            for version in catalog.versions():
                data = catalog.rows_query(version)
                holds = _holds(key, column_types(connection, data))
                rows = connection.execute(f"select count(*) from ({data}) where {holds}", {"id": value}).fetchone()
                if rows and rows[0]:
                    found.append({"dataset": name, "version": version, "rows": rows[0]})
    return found
