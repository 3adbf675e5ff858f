"""Feedback of a minute for the live view: made beforehand, and renamed into place when it is time.

Twice a second a file about inferences of the history, about ones that land with it, and about ones that land later.
"""

import argparse
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.arrivals import days_before, request_id
from benchmarks.traffic import landing_folders, make_vocabulary, text_sql

TICK_SECONDS = 0.5
# Of the feedback; the rest is about the history.
WITH_ITS_INFERENCE, BEFORE_ITS_INFERENCE = 0.15, 0.15
LATER_TICKS = (4, 30)  # an inference that comes later comes so many ticks after its feedback
USERS = 50_000


@dataclass
class Landed:
    """When each file was renamed into place."""

    at: dict[str, float] = field(default_factory=dict)

    def put(self, staged: Path, folder: Path) -> None:
        staged.rename(folder / staged.name)
        self.at[f"landing/{folder.parent.name}/{folder.name}/{staged.name}"] = time.time()


def stage(staging: Path, day: date, given: argparse.Namespace) -> int:
    """Writes all files beforehand, so that making them takes nothing from what is measured; how many ticks there are.

    Of a tick's feedback every hundredth names an alternative, a tenth are corrections, the rest thumbs. Each is by the
    user whose answer it is, or by nobody.
    """
    ticks = int(given.seconds / TICK_SECONDS)
    per_tick = int(given.rate * TICK_SECONDS)
    days = days_before(day, given.days)
    per_day = given.inferences // given.days
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        make_vocabulary(connection)
        connection.execute(
            f"""
            create table events as
            select
                tick, i, 'live-' || tick || '-' || i as id,
                hash(tick, i, 'kind') % 10000 / 10000.0 as share,
                -- Not the oldest day: some of its inferences are older than feedback may come for.
                date '{days[1]}' + (hash(tick, i, 'day') % {len(days) - 1})::integer as day,
                hash(tick, i, 'row') % {per_day} as row,
                tick + {LATER_TICKS[0]} + (hash(tick, i, 'later') % {LATER_TICKS[1] - LATER_TICKS[0]})::integer as later
            from range({ticks}) t(tick), range({per_tick}) r(i)
            """
        )
        of_history = request_id("random", "day", "row", per_day)
        is_new = f"share < {WITH_ITS_INFERENCE + BEFORE_ITS_INFERENCE}"
        for tick in range(ticks + LATER_TICKS[1]):
            connection.execute(
                f"""
                copy (
                    select
                        'fb-' || id as feedback_id,
                        case when {is_new} then 'req-' || id else {of_history} end as request_id,
                        strftime(now(), '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
                        case when i % 10 <> 3 and i % 100 <> 7 then ['up', 'down'][1 + i % 2] end as thumbs,
                        case when i % 10 = 3 then {text_sql("correction", "i", 20, 40)} end as corrected_output,
                        case when i % 100 = 7 then 0 end as preferred_output_idx,
                    from events, vocabulary where tick = {tick} order by i
                ) to '{staging}/{tick:05}-feedback.jsonl' (format json)
                """
            )
            connection.execute(
                f"""
                copy (
                    select
                        'req-' || id as request_id,
                        strftime(now() - interval 1 minute, '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
                        'assistant' as model_name, 'v1' as model_version,
                        'session-' || id as session_id, 0 as turn, 'user-' || (hash(id) % {USERS}) as user_id,
                        {{'messages': [{{'role': 'user', 'content': {text_sql("prompt", "i", 160, 300)}}}]}} as input,
                        {{'text': {text_sql("output", "i", 60, 100)}, 'finish_reason': 'stop'}} as output
                    from events, vocabulary
                    where (tick = {tick} and share < {WITH_ITS_INFERENCE})
                        or (later = {tick} and share >= {WITH_ITS_INFERENCE} and {is_new})
                    order by id
                ) to '{staging}/{tick:05}-inferences.jsonl' (format json)
                """
            )
    return ticks


def produce(staging: Path, data_dir: Path, day: date, landed: Landed) -> None:
    """Renames a tick's files into place when it is time, whether or not anybody keeps up."""
    folders = landing_folders(data_dir, day)
    started = time.monotonic()
    for tick in range(1 + max(int(path.name[:5]) for path in staging.iterdir())):
        time.sleep(max(0.0, started + tick * TICK_SECONDS - time.monotonic()))
        for stream, folder in folders.items():
            staged = staging / f"{tick:05}-{stream}.jsonl"
            if staged.exists() and staged.stat().st_size:
                landed.put(staged, folder)
