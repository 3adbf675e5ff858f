"""Conversations, preferences between requests, and what held as of a day, through the command line.

Random sessions are logged late, out of order and with turns missing; what each feedback's conversation must be is
worked out here in plain Python. The failures that this prevents: a turn lost because it was logged late, one that was
never logged passed over in silence, and an old day's answer that changes when a later day arrives.
"""

import itertools
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.platform_under_test import Platform
from tests.traffic import land

DAYS = [date(2024, 3, 1) + timedelta(n) for n in range(4)]
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


@dataclass
class Turn:
    """One answer of a session. `received` is null where it was never logged."""

    session: str
    number: int
    at: datetime
    received: date | None
    version: str

    @property
    def request_id(self) -> str:
        return f"{self.session}-{self.number}"

    def line(self) -> dict[str, Any]:
        return {
            "request_id": self.request_id, "session_id": self.session, "turn": self.number,
            "timestamp": self.at.isoformat(), "model_version": self.version,
            "params": {"temperature": self.number / 10}, "input": {"prompt": f"question {self.request_id}"},
            "output": {"text": f"answer {self.request_id}"},
        }  # fmt: skip


@dataclass
class Feedback:
    """A judgement of an answer (`turn`), or of a session (`turn` null)."""

    feedback_id: str
    session: str
    turn: int | None
    at: datetime
    received: date
    stars: int

    def line(self) -> dict[str, Any]:
        about = {"session_id": self.session} if self.turn is None else {"request_id": f"{self.session}-{self.turn}"}
        said = {"feedback_id": self.feedback_id, "timestamp": self.at.isoformat(), "rating": self.stars}
        return {**said, "user_id": self.feedback_id, **about}


@dataclass
class Traffic:
    turns: list[Turn] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)

    def land(self, data_dir: Path, *, seed: int, name: str = "events.jsonl") -> None:
        order = random.Random(seed)
        for stream, events in (("inferences", self.turns), ("feedback", self.feedback)):
            for day in DAYS:
                lines = [json.dumps(event.line()) for event in events if event.received == day]
                order.shuffle(lines)
                land(data_dir, stream, day, lines, name=name)

    def conversation(self, given: Feedback, as_of: date) -> list[tuple[str, int]] | None:
        """Request ids in order, each with the number of turns missing before it; None while it waits."""
        session = [t for t in self.turns if t.session == given.session and t.received]
        known = [t for t in session if t.received and t.received <= as_of]
        if given.received > as_of or not known:
            return None
        if given.turn is None:
            first_known = max(given.received, min(t.received for t in session if t.received))
            then = [t for t in known if t.received and t.received <= first_known]
            ready = [t for t in then if t.at <= given.at + timedelta(minutes=5)]
            if not ready:  # earlier than its inference: it is invalid
                return None
            answer = max(ready, key=lambda t: t.at)
            up_to = [t for t in known if t.at <= given.at + timedelta(minutes=5) or t.number <= answer.number]
        else:
            up_to = [t for t in known if t.number <= given.turn]
            if given.turn not in [t.number for t in known]:
                return None
        numbers = [-1, *sorted(t.number for t in up_to)]
        return [(f"{given.session}-{number}", number - before - 1) for before, number in itertools.pairwise(numbers)]


def random_traffic(seed: int) -> Traffic:
    rng = random.Random(seed)
    traffic = Traffic()
    for s in range(60):
        session = f"s{s}"
        turns = rng.randint(1, 8)
        for number in range(turns):
            at = NOON + timedelta(minutes=10 * number)
            # Half come on time, a third a day or more late; one in ten never does.
            received = rng.choices([DAYS[0], DAYS[1], DAYS[2], DAYS[3], None], [50, 15, 15, 10, 10])[0]
            traffic.turns.append(Turn(session, number, at, received, f"v{rng.randint(1, 3)}"))
        for n in range(rng.randint(0, 3)):
            turn = rng.choice([None, rng.randrange(turns)])
            at = NOON + timedelta(
                minutes=10 * (turns if turn is None else turn) + rng.choice([1, -25 * (turn is None)])
            )
            received = rng.choice(DAYS)
            traffic.feedback.append(Feedback(f"{session}-f{n}", session, turn, at, received, rng.randint(1, 5)))
    return traffic


TRAFFIC = random_traffic(seed=20240301)

