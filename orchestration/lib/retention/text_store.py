"""Inputs that are kept apart from the ledger, each once a day by the sha256 that the ledger has in its place.

A folder of its own, which may be on a cheaper disk; nothing of a run reads it. A day's file goes with the lifetime of
texts, and an erasure leaves in it what lines of the ledger still name.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa

from orchestration.contracts.inference import INFERENCES
from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.erasure.names import Names
from orchestration.lib.landing import CHUNK_LINES
from orchestration.lib.ledger import rows_of_files
from orchestration.lib.ledger_parts import LEDGER_FILE, full_paths
from orchestration.lib.retention.ledger_texts import Going
from orchestration.lib.retention.text_fields import text_fields
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

FOLDER = "texts"
SCHEMA = pa.schema([("text_sha256", pa.string()), ("input", pa.string())])
_HASH_OF_LINE = "json_extract_string(input, '$.text_sha256')"


def path_of(day: date) -> str:
    return f"{FOLDER}/{INFERENCES.name}/received_date={day.isoformat()}/{LEDGER_FILE}"


def stored_days(settings: Settings) -> dict[date, str]:
    """The days that have a file, with its path below the data folder."""
    store = Store(str(settings.data_dir))
    folders = [one.removeprefix("received_date=") for one in store.folders(f"{FOLDER}/{INFERENCES.name}")]
    days = {date.fromisoformat(folder): path_of(date.fromisoformat(folder)) for folder in folders}
    return {day: path for day, path in days.items() if parquet_files.is_there(store.full(path))}


def keep_inputs(settings: Settings, day: date, going: Going) -> None:
    """Writes the inputs of the lines that are about to lose them, and those that the day's file has already."""
    lines = _lines(settings, day)
    has_text = text_fields(INFERENCES)["input"].has_text
    rows = f"select sha256(input) as text_sha256, input from {lines} where ({going.lines}) and {has_text}"
    if day in stored_days(settings):
        rows += f" union select * from {_read(_full(settings, day))}"
    with connect(settings) as connection:
        for name, table in going.tables.items():
            connection.register(name, table)
        reader = connection.execute(f"select distinct * from ({rows}) order by text_sha256").to_arrow_reader(
            CHUNK_LINES
        )
        _put(settings, day, (pa.Table.from_batches([batch]).cast(SCHEMA) for batch in reader))


def forget_inputs(settings: Settings, names: Names) -> None:
    """Leaves the inputs that a line of the ledger still names, without the ids of erased people."""
    for day in stored_days(settings):
        lines = _lines(settings, day)
        with connect(settings) as connection:
            named = f"select {_HASH_OF_LINE} as text_sha256 from {lines}"
            rows = connection.execute(
                f"from {_read(_full(settings, day))} semi join ({named}) using (text_sha256) order by text_sha256"
            ).to_arrow_table()
            before = connection.execute(f"select count(*) from {_read(_full(settings, day))}").fetchall()[0][0]
            pattern = "|".join(names.patterns)
            is_named = "false" if not pattern else "regexp_matches(input, ?)"
            connection.register("left_rows", rows)
            found = connection.execute(
                f"select text_sha256, input from left_rows where {is_named}", [pattern] if pattern else []
            ).fetchall()
            scrubbed = {sha: names.scrubbed_text(text) for sha, text in found}
        if scrubbed:
            texts = [scrubbed.get(sha, text) for sha, text in zip(*rows.to_pydict().values(), strict=True)]
            rows = rows.set_column(1, "input", pa.array(texts, pa.string()))
        if scrubbed or len(rows) < before:
            _put(settings, day, iter([rows.cast(SCHEMA)]))


def remove_inputs(settings: Settings, day: date) -> None:
    parquet_files.discard(Path(_full(settings, day)))


def _full(settings: Settings, day: date) -> str:
    return Store(str(settings.data_dir)).full(path_of(day))


def _lines(settings: Settings, day: date) -> str:
    paths = full_paths(Store(settings.ledger_url), INFERENCES.name, [day])
    return rows_of_files(settings, paths, options="hive_partitioning = false")


def _read(path: str) -> str:
    return parquet_files.read([path], options="hive_partitioning = false")


def _put(settings: Settings, day: date, tables: Iterator[pa.Table]) -> None:
    with parquet_files.scratch_file(settings) as beside:
        parquet_files.write(settings, beside, SCHEMA, tables, metadata=dict)
        parquet_files.put(settings, Store(str(settings.data_dir)), beside, path_of(day))
