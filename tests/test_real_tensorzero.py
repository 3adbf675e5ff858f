"""TensorZero's gateway tables as landed traffic: feedback earlier than its inference, on episodes, orphans.

None of us wrote them. What each line must become is worked out here in plain Python from the ids alone
(UUIDv7 carries the time), and compared with what the platform says.
"""

import gzip
import json
import os
import uuid
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.platform_under_test import Platform
from tests.traffic import land

FOLDER = Path(os.environ.get("FEEDBACK_REAL_DATA", "")) / "07_tensorzero"
DAY = date(2025, 4, 1)

pytestmark = pytest.mark.skipif(
    not (os.environ.get("FEEDBACK_REAL_DATA") and FOLDER.is_dir()),
    reason="FEEDBACK_REAL_DATA does not name a folder with 07_tensorzero",
)


def rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(FOLDER / f"{name}_examples.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def at(identifier: str) -> datetime:
    return datetime.fromtimestamp((uuid.UUID(identifier).int >> 80) / 1000, UTC)


def as_inference(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "request_id": row["id"], "timestamp": at(row["id"]).isoformat(), "model_version": row["variant_name"],
        "variant": row["variant_name"], "endpoint": row["function_name"], "session_id": row["episode_id"],
        "input": {"prompt": row["input"]}, "output": {"text": row["output"]},
    }  # fmt: skip


def as_feedback(row: dict[str, Any], carrier: dict[str, Any], episodes: set[str]) -> dict[str, Any]:
    target = row.get("target_id") or row["inference_id"]
    reference = {"session_id": target} if target in episodes else {"request_id": target}
    return {
        "feedback_id": f"{row['id']}/{row.get('metric_name', '')}",
        "timestamp": at(row["id"]).isoformat(),
        **reference,
        **carrier,
    }


def test_nothing_is_lost_and_each_odd_thing_has_its_reason(tmp_path: Path) -> None:
    inferences = rows("chat_inference") + rows("json_inference")
    times = {row["id"]: at(row["id"]) for row in inferences}
    turns: dict[str, list[datetime]] = {}
    for row in inferences:
        turns.setdefault(row["episode_id"], []).append(times[row["id"]])
    feedback = [
        *(as_feedback(r, {"signal": r["metric_name"], "value": r["value"]}, set(turns))
          for name in ("boolean_metric_feedback", "float_metric_feedback") for r in rows(name)),
        *(as_feedback(r, {"corrected_output": r["value"]}, set(turns)) for r in rows("demonstration_feedback")),
        *(as_feedback(r, {"comment": r["value"]}, set(turns)) for r in rows("comment_feedback")),
    ]  # fmt: skip

    def expected(event: dict[str, Any]) -> tuple[str, str]:
        given = datetime.fromisoformat(event["timestamp"])
        if "session_id" in event:
            ready = [t for t in turns[event["session_id"]] if t <= given + timedelta(minutes=5)]
            about = max(ready) if ready else min(turns[event["session_id"]])
            matched = "matched_session_id"
        elif event["request_id"] in times:
            about, matched = times[event["request_id"]], "matched_request_id"
        else:
            return "pending", "awaiting_inference"
        if given < about - timedelta(minutes=5):
            return "invalid", "before_inference"
        return ("attributed", matched) if given <= about + timedelta(days=30) else ("invalid", "outside_window")

    wanted = {event["feedback_id"]: expected(event) for event in feedback}
    assert len(wanted) == len(feedback)
    assert len(set(wanted.values())) >= 4, "the folder no longer holds its oddities"

    platform = Platform(tmp_path)
    land(tmp_path, "inferences", DAY, [json.dumps(as_inference(row)) for row in inferences])
    land(tmp_path, "feedback", DAY, [json.dumps(event) for event in feedback])
    # A quarter of this demo's feedback is dated before its inference: the gate must hold the day back.
    invalid = sum(state == "invalid" for state, _ in wanted.values()) / len(wanted)
    assert platform.run(DAY, DAY) == (1 if invalid > 0.2 else 0)

    found = {r["feedback_id"]: (r["state"], r["reason"]) for r in platform.query("from marts.feedback_status")}
    assert Counter(found.values()) == Counter(wanted.values())
    assert found == wanted
    assert platform.query("from marts.daily_accounts")[0]["lines_received"] == len(feedback)

    # A game of 21 questions is judged by the number of questions that it took: the turns that the platform finds must
    # be as many. None of both knows of the other.
    games = platform.query(
        """
        select feedback_id, any_value(pairs.value)::double as questions,
            count(*) filter (where turns.endpoint = 'ask_question') as asked,
            bool_and(turns.is_on_session) as is_on_session
        from marts.feedback_conversation as turns
        inner join marts.attributed_feedback as pairs using (feedback_id)
        where pairs.signal = 'num_questions'
        group by feedback_id
        """
    )
    judged = [event for event in feedback if event.get("signal") == "num_questions"]
    assert len(games) == sum(wanted[event["feedback_id"]][0] == "attributed" for event in judged) > 40
    assert all(game["asked"] == game["questions"] and game["is_on_session"] for game in games)
