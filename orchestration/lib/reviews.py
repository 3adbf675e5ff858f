"""Human review: what waits for it, what is known of one piece, and decisions as landing files.

A decision is an event like every other: it lands, is kept in the ledger, and takes effect in the partition
of the day on which it was received. Nothing here changes a state.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from orchestration.contracts.review import REVIEWS
from orchestration.lib.dbt import manifest_path
from orchestration.lib.feedback_rules import declared_rules
from orchestration.lib.history import feedback_history
from orchestration.lib.ledger import ledger_rows
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import Store
from orchestration.lib.summary import table
from orchestration.lib.warehouse import has_table, read_warehouse, rows_of


class UnknownFeedback(StateError):
    """Nothing was received under a feedback_id; the message names it."""


@dataclass(frozen=True)
class Waiting:
    """One piece of feedback that waits for a reviewer."""

    feedback_id: str
    request_id: str | None
    reason: str
    rules: list[str]
    received_date: date
    feedback_type: str
    user_id: str | None


@dataclass(frozen=True)
class Queue:
    """What waits: how many there are for each reason, and the first of them."""

    by_reason: dict[str, int]
    shown: list[Waiting]


def waiting(settings: Settings, *, reason: str | None, first: date | None, last: date | None, limit: int) -> Queue:
    """The feedback that waits for a reviewer, oldest first; `reason` and received dates narrow it down."""
    narrowed = (
        "state = 'requires_human_review' and (? is null or reason = ?) "
        "and received_date between coalesce(?, date '0001-01-01') and coalesce(?, date '9999-12-31')"
    )
    given = [reason, reason, first, last]
    with read_warehouse(settings) as connection:
        by_reason = connection.execute(
            f"select reason, count(*) from marts.feedback_status where {narrowed} group by reason order by 2 desc, 1",
            given,
        ).fetchall()
        rows = connection.execute(
            f"""
            select status.feedback_id, status.request_id, status.reason,
                (
                    select list(flags.rule order by flags.priority, flags.rule)
                    from intermediate.int_feedback_flags as flags
                    where flags.feedback_received_date = status.received_date
                        and flags.feedback_source_file = status.source_file
                        and flags.feedback_source_line = status.source_line
                ),
                status.received_date, receipts.feedback_type, receipts.user_id
            from (
                select * from marts.feedback_status where {narrowed}
                order by received_date, reason, source_file, source_line limit ?
            ) as status
            inner join intermediate.int_feedback_receipts as receipts using (received_date, source_file, source_line)
            order by status.received_date, status.reason, status.source_file, status.source_line
            """,
            [*given, limit],
        ).fetchall()
    return Queue(dict(by_reason), [Waiting(*row) for row in rows])


def waiting_text(queue: Queue) -> str:
    """What `attribution review list` prints."""
    if not queue.by_reason:
        return "nothing waits for a reviewer"
    rows = [
        [w.received_date, w.feedback_id, w.feedback_type, w.user_id or "", w.request_id or "", ", ".join(w.rules)]
        for w in queue.shown
    ]
    counts = ", ".join(f"{count:,} {reason}" for reason, count in queue.by_reason.items())
    total = sum(queue.by_reason.values())
    more = f"\n… and {total - len(rows):,} more; see --limit, --reason, --from and --to" if total > len(rows) else ""
    listing = table(["received", "feedback_id", "type", "user", "request_id", "rules"], rows)
    return f"{total:,} wait for a reviewer: {counts}\n\n{listing}{more}"


def case(settings: Settings, feedback_id: str) -> dict[str, Any]:
    """One piece of feedback as a reviewer wants it: the pair, which rules flagged it and why, its history.

    Raises UnknownFeedback.
    """
    history = feedback_history(settings, feedback_id)
    if history is None:
        raise UnknownFeedback(f"no feedback was received with feedback_id {feedback_id!r}")
    rules = declared_rules(manifest_path())
    pair = history.pop("attribution")
    with read_warehouse(settings) as connection:
        held_back = rows_of(
            connection, "select * from marts.feedback_under_review where feedback_id = ?", [feedback_id]
        )
    found = pair or (held_back[0] if held_back else None)
    return {
        "feedback_id": feedback_id,
        "flags": [{**flag, "description": rules[flag["rule"]].description} for flag in history["flags"]],
        "pair": {name: value for name, value in found.items() if value is not None} if found else None,
        **{name: value for name, value in history.items() if name not in ("feedback_id", "flags")},
    }


def decide(
    settings: Settings,
    feedback_ids: Sequence[str],
    decision: str,
    *,
    reviewer: str,
    note: str | None,
    received_date: date,
) -> str:
    """Lands one review event a feedback, in one file; returns its path in the landing place.

    Raises UnknownFeedback, and lands nothing, where an id was never received: a slip of the pen would be lost
    among the reviews for ever.
    """
    with read_warehouse(settings) as connection:
        known = {
            row[0]
            for row in connection.execute(
                "select distinct feedback_id from marts.feedback_status where feedback_id in (select unnest(?))",
                [list(feedback_ids)],
            ).fetchall()
        }
    unknown = [feedback_id for feedback_id in feedback_ids if feedback_id not in known]
    if unknown:
        raise UnknownFeedback(f"no feedback was received with feedback_id {', '.join(map(repr, unknown))}")
    now = datetime.now(UTC)
    events = [
        {
            "feedback_id": feedback_id,
            "decision": decision,
            "reviewer": reviewer,
            "timestamp": now.isoformat(),
            **({"note": note} if note else {}),
        }
        for feedback_id in dict.fromkeys(feedback_ids)
    ]
    path = f"{REVIEWS.name}/dt={received_date}/review-{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.jsonl"
    scratch = settings.data_dir / ".scratch" / f"{uuid.uuid4().hex}.jsonl"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events), encoding="utf-8")
    Store(settings.landing_url).put(scratch, path)
    return path


def oldest_reviewed(settings: Settings, first: date, last: date) -> date | None:
    """The oldest received date of the feedback that was reviewed on first..last; None if none was."""
    ledger = Store(settings.ledger_url)
    if not settings.warehouse.exists() or not ledger.folders(REVIEWS.name):
        return None
    with read_warehouse(settings) as connection:
        if not has_table(connection, "intermediate", "int_feedback_receipts"):
            return None
        row = connection.execute(
            "select min(received_date) from intermediate.int_feedback_receipts where state <> 'duplicate' "
            "and feedback_id in (select feedback_id "
            f"from {ledger_rows(settings, REVIEWS.name)} where received_date between ? and ?)",
            [first, last],
        ).fetchone()
    return row[0] if row else None
