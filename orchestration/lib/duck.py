"""DuckDB connections as this platform wants them: UTC, a memory limit, spilling inside the data folder."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.lib import encryption
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

# What is known of the rows that are being published: a database in memory, which every cursor of the connection sees.
BESIDE = "publishing"


def memory_settings(settings: Settings, *, share: float = 1.0) -> list[str]:
    """Statements that keep a connection within its share of the memory, and what it spills in the data folder.

    The limit is a connection's, and not the process's.
    """
    spill = settings.data_dir / ".scratch" / "duckdb"
    spill.mkdir(parents=True, exist_ok=True)
    number, unit = re.fullmatch(r"([\d.]+)\s?(\w+)", settings.duckdb_memory_limit).groups()  # type: ignore[union-attr]
    return [f"set memory_limit = '{float(number) * share:g}{unit}'", f"set temp_directory = '{spill}'"]


@contextmanager
def connect(
    settings: Settings,
    *,
    attach: dict[str, Path] | None = None,
    stores: tuple[Store, ...] = (),
    threads: int | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory connection; `attach` opens database files read-only under the given names."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        encryption.prepare(connection, settings)
        for statement in memory_settings(settings):
            connection.execute(statement)
        if threads:
            connection.execute(f"set threads = {threads}")
        connection.execute("set preserve_insertion_order = true")
        for store in stores:
            if not store.is_local:
                connection.register_filesystem(store.fs)
        for name, path in (attach or {}).items():
            encryption.attach(connection, settings, path, name, read_only=True)
        yield connection
