"""DuckDB for SQLAlchemy in the way that Great Expectations uses SQLAlchemy.

GX 1.24 closes its connection before it fetches the result. Closing rolls back, DuckDB drops a pending
result on rollback, and every expectation ends in an IndexError. A gate only reads, so transactions are
of no use to it: here they do nothing. Registered under a driver name of its own (`duckdb+gate://`), so
that whoever uses duckdb-engine in the same process keeps its transactions.

What is not here: opening, attaching and closing databases, see `session`.
"""

from typing import Any

import duckdb
from duckdb_engine import ConnectionWrapper, Dialect
from sqlalchemy.dialects import registry

GATE_URL = "duckdb+gate:///:memory:"


class GateDialect(Dialect):  # type: ignore[misc]  # duckdb-engine has no types
    """duckdb-engine's dialect without transactions."""

    driver = "gate"
    # SQLAlchemy warns unless each dialect class says it for itself.
    supports_statement_cache = False

    def do_begin(self, connection: Any) -> None: ...

    def do_commit(self, connection: Any) -> None: ...

    def do_rollback(self, connection: Any) -> None: ...


class BorrowedConnection(ConnectionWrapper):  # type: ignore[misc]
    """A connection that SQLAlchemy may use but not close.

    GX makes two engines for one data source and disposes of them when they are garbage collected, at a
    moment that nobody chose. The session that opened the connection closes it.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(connection)

    def close(self) -> None: ...


registry.register("duckdb.gate", __name__, GateDialect.__name__)
