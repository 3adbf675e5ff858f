"""The history of a session and a user before each answer, through the command line, against plain Python.

Random answers and feedback are logged in any order and up to two days late. The failures that this prevents: a history
that holds what came after the answer, or what was received after its partition, so that a model learns from the future
and an old day's rows change; one that depends on how days were grouped into runs; and a day that does not end because
one user sent very much in it.
"""

import json
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.platform_under_test import Platform
from tests.traffic import land

DAYS = [date(2024, 3, 1) + timedelta(n) for n in range(3)]
WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Answer:
    request_id: str
    session: str | None
    user: str | None
    at: datetime
    received: date

    def line(self) -> dict[str, Any]:
        known = {"session_id": self.session, "user_id": self.user}
        return {
            "request_id": self.request_id, "timestamp": self.at.isoformat(), "model_version": "v1",
            "output": {"text": f"answer {self.request_id}"}, **{k: v for k, v in known.items() if v},
        }  # fmt: skip


@dataclass(frozen=True)
class Thumbs:
    feedback_id: str
    answer: Answer
    author: str
    up: bool
    at: datetime
    received: date

    @property
    def counts_from(self) -> datetime:
        """Feedback whose clock is ahead of its answer's is still not there before it."""
        return max(self.at, self.answer.at)

    def line(self) -> dict[str, Any]:
        return {
            "feedback_id": self.feedback_id, "request_id": self.answer.request_id, "timestamp": self.at.isoformat(),
            "thumbs": "up" if self.up else "down", "user_id": self.author, "source": "annotator",
        }  # fmt: skip


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def random_traffic(seed: int) -> tuple[list[Answer], list[Thumbs]]:
    """Times are whole quarters of an hour, so that many things happen in the same instant and at the window's edge."""
    pick = random.Random(seed)
    answers = []
    for n in range(200):
        received = pick.choice(DAYS)
        at = midnight(received) - timedelta(days=pick.choice((0, 0, 0, 1, 2, 28, 29)), minutes=15 * pick.randrange(96))
        user = pick.choice(("ann", "bob", "cleo", None))
        session = pick.choice((f"{user}-1", f"{user}-2", None))
        answers.append(Answer(f"r{n}", session, user, at, received))
    thumbs = []
    for n in range(250):
        answer = pick.choice(answers)
        received = pick.choice(DAYS)
        at = min(answer.at + timedelta(minutes=pick.choice((-4, 1, 15, 300, 1500))), midnight(received) + WINDOW / 30)
        author = pick.choice((answer.user or "ann", answer.user or "bob", "dan"))
        # Of two statements in the same instant the line's place decides which holds, and lines are shuffled here.
        if all((f.answer, f.author, f.at) != (answer, author, at) for f in thumbs):
            thumbs.append(Thumbs(f"f{n}", answer, author, pick.random() < 0.6, at, received))
    return answers, thumbs


def land_shuffled(data_dir: Path, answers: list[Answer], thumbs: list[Thumbs], *, seed: int) -> None:
    order = random.Random(seed)
    for stream, events in (("inferences", answers), ("feedback", thumbs)):
        for day in DAYS:
            lines = [json.dumps(event.line()) for event in events if event.received == day]  # type: ignore[attr-defined]
            order.shuffle(lines)
            land(data_dir, stream, day, lines)


@dataclass(frozen=True)
class Runs:
    answers: list[Answer]
    thumbs: list[Thumbs]
    as_a_range: Platform
    day_by_day: Platform


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    answers, thumbs = random_traffic(seed=7)
    as_a_range, day_by_day = (Platform(tmp_path_factory.mktemp(name)) for name in ("range", "days"))
    land_shuffled(as_a_range.data_dir, answers, thumbs, seed=1)
    land_shuffled(day_by_day.data_dir, answers, thumbs, seed=2)
    as_a_range.run(DAYS[0], DAYS[-1])
    for day in DAYS:
        day_by_day.run(day, day)
    return Runs(answers, thumbs, as_a_range, day_by_day)


HISTORY = f"select * from marts.inference_history where attributed_date <= '{DAYS[-1]}' order by feedback_id"


