"""One question in several engines, each written as its users would: a day's feedback with all of the inferences that it
is about, out of the days before and its own, from Parquet to Parquet.

Run by `benchmarks.peers` in a process of its own for each engine, with the interpreter that has them; imports nothing
of the platform.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def duckdb(inferences: list[str], feedback: str, out: str) -> float:
    import duckdb as engine

    started = time.monotonic()
    with engine.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            f"""
            copy (
                select feedback.* exclude (user_id, timestamp), feedback.timestamp as feedback_timestamp, inferences.*
                exclude (request_id)
                from read_parquet('{feedback}') as feedback
                inner join read_parquet({inferences}) as inferences using (request_id)
            ) to '{out}/part.parquet' (format parquet, compression zstd, compression_level 1)
            """
        )
    return time.monotonic() - started


def polars(inferences: list[str], feedback: str, out: str) -> float:
    import polars as pl

    started = time.monotonic()
    said = pl.scan_parquet(feedback).drop("user_id").rename({"timestamp": "feedback_timestamp"})
    pairs = said.join(pl.scan_parquet(inferences), on="request_id", how="inner")
    pairs.sink_parquet(f"{out}/part.parquet", compression="zstd", compression_level=1)
    return time.monotonic() - started


def chdb(inferences: list[str], feedback: str, out: str) -> float:
    from chdb import session

    started = time.monotonic()
    folder = Path(inferences[0]).parents[1]
    days = f"{folder}/{{{','.join(str(Path(path).relative_to(folder)) for path in inferences)}}}"
    # ClickHouse hashes the right side, so that the small one stands there.
    session.Session().query(
        f"""
        select feedback.* except (request_id, user_id, timestamp), feedback.timestamp as feedback_timestamp,
            inferences.*
        from file('{days}', 'Parquet') as inferences
        inner join file('{feedback}', 'Parquet') as feedback using (request_id)
        into outfile '{out}/part.parquet' truncate format Parquet
        settings output_format_parquet_compression_method = 'zstd', output_format_compression_level = 1
        """
    )
    return time.monotonic() - started


def pandas(inferences: list[str], feedback: str, out: str) -> float:
    import pandas as pd

    started = time.monotonic()
    said = pd.read_parquet(feedback).drop(columns="user_id").rename(columns={"timestamp": "feedback_timestamp"})
    # All days at once do not fit into memory; what a day has of the ids does.
    wanted = [("request_id", "in", set(said["request_id"]))]
    days = [said.merge(pd.read_parquet(path, filters=wanted), on="request_id") for path in inferences]
    pd.concat(days).to_parquet(f"{out}/part.parquet", compression="zstd", compression_level=1)
    return time.monotonic() - started


def pyspark(inferences: list[str], feedback: str, out: str) -> float:
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import broadcast

    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    # Starting the JVM is told apart, like the imports of the others.
    started = time.monotonic()
    said = spark.read.parquet(feedback).drop("user_id").withColumnRenamed("timestamp", "feedback_timestamp")
    pairs = spark.read.parquet(*inferences).join(broadcast(said), "request_id")
    pairs.write.mode("overwrite").option("compression", "zstd").parquet(f"{out}/spark")
    seconds = time.monotonic() - started
    spark.stop()
    return seconds


ENGINES: dict[str, Callable[[list[str], str, str], float]] = {
    engine.__name__: engine for engine in (duckdb, polars, chdb, pandas, pyspark)
}


def main() -> None:
    """Arguments: the engine, a JSON file with `inferences` (paths), `feedback`, `out`; prints the seconds as JSON."""
    name, asked = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    print(json.dumps({"seconds": ENGINES[name](asked["inferences"], asked["feedback"], asked["out"])}))


if __name__ == "__main__":
    main()
