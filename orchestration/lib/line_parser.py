"""One worker of those that parse a day's lines: a DuckDB instance with a plan of the query that it keeps."""

import duckdb
import pyarrow as pa

from orchestration.lib.landing import LINES


class LineParser:
    """Runs the query of `ledger_sql.ledger_query` on one chunk of lines after another.

    To plan it takes as long as to run it on ten thousand lines, so that it is planned once. What the plan reads as
    `lines` is this object, which hands out the chunk of the moment (Arrow's PyCapsule interface).
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, query: str) -> None:
        self._connection, self._query = connection, query
        self._chunk = LINES.empty_table()
        self._is_planned = False

    def rows(self, chunk: pa.Table) -> pa.Table:
        """The ledger rows of a chunk of `landing.LINES`, in its order."""
        self._chunk = chunk
        if not self._is_planned:
            # It makes a hash join of each `in` with several words, and to set up the 16 of feedback's query takes
            # nearly a second, whatever the rows.
            self._connection.execute("set disabled_optimizers = 'in_clause'")
            self._connection.register("lines", self)
            self._connection.execute(f"prepare parsing as {self._query}")
            self._is_planned = True
        return self._connection.execute("execute parsing").to_arrow_table()

    def __arrow_c_schema__(self) -> object:
        return LINES.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._chunk.__arrow_c_stream__(requested_schema)
