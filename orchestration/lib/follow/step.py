"""One step: rows that have landed in, what they change of receipts, pairs, attributions and the view out.

Each model is run on the rows that can matter for what has landed, by the ids that it joins on: the lines of the same
feedback_id, the inferences of the same request_id, and the feedback on either or on their sessions. What it gives for
these takes the place of what it gave for them before. All of a step is one transaction of the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from orchestration.contracts.inference import INFERENCES
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.state import LINE
from orchestration.lib.ledger_sql import ledger_columns

_RECEIPT_COLUMNS = (
    *("request_id", "session_id", "turn", "inference_at", "user_id", "model_version", "variant", "endpoint", "exposed"),
    *("received_date", "source_file", "source_line"),
)
# Columns of an inference that a pair has of itself.
_OF_PAIR = {
    "request_id": "request_id",
    "inference_at": "inference_at",
    "session_id": "inference_session_id",
    "turn": "inference_turn",
    "user_id": "inference_user_id",
    "model_version": "inference_model_version",
    "variant": "inference_variant",
    "received_date": "inference_received_date",
    "source_file": "inference_source_file",
    "source_line": "inference_source_line",
}


@dataclass(frozen=True)
class Step:
    """Runs the models on a connection to the store, for the days of a window."""

    connection: duckdb.DuckDBPyConnection
    models: Models
    window: tuple[date, date]
    attribution_window_days: int
    columns: tuple[str, ...]
    load_parts: Callable[[list[date]], None]

    def take_in(self, landed: Mapping[str, pa.Table]) -> None:
        """Rows as the ledger has them, by stream, with their received date; `touched` then has the lines that they
        matter for.
        """
        for stream, rows in landed.items():
            self.connection.register(f"landed_{stream}", rows)
        self._stage()
        self._inference_receipts()
        self._feedback_receipts()
        self._reviews()
        self._matches()

    def _table(self, name: str, sql: str) -> None:
        self.connection.execute(f"create or replace temp table {name} as {sql}")

    def _model(self, name: str, relations: Mapping[str, str]) -> str:
        return self.models.sql(name, relations, self.window)

    def _stage(self) -> None:
        for stream in ("inferences", "feedback", "reviews"):
            self._table(f"new_{stream}", self._model(f"stg_{stream}", {stream: f"landed_{stream}"}))
        self.connection.execute(
            f"""
            insert into fresh.stg_feedback by name from new_feedback;
            insert into fresh.stg_reviews by name from new_reviews;
            insert into fresh.stg_inference_parts by name {
                self._model("stg_inference_parts", {"stg_inferences": "new_inferences"})
            }
            """
        )

    def _inference_receipts(self) -> None:
        columns = ", ".join(_RECEIPT_COLUMNS)
        self._table("asked_requests", "select distinct request_id from new_inferences")
        self._table(
            "inference_lines",
            f"select {columns} from fresh.int_inference_receipts semi join asked_requests using (request_id) "
            f"union all select {columns} from new_inferences",
        )
        self._table(
            "inferences_before",
            "select request_id, is_first, received_date from base.int_inference_receipts "
            "semi join asked_requests using (request_id)",
        )
        self._table(
            "new_inference_receipts",
            self._model(
                "int_inference_receipts",
                {"stg_inferences": "inference_lines", "int_inference_receipts": "inferences_before"},
            ),
        )
        self._replace("int_inference_receipts", "new_inference_receipts", of="request_id in (from asked_requests)")

    def _feedback_receipts(self) -> None:
        self._table("asked_feedback", "select distinct feedback_id from new_feedback")
        self._table("feedback_lines", "from fresh.stg_feedback semi join asked_feedback using (feedback_id)")
        self._table(
            "feedback_before",
            "select feedback_id, state, received_date from base.int_feedback_receipts "
            "semi join asked_feedback using (feedback_id)",
        )
        self._table(
            "new_feedback_receipts",
            self._model(
                "int_feedback_receipts", {"stg_feedback": "feedback_lines", "int_feedback_receipts": "feedback_before"}
            ),
        )
        self._replace("int_feedback_receipts", "new_feedback_receipts", of="feedback_id in (from asked_feedback)")

    def _reviews(self) -> None:
        self._table("asked_reviews", "select distinct feedback_id from new_reviews")
        self._table("review_lines", "from fresh.stg_reviews semi join asked_reviews using (feedback_id)")
        self._table("decisions", self._model("int_review_decisions", {"stg_reviews": "review_lines"}))
        self._replace("int_review_decisions", "decisions", of="feedback_id in (from asked_reviews)")

    def _matches(self) -> None:
        self._table(
            "touched_requests",
            "select request_id from new_inference_receipts union "
            "select request_id from new_feedback_receipts where request_id is not null",
        )
        self._table(
            "touched_sessions",
            "select session_id from new_inference_receipts where session_id is not null union "
            "select session_id from new_feedback_receipts where request_id is null",
        )
        self._table(
            "feedback",
            f"""
            from complete.int_feedback_receipts
            where received_date >= date '{self.window[0]}' - {self.attribution_window_days}
                and (
                    request_id in (from touched_requests)
                    or (request_id is null and session_id in (from touched_sessions))
                    or (source_file, source_line) in (select (source_file, source_line) from new_feedback_receipts)
                )
            """,
        )
        # A session that all inferences share is read only where there is feedback on it.
        self._table(
            "inferences",
            """
            from complete.int_inference_receipts semi join touched_requests using (request_id)
            union
            from complete.int_inference_receipts
            where session_id in (select session_id from feedback where request_id is null)
            """,
        )
        self._table(
            "candidates",
            self._model(
                "int_feedback_candidates", {"int_feedback_receipts": "feedback", "int_inference_receipts": "inferences"}
            ),
        )
        self.load_parts(self._closed_days_of_parts())
        self._table(
            "matches",
            self._model(
                "int_feedback_matches",
                {
                    "int_feedback_candidates": "candidates",
                    "int_feedback_receipts": "feedback",
                    "stg_inference_parts": "complete.stg_inference_parts",
                },
            ),
        )
        self._table(
            "touched",
            f"""
            select source_file as feedback_source_file, source_line as feedback_source_line from feedback
            union
            select {LINE} from complete.int_feedback_matches semi join asked_reviews using (feedback_id)
            """,
        )
        self._replace(
            "int_feedback_matches",
            "matches",
            of="(feedback_source_file, feedback_source_line) in (select (source_file, source_line) from feedback)",
        )

    def _closed_days_of_parts(self) -> list[date]:
        """Closed days with inferences of which feedback may mean a part; the recent ones' parts are loaded at first."""
        days = self.connection.execute(
            "select distinct inference_received_date from candidates inner join feedback on "
            "candidates.feedback_source_file = feedback.source_file "
            "and candidates.feedback_source_line = feedback.source_line "
            "where inference_received_date < ? and (preferred_output_idx is not null or target_kind is not null) "
            "order by 1",
            [self.window[0]],
        )
        return [day for (day,) in days.fetchall()]

    def apply_flags(self, flags: pa.Table) -> int:
        """Puts a window's flags in place of those before; `touched` has the lines whose flags are others. How many."""
        self.connection.register("told_flags", flags)
        self._table(
            "touched",
            f"""
            select distinct {LINE} from (
                (from told_flags except from fresh.int_feedback_flags)
                union all
                (from fresh.int_feedback_flags except from told_flags)
            )
            """,
        )
        self._replace("int_feedback_flags", "told_flags", of="true")
        ((touched,),) = self.connection.execute("select count(*) from touched").fetchall()
        return int(touched)

    def settle(self) -> None:
        """What becomes of the lines in `touched`: their attributions, and in `view_rows` what the view says of them."""
        self._table("sound", f"from complete.int_feedback_matches semi join touched using ({LINE})")
        self._table(
            "attributions",
            self._model(
                "int_feedback_attributions",
                {
                    "int_feedback_matches": "sound",
                    "int_feedback_flags": "complete.int_feedback_flags",
                    "int_review_decisions": "complete.int_review_decisions",
                },
            ),
        )
        self._replace(
            "int_feedback_attributions",
            "attributions",
            of="(feedback_source_file, feedback_source_line) in (select (feedback_source_file, feedback_source_line) "
            "from touched)",
        )
        self._table(
            "statements",
            "from complete.stg_feedback where (source_file, source_line) in "
            "(select (feedback_source_file, feedback_source_line) from attributions)",
        )
        self._table(
            "view_rows",
            f"select {', '.join(self.columns)} from ("
            + self._model(
                "attributed_feedback",
                {
                    "int_feedback_attributions": "attributions",
                    "stg_feedback": "statements",
                    "stg_inferences": narrow_inferences("attributions"),
                },
            )
            + ")",
        )

    def _replace(self, table: str, by: str, *, of: str) -> None:
        self.connection.execute(f"delete from fresh.{table} where {of}")
        self.connection.execute(f"insert into fresh.{table} by name from {by}")


def narrow_inferences(pairs: str) -> str:
    """The inferences of some pairs with what the pairs have of them; the rest, texts before all, is null."""
    known = [f"{of_pair} as {name}" for name, of_pair in _OF_PAIR.items()]
    unknown = [
        f"null::{kind} as {name}" for name, kind in ledger_columns(INFERENCES).items() if name not in (*_OF_PAIR, "raw")
    ]
    # Texts have a longer time than an inference can get feedback in.
    return f"(select distinct {', '.join([*known, *unknown, 'false as is_text_expired'])} from {pairs})"
