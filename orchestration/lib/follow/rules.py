"""The rules over all that is known, beside the steps: a rule may ask for anything, so it is never asked of a few rows.

They run on a connection of their own and see what was committed when they began; what they flag takes effect in the
next step. Until then a line that a rule will hold back is in the view.
"""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from orchestration.lib.follow.measures import Measures
from orchestration.lib.follow.state import ALIAS

_COMPLETE = ("int_inference_receipts", "int_feedback_receipts", "int_feedback_matches", "int_correction_measures")


@dataclass(frozen=True)
class Rules:
    """What the rules need to be asked, but for the connection: the texts that they look at are measured first."""

    measures: Measures

    def ask(self, connection: duckdb.DuckDBPyConnection) -> pa.Table:
        """The flags of the window's days."""
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"use {ALIAS}")
        models, window = self.measures.models, self.measures.window
        self.measures.bring_up_to_date(connection)
        relations = {name: f"complete.{name}" for name in _COMPLETE}
        of_rules = {name: f"({models.sql(name, relations, window)})" for name in models.rules}
        before = {"int_feedback_flags": "complete.int_feedback_flags"}
        return connection.execute(
            models.sql("int_feedback_flags", relations | of_rules | before, window)
        ).to_arrow_table()
