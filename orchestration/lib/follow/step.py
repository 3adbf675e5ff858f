"""One step: rows that have landed in, what they change of receipts and pairs out.

Each model is run on the rows that can matter for what has landed, by the ids that it joins on: the lines of the same
feedback_id, the inferences of the same request_id, and the feedback on either or on their sessions. What it gives for
these takes the place of what it gave for them before. All of a step is one transaction of the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from orchestration.lib.follow.lookups import LookUps
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.state import LINE
from orchestration.lib.follow.statements import Statements

_RECEIPT_COLUMNS = (
    *("request_id", "session_id", "turn", "inference_at", "user_id", "model_version", "variant", "endpoint", "exposed"),
    *("received_date", "source_file", "source_line"),
)
_STREAMS = ("inferences", "feedback", "reviews")
_OF_A_SESSION = "select session_id from feedback where request_id is null"
_ON_A_PART = "(preferred_output_idx is not null or target_kind is not null)"


@dataclass(frozen=True)
class Step:
    """Runs the models on a connection to the store, for the days of a window."""

    statements: Statements
    models: Models
    window: tuple[date, date]
    attribution_window_days: int
    load_parts: Callable[[list[date]], None]

    def take_in(self, landed: Mapping[str, pa.Table]) -> None:
        """Rows as the ledger has them, by stream, with their received date; `touched` then has the lines that they
        matter for.
        """
        for stream, rows in landed.items():
            self.statements.table_of(f"landed_{stream}", rows)
        there = {stream: landed[stream].num_rows > 0 for stream in _STREAMS}
        self._stage(there)
        self._lines_of_feedback(when=there["feedback"])
        self._inferences_asked_for()
        self._inference_receipts(when=there["inferences"])
        self._feedback_receipts(when=there["feedback"])
        self._reviews(when=there["reviews"])
        self._feedback_that_matters()
        self._inferences_of_feedback()
        self._matches(are_reviews_there=there["reviews"])

    def _table(self, name: str, sql: str, *, when: bool = True) -> None:
        self.statements.table(name, sql, when=when)

    def _model(self, name: str, relations: Mapping[str, str]) -> str:
        return self.models.sql(name, relations, self.window)

    @property
    def _history(self) -> LookUps:
        return LookUps(self.statements)

    def _stage(self, there: Mapping[str, bool]) -> None:
        for stream in _STREAMS:
            staged = self._model(f"stg_{stream}", {stream: f"landed_{stream}"})
            self._table(f"new_{stream}", staged, when=there[stream])
        for stream in ("feedback", "reviews"):
            if there[stream]:
                self.statements.run(f"insert into fresh.stg_{stream} by name from new_{stream}")
        if there["inferences"]:
            parts = self._model("stg_inference_parts", {"stg_inferences": "new_inferences"})
            self.statements.run(f"insert into fresh.stg_inference_parts by name {parts}")

    def _lines_of_feedback(self, *, when: bool) -> None:
        self._table("asked_feedback", "select distinct feedback_id from new_feedback", when=when)
        lines = "from fresh.stg_feedback semi join asked_feedback using (feedback_id)"
        self._table("feedback_lines", lines, when=when)

    def _inferences_asked_for(self) -> None:
        self._table("asked_requests", "select distinct request_id from new_inferences")
        self._history.table(
            "inferences_before",
            "int_inference_receipts",
            "request_hash",
            asked="select request_id from asked_requests union select request_id from feedback_lines",
        )

    def _inference_receipts(self, *, when: bool) -> None:
        columns = ", ".join(_RECEIPT_COLUMNS)
        self._table(
            "inference_lines",
            f"select {columns} from fresh.int_inference_receipts semi join asked_requests using (request_id) "
            f"union all select {columns} from new_inferences",
            when=when,
        )
        receipts = self._model(
            "int_inference_receipts",
            {"stg_inferences": "inference_lines", "int_inference_receipts": "inferences_before"},
        )
        self._table("new_inference_receipts", receipts, when=when)
        if when:
            self._replace("int_inference_receipts", "new_inference_receipts", of="request_id in (from asked_requests)")

    def _feedback_receipts(self, *, when: bool) -> None:
        self._history.table(
            "feedback_before", "int_feedback_receipts", "feedback_hash", asked="select feedback_id from asked_feedback"
        )
        receipts = self._model(
            "int_feedback_receipts", {"stg_feedback": "feedback_lines", "int_feedback_receipts": "feedback_before"}
        )
        self._table("new_feedback_receipts", receipts, when=when)
        if when:
            self._replace("int_feedback_receipts", "new_feedback_receipts", of="feedback_id in (from asked_feedback)")

    def _reviews(self, *, when: bool) -> None:
        self._table("asked_reviews", "select distinct feedback_id from new_reviews", when=when)
        if when:
            self._table("review_lines", "from fresh.stg_reviews semi join asked_reviews using (feedback_id)")
            self._table("decisions", self._model("int_review_decisions", {"stg_reviews": "review_lines"}))
            self._replace("int_review_decisions", "decisions", of="feedback_id in (from asked_reviews)")

    def _feedback_that_matters(self) -> None:
        """The lines that are new or judged anew, and those that wait for new inferences or on their sessions."""
        waits_since = f"received_date >= date '{self.window[0]}' - {self.attribution_window_days}"
        sessions = "select distinct session_id from new_inference_receipts where session_id is not null"
        self._table("asked_sessions", sessions)
        for column, asked in (("request_hash", "asked_requests"), ("session_hash", "asked_sessions")):
            self._history.table(
                f"feedback_by_{column}", "int_feedback_receipts", column, asked=f"from {asked}", where=waits_since
            )
        self._table(
            "feedback",
            """
            from new_feedback_receipts
            union
            from fresh.int_feedback_receipts
            where request_id in (from asked_requests)
                or (request_id is null and session_id in (from asked_sessions))
            union
            from feedback_by_request_hash
            union
            from feedback_by_session_hash
            """,
        )

    def _inferences_of_feedback(self) -> None:
        """A session that all inferences share is read only where there is feedback on it."""
        self._history.table("inferences_of_sessions", "int_inference_receipts", "session_hash", asked=_OF_A_SESSION)
        self._table(
            "inferences",
            f"""
            from inferences_before
            union
            from inferences_of_sessions
            union
            from fresh.int_inference_receipts
            where request_id in (select request_id from feedback) or session_id in ({_OF_A_SESSION})
            """,
        )

    def _matches(self, *, are_reviews_there: bool) -> None:
        self._table(
            "candidates",
            self._model(
                "int_feedback_candidates", {"int_feedback_receipts": "feedback", "int_inference_receipts": "inferences"}
            ),
        )
        self._parts()
        matches = self._model(
            "int_feedback_matches",
            {
                "int_feedback_candidates": "candidates",
                "int_feedback_receipts": "feedback",
                "stg_inference_parts": "parts",
            },
        )
        self._table("matches", matches)
        reviewed = f"select {LINE} from complete.int_feedback_matches semi join asked_reviews using (feedback_id)"
        self._table("reviewed", reviewed, when=are_reviews_there)
        lines = "select source_file as feedback_source_file, source_line as feedback_source_line from feedback"
        self._table("touched", f"{lines} union from reviewed")
        self._replace(
            "int_feedback_matches",
            "matches",
            of="(feedback_source_file, feedback_source_line) in (select (source_file, source_line) from feedback)",
        )

    def _parts(self) -> None:
        """What the feedback that means a part may mean; the recent days' parts are loaded at first."""
        self._table(
            "on_a_part",
            "select candidates.request_id, candidates.inference_received_date from candidates inner join feedback "
            "on candidates.feedback_source_file = feedback.source_file "
            f"and candidates.feedback_source_line = feedback.source_line where {_ON_A_PART}",
        )
        days = self.statements.run(
            "select distinct inference_received_date from on_a_part "
            f"where inference_received_date < date '{self.window[0]}' order by 1"
        )
        self.load_parts([day for (day,) in days.fetchall()])
        requests = "select request_id from on_a_part"
        self._history.table("parts_before", "stg_inference_parts", "request_hash", asked=requests)
        fresh = f"from fresh.stg_inference_parts where request_id in ({requests})"
        self._table("parts", f"from parts_before union all by name {fresh}")

    def _replace(self, table: str, by: str, *, of: str) -> None:
        replace(self.statements, table, by, of=of)


def replace(statements: Statements, table: str, by: str, *, of: str) -> None:
    """Rows of a table of `fresh` in place of those for which something holds."""
    statements.run(f"delete from fresh.{table} where {of}")
    statements.run(f"insert into fresh.{table} by name from {by}")
