"""The floor: the same job by hand in DuckDB SQL. Landing files in; parsed, validated, deduplicated, joined; ledger, the
tables that hold a row for each line, pair, judged answer or turn, and the dataset out.

It has no rules, no gates, no tests and no metadata, keeps nothing but what it gives out, knows one day alone and the
fields of `traffic.py` alone. `same_rows` shows that what it gives out is what the platform does.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

# The tables that both have: all of the platform's that grow with the day's lines.
TABLES = ("attributed_feedback", "feedback_status", "daily_accounts", "conversation_turns", "inference_history")
_PARQUET = "(format parquet, compression zstd, compression_level 1)"
_WINDOW_DAYS = 30
# What `traffic.py` never writes: null in every table that has it.
_ABSENT: Mapping[str, str] = {
    "rating": "double", "rating_max": "double", "preferred_output_idx": "bigint", "chosen_request_id": "varchar",
    "rejected_request_id": "varchar", "label": "varchar", "comment": "varchar", "signal": "varchar", "value": "varchar",
    "retracts": "varchar", "target_kind": "varchar", "target_id": "varchar", "reasoning_effort": "varchar",
    "inference_source": "varchar", "provider_name": "varchar", "surface": "varchar", "locale": "varchar",
    "client_name": "varchar", "client_release": "varchar", "review_received_date": "date",
    "feedback_user_id": "varchar", "variant": "varchar", "endpoint": "varchar", "components": "varchar",
    "exposed": "boolean", "propensity": "double", "feedback_extras": "varchar", "inference_extras": "varchar",
}  # fmt: skip


@dataclass(frozen=True)
class Floor:
    """Seconds and CPU seconds of each stage: load, attribute, publish."""

    seconds: dict[str, float]
    cpu_seconds: dict[str, float]


def run_floor(data_dir: Path, day: date, out: Path, *, memory_limit: str, columns: Mapping[str, list[str]]) -> Floor:
    """`columns` are those of the platform's tables and of its dataset, in their order."""
    out.mkdir(parents=True, exist_ok=True)
    landing = data_dir / "landing"
    stages = {
        "load": [
            _load(landing, "inferences", day, out, _INFERENCE_FIELDS),
            _load(landing, "feedback", day, out, _FEEDBACK_FIELDS),
        ],
        "attribute": [
            _lines(out, "inferences"),
            _lines(out, "feedback"),
            _JUDGED.format(day=day),
            f"create table attributed_feedback as {_attributed(day, columns['attributed_feedback'])}",
            f"create table feedback_status as {_STATUS.format(day=day)}",
            f"create table daily_accounts as {_ACCOUNTS.format(day=day)}",
            f"create table conversation_turns as {_turns(day, columns['conversation_turns'])}",
            f"create table inference_history as {_HISTORY.format(day=day, days=_WINDOW_DAYS)}",
        ],
        "publish": [
            f"copy (select {', '.join(columns['dataset'])} from attributed_feedback order by feedback_id) "
            f"to '{out}/dataset.parquet' {_PARQUET}"
        ],
    }
    seconds: dict[str, float] = {}
    cpu_seconds: dict[str, float] = {}
    with duckdb.connect(str(out / "floor.duckdb")) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = '{memory_limit}'")
        connection.execute(f"set temp_directory = '{out}/spill'")
        for stage, statements in stages.items():
            before = os.times()
            for statement in statements:
                connection.execute(statement)
            after = os.times()
            seconds[stage] = round(after.elapsed - before.elapsed, 2)
            cpu_seconds[stage] = round(after.user + after.system - before.user - before.system, 2)
    return Floor(seconds, cpu_seconds)


def same_rows(warehouse: Path, out: Path) -> dict[str, int]:
    """How many rows each table has, in the platform's warehouse and in the floor's.

    Raises AssertionError where they do not have the same.
    """
    counts = {}
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{warehouse}' as platform (read_only)")
        connection.execute(f"attach '{out}/floor.duckdb' as floor (read_only)")
        for table in TABLES:
            sides = [f"platform.marts.{table}", f"floor.{table}"]
            told = [
                connection.execute(f"select count(*), sum(hash(one))::varchar from {side} as one").fetchall()
                for side in sides
            ]
            assert told[0] == told[1], f"{table}: the floor gives out other rows than the platform"
            counts[table] = int(told[0][0][0])
    return counts


