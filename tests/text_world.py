"""Days whose texts have had their time, one whose have not, and what rules and datasets make of them across both.

Days count from today, as retention does.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.private_world import PLACES, land_private_day, planted
from tests.traffic import land, land_honest_day

TODAY = datetime.now(UTC).date()
LIFETIME = 98
# The first two go, the third has a day left.
OLD = [TODAY - timedelta(days=n) for n in (100, 99)]
KEPT = TODAY - timedelta(days=LIFETIME)
RECENT = [TODAY - timedelta(days=n) for n in (3, 2)]
NEXT = TODAY - timedelta(days=1)
_STREAMS = ("inferences", "feedback", "reviews")
POLICY = "".join(
    f"{what}: {{{', '.join(f'{stream}: {days}' for stream in _STREAMS)}}}\n"
    for what, days in (("landing", 90), ("texts", LIFETIME))
)
# Labels and features are signals: they stay.
TEXT_PLACES = [place for place in PLACES if place not in ("feature", "label")]
# Inferences of the first day that nobody says anything of.
QUIET = 40
SAME_COMMENT = "zqtogetherqz these shoes are the very best"


def expired_texts() -> list[str]:
    return [planted(place, day) for place in TEXT_PLACES for day in OLD] + [
        "zqfirst",
        "zqoldturn",
        "zqensemble",
        "zqquiet",
    ]


def kept_texts() -> list[str]:
    return [planted(place, KEPT) for place in ("question", "answer", "comment", "correction")] + ["zqlaterturn"]


def land_world(data_dir: Path) -> None:
    first, second = OLD
    for day in (*OLD, KEPT):
        land_private_day(data_dir, day, pairs=20)
    for day in RECENT:
        land_honest_day(data_dir, day, pairs=8)
    inferences = {first: list(_first_day(first)), second: list(_second_day(second)), KEPT: list(_kept_day(KEPT))}
    feedback = {second: list(_second_feedback(second)), KEPT: list(_kept_feedback(KEPT))}
    for day, lines in inferences.items():
        land(data_dir, "inferences", day, lines, name="world.jsonl")
    for day, lines in feedback.items():
        land(data_dir, "feedback", day, lines, name="world.jsonl")


def _inference(day: date, request: str, text: str | None, *, at: str = "09:00:00", **more: Any) -> str:
    output = {"output": {"text": text}} if text else {}
    event = {"request_id": request, "timestamp": f"{day}T{at}Z", "model_version": "v1", "user_id": f"u-{request}"}
    return json.dumps({**event, "input": {"prompt": f"asked of {request}"}, **output, **more})


def _feedback(day: date, request: str, user: str | None = None, *, at: str = "11:00:00", **more: Any) -> str:
    event = {"feedback_id": f"f-{request}-{user or 'own'}", "request_id": request, "timestamp": f"{day}T{at}Z"}
    return json.dumps({**event, "user_id": user or f"u-{request}", **more})


def _first_day(day: date) -> Iterator[str]:
    yield _inference(day, "conflict-old", "zqfirst said")
    yield _inference(day, "conflict-new", "zqfirst said")
    yield _repeated(day)
    for n in range(QUIET):
        yield _inference(day, f"quiet-{n}", f"zqquiet{n:02d}qz")


def _repeated(day: date) -> str:
    """The same line on whatever day it is received."""
    return _inference(day, "repeated", "said twice")


def _second_day(day: date) -> Iterator[str]:
    yield _inference(day, "conflict-old", "another zqfirst text")
    yield _inference(day, "noop", "zqfirst Paris is the capital")
    yield _inference(day, "noop-later", "Rome is the one capital")
    yield _inference(day, "turn-0", "zqoldturn answered", session_id="talk", turn=0)
    for n in range(6):
        yield _inference(day, f"said-{n}", f"zqfirst answer {n}")
    chunks = ((1, "tea"), (2, "coffee"))
    retrieved = [{"chunk_id": f"c{n}", "rank": n, "text": f"zqfirst chunk of {word}"} for n, word in chunks]
    yield _inference(day, "cites", "zqfirst tea is best [1]", input={"prompt": "zqfirst", "retrieved": retrieved})
    yield _inference(day, "cites-not", "zqfirst tea is best [1]", input={"prompt": "zqfirst", "retrieved": retrieved})
    members = [{"name": n, "kind": "ensemble_member", "output": f"zqensemble {n} says"} for n in ("a", "b")]
    yield _inference(day, "req-members-7", "zqensemble a says", components=members)
    logged = {"logprobs": [{"token": "zqfirst", "logprob": -0.7}], "text": "zqfirst unsure"}
    yield _inference(day, "unsure", None, output=logged)
    # A choice that is told by the hash of its text, and one of which there is no text at all.
    yield _inference(day, "choice", "zqfirst chosen", propensity=0.25, variant="a", endpoint="/shop")
    plain = {"input": {"features": {"position": 1}}, "output": {"label": "item-7", "score": 0.5}}
    yield _inference(day, "bandit", None, **plain, propensity=0.5, variant="a", endpoint="/list", params={"top_p": 1})


def _second_feedback(day: date) -> Iterator[str]:
    yield _feedback(day, "noop", corrected_output="zqfirst Paris  is the capital ")
    for n in range(3):
        yield _feedback(day, f"said-{n}", comment=SAME_COMMENT)
    sides = {"chosen_request_id": "said-0", "rejected_request_id": "said-1"}
    yield json.dumps({"feedback_id": "f-preferred", "timestamp": f"{day}T12:00:00Z", "user_id": "u-judge", **sides})
    yield _feedback(day, "cites", thumbs="up")
    yield _feedback(day, "cites-not", corrected_output="zqfirst coffee")
    yield _feedback(day, "req-members-7", thumbs="up")
    yield _feedback(day, "choice", signal="click")
    yield _feedback(day, "bandit", signal="click")


def _kept_day(day: date) -> Iterator[str]:
    yield _inference(day, "conflict-new", "yet another text")
    yield _repeated(OLD[0])
    yield _inference(day, "turn-1", "zqlaterturn answered", session_id="talk", turn=1)


def _kept_feedback(day: date) -> Iterator[str]:
    yield _feedback(day, "noop-later", corrected_output=" Rome is  the one capital")
    yield _feedback(day, "turn-1", thumbs="up")
    for n in range(3, 6):
        yield _feedback(day, f"said-{n}", comment=SAME_COMMENT)
