"""The history: what the batch has built, copied from the warehouse, with hashes and indexes of what a step asks for.

A file of its own that steps do not write: DuckDB writes all indexes of a file anew whenever it folds in what was
written to it, which with those of the history took 1.5 s in every 15.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.inference import INFERENCES
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.state import BASE, HISTORY, LINE, rows_of_days
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import ALIAS as WAREHOUSE

# Of which each step asks for hundreds of rows.
LOOKED_UP = "int_inference_receipts"
# By what a step looks for few rows of the history: a column has the key's hash, which is short, and an index on it.
KEYS: Mapping[str, Mapping[str, str]] = {
    "int_inference_receipts": {"request_hash": "request_id", "session_hash": "session_id"},
    "int_feedback_receipts": {
        "feedback_hash": "feedback_id",
        "request_hash": "request_id",
        "session_hash": "case when request_id is null then session_id end",
    },
    "int_feedback_matches": {"line_hash": "(feedback_source_file, feedback_source_line)"},
    "stg_inference_parts": {"request_hash": "request_id"},
}


def load_base(connection: duckdb.DuckDBPyConnection, settings: Settings, models: Models, until: date | None) -> None:
    """Copies what the batch has built up to a day."""
    for name in (*HISTORY, "stg_feedback", "stg_inference_parts"):
        connection.execute(f"create table base.{name} as from ({with_hashes(name, f'fresh.{name}')}) limit 0")
        connection.execute(f"create view complete.{name} as from {of_base(name)} union all by name from fresh.{name}")
    for name, column in HISTORY.items() if until else ():
        columns = _own_columns(connection, name)
        rows = f"(select {columns} from {WAREHOUSE}.intermediate.{name} where {column} <= date '{until}')"
        # A row that is looked up costs a third of the time where it is not compressed.
        connection.execute(f"set force_compression = '{'uncompressed' if name == LOOKED_UP else 'auto'}'")
        connection.execute(f"insert into base.{name} by name {with_hashes(name, rows)}")


def complete_base(connection: duckdb.DuckDBPyConnection) -> None:
    """Once the history is in: DuckDB makes an index of many rows faster than it keeps one up."""
    for name, keys in KEYS.items():
        for column in keys:
            connection.execute(f"create index {name}_{column} on base.{name} ({column})")
    connection.execute(f"checkpoint {BASE}")


def of_base(name: str) -> str:
    """A table of the history with its own columns, for a `from`."""
    hashes = f" exclude ({', '.join(KEYS[name])})" if name in KEYS else ""
    return f"(select *{hashes} from base.{name})"


def with_hashes(name: str, rows: str) -> str:
    hashes = "".join(
        f", case when ({key}) is not null then hash({key}) end as {column}"
        for column, key in KEYS.get(name, {}).items()
    )
    return f"select *{hashes} from {rows}"


def _own_columns(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The columns that both the store's table and the warehouse's have."""
    described = connection.execute(f"describe {WAREHOUSE}.intermediate.{name}").fetchall()
    there = {row[0] for row in described}
    own = [row[0] for row in connection.execute(f"describe fresh.{name}").fetchall()]
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


def load_parts(
    connection: duckdb.DuckDBPyConnection, settings: Settings, models: Models, days: Sequence[date], *, into: str
) -> None:
    """What feedback may name of the inferences of some closed days, which the ledger has.

    Into `base` as long as that is made; a step adds what it misses to `fresh`.
    """
    for day in days:
        lines = models.sql("stg_inferences", {"inferences": rows_of_days(settings, INFERENCES, [day])})
        parts = models.sql("stg_inference_parts", {"stg_inferences": f"({lines})"})
        rows = with_hashes("stg_inference_parts", f"({parts})") if into == BASE else parts
        connection.execute(f"insert into {into}.stg_inference_parts by name {rows}")
        connection.execute("insert into meta values ('parts', ?)", [str(day)])
