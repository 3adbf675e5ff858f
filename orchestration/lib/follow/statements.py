"""Statements that are the same in each step, with the plans that DuckDB made of them the first time.

Where rows are few, planning takes several times as long as running. A plan is kept for whatever the tables hold later,
and DuckDB would leave out a filter, or a whole table, for what it holds now: so a connection with kept plans plans
without such statistics. A table that is made or dropped makes DuckDB plan all of them anew, so steps fill and empty
tables.
"""

from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

_OF_WHAT_TABLES_HOLD = ("statistics_propagation", "compressed_materialization", "row_group_pruner")


def plan_for_any_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """What a connection, and all cursors of it, must be told before a plan is kept."""
    connection.execute(f"set disabled_optimizers = '{','.join(_OF_WHAT_TABLES_HOLD)}'")


@dataclass(frozen=True)
class Statements:
    """The kept plans of one connection, and its temporary tables."""

    connection: duckdb.DuckDBPyConnection
    _names: dict[str, str] = field(default_factory=dict)
    _tables: set[str] = field(default_factory=set)

    def run(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Runs one statement by the plan that is kept of it."""
        if sql not in self._names:
            name = f"kept_{len(self._names)}"
            self.connection.execute(f"prepare {name} as {sql}")
            self._names[sql] = name
        return self.connection.execute(f"execute {self._names[sql]}")

    def table(self, name: str, sql: str, *, when: bool = True) -> None:
        """A temporary table with a query's rows in place of those that it had; `when` it can have any."""
        self._empty(name, sql)
        if when:
            self.run(f"insert into temp.{name} {sql}")

    def table_once(self, name: str, sql: str) -> None:
        """The same for a query that is another one each time, of which no plan is kept."""
        self._empty(name, sql)
        self.connection.execute(f"insert into temp.{name} {sql}")

    def table_of(self, name: str, rows: pa.Table) -> None:
        """A temporary table with the rows of an Arrow table."""
        if name not in self._tables:
            self.connection.register("given_rows", rows)
            self._empty(name, "from given_rows")
            self.connection.unregister("given_rows")
        else:
            self._empty(name, "")
        if rows.num_rows:
            self.connection.from_arrow(rows).insert_into(f"temp.main.{name}")

    def count(self, name: str) -> int:
        """How many rows a table has."""
        ((rows,),) = self.run(f"select count(*) from {name}").fetchall()
        return int(rows)

    def _empty(self, name: str, sql: str) -> None:
        if name in self._tables:
            self.run(f"truncate temp.{name}")
            return
        self.connection.execute(f"create or replace temp table {name} as from ({sql}) limit 0")
        self._tables.add(name)
        # DuckDB would plan each of them anew whenever it is run.
        for kept in self._names.values():
            self.connection.execute(f"deallocate {kept}")
        self._names.clear()
