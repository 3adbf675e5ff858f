"""The follower's own store: what the batch had built, and what has landed since, in narrow native tables.

`base` is copied from the warehouse and never changed; `fresh` is made of what landed after it, by the batch's own
models; `complete` is both. Nothing here is the record of anything: it can be deleted, and is made again.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import encryption
from orchestration.lib.follow.locks import live_folder
from orchestration.lib.follow.models import Models
from orchestration.lib.ledger import rows_of_files
from orchestration.lib.ledger_parts import full_paths
from orchestration.lib.ledger_sql import ledger_columns
from orchestration.lib.names import LIVE
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

ALIAS = "live"
FILE = "state.duckdb"
BASE, BASE_FILE = "base", "base.duckdb"
# What the models read of earlier days, with the column that tells a row's partition.
HISTORY = {
    "int_inference_receipts": "received_date",
    "int_feedback_receipts": "received_date",
    "int_review_decisions": "received_date",
    "int_feedback_matches": "paired_date",
    "int_feedback_flags": "flagged_date",
    "int_correction_measures": "paired_date",
}
# A pair's line of feedback, as pairs name it; landing paths have their day in them, so file and line tell it.
LINE = "feedback_source_file, feedback_source_line"


def attach(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Opens the store, which is one process's at a time."""
    for alias, file in ((BASE, BASE_FILE), (ALIAS, FILE)):
        encryption.attach(connection, settings, live_folder(settings) / file, alias, read_only=False, use=LIVE)
    connection.execute(f"use {ALIAS}")


def empty_rows(columns: Mapping[str, str]) -> str:
    """SQL for no row of some columns."""
    nulls = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())
    return f"(select {nulls} where false)"


def ledger_shape(stream: Stream) -> dict[str, str]:
    return {**ledger_columns(stream), "received_date": "DATE"}


def create(connection: duckdb.DuckDBPyConnection, models: Models) -> None:
    """The tables of the store, without rows: of the columns that the models give."""
    connection.execute("create schema fresh; create schema complete")
    relations = {stream.name: empty_rows(ledger_shape(stream)) for stream in STREAMS}
    # What a model reads of its own earlier days; these columns are all that it asks for.
    relations |= {
        "int_inference_receipts": empty_rows({"request_id": "VARCHAR", "is_first": "BOOLEAN", "received_date": "DATE"}),
        "int_feedback_receipts": empty_rows({"feedback_id": "VARCHAR", "state": "VARCHAR", "received_date": "DATE"}),
        "int_feedback_flags": empty_rows(
            {
                "feedback_received_date": "DATE",
                "feedback_source_file": "VARCHAR",
                "feedback_source_line": "BIGINT",
                "rule": "VARCHAR",
                "flagged_date": "DATE",
            }
        ),
    }
    flagged = {"feedback_received_date": "DATE", "feedback_source_file": "VARCHAR", "feedback_source_line": "BIGINT"}
    relations |= {rule: empty_rows({**flagged, "flagged_date": "DATE"}) for rule in models.rules}
    names = [name for name in models.compiled if name not in models.rules]
    for name in names:
        connection.execute(f"create temp table shape_{name} as from ({models.sql(name, relations)}) limit 0")
        relations[name] = f"shape_{name}"
    for name in (*HISTORY, "int_feedback_attributions", "stg_feedback", "stg_reviews", "stg_inference_parts"):
        connection.execute(f"create table fresh.{name} as from shape_{name}")
    shown = ", ".join(_shown_columns(connection))
    connection.execute(f"create table view_shape as select {shown} from shape_attributed_feedback")
    _create_bookkeeping(connection)
    for name in names:
        connection.execute(f"drop table shape_{name}")


def _shown_columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The columns of `marts.attributed_feedback` but for what only the inference's wide row has."""
    told = [row[0] for row in connection.execute("describe shape_attributed_feedback").fetchall()]
    narrow = {row[0] for row in connection.execute("describe shape_int_inference_receipts").fetchall()} - {
        "endpoint",
        "exposed",
    }
    wide = {name for name in ledger_columns(INFERENCES) if name not in narrow}
    hidden = {f"inference_{name}" if f"inference_{name}" in told else name for name in wide}
    return [name for name in told if name not in hidden | {"output_text", "row_hash"}]


def view_columns(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    return tuple(row[0] for row in connection.execute("describe view_shape").fetchall())


def _create_bookkeeping(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        """
        create table meta (key varchar, value varchar);
        -- Each landed file that was taken in, when it landed, and the file that has its wide rows.
        create table files (
            stream varchar, day date, name varchar, bytes bigint, source_file varchar, landed_at timestamptz,
            lines bigint, dead_letters bigint, segment varchar
        );
        -- The lines that the view has, the segment that each is in, and what tells its row from another.
        create table shown (
            feedback_source_file varchar, feedback_source_line bigint, sequence bigint, digest ubigint
        );
        -- Rows of segments that do not count any more.
        create table gone (feedback_source_file varchar, feedback_source_line bigint, sequence bigint);
        create table segments (kind varchar, name varchar, level integer, first_sequence bigint, last_sequence bigint);
        -- The corrections that were measured, whether or not there was anything to measure.
        create table measured (
            feedback_source_file varchar, feedback_source_line bigint, inference_source_file varchar,
            inference_source_line bigint, paired_date date
        )
        """
    )


def rows_of_days(settings: Settings, stream: Stream, days: Sequence[date]) -> str:
    """SQL for the ledger's rows of some days that it has, with every column of today's schema."""
    ledger = Store(settings.ledger_url)
    there = full_paths(ledger, stream.name, days)
    shape = f"from {empty_rows(ledger_shape(stream))}"
    return f"({shape} union all by name from {rows_of_files(settings, there)})" if there else f"({shape})"
