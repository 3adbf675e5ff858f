"""Attributed pairs of realistic width, put straight into a built warehouse: what loading and dbt would make of them.

Everything of a row follows from its day and its place in it. A row has 1 to 2 KB of prompt and 0.5 KB of output; a
third of them have a correction of that length.
"""

from datetime import date
from pathlib import Path

import duckdb

from benchmarks.traffic import make_vocabulary, text_sql

_USERS = 50_000
# Making a text of words for each row takes longer than publishing it: some are made, and each row has one of them,
# turned at a place of its own. Parquet compresses a megabyte at a time, in which few of them come twice.
_TEXTS = 10_000


_LAGS = "case when share < 0.95 then 1 when share < 0.99 then 2 + floor(6 * within) else 8 + floor(22 * within) end"


def open_warehouse(path: Path) -> duckdb.DuckDBPyConnection:
    """The warehouse, for writing, with the words that texts are made of."""
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    make_vocabulary(connection)
    for name, least, most in (("prompts", 160, 300), ("outputs", 60, 100)):
        texts = text_sql(name, "i", least, most)
        connection.execute(
            f"create table {name} as select list({texts} order by i) as texts from range({_TEXTS}) r(i), vocabulary"
        )
    connection.execute(f"attach '{path}' as warehouse")
    return connection


def _text(day: date, table: str, what: str) -> str:
    """SQL for a row's text out of a table of them."""
    text = f"{table}.texts[1 + (hash('{day} {what}', i) % {_TEXTS})::int]"
    place = f"(1 + hash('{day} {what} place', i) % 400)::int"
    return f"({text}[{place}:] || ' ' || i || ' ' || {text}[:{place}])"


def add_pairs(connection: duckdb.DuckDBPyConnection, *, day: date, rows: int) -> None:
    """The pairs of one partition, its accounts and its profile."""
    prompt = _text(day, "prompts", "prompt")
    connection.execute(
        f"""
        create or replace temp table pairs as
        select
            'fb-' || md5('{day} feedback ' || i) as feedback_id,
            md5('{day} request ' || i)::uuid::varchar as request_id,
            case when i % 3 = 2 then 'explicit_correction' else 'thumbs' end as feedback_type,
            case i % 3 when 0 then 1.0 when 1 then -1.0 end::double as reward,
            case i % 3 when 0 then 'up' when 1 then 'down' end as thumbs,
            case when i % 3 = 2 then {_text(day, "outputs", "correction")} end as corrected_output,
            'user' as source,
            timestamptz '{day}' + to_microseconds((i * 86400000000 // {rows})::bigint) as feedback_at,
            date '{day}' as feedback_received_date,
            feedback_at - to_seconds(20 + i % 600) as inference_at,
            date '{day}' as inference_received_date,
            'chat' as surface, 'en-GB' as locale, 'web' as client_name, '3.' || (i % 7) as client_release,
            date '{day}' as attributed_date,
            (20 + i % 600)::double as lag_seconds,
            'user-' || (hash(date '{day}', i) % {_USERS}) as user_id, user_id as feedback_user_id,
            'assistant' as model_name, 'v' || (1 + i % 3) as model_version, 'stable' as variant, '/chat' as endpoint,
            '{{"temperature":0.2,"top_p":0.9}}' as params,
            '{{"messages":[{{"role":"user","content":"' || {prompt} || '"}}]}}' as input,
            {_text(day, "outputs", "output")} as output_text,
            '{{"text":"' || output_text || '","finish_reason":"stop"}}' as output,
            'matched_request_id' as matched_by,
            'landing/feedback/dt={day}/events.parquet' as feedback_source_file, i + 1 as feedback_source_line,
            'landing/inferences/dt={day}/events.parquet' as inference_source_file, i + 1 as inference_source_line
        from range({rows}) r(i), prompts, outputs
        """
    )
    connection.execute(
        "insert into warehouse.marts.attributed_feedback by name select *, hash(pairs) as row_hash from pairs"
    )
    connection.execute(
        """
        insert into warehouse.intermediate.int_feedback_attributions by name
        select
            feedback_id, feedback_at, feedback_received_date, feedback_source_file, feedback_source_line, request_id,
            inference_at, inference_received_date, inference_source_file, inference_source_line, feedback_type, reward,
            user_id, source, attributed_date, attributed_date as paired_date, matched_by as reason
        from pairs
        """
    )
    # No line was received that day, so that no ledger file is asked for: its gates are no part of publishing.
    connection.execute(
        f"""
        insert into warehouse.marts.partition_quality by name
        select
            date '{day}' as partition_date, 0 as feedback_lines, 0 as feedback_dead_letters, 0 as feedback_duplicates,
            0 as feedback_invalid, 0 as feedback_requires_human_review, 0 as feedback_attributed, 0 as inference_lines,
            0 as inference_dead_letters, 0 as inference_duplicates, 0 as feedback_pending
        """
    )
    connection.execute(
        f"""
        insert into warehouse.marts.partition_profile by name
        select date '{day}' as partition_date, 'feedback' as stream, 'volume' as dimension, 'lines' as value,
            {rows} as part, {rows} as whole
        """
    )
    connection.execute("drop table pairs")


def end_pairs(connection: duckdb.DuckDBPyConnection, *, day: date, rows: int, scattered: bool = False) -> None:
    """On that day so many earlier pairs are superseded: as long after as feedback comes in practice (95 % of what was
    said the day before, 4 % of the week, 1 % of the month), or any.
    """
    connection.execute(
        f"""
        insert into warehouse.intermediate.int_feedback_supersessions by name
        with drawn as (
            select
                i, hash('{day} share', i) % 10000 / 10000.0 as share,
                hash('{day} within', i) % 10000 / 10000.0 as within
            from range({rows}) r(i)
        ),
        wanted as (select date '{day}' - ({_LAGS})::int as of_day, count(*) as rows from drawn group by all),
        in_order as (
            select feedback_id, attributed_date, row_number() over (
                {"" if scattered else "partition by attributed_date"} order by md5('{day}' || feedback_id)
            ) as place
            from warehouse.marts.attributed_feedback where attributed_date < date '{day}'
        )
        select feedback_id, 'superseded' as cause, 'fb-later' as by_feedback_id, date '{day}' as effective_date
        from in_order
        {f"where place <= {rows}" if scattered else "join wanted on attributed_date = of_day and place <= wanted.rows"}
        """
    )


def say_otherwise(connection: duckdb.DuckDBPyConnection, *, day: date) -> None:
    """What running a day again after a change of schema makes of it: a column that was empty."""
    connection.execute(
        "update warehouse.marts.attributed_feedback set reasoning_effort = 'low', row_hash = hash(row_hash, 'low') "
        f"where attributed_date = date '{day}'"
    )


def forget_pairs(connection: duckdb.DuckDBPyConnection) -> None:
    """Takes out what a real run has attributed."""
    connection.execute("delete from warehouse.marts.attributed_feedback")
    connection.execute("delete from warehouse.intermediate.int_feedback_attributions")
