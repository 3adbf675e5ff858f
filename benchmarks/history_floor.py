"""The floor of one new day against a history: its attribution by hand, key scan first and then the hit days only."""

import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb


def attribute_by_hand(landing: Path, days: Sequence[date], out: Path, *, memory_limit: str) -> float:
    """Attributes the last of `days` and writes the pairs with all that both sides say; returns the seconds.

    The keys of the history are there already, as they are in the warehouse; the texts are read from Parquet.
    """
    out.mkdir(parents=True, exist_ok=True)
    new_day = days[-1]

    def files(stream: str, some: Sequence[date]) -> str:
        return "[" + ", ".join(f"'{landing}/{stream}/dt={day}/events.parquet'" for day in some) + "]"

    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = '{memory_limit}'")
        connection.execute(
            f"create table keys as select request_id, dt::date as dt from "
            f"read_parquet({files('inferences', days[:-1])}, hive_partitioning = true)"
        )
        started = time.monotonic()
        connection.execute(
            f"insert into keys select request_id, date '{new_day}' from read_parquet({files('inferences', [new_day])})"
        )
        connection.execute(
            f"""
            create table pairs as
            select feedback_id, request_id, dt
            from (
                select feedback_id, request_id from read_parquet({files("feedback", [new_day])})
                qualify row_number() over (partition by feedback_id order by timestamp) = 1
            )
            inner join keys using (request_id)
            """
        )
        hit_days = [row[0] for row in connection.execute("select distinct dt from pairs order by 1").fetchall()]
        connection.execute(
            f"""
            copy (
                select feedback.*, inferences.* exclude (request_id, timestamp, user_id),
                    epoch(feedback.timestamp::timestamptz) - epoch(inferences.timestamp::timestamptz) as lag_seconds
                from pairs
                inner join read_parquet({files("feedback", [new_day])}) as feedback using (feedback_id)
                inner join (
                    select * from read_parquet({files("inferences", hit_days)})
                    where request_id in (select request_id from pairs)
                ) as inferences on inferences.request_id = pairs.request_id
                where feedback.timestamp::timestamptz between
                    inferences.timestamp::timestamptz - interval 5 minutes
                    and inferences.timestamp::timestamptz + interval 30 days
            ) to '{out}/pairs.parquet' (format parquet, compression zstd, compression_level 1)
            """
        )
        return time.monotonic() - started
