"""Corrections beside the outputs that they correct: for these alone texts are read, and each is measured once.

On a connection of its own: reading texts takes long, and the store's must not be busy with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from orchestration.contracts.inference import INFERENCES
from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.segments import Segments
from orchestration.lib.follow.state import LINE, rows_of_days
from orchestration.lib.settings import Settings

# A correction and the inference that it was measured against.
_MEASURED = f"{LINE}, inference_source_file, inference_source_line, paired_date"
_TEXTS = "received_date, source_file, source_line, input, output"


@dataclass(frozen=True)
class Measures:
    """What is known of the corrections in `fresh`."""

    settings: Settings
    models: Models
    segments: Segments
    window: tuple[date, date]

    def bring_up_to_date(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Measures the corrections that are new or are of another inference now."""
        connection.execute(
            f"""
            create or replace temp table corrections as
                select {_MEASURED} from fresh.int_feedback_matches
                where state = 'sound' and feedback_type = 'explicit_correction';
            create or replace temp table unmeasured as from corrections anti join measured using ({_MEASURED})
            """
        )
        measured = self._measured(connection)
        connection.execute("begin")
        connection.execute(
            f"""
            delete from fresh.int_correction_measures where ({LINE}) in (
                select ({LINE}) from measured anti join corrections using ({_MEASURED})
            );
            delete from measured where ({_MEASURED}) not in (select ({_MEASURED}) from corrections);
            insert into measured select {_MEASURED} from unmeasured
            """
        )
        if measured is not None:
            connection.register("new_measures", measured)
            connection.execute("insert into fresh.int_correction_measures by name from new_measures")
        connection.execute("commit")

    def _measured(self, connection: duckdb.DuckDBPyConnection) -> pa.Table | None:
        matches = connection.execute(
            f"from fresh.int_feedback_matches semi join unmeasured using ({LINE})"
        ).to_arrow_table()
        if not matches.num_rows:
            return None
        statements = connection.execute(
            f"from complete.stg_feedback where (source_file, source_line) in (select ({LINE}) from unmeasured)"
        ).to_arrow_table()
        segments = connection.execute(
            "select distinct segment from files where segment is not null and source_file in "
            "(select inference_source_file from unmeasured) order by 1"
        ).fetchall()
        with connect(self.settings, threads=1) as worker:
            worker.register("matches", matches)
            worker.register("statements", statements)
            relations = {
                "int_feedback_matches": "matches",
                "stg_feedback": "statements",
                "stg_inferences": self._texts(worker, [name for (name,) in segments]),
            }
            measures = self.models.sql("int_correction_measures", relations, self.window)
            return worker.execute(measures).to_arrow_table()

    def _texts(self, worker: duckdb.DuckDBPyConnection, segments: Sequence[str]) -> str:
        """The inferences that corrections are about, from what was taken in, or from the ledger of earlier days.

        A day is asked for its lines one by one: with them DuckDB passes over the pages that have none.
        """
        lines = worker.execute(
            "select inference_received_date, list(distinct inference_source_line order by inference_source_line) "
            "from matches where inference_received_date < ? group by all order by 1",
            [self.window[0]],
        ).fetchall()
        texts = [f"select {_TEXTS} from {rows_of_days(self.settings, INFERENCES, [])}"]
        texts += [
            f"select {_TEXTS} from {rows_of_days(self.settings, INFERENCES, [day])} "
            f"where dead_letter_reason is null and source_line in ({', '.join(map(str, of_day))})"
            for day, of_day in lines
        ]
        if segments:
            texts.append(f"select {_TEXTS} from {parquet_files.read(self.segments.paths(segments))}")
        return f"({' union all by name '.join(texts)})"
