"""Seeded days of landing files whose feedback arrives as it does in practice, for inferences of days before it.

95 % of a day's feedback is about an output of the last 24 hours, 4 % of the last week, 1 % of the last 30 days.
Everything of an inference follows from its day and its place in it, so feedback finds its id without a look-up.
Parquet, because writing it takes half the time of JSONL, and the platform loads both.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import duckdb

from benchmarks.traffic import landing_folders, make_vocabulary, text_sql

Ids = Literal["random", "ordered"]
USERS = 50_000
DAY_MS = 86_400_000
_PARQUET = "(format parquet, compression zstd, compression_level 1, row_group_size 20480)"


def request_id(ids: Ids, day: str, row: str, per_day: int) -> str:
    """SQL for the id of a day's inference: like UUIDv4, or like UUIDv7, which starts with its milliseconds."""
    md5 = f"md5('{ids}' || {day} || {row})"
    if ids == "random":
        return f"{md5}::uuid::varchar"
    milliseconds = f"(epoch_ms({day}::timestamp) + {_ms_of_day(row, per_day)})"
    return f"(lpad(to_hex({milliseconds}), 12, '0') || '7' || {md5}[14:])::uuid::varchar"


def _ms_of_day(row: str, per_day: int) -> str:
    return f"({row} * {DAY_MS} // {per_day})::bigint"


def write_day(
    data_dir: Path,
    day: date,
    *,
    first: date,
    ids: Ids,
    inferences: int,
    feedback: int,
    prompt_words: tuple[int, int] = (160, 300),
) -> None:
    """Writes one day of both streams; `first` is the first day of all: what would be older is of the last 24 hours."""
    folders = landing_folders(data_dir, day)
    prompt = text_sql(f"prompt {day}", "i", *prompt_words)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set preserve_insertion_order = true")
        make_vocabulary(connection)
        connection.execute(
            f"""
            copy (
                select
                    {request_id(ids, f"date '{day}'", "i", inferences)} as request_id,
                    strftime(make_timestamp_ms(epoch_ms(timestamp '{day}') + {_ms_of_day("i", inferences)}),
                        '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
                    'assistant' as model_name, 'v' || (1 + i % 3) as model_version,
                    'session-{day}-' || (i // 4) as session_id, i % 4 as turn,
                    'user-' || (hash(date '{day}', (i // 4)::bigint) % {USERS}) as user_id,
                    {{'temperature': 0.2, 'top_p': 0.9}} as params,
                    {{'messages': [{{'role': 'user', 'content': {prompt}}}]}} as input,
                    {{'text': {text_sql(f"output {day}", "i", 60, 100)}, 'finish_reason': 'stop'}} as output,
                    {{'latency_ms': 100 + i % 900, 'region': 'eu-1'}} as system
                from range({inferences}) r(i), vocabulary
            ) to '{folders["inferences"]}/events.parquet' {_PARQUET}
            """
        )
        connection.execute(
            f"""
            copy (
                with drawn as (
                    -- `share` decides how late it is, `within` where in that span: 20 s at least, as a reader needs.
                    select i,
                        hash('{day} share', i) % 10000 / 10000.0 as share,
                        hash('{day} within', i) % 1000000 / 1000000.0 as within,
                        epoch_ms(timestamp '{day}') + {_ms_of_day("i", feedback)} as received_ms
                    from range({feedback}) r(i)
                ),
                aged as (
                    select *,
                        received_ms - (20000 + {DAY_MS - 20_000} * within * within)::bigint as within_a_day_ms,
                        received_ms - ({DAY_MS} * case
                            when share < 0.04 then 1 + 6 * within
                            when share < 0.05 then 7 + 22.9 * within
                        end)::bigint as later_ms
                    from drawn
                ),
                chosen as (
                    select *,
                        greatest(
                            case when later_ms >= epoch_ms(timestamp '{first}') then later_ms else within_a_day_ms end,
                            epoch_ms(timestamp '{first}')
                        ) as inference_ms
                    from aged
                ),
                about as (
                    select *,
                        make_timestamp_ms(inference_ms)::date as day,
                        (inference_ms % {DAY_MS}) * {inferences} // {DAY_MS} as row
                    from chosen
                )
                select
                    'fb-' || md5('{ids} {day} feedback ' || i) as feedback_id,
                    {request_id(ids, "day", "row", inferences)} as request_id,
                    strftime(make_timestamp_ms(received_ms), '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
                    'user-' || (hash(day, (row // 4)::bigint) % {USERS}) as user_id,
                    case when i % 3 = 0 then 'up' when i % 3 = 1 then 'down' end as thumbs,
                    case when i % 3 = 2 then {text_sql(f"correction {day}", "i", 60, 100)} end as corrected_output,
                    'user' as source
                from about, vocabulary
                order by i
            ) to '{folders["feedback"]}/events.parquet' {_PARQUET}
            """
        )


def days_before(new_day: date, history: int) -> list[date]:
    """The `history` days before `new_day`, oldest first."""
    return [new_day - timedelta(days=back) for back in range(history, 0, -1)]