# After the random days: what supersedes, takes back, and prefers one request to another, a day each.
PLANTED: list[tuple[date, str, dict[str, Any]]] = [
    (DAYS[0], "inferences", {"request_id": "a", "model_version": "v1", "output": {"text": "A"}}),
    (DAYS[2], "inferences", {"request_id": "b", "model_version": "v2", "output": {"text": "B"}}),
    (DAYS[0], "feedback", {"feedback_id": "up", "request_id": "a", "user_id": "u", "thumbs": "up"}),
    (DAYS[1], "feedback", {"feedback_id": "down", "request_id": "a", "user_id": "u", "thumbs": "down"}),
    (DAYS[3], "feedback", {"feedback_id": "back", "request_id": "a", "user_id": "u", "retracts": "down"}),
    (DAYS[1], "feedback", {"feedback_id": "a_over_b", "user_id": "u", "chosen_request_id": "a",
                           "rejected_request_id": "b"}),
    (DAYS[0], "inferences", {"request_id": "t1", "session_id": "named", "turn": 1, "model_version": "v1"}),
    (DAYS[0], "feedback", {"feedback_id": "on_turn_0", "session_id": "named", "target": {"kind": "turn", "id": "0"},
                           "corrected_output": "zero"}),
    (DAYS[2], "inferences", {"request_id": "t0", "session_id": "named", "turn": 0, "model_version": "v0"}),
]  # fmt: skip

# More turns than a prompt takes (`prompt_turns`), the last one judged.
LONG = [Turn("long", number, NOON + timedelta(minutes=number), DAYS[0], "v1") for number in range(230)]
ON_LONG = Feedback("on_long", "long", 229, NOON + timedelta(minutes=231), DAYS[0], stars=5)
PROMPT_TURNS = 200


def land_all(data_dir: Path, *, seed: int) -> None:
    TRAFFIC.land(data_dir, seed=seed)
    Traffic(LONG, [ON_LONG]).land(data_dir, seed=seed, name="long.jsonl")
    for n, (day, stream, event) in enumerate(PLANTED):
        at = datetime.combine(DAYS[0], datetime.min.time(), UTC) + timedelta(hours=9, minutes=n)
        land(data_dir, stream, day, [json.dumps({"timestamp": at.isoformat(), **event})], name=f"planted-{n}.jsonl")


AS_OF = {
    "feedback_as_of": "select * exclude (feedback_source_file, inference_source_file)",
    "feedback_ended_as_of": "select *",
    "feedback_status_as_of": "select * exclude (source_file)",
    "feedback_conversation_as_of": "select *",
    "turn_credit_as_of": "select *",
}


def answers(platform: Platform, day: date) -> dict[str, list[dict[str, Any]]]:
    """What each function tells as of a day."""
    return {f: platform.query(f"{columns} from marts.{f}('{day}') order by all") for f, columns in AS_OF.items()}


@pytest.fixture(scope="module")
def day_by_day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Platform, dict[date, Any]]:
    """A run a day, and what was told as of each day right after it."""
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("day_by_day"))
    land_all(platform.data_dir, seed=1)
    told = {}
    for day in DAYS:
        assert platform.run(day, day) == 0
        told[day] = answers(platform, day)
    return platform, told