def test_every_attributed_feedback_has_the_history_that_plain_python_finds(runs: Runs) -> None:
    rows = runs.as_a_range.query(HISTORY)
    attributed = {
        row["feedback_id"]: row["attributed_date"]
        for row in runs.as_a_range.query(
            f"select feedback_id, attributed_date from marts.attributed_feedback where attributed_date <= '{DAYS[-1]}'"
        )
    }
    ended = {
        row["feedback_id"]: row["effective_date"]
        for row in runs.as_a_range.query("select * from intermediate.int_feedback_supersessions")
    }
    assert len(attributed) > 150 and ended, "the traffic has too little in it to tell"
    assert [row["feedback_id"] for row in rows] == sorted(attributed)
    by_id = {event.feedback_id: event for event in runs.thumbs}
    for row in rows:
        asked, known_by = by_id[row["feedback_id"]].answer, row["attributed_date"]

        def is_before(at: datetime, asked: Answer = asked) -> bool:
            return asked.at - WINDOW <= at < asked.at

        answers = [a for a in runs.answers if a.received <= known_by and is_before(a.at)]
        thumbs = [
            f
            for f in runs.thumbs
            if is_before(f.counts_from)
            and attributed.get(f.feedback_id, date.max) <= known_by < ended.get(f.feedback_id, date.max)
        ]
        of_session = [a for a in answers if a.session == asked.session]
        of_user = [a for a in answers if a.user == asked.user]
        on_session = [f for f in thumbs if f.answer.session == asked.session]
        by_user = [f for f in thumbs if f.author == asked.user]
        expected = {
            "session_turns_before": len(of_session),
            "seconds_since_session_start": since(asked, min((a.at for a in of_session), default=None)),
            "seconds_since_previous_turn": since(asked, max((a.at for a in of_session), default=None)),
            "session_feedback_before": len(on_session),
            "session_mean_reward_before": mean_reward(on_session),
            "user_inferences_before": len(of_user),
            "user_sessions_before": len({a.session for a in of_user if a.session}),
            "seconds_since_user_first_seen": since(asked, min((a.at for a in of_user), default=None)),
            "user_feedback_before": len(by_user),
            "user_mean_reward_before": mean_reward(by_user),
        }
        unknown = [kind for kind in ("session", "user") if getattr(asked, kind) is None]
        for name in expected:
            if any(kind in name for kind in unknown) or (
                "session" in unknown and name == "seconds_since_previous_turn"
            ):
                expected[name] = None
        if asked.user is not None:
            expected["user_sessions_before"] = len({a.session for a in of_user if a.session})
        assert {name: row[name] for name in expected} == expected, row


def since(asked: Answer, at: datetime | None) -> float | None:
    return None if at is None else (asked.at - at).total_seconds()


def mean_reward(thumbs: list[Thumbs]) -> float | None:
    return round(sum(1 if f.up else -1 for f in thumbs) / len(thumbs), 6) if thumbs else None


def test_a_history_is_the_same_from_days_one_by_one_and_from_lines_in_another_order(runs: Runs) -> None:
    assert runs.as_a_range.query(HISTORY) == runs.day_by_day.query(HISTORY)


HOSTILE_DAY = DAYS[-1] + timedelta(days=1)
HOSTILE_EVENTS = 20_000


def test_a_user_with_very_many_events_on_one_day_is_counted_like_any_other(runs: Runs) -> None:
    """Half of the events are answers of one session, half are feedback on them; answers come two in an instant."""
    start, sent = midnight(HOSTILE_DAY), HOSTILE_EVENTS // 2
    answers = [Answer(f"h{n}", "flood", "flooder", start + timedelta(seconds=n // 2), HOSTILE_DAY) for n in range(sent)]
    # Each by a rater of its own, so that the rule against bursts lets all of it pass.
    thumbs = [
        Thumbs(f"hf{n}", answer, f"rater-{n}", n % 4 == 0, answer.at + timedelta(milliseconds=500), HOSTILE_DAY)
        for n, answer in enumerate(answers)
    ]
    platform = runs.as_a_range
    before = platform.query(HISTORY)
    order = random.Random(3)
    for stream, events in (("inferences", answers), ("feedback", thumbs)):
        lines = [json.dumps(event.line()) for event in events]  # type: ignore[attr-defined]
        order.shuffle(lines)
        land(platform.data_dir, stream, HOSTILE_DAY, lines)

    platform.run(HOSTILE_DAY, HOSTILE_DAY)

    assert platform.query(HISTORY) == before, "a later day changed an earlier one"
    flood = platform.query("select * from marts.inference_history where attributed_date = ?", HOSTILE_DAY)
    rows = {row["feedback_id"]: row for row in flood}
    counted = [(n, rows[f"hf{n}"]) for n in range(sent) if f"hf{n}" in rows]
    assert len(counted) > sent * 0.9, "most of the flood was not attributed: it tells nothing of the history"
    attributed = {n for n, _ in counted}
    up_to = [0] * (sent + 1)
    for n in range(sent):
        up_to[n + 1] = up_to[n] + (n in attributed)
    for n, row in counted:
        earlier = n - n % 2  # the other answer of the instant is not before it
        assert (row["session_turns_before"], row["user_inferences_before"]) == (earlier, earlier), row
        assert row["user_sessions_before"] == (earlier > 0), row
        assert row["session_feedback_before"] == up_to[earlier], row
        assert row["seconds_since_previous_turn"] == (1 if earlier else None), row
        assert row["seconds_since_user_first_seen"] == (earlier // 2 if earlier else None), row
