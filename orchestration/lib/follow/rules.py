"""The rules over all that is known, beside the steps: a rule may ask for anything, so it is never asked of a few rows.

They run on a connection of their own and see what was committed when they began; what they flag takes effect in the
next step. Until then a line that a rule will hold back is in the view.
"""

from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from orchestration.contracts.inference import INFERENCES
from orchestration.lib import parquet_files
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.segments import Segments
from orchestration.lib.follow.state import ALIAS, LINE, rows_of_days
from orchestration.lib.settings import Settings

# A correction and the inference that it was measured against.
_MEASURED = f"{LINE}, inference_source_file, inference_source_line, paired_date"
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
        self._measure(connection)
        relations = {name: f"complete.{name}" for name in _COMPLETE}
        of_rules = {name: f"({self.models.sql(name, relations, self.window)})" for name in self.models.rules}
        before = {"int_feedback_flags": "complete.int_feedback_flags"}
        return connection.execute(
            self.models.sql("int_feedback_flags", relations | of_rules | before, self.window)
        ).to_arrow_table()

    def _measure(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Measures the corrections that are new or are of another inference now: for these alone texts are read."""
        connection.execute("begin")
        connection.execute(
            f"""
            create or replace temp table corrections as
                select {_MEASURED} from fresh.int_feedback_matches
                where state = 'sound' and feedback_type = 'explicit_correction';
            delete from fresh.int_correction_measures where ({LINE}) in (
                select ({LINE}) from measured anti join corrections using ({_MEASURED})
            );
            delete from measured where ({_MEASURED}) not in (select ({_MEASURED}) from corrections);
            create or replace temp table unmeasured as from corrections anti join measured using ({_MEASURED});
            create or replace temp table their_matches as
                from fresh.int_feedback_matches semi join unmeasured using ({LINE})
            """
        )
        if connection.execute("select count(*) from unmeasured").fetchall()[0][0]:
            relations = {
                "int_feedback_matches": "their_matches",
                "stg_feedback": "complete.stg_feedback",
                "stg_inferences": self._texts(connection),
            }
            measures = self.models.sql("int_correction_measures", relations, self.window)
            connection.execute(f"insert into fresh.int_correction_measures by name {measures}")
            connection.execute(f"insert into measured select {_MEASURED} from unmeasured")
        connection.execute("commit")

    def _texts(self, connection: duckdb.DuckDBPyConnection) -> str:
        """The inferences that corrections are about, from what was taken in, or from the ledger of earlier days."""
        days = connection.execute(
            "select distinct inference_received_date from their_matches where inference_received_date < ? order by 1",
            [self.window[0]],
        ).fetchall()
        names = connection.execute(
            "select distinct segment from files where segment is not null and source_file in "
            "(select inference_source_file from their_matches) order by 1"
        ).fetchall()
        columns = "received_date, source_file, source_line, input, output"
        ledger = rows_of_days(self.settings, INFERENCES, [day for (day,) in days])
        texts = f"select {columns} from {ledger} where dead_letter_reason is null"
        if names:
            texts += f" union all by name select {columns} from " + parquet_files.read(
                self.segments.paths([name for (name,) in names])
            )
        return f"({texts})"
