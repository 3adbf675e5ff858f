"""What becomes of lines whose pairs, flags or reviews are others: attributions, and what the view says of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from orchestration.contracts.inference import INFERENCES
from orchestration.lib.follow.lookups import LookUps
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.state import LINE
from orchestration.lib.follow.statements import Statements
from orchestration.lib.follow.step import replace
from orchestration.lib.ledger_sql import ledger_columns

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
class Settling:
    """The part of a step that begins with `touched`, the lines that something has changed for."""

    statements: Statements
    models: Models
    window: tuple[date, date]
    columns: tuple[str, ...]

    def apply_flags(self, flags: pa.Table) -> int:
        """Puts a window's flags in place of those before; `touched` has the lines whose flags are others. How many."""
        self.statements.table_of("told_flags", flags)
        self.statements.table(
            "touched",
            f"""
            select distinct {LINE} from (
                (from told_flags except from fresh.int_feedback_flags)
                union all
                (from fresh.int_feedback_flags except from told_flags)
            )
            """,
        )
        replace(self.statements, "int_feedback_flags", "told_flags", of="true")
        return self.statements.count("touched")

    def settle(self) -> None:
        """`view_rows` then has what the view says of the lines in `touched`."""
        self._sound()
        attributions = self._model(
            "int_feedback_attributions",
            {
                "int_feedback_matches": "sound",
                "int_feedback_flags": "complete.int_feedback_flags",
                "int_review_decisions": "complete.int_review_decisions",
            },
        )
        self.statements.table("attributions", attributions)
        replace(
            self.statements,
            "int_feedback_attributions",
            "attributions",
            of=f"({LINE}) in (select ({LINE}) from touched)",
        )
        self.statements.table(
            "statements",
            "from complete.stg_feedback where (source_file, source_line) in "
            "(select (feedback_source_file, feedback_source_line) from attributions)",
        )
        shown = self._model(
            "attributed_feedback",
            {
                "int_feedback_attributions": "attributions",
                "stg_feedback": "statements",
                "stg_inferences": narrow_inferences("attributions"),
            },
        )
        self.statements.table("view_rows", f"select {', '.join(self.columns)} from ({shown})")

    def _sound(self) -> None:
        """A pair of a closed day is of interest only once a review in the open ones accepts it."""
        self.statements.table(
            "accepted",
            "select distinct feedback_id from fresh.int_review_decisions where decision = 'accept'",
        )
        LookUps(self.statements).table(
            "sound_before",
            "int_feedback_matches",
            "line_hash",
            asked=f"select ({LINE}) from touched where exists (from accepted)",
            where="feedback_id in (from accepted)",
        )
        self.statements.table(
            "sound",
            f"from sound_before union all by name (from fresh.int_feedback_matches semi join touched using ({LINE}))",
        )

    def _model(self, name: str, relations: Mapping[str, str]) -> str:
        return self.models.sql(name, relations, self.window)


def narrow_inferences(pairs: str) -> str:
    """The inferences of some pairs with what the pairs have of them; the rest, texts before all, is null."""
    known = [f"{of_pair} as {name}" for name, of_pair in _OF_PAIR.items()]
    unknown = [
        f"null::{kind} as {name}" for name, kind in ledger_columns(INFERENCES).items() if name not in (*_OF_PAIR, "raw")
    ]
    # Texts have a longer time than an inference can get feedback in.
    return f"(select distinct {', '.join([*known, *unknown, 'false as is_text_expired'])} from {pairs})"
