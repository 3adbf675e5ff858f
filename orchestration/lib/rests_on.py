"""What a row of a dataset rests on, in SQL: the feedback and requests that it names, its user, its conversation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from orchestration.lib.field_sql import quote
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import read_warehouse

# Sources whose rows have the conversation up to the answer: they rest on its earlier turns, too.
WITH_CONVERSATION = ("sft_examples", "preference_examples", "reward_examples", "label_candidates")
_FEEDBACK_COLUMNS = ("feedback_id", "other_feedback_id")
_REQUEST_COLUMNS = ("request_id", "rejected_request_id")
_USER_COLUMNS = ("user_id", "feedback_user_id")


@dataclass(frozen=True)
class Wanted:
    """What is looked for: rows that rest on any of these."""

    feedback_ids: Sequence[str] = ()
    request_ids: Sequence[str] = ()
    user_id: str | None = None


def key_text(key: Sequence[str]) -> str:
    """SQL for a row's key as one text."""
    return f"to_json([{', '.join(f'{column}::varchar' for column in key)}])::varchar"


def holds(columns: Mapping[str, str]) -> str:
    """SQL for whether a row rests on something wanted: it is its own, a side of a pair, one judgement of several.

    `columns` are those of the row; what is wanted is in the tables that `looking_for` made.
    """
    feedback, requests, users = (
        [column for column in places if column in columns]
        for places in (_FEEDBACK_COLUMNS, _REQUEST_COLUMNS, _USER_COLUMNS)
    )
    held = [f"{column} in (select id from wanted_feedback)" for column in feedback]
    held += [f"{column} in (select id from wanted_requests)" for column in requests]
    held += [f"{column} = (select id from wanted_user)" for column in users]
    if "judgements" in columns:
        judged_by = "list_transform(judgements, lambda one: one.feedback_id)"
        held.append(f"list_has_any({judged_by}, (select coalesce(list(id), []) from wanted_feedback))")
    return " or ".join(f"coalesce({one}, false)" for one in held)


def ids_of_row(columns: Mapping[str, str]) -> tuple[str, str]:
    """SQL for the lists of feedback and of requests that a row names."""
    feedback, requests = (
        f"[{', '.join(column for column in places if column in columns)}]"
        for places in (_FEEDBACK_COLUMNS, _REQUEST_COLUMNS)
    )
    if "judgements" in columns:
        feedback = f"list_concat({feedback}, list_transform(judgements, lambda one: one.feedback_id))"
    return (
        f"list_filter({feedback}, lambda id: id is not null)", f"list_filter({requests}, lambda id: id is not null)"
    )  # fmt: skip


@contextmanager
def looking_for(settings: Settings, wanted: Wanted) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse with what is wanted, the feedback that it is an earlier turn of (`wanted_turns`),
    and the answers that it is feedback on, with the days on which it held (`wanted_answers`).
    """
    with read_warehouse(settings) as connection:
        for table, ids in (("wanted_feedback", wanted.feedback_ids), ("wanted_requests", wanted.request_ids)):
            connection.execute(f"create temp table {table} as select unnest(?::varchar[]) as id", [list(ids)])
        connection.execute("create temp table wanted_user as select ?::varchar as id", [wanted.user_id])
        of_sessions = connection.execute(
            """
            with sessions as (
                select session_id from marts.conversation_turns
                where request_id in (select id from wanted_requests) and session_id is not null
            )
            select feedback_id from intermediate.int_feedback_attributions
            where inference_session_id in (select session_id from sessions) order by feedback_id
            """
        ).fetchall()
        connection.execute(
            f"""
            create temp table wanted_turns as
            select feedback_id, min(known_date) as known_date
            from marts.feedback_conversation_as_of(date '9999-12-31')
            where {among("feedback_id", [row[0] for row in of_sessions])} and not is_answer
                and request_id in (select id from wanted_requests)
            group by feedback_id
            """
        )
        connection.execute(
            """
            create temp table wanted_answers as
            select
                given.request_id, min(given.attributed_date) as known_date,
                max(coalesce(ended.effective_date, date '9999-12-31')) as ended_date
            from intermediate.int_feedback_attributions as given
            left join marts.feedback_ended_as_of(date '9999-12-31') as ended on given.feedback_id = ended.feedback_id
            where given.feedback_id in (select id from wanted_feedback)
            group by given.request_id
            """
        )
        yield connection


def among(column: str, values: Sequence[str]) -> str:
    """SQL for whether a column is one of some values, written out: only so does DuckDB look for them before windows."""
    return f"{column} in ({', '.join(quote(value) for value in values)})" if values else "false"