@pytest.fixture(scope="module")
def one_range(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The same events with their lines in another order, all days in one run."""
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("one_range"))
    land_all(platform.data_dir, seed=2)
    assert platform.run(DAYS[0], DAYS[-1]) == 0
    return platform


def without_places(rows: list[dict[str, Any]]) -> list[str]:
    """Rows without the place of a line in its file, which the shuffle changes, and with it the hash of the row."""
    of_places = ("source_line", "source_file", "row_hash")
    return sorted(str({k: v for k, v in row.items() if not k.endswith(of_places)}) for row in rows)


def test_an_old_days_answer_does_not_change_when_later_days_arrive(
    day_by_day: tuple[Platform, dict[date, Any]],
) -> None:
    platform, told = day_by_day
    for day in DAYS:
        assert answers(platform, day) == told[day]


def test_shuffled_lines_in_one_range_tell_the_same(
    day_by_day: tuple[Platform, dict[date, Any]], one_range: Platform
) -> None:
    for day, told in day_by_day[1].items():
        other = answers(one_range, day)
        for function, rows in told.items():
            assert without_places(other[function]) == without_places(rows), (function, day)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_each_feedback_carries_its_whole_conversation(one_range: Platform, day: date) -> None:
    found: dict[str, list[tuple[str, int]]] = {}
    rows = one_range.query(f"from marts.feedback_conversation_as_of('{day}') where session_id like 's%'")
    for row in sorted(rows, key=lambda row: (row["feedback_id"], row["position"])):
        found.setdefault(row["feedback_id"], []).append((row["request_id"], row["missing_turns_before"]))
    wanted = {f.feedback_id: TRAFFIC.conversation(f, day) for f in TRAFFIC.feedback}
    assert found == {name: turns for name, turns in wanted.items() if turns}
    if day == DAYS[-1]:
        gaps = sum(missing for turns in found.values() for _, missing in turns)
        assert gaps > 10 and len(found) > 50, "the traffic has to have gaps, or the test says nothing"


def test_a_prompt_has_no_more_turns_than_it_can_use_and_tells_that_others_are_missing(one_range: Platform) -> None:
    """Or else a client that names all its sessions alike has each answer of a day carry the day."""
    turns = one_range.query("select count(*) as n from marts.feedback_conversation where feedback_id = 'on_long'")
    assert turns == [{"n": len(LONG)}]
    (row,) = one_range.query(f"from marts.feedback_prompt_as_of('{DAYS[-1]}') where feedback_id = 'on_long'")
    assert row["missing_turns"] == len(LONG) - 1 - PROMPT_TURNS
    contents = [message["content"] for message in row["prompt"]]
    assert contents == [
        *(f"{said} long-{number}" for number in range(29, 229) for said in ("question", "answer")),
        "question long-229",
    ]


def test_each_turn_has_its_own_version_and_parameters(one_range: Platform) -> None:
    turns = {t.request_id: t for t in TRAFFIC.turns}
    rows = one_range.query("from marts.feedback_conversation where session_id like 's%'")
    for row in rows:
        turn = turns[row["request_id"]]
        assert (row["model_version"], json.loads(row["params"])) == (turn.version, turn.line()["params"])
        assert row["output_text"] == f"answer {turn.request_id}"


def test_the_turns_of_a_judged_session_share_its_reward(one_range: Platform) -> None:
    sums = one_range.query(
        "select feedback_id, sum(credit) as credit, any_value(reward) as reward, count(*) as turns "
        "from marts.turn_credit group by feedback_id"
    )
    on_sessions = {f.feedback_id: f for f in TRAFFIC.feedback if f.turn is None}
    conversations = {name: TRAFFIC.conversation(f, DAYS[-1]) for name, f in on_sessions.items()}
    assert {row["feedback_id"]: row["turns"] for row in sums} == {n: len(c) for n, c in conversations.items() if c}
    for row in sums:
        assert row["reward"] == (on_sessions[row["feedback_id"]].stars - 3) / 2
        assert row["credit"] == pytest.approx(row["reward"], abs=1e-12)
    for method in ("last_turn", "recency"):
        by_method = one_range.query(
            f"select feedback_id, list(credit order by position) as credits, any_value(reward) as reward "
            f"from marts.turn_credit_as_of('{DAYS[-1]}', method := '{method}') group by feedback_id"
        )
        for row in by_method:
            credits = row["credits"]
            assert sum(credits) == pytest.approx(row["reward"], abs=1e-12)
            if method == "last_turn":
                assert not any(credits[:-1])
            else:
                assert all(2 * a == pytest.approx(b) for a, b in itertools.pairwise(credits))


def test_feedback_on_a_turn_goes_to_that_turn(one_range: Platform) -> None:
    rows = one_range.query("from marts.attributed_feedback where feedback_id = 'on_turn_0'")
    assert [(r["request_id"], r["model_version"], r["attributed_date"]) for r in rows] == [("t0", "v0", DAYS[2])]


def test_a_preference_between_requests_is_attributed_to_both(one_range: Platform) -> None:
    rows = one_range.query("from marts.preference_sides order by side")
    assert [(r["side"], r["request_id"], r["model_version"], r["output_text"], r["known_date"]) for r in rows] == [
        ("chosen", "a", "v1", "A", DAYS[1]),
        ("rejected", "b", "v2", "B", DAYS[2]),
    ]
    assert rows[0]["feedback_id"] == rows[1]["feedback_id"] == "a_over_b"


def test_what_held_as_of_each_day(one_range: Platform) -> None:
    held = {
        day: [
            row["feedback_id"]
            for row in one_range.query(
                f"select feedback_id from marts.feedback_as_of('{day}') where request_id = 'a' and thumbs is not null"
            )
        ]
        for day in DAYS
    }
    assert held == {DAYS[0]: ["up"], DAYS[1]: ["down"], DAYS[2]: ["down"], DAYS[3]: []}
    ended = one_range.query(f"from marts.feedback_ended_as_of('{DAYS[3]}') order by feedback_id")
    assert [(r["feedback_id"], r["cause"], r["by_feedback_id"], r["effective_date"]) for r in ended] == [
        ("down", "retracted", "back", DAYS[3]),
        ("up", "superseded", "down", DAYS[1]),
    ]


def test_the_newest_status_is_the_one_as_of_the_newest_day(one_range: Platform) -> None:
    newest = one_range.query("from marts.feedback_status order by all")
    assert newest == one_range.query(f"from marts.feedback_status_as_of('{DAYS[-1]}') order by all")
