"""What is a person's in the ledger, decided in SQL (docs/decisions/0026 says what and why). Nothing is changed here."""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.duck import connect
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.plan import ERASE, Line, Plan
from orchestration.lib.erasure.tombstones import ERASED
from orchestration.lib.ledger import arrow_schema, ledger_rows
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

# Who rates what they themselves asked; an annotator's session is not theirs.
_RATES_OWN = "coalesce(source, 'user') = 'user'"
_PLACE = "received_date, source_file, source_line"

# In this order: each step finds what hangs on the steps before it.
_STEPS = f"""
create temp table own_inferences as
    select {_PLACE}, request_id, session_id from inferences
    where user_id in (from ids) and (inference_at is null or inference_at <= $until);
create temp table own_feedback as
    select {_PLACE}, feedback_id, session_id from feedback
    where user_id in (from ids) and (feedback_at is null or feedback_at <= $until);
create temp table kept as
    select 'inferences' as stream, {_PLACE} from inferences where user_id in (from ids) and inference_at > $until
    union all
    select 'feedback', {_PLACE} from feedback where user_id in (from ids) and feedback_at > $until;

-- A session is the person's alone where nobody else is known in it.
create temp table touched as
    select session_id from own_inferences where session_id is not null
    union select session_id from own_feedback where session_id is not null;
create temp table alone as
    select session_id from (
        select session_id, user_id from inferences where session_id in (from touched)
        union all
        select session_id, user_id from feedback where session_id in (from touched) and {_RATES_OWN}
    )
    group by session_id having bool_and(user_id is null or user_id in (from ids));

insert into own_inferences
    select {_PLACE}, request_id, session_id from inferences
    where user_id is null and session_id in (from alone) and (inference_at is null or inference_at <= $until);
create temp table own_requests as select distinct request_id from own_inferences where request_id is not null;
-- The same request again, without a user.
insert into own_inferences
    select {_PLACE}, request_id, session_id from inferences
    where user_id is null and request_id in (from own_requests)
        and ({_PLACE}) not in (select ({_PLACE}) from own_inferences);

insert into own_feedback
    select {_PLACE}, feedback_id, session_id from feedback
    where (
            request_id in (from own_requests) or chosen_request_id in (from own_requests)
            or rejected_request_id in (from own_requests) or session_id in (from alone)
        )
        and ({_PLACE}) not in (select ({_PLACE}) from own_feedback)
        and ({_PLACE}) not in (select ({_PLACE}) from kept where stream = 'feedback');
-- The same feedback again, and what takes it back.
create temp table own_feedback_ids as select distinct feedback_id from own_feedback where feedback_id is not null;
insert into own_feedback
    select {_PLACE}, feedback_id, session_id from feedback
    where ((user_id is null and feedback_id in (from own_feedback_ids)) or retracts in (from own_feedback_ids))
        and ({_PLACE}) not in (select ({_PLACE}) from own_feedback)
        and ({_PLACE}) not in (select ({_PLACE}) from kept where stream = 'feedback');
insert into own_feedback_ids
    select distinct feedback_id from own_feedback
    where feedback_id is not null and feedback_id not in (from own_feedback_ids);

create temp table own_reviews as
    select {_PLACE} from reviews where feedback_id in (from own_feedback_ids);
"""

# Ids that another person's lines have, too, are still theirs.
_SHARED_REQUESTS = f"""
    select request_id from inferences
    where request_id in (from own_requests) and ({_PLACE}) not in (select ({_PLACE}) from own_inferences)
"""
_SHARED_FEEDBACK = f"""
    select feedback_id from feedback
    where feedback_id in (from own_feedback_ids) and ({_PLACE}) not in (select ({_PLACE}) from own_feedback)
"""


def find_lines(settings: Settings, erasure_id: str, day: str, ids: Sequence[str], until: datetime) -> Plan:
    """A plan with the lines that are erased, and the ids that go with them. `ids` are the person's, raw and stored."""
    with connect(settings) as connection:
        _views(connection, settings)
        connection.execute("create temp table ids as select unnest(?::varchar[]) as id", [list(ids)])
        for statement in _STEPS.split(";\n"):
            if statement.strip():
                parameters = {"until": until} if "$until" in statement else None
                connection.execute(statement, parameters)
        requests = _column(
            connection, f"select request_id from own_requests where request_id not in ({_SHARED_REQUESTS}) order by 1"
        )
        feedback = _column(
            connection,
            f"select feedback_id from own_feedback_ids where feedback_id not in ({_SHARED_FEEDBACK}) order by 1",
        )
        lines = [
            Line(stream, str(received), file, number, ERASE)
            for stream in ("inferences", "feedback", "reviews")
            for received, file, number in connection.execute(f"select {_PLACE} from own_{stream}").fetchall()
        ]
        lines += _dead_letters(connection, Names.of([*ids, *requests, *feedback]))
        kept = connection.execute("select count(*) from kept").fetchall()[0][0]
        return Plan(
            erasure_id=erasure_id,
            day=day,
            lines=sorted(set(lines), key=lambda one: (one.stream, one.day, one.source_file, one.source_line)),
            request_ids=requests,
            feedback_ids=feedback,
            session_ids=_column(connection, "select session_id from alone order by 1"),
            kept=kept,
        )


def _views(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """The lines of each stream that are no tombstones; a ledger without a stream has none of it."""
    ledger = Store(settings.ledger_url)
    for stream in STREAMS:
        connection.register(f"no_{stream.name}", arrow_schema(stream).empty_table())
        empty = f"select *, null::date as received_date from no_{stream.name}"
        rows = f"select * from {ledger_rows(settings, stream.name)}" if ledger.folders(stream.name) else ""
        connection.execute(
            f"create temp view {stream.name} as select * from ("
            + (f"{rows} union all by name {empty}" if ledger.folders(stream.name) else empty)
            + f") where dead_letter_reason is distinct from '{ERASED}'"
        )


def _dead_letters(connection: duckdb.DuckDBPyConnection, names: Names) -> list[Line]:
    """Lines that could not be read and that name the person, or what they asked or said."""
    found = []
    for stream in (stream.name for stream in STREAMS):
        for pattern in names.patterns:
            rows = connection.execute(
                f"select {_PLACE}, raw from {stream} where raw is not null and regexp_matches(raw, ?)", [pattern]
            ).fetchall()
            found += [
                Line(stream, str(day), file, line, ERASE) for day, file, line, raw in rows if names.are_in(raw.encode())
            ]
    return found


def _column(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [row[0] for row in connection.execute(query).fetchall()]