_INFERENCE_FIELDS = """
    request_id: 'VARCHAR', timestamp: 'TIMESTAMPTZ', model_name: 'VARCHAR', model_version: 'VARCHAR',
    session_id: 'VARCHAR', turn: 'BIGINT', user_id: 'VARCHAR', params: 'JSON', input: 'JSON', output: 'JSON',
    system: 'JSON'"""
_FEEDBACK_FIELDS = """
    feedback_id: 'VARCHAR', request_id: 'VARCHAR', timestamp: 'TIMESTAMPTZ', thumbs: 'VARCHAR',
    corrected_output: 'VARCHAR', source: 'VARCHAR'"""


def _load(landing: Path, stream: str, day: date, out: Path, fields: str) -> str:
    """Bare `read_json` to Parquet."""
    return f"""
        copy (
            select * from read_json('{landing}/{stream}/dt={day}/*.jsonl', format = 'newline_delimited',
                filename = true, columns = {{{fields}}})
        ) to '{out}/{stream}.parquet' {_PARQUET}
    """


def _lines(out: Path, stream: str) -> str:
    """The rows with the lines that they came from: the landing folders of `traffic.py` hold a file each."""
    return f"""
        create view {stream} as
        select * exclude (filename, file_row_number),
            regexp_extract(filename, 'landing/.*') as source_file, file_row_number + 1 as source_line
        from read_parquet('{out}/{stream}.parquet', file_row_number = true)
    """


# The lines that are first of their id, sound and within the window, without the texts.
_JUDGED = """
    create table judged as
    with firsts as (
        select request_id, timestamp, session_id, user_id, turn, source_line from inferences
        qualify row_number() over (partition by request_id order by source_file, source_line) = 1
    ),
    said as (
        select feedback_id, request_id, timestamp, thumbs, source_line from feedback
        where thumbs is null or thumbs in ('up', 'down')
        qualify row_number() over (partition by feedback_id order by source_file, source_line) = 1
    )
    select
        said.feedback_id, said.request_id, said.timestamp as feedback_at, firsts.timestamp as inference_at,
        firsts.session_id, firsts.user_id, firsts.turn,
        case said.thumbs when 'up' then 1.0 when 'down' then -1.0 end::double as reward,
        said.source_line as feedback_line, firsts.source_line as inference_line
    from said
    join firsts using (request_id)
    where said.timestamp between firsts.timestamp - interval 5 minutes and firsts.timestamp + interval 30 days
        and said.timestamp <= timestamptz '{day}' + interval 2 days
"""

_STATUS = """
    select
        feedback.feedback_id, feedback.request_id,
        case when judged.feedback_id is not null then 'attributed' else 'pending' end as state,
        case when judged.feedback_id is not null then 'matched_request_id' else 'unknown_request' end as reason,
        date '{day}' as received_date,
        case when judged.feedback_id is not null then date '{day}' end as attributed_date,
        feedback.source_file, feedback.source_line
    from feedback
    left join judged on feedback.source_line = judged.feedback_line
"""

_ACCOUNTS = """
    select
        date '{day}' as received_date,
        (select count(*) from feedback) as lines_received,
        0 as dead_letter, 0 as duplicate, 0 as invalid, 0 as requires_human_review,
        count(*) filter (where state = 'pending') as pending,
        count(*) filter (where state = 'attributed') as attributed,
        0 as erased
    from feedback_status
"""


