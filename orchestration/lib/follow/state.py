"""The follower's own store: what the batch had built, and what has landed since, in narrow native tables.

`base` is copied from the warehouse and never changed; `fresh` is made of what landed after it, by the batch's own
models; `complete` is both. Nothing here is the record of anything: it can be deleted, and is made again.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import encryption, parquet_files
from orchestration.lib.follow.locks import live_folder
from orchestration.lib.follow.models import Models
from orchestration.lib.ledger import ledger_path, rows_of_files
from orchestration.lib.ledger_sql import ledger_columns
from orchestration.lib.names import LIVE
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from orchestration.lib.warehouse import ALIAS as WAREHOUSE

ALIAS = "live"
FILE = "state.duckdb"
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
    encryption.attach(connection, settings, live_folder(settings) / FILE, ALIAS, read_only=False, use=LIVE)
    connection.execute(f"use {ALIAS}")


def empty_rows(columns: Mapping[str, str]) -> str:
    """SQL for no row of some columns."""
    nulls = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())
    return f"(select {nulls} where false)"


def ledger_shape(stream: Stream) -> dict[str, str]:
    return {**ledger_columns(stream), "received_date": "DATE"}


def create(connection: duckdb.DuckDBPyConnection, models: Models) -> None:
    """The tables of the store, without rows: of the columns that the models give."""
    connection.execute("create schema base; create schema fresh; create schema complete")
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


def load_base(connection: duckdb.DuckDBPyConnection, settings: Settings, models: Models, until: date | None) -> None:
    """Copies what the batch has built up to a day, and what it read of the feedback that still waits."""
    for name, column in HISTORY.items():
        connection.execute(f"create table base.{name} as from fresh.{name} limit 0")
        connection.execute(f"create view complete.{name} as from base.{name} union all by name from fresh.{name}")
        if until:
            connection.execute(
                f"insert into base.{name} by name select {_own_columns(connection, name)} "
                f"from {WAREHOUSE}.intermediate.{name} where {column} <= date '{until}'"
            )
    for name in ("stg_feedback", "stg_inference_parts"):
        connection.execute(f"create table base.{name} as from fresh.{name} limit 0")
        connection.execute(f"create view complete.{name} as from base.{name} union all by name from fresh.{name}")


def _own_columns(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The columns that both the store's table and the warehouse's have."""
    described = connection.execute(f"describe {WAREHOUSE}.intermediate.{name}").fetchall()
    there = {row[0] for row in described}
    own = [row[0] for row in connection.execute(f"describe base.{name}").fetchall()]
    return ", ".join(column for column in own if column in there)


def load_waiting(connection: duckdb.DuckDBPyConnection, settings: Settings, models: Models, until: date) -> None:
    """What the view shows of feedback that the batch has not attributed yet, and may any day: its fields."""
    connection.execute(
        f"""
        create or replace temp table waiting as
        select received_date, source_file, source_line from base.int_feedback_receipts as receipts
        where state = 'open' and received_date + {settings.attribution_window_days} >= date '{until}'
            and not exists (
                from base.int_feedback_matches as matches
                where matches.feedback_source_file = receipts.source_file
                    and matches.feedback_source_line = receipts.source_line
            )
        union
        select feedback_received_date, feedback_source_file, feedback_source_line from base.int_feedback_matches
        where state = 'sound' and ({LINE}) not in (
            select ({LINE}) from {WAREHOUSE}.intermediate.int_feedback_attributions
            where attributed_date <= date '{until}'
        )
        """
    )
    days = [row[0] for row in connection.execute("select distinct received_date from waiting order by 1").fetchall()]
    if days:
        staged = models.sql("stg_feedback", {"feedback": rows_of_days(settings, FEEDBACK, days)})
        connection.execute(
            f"insert into base.stg_feedback by name from ({staged}) "
            "semi join waiting using (received_date, source_file, source_line)"
        )


def load_parts(connection: duckdb.DuckDBPyConnection, settings: Settings, models: Models, days: Sequence[date]) -> None:
    """What feedback may name of the inferences of some closed days, which the ledger has."""
    for day in days:
        lines = models.sql("stg_inferences", {"inferences": rows_of_days(settings, INFERENCES, [day])})
        parts = models.sql("stg_inference_parts", {"stg_inferences": f"({lines})"})
        connection.execute(f"insert into base.stg_inference_parts by name {parts}")
        connection.execute("insert into meta values ('parts', ?)", [str(day)])


def rows_of_days(settings: Settings, stream: Stream, days: Sequence[date]) -> str:
    """SQL for the ledger's rows of some days that it has, with every column of today's schema."""
    ledger = Store(settings.ledger_url)
    paths = [ledger.full(ledger_path(stream.name, day)) for day in days]
    there = [path for path in paths if parquet_files.is_there(path)]
    shape = f"from {empty_rows(ledger_shape(stream))}"
    return f"({shape} union all by name from {rows_of_files(settings, there)})" if there else f"({shape})"
