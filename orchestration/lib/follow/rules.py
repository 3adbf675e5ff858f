"""The rules over all that is known, beside the steps: a rule may ask for anything, so it is never asked of a few rows.

They run on a connection of their own and see what was committed when they began; what they flag takes effect in the
next step. Until then a line that a rule will hold back is in the view.
"""

from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from orchestration.lib.follow.measures import Measures
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.segments import Segments
from orchestration.lib.follow.state import ALIAS
from orchestration.lib.settings import Settings

_COMPLETE = ("int_inference_receipts", "int_feedback_receipts", "int_feedback_matches", "int_correction_measures")


@dataclass(frozen=True)
class Rules:
    """What the rules need to be asked, but for the connection."""

    settings: Settings
    models: Models
    segments: Segments
    window: tuple[date, date]

    def ask(self, connection: duckdb.DuckDBPyConnection) -> pa.Table:
        """The flags of the window's days."""
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"use {ALIAS}")
        Measures(self.settings, self.models, self.segments, self.window).bring_up_to_date(connection)
        relations = {name: f"complete.{name}" for name in _COMPLETE}
        of_rules = {name: f"({self.models.sql(name, relations, self.window)})" for name in self.models.rules}
        before = {"int_feedback_flags": "complete.int_feedback_flags"}
        return connection.execute(
            self.models.sql("int_feedback_flags", relations | of_rules | before, self.window)
        ).to_arrow_table()
