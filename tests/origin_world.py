"""Five days in which each thing that can happen to feedback happens once, in plain values.

Its feedback waits three days for its inference, so that what waits in vain is seen to expire.
"""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.traffic import land, land_honest_day

DAYS = [date(2024, 5, 1) + timedelta(n) for n in range(5)]
D1, D2, D3, D4, D5 = DAYS
SETTINGS = {"FEEDBACK_ATTRIBUTION_WINDOW_DAYS": "3"}


def answer(request: str, day: date, **fields: Any) -> dict[str, Any]:
    return {
        "request_id": request, "timestamp": f"{day}T08:00:00Z", "model_version": "v1", "user_id": "asker",
        "input": {"prompt": f"question {request}"}, "output": {"text": f"answer {request}"},
    } | fields  # fmt: skip


def turn(request: str, n: int) -> dict[str, Any]:
    return answer(request, D1, session_id="talk", turn=n, timestamp=f"{D1}T08:0{n}:00Z")


def said(feedback: str, day: date, by: str, **fields: Any) -> dict[str, Any]:
    """Feedback whose id is `<request>/<anything>`; annotators may judge what others asked."""
    return {
        "feedback_id": feedback, "request_id": feedback.split("/")[0], "user_id": by, "source": "annotator",
        "timestamp": f"{day}T08:30:00Z",
    } | fields  # fmt: skip


def taken_back(feedback: str, day: date, by: str) -> dict[str, Any]:
    return said(f"{feedback}/back", day, by, retracts=feedback)


def decided(feedback: str, decision: str) -> dict[str, Any]:
    return {"feedback_id": feedback, "decision": decision, "reviewer": "ada"}


def choice(request: str, day: date) -> dict[str, Any]:
    return answer(
        request, day, input={"features": {"position": 1}}, output={"label": request}, propensity=0.25, user_id="quiet"
    )


INFERENCES = {
    D1: [
        *(answer(name, D1) for name in ("minded", "undone", "both", "doubted", "refused", "torn", "early", "rated")),
        turn("t0", 0), turn("t2", 2), choice("silent", D1), choice("clicked", D1),
    ],
    D2: [answer("tried", D2), answer("marred", D2)],
    D3: [answer("late", D1), turn("t1", 1)],
}  # fmt: skip
FEEDBACK: dict[date, list[dict[str, Any] | str]] = {
    D1: [
        said("minded/1", D1, "ann", thumbs="up"),
        said("undone/1", D1, "bob", thumbs="up"),
        said("both/1", D1, "ann", thumbs="up"), said("both/2", D1, "bob", thumbs="up"),
        said("doubted/1", D1, "eve", thumbs="up", source="user"),
        said("refused/1", D1, "eve", thumbs="up", source="user"),
        said("torn/1", D1, "asker", thumbs="up", source="user"),
        said("late/1", D1, "ann", thumbs="up"),
        said("never/1", D1, "ann", thumbs="up"),
        said("rated/1", D1, "ann", rating=9),
        said("t2/1", D1, "ann", corrected_output="Better."),
        "no JSON at all",
    ],
    D2: [
        said("minded/2", D2, "ann", thumbs="down"),
        taken_back("undone/1", D2, "bob"),
        said("minded/1", D1, "ann", thumbs="up"),  # resent
        said("torn/2", D2, "asker", corrected_output="Another.", source="user"),
        said("early/1", D2, "eve", thumbs="up", source="user"),
        said("tried/1", D2, "ann", thumbs="up"),
        said("marred/1", D2, "ann", thumbs="up"),
    ],
    D3: [
        taken_back("both/2", D3, "bob"),
        said("tried/2", D3, "bob", corrected_output="Right."),
        said("clicked/1", D3, "quiet", signal="click"),
    ],
    D4: [said("marred/2", D4, "bob", thumbs="down")],
}  # fmt: skip
REVIEWS = {
    D1: [decided("early/1", "reject")],
    D2: [decided("doubted/1", "accept")],
    D3: [decided("refused/1", "reject"), decided("torn/1", "reject"), decided("torn/2", "accept")],
    D4: [decided("early/1", "accept")],
}


def land_world(data_dir: Path) -> None:
    for day in DAYS:
        land_honest_day(data_dir, day)
        for stream, events in (("inferences", INFERENCES), ("feedback", FEEDBACK), ("reviews", REVIEWS)):
            lines = [one if isinstance(one, str) else json.dumps(one) for one in events.get(day, [])]
            if lines:
                land(data_dir, stream, day, lines, name="planted.jsonl")
