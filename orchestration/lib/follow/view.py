"""Reading the live view: its rows, what the follower tells of itself, and whether the batch has come to the same."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb

from orchestration.contracts.inference import INFERENCES
from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.follow.locks import live_folder
from orchestration.lib.follow.segments import FOLDER, VIEW_FILE
from orchestration.lib.follow.segments import INFERENCES as TEXTS
from orchestration.lib.follow.state import rows_of_days
from orchestration.lib.row_hash import identifier
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.warehouse import read_warehouse, rows_of

ALIAS = "live"
_PAIR = (
    *("feedback_id", "request_id", "matched_by", "feedback_received_date", "inference_received_date"),
    *("feedback_source_file", "feedback_source_line", "inference_source_file", "inference_source_line"),
)

Row = dict[str, Any]


def rows(settings: Settings, query: str, parameters: list[Any] | None = None) -> list[Row]:
    """A query over `attributed_feedback` and `following`. Raises StateError for one that DuckDB refuses."""
    try:
        with connect(settings) as connection:
            _attach(connection, settings)
            connection.execute(f"use {ALIAS}")
            return rows_of(connection, query, parameters or [])
    except duckdb.Error as error:
        raise StateError(str(error)) from None


def _attach(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    path = live_folder(settings) / VIEW_FILE
    if not path.exists():
        raise StateError(f"there is no live view at {path}; `attribution follow` makes one and keeps it fresh")
    # Not encrypted with a key: it holds names and counts only.
    connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as {ALIAS} (read_only)")


def one(settings: Settings, column: str, value: str) -> list[Row]:
    """The rows of one event, with what the inference was given and answered."""
    found = rows(
        settings,
        f"from attributed_feedback where {identifier(column)} = ? order by feedback_source_file, feedback_source_line",
        [value],
    )
    return [{**row, "inference": _texts(settings, row)} for row in found]


def _texts(settings: Settings, row: Row) -> Row | None:
    """The inference's line from what the follower keeps of days that are not closed, or else from the ledger."""
    kept = sorted((live_folder(settings) / FOLDER).glob(f"*-{TEXTS}-*.parquet"))
    places = [rows_of_days(settings, INFERENCES, [row["inference_received_date"]])]
    if kept:
        places.insert(0, parquet_files.read(kept))
    for place in places:
        with connect(settings) as connection:
            found = rows_of(
                connection,
                f"from {place} where source_file = ? and source_line = ? limit 1",
                [row["inference_source_file"], row["inference_source_line"]],
            )
        if found:
            return {name: value for name, value in found[0].items() if value is not None}
    return None


def following(settings: Settings) -> Row:
    """What the follower told of itself with the newest view."""
    return rows(settings, "from following")[0]


def compared(settings: Settings, day: date) -> list[str]:
    """What live and batch differ in of a day, a line a pair; none where they are the same.

    Raises StateError for a day that the view does not have, or the batch has not built.
    """
    told = following(settings)
    if not told["open_from"] <= day <= told["open_to"]:
        raise StateError(f"the live view has the days {told['open_from']} to {told['open_to']}, and not {day}")
    with _both(settings) as connection:
        if not connection.execute(
            "select 1 from intermediate.int_built_partitions where partition_date = ?", [day]
        ).fetchall():
            raise StateError(f"{day} is not built; `attribution run --from {day} --to {day}`")
        pairs = ", ".join(_PAIR)
        differing = rows_of(
            connection,
            f"""
            with live as (select {pairs} from {ALIAS}.attributed_feedback where attributed_date = $1),
            batch as (select {pairs} from marts.attributed_feedback where attributed_date = $1)
            select 'only live' as side, * from (from live except all from batch)
            union all
            select 'only in the batch', * from (from batch except all from live)
            order by all
            """,
            [day],
        )
    return [json.dumps(pair, default=str) for pair in differing]


@contextmanager
def _both(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with read_warehouse(settings) as connection:
        _attach(connection, settings)
        yield connection


def live_text(settings: Settings, *, limit: int) -> str:
    """What the follower tells of itself, and the newest rows as JSON, a line each."""
    told = following(settings)
    newest = rows(
        settings,
        "from attributed_feedback order by feedback_at desc, feedback_source_file, feedback_source_line limit ?",
        [limit],
    )
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in told.items() if value is not None]
    return "\n".join([*lines, *(_json(row) for row in newest)])


def _json(row: Row) -> str:
    return json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False, default=str)


def json_lines(found: list[Row]) -> str:
    return "\n".join(_json(row) for row in found)
