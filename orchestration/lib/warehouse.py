"""Reading the warehouse: read-only, for as short as possible, patient with whoever writes it.

Nothing here writes: dbt does (DESIGN section 1).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import encryption
from orchestration.lib.build_window import Versions
from orchestration.lib.duck import connect
from orchestration.lib.settings import WAREHOUSE, Settings, StateError

ALIAS = WAREHOUSE
PATIENCE_SECONDS = 120.0


class WarehouseUnreadable(StateError):
    """There is no warehouse yet, or somebody writes it and does not stop."""


@contextmanager
def read_warehouse(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which `marts.x` is the warehouse's table."""
    if not settings.warehouse.exists():
        raise WarehouseUnreadable(
            f"there is no warehouse at {settings.warehouse}; make one with `attribution run --from D1 --to D2`"
        )
    with connect(settings) as connection:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                encryption.attach(connection, settings, settings.warehouse, ALIAS, read_only=True)
                break
            except duckdb.IOException as error:
                if "lock" not in str(error) or time.monotonic() > deadline:
                    raise WarehouseUnreadable(f"the warehouse {settings.warehouse} can not be read: {error}") from error
                time.sleep(0.5)
        connection.execute(f"use {ALIAS}")
        yield connection


@contextmanager
def beside(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection on the databases and functions of a `read_warehouse` one, with temporary tables of its own."""
    with connection.cursor() as own:
        own.execute("set TimeZone = 'UTC'")
        own.execute(f"use {ALIAS}")
        yield own


def execute_beside(connection: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> None:
    """Executes statements on connections beside a `read_warehouse` one, as many at a time as it has threads; those that
    take longest should come first.

    Each has one thread where there are enough of them: threads that share the sorting and writing of a small file wait
    for each other busily, which takes twice the CPU time. Memory is shared and limited all the same.
    """

    def execute(statement: str) -> None:
        with beside(connection) as own:
            own.execute(statement)

    ((threads,),) = connection.execute("select current_setting('threads')").fetchall()
    if len(statements) > threads:
        connection.execute("set threads = 1")
    try:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            # A list, so that the first error is raised.
            list(pool.map(execute, statements))
    finally:
        connection.execute(f"set threads = {threads}")


def wait_until_writable(settings: Settings, *, tell: Callable[[str], None]) -> None:
    """Waits for whoever has the warehouse open for reading; raises WarehouseUnreadable when they stay.

    dbt would fail at once, with DuckDB's message in a stack trace.
    """
    deadline = time.monotonic() + settings.lock_timeout_seconds
    told = False
    while settings.warehouse.exists():
        try:
            with connect(settings) as connection:
                encryption.attach(connection, settings, settings.warehouse, ALIAS, read_only=False)
            return
        except duckdb.IOException as error:
            if "lock" not in str(error) or time.monotonic() > deadline:
                raise WarehouseUnreadable(f"the warehouse can not be written: {error}") from error
            if not told:
                tell(f"waiting for a reader of the warehouse: {str(error).splitlines()[0]}")
                told = True
            time.sleep(0.5)


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    row = connection.execute(
        "select count(*) from information_schema.tables "
        "where table_catalog = ? and table_schema = ? and table_name = ?",
        [ALIAS, schema, table],
    ).fetchone()
    return bool(row and row[0])


def rows_of(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    """A query's rows by column name."""
    cursor = connection.execute(query, list(parameters))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def built_versions(settings: Settings) -> Versions:
    """Each built partition with the ledger versions that it was built from."""
    if not settings.warehouse.exists():
        return {}
    with read_warehouse(settings) as connection:
        if not has_table(connection, "intermediate", "int_built_partitions"):
            return {}
        versions = [f"{stream.name}_version" for stream in STREAMS]
        columns = {row[0] for row in connection.execute("describe intermediate.int_built_partitions").fetchall()}
        if not columns.issuperset(versions):
            raise WarehouseUnreadable(
                f"{settings.warehouse} was built by an older version of the models. It holds nothing that the "
                "ledger does not: remove it, and run the range again"
            )
        rows = connection.execute(
            f"select partition_date, {', '.join(versions)} from intermediate.int_built_partitions"
        ).fetchall()
    return {day: tuple(versions) for day, *versions in rows}


def rows_per_day(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, days: Sequence[date]
) -> dict[date, int]:
    """How many rows a table (`schema.name`) has in each of the days."""
    found: dict[Any, int] = dict(
        connection.execute(
            f"select {column}, count(*) from {table} where {column} between ? and ? group by all", [days[0], days[-1]]
        ).fetchall()
    )
    return {day: found.get(day, 0) for day in days}
