"""The few rows of the history that a step needs, by an index: reading past all takes longer than the rest of a step."""

from dataclasses import dataclass

import duckdb

from orchestration.lib.follow.history import KEYS, of_base
from orchestration.lib.follow.statements import Statements

# Of more keys than this it is sooner to read past all rows, and DuckDB has to be told that; each is a number in the
# statement's text.
MOST_KEYS = 10_000


def look_up_by_index(connection: duckdb.DuckDBPyConnection) -> None:
    """DuckDB itself would leave the index for a thousandth of the rows, or 2,048 keys where these are more."""
    connection.execute(f"set index_scan_max_count = {MOST_KEYS}")


@dataclass(frozen=True)
class LookUps:
    """Looks rows of `base` up, into temporary tables."""

    statements: Statements

    def table(self, name: str, of: str, column: str, *, asked: str, where: str = "true") -> None:
        """A temporary table with the rows of which the key of a column's hash is asked for.

        `asked` is a query of one column, `where` what else holds of the rows. DuckDB uses an index where it is given
        the keys one by one, and not for those of a query.
        """
        key = KEYS[of][column]
        found = f"from {of_base(of)} where {key} in ({asked}) and {where}"
        hashes = self._hashes(asked)
        if not hashes:
            self.statements.table(name, found, when=False)
        elif len(hashes) > MOST_KEYS:
            self.statements.table(name, found)
        else:
            keys = ", ".join(map(str, hashes))
            # Materialized: together with the exact key DuckDB would read past all rows again.
            self.statements.table_once(
                name,
                f"with found as materialized (from base.{of} where {column} in ({keys})) "
                f"select * exclude ({', '.join(KEYS[of])}) from found where {key} in ({asked}) and {where}",
            )

    def _hashes(self, asked: str) -> list[int]:
        rows = self.statements.run(f"select distinct hash(key) from ({asked}) as asked (key) where key is not null")
        return [key for (key,) in rows.fetchall()]