def _attributed(day: date, columns: list[str]) -> str:
    values = {
        **{name: f"null::{kind}" for name, kind in _ABSENT.items()},
        **{f"{stream}_received_date": f"date '{day}'" for stream in ("feedback", "inference")},
        **{name: f"judged.{name}" for name in ("feedback_id", "request_id", "reward", "feedback_at", "inference_at")},
        **{name: f"judged.{name}" for name in ("user_id", "session_id", "turn")},
        **{name: f"feedback.{name}" for name in ("thumbs", "corrected_output", "source")},
        **{name: f"inferences.{name}" for name in ("model_name", "model_version")},
        **{name: f"inferences.{name}::varchar" for name in ("params", "input", "output")},
        "feedback_type": "case when thumbs is null then 'explicit_correction' else 'thumbs' end",
        "request_model": "inferences.model_name",
        "attributed_date": f"date '{day}'",
        "lag_seconds": "epoch(judged.feedback_at) - epoch(judged.inference_at)",
        "output_text": "inferences.output->>'$.text'",
        "is_text_expired": "false",
        "matched_by": "'matched_request_id'",
        **{f"{stream}_source_{part}": f"{lines}.source_{part}"
           for stream, lines in (("feedback", "feedback"), ("inference", "inferences")) for part in ("file", "line")},
    }  # fmt: skip
    described = ", ".join(f"{values[name]} as {name}" for name in columns if name != "row_hash")
    fractions = ("reward", "rating", "rating_max", "lag_seconds", "propensity")
    hashed = ", ".join(f"{n}::varchar" if n in fractions else n for n in columns if n != "row_hash")
    return f"""
        select *, hash({hashed}) as row_hash
        from (
            select {described}
            from judged
            join feedback on judged.feedback_line = feedback.source_line
            join inferences on judged.inference_line = inferences.source_line
        )
    """


def _turns(day: date, columns: list[str]) -> str:
    """Every turn of the sessions that have feedback."""
    values = {
        **{name: f"null::{_ABSENT[name]}" for name in ("variant", "endpoint", "components", "exposed")},
        **{name: f"{name}::varchar" for name in ("params", "input", "output")},
        "inference_at": "timestamp",
        "is_text_expired": "false",
        "output_text": "output->>'$.text'",
        "inference_received_date": f"date '{day}'",
        "known_date": f"date '{day}'",
    }
    named = ", ".join(f"{values.get(name, name)} as {name}" for name in columns)
    return f"select {named} from inferences where session_id in (select session_id from judged)"


# What each judged answer's session and user had done before it, within the history's window.
_HISTORY = """
    with answers as (
        select distinct request_id, timestamp as moment, session_id, user_id from inferences
    ),
    events as (
        select
            'session' as kind, session_id as subject, moment, request_id, session_id, true as is_answer, null as reward
        from answers where session_id in (select session_id from judged)
        union all
        select 'user', user_id, moment, request_id, session_id, true, null
        from answers where user_id in (select user_id from judged)
        union all
        select 'session', session_id, greatest(feedback_at, inference_at), null, null, false, reward from judged
        union all
        select 'user', user_id, greatest(feedback_at, inference_at), null, null, false, reward from judged
    ),
    looked_back as (
        select
            kind, request_id, is_answer, moment,
            count(*) filter (where is_answer) over before as answers,
            count(distinct session_id) over before as sessions,
            min(moment) filter (where is_answer) over before as first_at,
            max(moment) filter (where is_answer) over before as last_at,
            count(*) filter (where not is_answer) over before as feedback,
            avg(reward) over before as mean_reward
        from events
        window before as (
            partition by kind, subject order by moment
            range between interval {days} days preceding and interval 1 microsecond preceding
        )
    )
    select
        judged.feedback_id, judged.request_id, judged.user_id, judged.session_id,
        of_session.answers as session_turns_before,
        epoch(judged.inference_at) - epoch(of_session.first_at) as seconds_since_session_start,
        epoch(judged.inference_at) - epoch(of_session.last_at) as seconds_since_previous_turn,
        of_session.feedback as session_feedback_before,
        round(of_session.mean_reward, 6) as session_mean_reward_before,
        of_user.answers as user_inferences_before,
        of_user.sessions as user_sessions_before,
        epoch(judged.inference_at) - epoch(of_user.first_at) as seconds_since_user_first_seen,
        of_user.feedback as user_feedback_before,
        round(of_user.mean_reward, 6) as user_mean_reward_before,
        true as is_whole,
        date '{day}' as attributed_date
    from judged
    join looked_back as of_session on judged.request_id = of_session.request_id and of_session.kind = 'session'
    join looked_back as of_user on judged.request_id = of_user.request_id and of_user.kind = 'user'
"""
