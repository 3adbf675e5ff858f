"""The warehouse without texts that the ledger has no more: what dbt would build of it, without building it.

Every column gets what the ledger's line has now, so that the rows are those of a build (tests/test_text_retention.py
compares them); building the days anew would take every later day along, each night. The file is written anew
afterwards, since DuckDB leaves what it changed in freed blocks (lib/erasure/compact.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from orchestration.lib import encryption
from orchestration.lib.duck import connect
from orchestration.lib.ledger import rows_of_files
from orchestration.lib.ledger_parts import full_paths
from orchestration.lib.recipe.source_columns import ROW_HASH, described_columns
from orchestration.lib.retention.text_fields import TEXT_EXPIRED
from orchestration.lib.row_hash import identifier
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from orchestration.lib.warehouse import ALIAS, has_table

_TURN = {name: f"g.{name}" for name in ("params", "input", "output", "components")} | {
    "output_text": "json_extract_string(g.output, '$.text')",
    "is_text_expired": "true",
}
_OF_PAIR: dict[str, dict[str, str]] = {
    "inferences": {**_TURN, "inference_extras": "g.extras"},
    "feedback": {
        **{name: f"g.{name}" for name in ("corrected_output", "comment", "value")},
        "feedback_extras": "g.extras",
        "is_text_expired": "true",
    },
}
_PAIRS = ("marts.attributed_feedback", "marts.feedback_under_review")
# The tables that have an inference by its request, with the column of its received date.
_OF_REQUEST: dict[str, tuple[str, Mapping[str, str]]] = {
    "marts.conversation_turns": ("inference_received_date", _TURN),
    "marts.preference_sides": ("inference_received_date", _TURN),
    "marts.logged_choices": ("received_date", {"context": "g.input", "is_text_expired": "true"}),
}


def clear_texts(settings: Settings, days: Sequence[tuple[str, date, str, str]]) -> None:
    """Takes the texts of days out of the warehouse, in one transaction. Whoever calls holds its lock.

    A day is a stream, a received date, the ledger version that was built and the one that the ledger has now.
    """
    with connect(settings) as connection:
        encryption.attach(connection, settings, settings.warehouse, ALIAS, read_only=False)
        connection.execute(f"use {ALIAS}")
        connection.execute("begin")
        for stream, day, before, now in days:
            _clear(connection, settings, stream, day)
            connection.execute(
                f"update intermediate.int_built_partitions set {stream}_version = ? "
                f"where partition_date = ? and {stream}_version = ?",
                [now, day, before],
            )
        connection.execute("commit")


def _clear(connection: duckdb.DuckDBPyConnection, settings: Settings, stream: str, day: date) -> None:
    files = full_paths(Store(settings.ledger_url), stream, [day])
    rows = rows_of_files(settings, files, options="hive_partitioning = false")
    connection.execute(f"create or replace temp table lines as from {rows}")
    connection.execute(
        "create or replace temp table gone as "
        f"from lines where dead_letter_reason is null and dead_letter_detail = '{TEXT_EXPIRED}'"
    )
    is_line = "t.source_file = g.source_file and t.source_line = g.source_line"
    _update(
        connection, "marts.dead_letter", {"raw": "g.raw"}, "lines",
        f"t.stream = '{stream}' and t.received_date = date '{day}' and {is_line} and g.dead_letter_reason is not null",
    )  # fmt: skip
    if stream == "reviews":
        of_day = f"t.received_date = date '{day}' and {is_line}"
        _update(connection, "intermediate.int_review_decisions", {"note": "g.note"}, "gone", of_day)
        return
    side = stream.removesuffix("s")
    for table in _PAIRS:
        where = (
            f"t.{side}_received_date = date '{day}' and t.{side}_source_file = g.source_file "
            f"and t.{side}_source_line = g.source_line"
        )
        _update(connection, table, _OF_PAIR[stream], "gone", where)
        if ROW_HASH in described_columns(table.removeprefix("marts.")):
            _update(connection, table, {ROW_HASH: _row_hash(table.removeprefix("marts."))}, "gone", where)
    if stream == "inferences":
        _clear_requests(connection, day)


def _clear_requests(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    """What has an inference by its request, which is that of the first line received of it."""
    connection.execute(
        "create or replace temp table gone_first as select gone.* from gone semi join ("
        f"select source_file, source_line from intermediate.int_inference_receipts "
        f"where is_first and received_date = date '{day}') as first using (source_file, source_line)"
    )
    for table, (of_day, columns) in _OF_REQUEST.items():
        where = f"t.{of_day} = date '{day}' and t.request_id = g.request_id"
        _update(connection, table, columns, "gone_first", where)
    # An event that conflicts with an earlier one is written out whole: of either text nothing is left.
    conflicts = (
        "select received_date, source_file, source_line, request_id from intermediate.int_inference_conflicts "
        "where request_id in (select request_id from gone)"
    )
    connection.execute(f"create or replace temp table conflicts as {conflicts}")
    raw = {"raw": "json_object('request_id', g.request_id)::varchar"}
    where = "t.received_date = g.received_date and t.source_file = g.source_file and t.source_line = g.source_line"
    _update(connection, "intermediate.int_inference_conflicts", raw, "conflicts", where)
    _update(connection, "marts.dead_letter", raw, "conflicts", f"t.stream = 'inferences' and {where}")


def _update(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], lines: str, where: str
) -> None:
    schema, name = table.split(".")
    if has_table(connection, schema, name):
        values = ", ".join(f"{column} = {value}" for column, value in columns.items())
        connection.execute(f"update {table} as t set {values} from {lines} as g where {where}")


def _row_hash(model: str) -> str:
    """What the model's macro says of its rows (dbt_project/macros/row_hash.sql)."""
    columns = [
        f"t.{identifier(name)}{'::varchar' if kind == 'double' else ''}"
        for name, kind in described_columns(model).items()
        if name != ROW_HASH
    ]
    return f"hash({', '.join(columns)})"
