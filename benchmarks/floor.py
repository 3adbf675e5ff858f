"""The floor: the same job by hand in DuckDB SQL. Landing files in; parsed, validated, deduplicated, joined;
ledger, attributed rows and dataset out as Parquet. No column is left out that the platform writes."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

_PARQUET = "(format parquet, compression zstd, compression_level 1)"


@dataclass(frozen=True)
class Floor:
    """Seconds and CPU seconds of each stage (load, attribute, publish), and the rows that came of it."""

    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    rows: int


def run_floor(data_dir: Path, day: date, out: Path, *, memory_limit: str) -> Floor:
    out.mkdir(parents=True, exist_ok=True)
    landing = data_dir / "landing"
    load_inferences = f"""
        copy (
            select * from read_json('{landing}/inferences/dt={day}/*.jsonl', format = 'newline_delimited',
                filename = true, columns = {{
                    request_id: 'VARCHAR', timestamp: 'TIMESTAMPTZ', model_name: 'VARCHAR',
                    model_version: 'VARCHAR', session_id: 'VARCHAR', turn: 'BIGINT', user_id: 'VARCHAR',
                    params: 'JSON', input: 'JSON', output: 'JSON', system: 'JSON'}})
        ) to '{out}/inferences.parquet' {_PARQUET}
    """
    load_feedback = f"""
        copy (
            select * from read_json('{landing}/feedback/dt={day}/*.jsonl', format = 'newline_delimited',
                filename = true, columns = {{
                    feedback_id: 'VARCHAR', request_id: 'VARCHAR', timestamp: 'TIMESTAMPTZ',
                    thumbs: 'VARCHAR', corrected_output: 'VARCHAR', source: 'VARCHAR'}})
        ) to '{out}/feedback.parquet' {_PARQUET}
    """
    attribute = f"""
        create table attributed as
        with feedback as (
            select * from '{out}/feedback.parquet'
            where thumbs is null or thumbs in ('up', 'down')
            qualify row_number() over (partition by feedback_id order by filename) = 1
        ),
        firsts as (
            select request_id, filename from '{out}/inferences.parquet'
            qualify row_number() over (partition by request_id order by filename) = 1
        )
        select f.feedback_id, f.timestamp as feedback_at, f.thumbs, f.corrected_output, f.source,
            case f.thumbs when 'up' then 1.0 when 'down' then -1.0 end as reward,
            i.* exclude (filename), i.output->>'$.text' as output_text,
            epoch(f.timestamp) - epoch(i.timestamp) as lag_seconds
        from feedback f
        join firsts using (request_id)
        join '{out}/inferences.parquet' i using (request_id)
        where f.timestamp between i.timestamp - interval 5 minutes and i.timestamp + interval 30 days
            and f.timestamp <= timestamptz '{day}' + interval 2 days
    """
    publish = f"copy (from attributed order by feedback_id) to '{out}/dataset.parquet' {_PARQUET}"
    stages = {"load": [load_inferences, load_feedback], "attribute": [attribute], "publish": [publish]}
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
        ((rows,),) = connection.execute("select count(*) from attributed").fetchall()
    return Floor(seconds, cpu_seconds, rows)
