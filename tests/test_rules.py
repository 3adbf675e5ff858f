"""Planted attacks and noise with known answers, among honest traffic, through real runs.

The failures that this prevents: an attack that reaches training data, and honest feedback that is held back
from it. `attacks.py` makes the traffic and says what must become of it; a second seed and another first day make
sure that the rules do not fit one traffic only.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.attacks import Traffic, make
from tests.platform_under_test import Platform
from tests.traffic import land

SEEDS = {1: date(2024, 6, 1), 2: date(2024, 6, 10)}
REASONS = (
    "burst", "contradictory_signal", "model_version_mismatch", "user_mismatch", "no_op_correction",
    "outlier_correction", "invariant_rater", "disagreeing_rater", "coordinated_text", "praise_of_known_error",
    "faster_than_human",
)  # fmt: skip
# These show in the event and its inference alone, so that no partition ever held them.
ALONE = ("model_version_mismatch", "user_mismatch", "no_op_correction", "outlier_correction", "faster_than_human")
INVALID = (
    "timestamp_in_future", "before_inference", "outside_window", "value_out_of_range", "unknown_target",
    "unknown_request",
)  # fmt: skip
MOST_HONEST_HELD_BACK = 0.005

State = tuple[str, str, date | None]


@dataclass(frozen=True)
class Ran:
    """One traffic and the platform that was run over it."""

    traffic: Traffic
    platform: Platform

    def states(self) -> dict[str, State]:
        """feedback_id to what became of its first line."""
        rows = self.platform.query("from marts.feedback_status where state <> 'duplicate'")
        found = {r["feedback_id"]: (r["state"], r["reason"], r["attributed_date"]) for r in rows}
        assert len(found) == len(rows)
        return found

    def published(self) -> set[str]:
        """The feedback in the newest version of the dataset."""
        versions = sorted(f for f in (self.platform.data_dir / "datasets" / "feedback").iterdir() if f.is_dir())
        rows = duckdb.sql(f"select feedback_id from read_parquet('{versions[-1]}/data/*.parquet')").fetchall()
        return {row[0] for row in rows}


def run(traffic: Traffic, folder: Path, *, shuffled: bool = False) -> Ran:
    """Lands the traffic, each day in two files of a stream, and runs all of its days."""
    rng = random.Random(7)
    for stream, day in sorted(traffic.landed):
        lines = traffic.lines(stream, day)
        if shuffled:
            rng.shuffle(lines)
        half = len(lines) // (3 if shuffled else 2)
        land(folder, stream, day, lines[:half], name="b.jsonl")
        land(folder, stream, day, lines[half:], name="a.jsonl" if shuffled else "c.jsonl")
    platform = Platform(folder)
    assert platform.run(traffic.long_before, traffic.long_before) == 0
    assert platform.run(traffic.first, traffic.last) == 0
    return Ran(traffic, platform)


@pytest.fixture(scope="module", params=SEEDS, ids="seed {}".format)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    seed = request.param
    yield run(make(seed, SEEDS[seed]), tmp_path_factory.mktemp(f"seed_{seed}"))


@pytest.fixture(scope="module")
def states(ran: Ran) -> dict[str, State]:
    """As they were before anybody reviewed."""
    return ran.states()


def only_of_the_first(ran: Ran) -> None:
    if ran.traffic.first != SEEDS[1]:
        pytest.skip("one traffic tells it, and another run costs")


@pytest.mark.parametrize("reason", REASONS)
def test_each_planted_attack_is_held_back_for_its_reason(ran: Ran, states: dict[str, State], reason: str) -> None:
    planted = ran.traffic.planted_for[reason]
    assert len(planted) >= 8
    missed = {f: states[f] for f in planted if states[f][0] != "requires_human_review"}
    assert missed == {}
    otherwise = {f: states[f][1] for f in planted if states[f][1] not in ran.traffic.review[f]}
    assert otherwise == {}


@pytest.mark.parametrize("reason", REASONS)
def test_nothing_else_is_held_back_for_that_reason(ran: Ran, states: dict[str, State], reason: str) -> None:
    held_back = {f for f, (state, why, _) in states.items() if state == "requires_human_review" and why == reason}
    expected = {f for f, reasons in ran.traffic.review.items() if reason in reasons}
    assert {f: f in ran.traffic.honest for f in held_back - expected} == {}


def test_honest_feedback_is_left_alone(ran: Ran, states: dict[str, State]) -> None:
    honest = ran.traffic.honest
    held_back = {f: states[f] for f in honest if states[f][0] == "requires_human_review"}
    assert len(held_back) / len(honest) < MOST_HONEST_HELD_BACK, Counter(s[1] for s in held_back.values())
    assert {f: states[f] for f in honest - held_back.keys() if states[f][0] != "attributed"} == {}


@pytest.mark.parametrize("reason", INVALID)
def test_senseless_feedback_is_invalid_for_its_reason(ran: Ran, states: dict[str, State], reason: str) -> None:
    planted = {f for f, why in ran.traffic.invalid.items() if why == reason}
    assert planted
    assert {f: states[f] for f in planted if states[f][:2] != ("invalid", reason)} == {}
    assert {f for f, state in states.items() if state[1] == reason} == planted


def test_what_is_sent_again_is_a_duplicate_and_no_more(ran: Ran) -> None:
    rows = ran.platform.query("from marts.feedback_status where state = 'duplicate' order by 1, 2")
    given = Counter((r["received_date"], r["feedback_id"]) for r in rows if not r["feedback_id"].startswith("fb_"))
    assert given == Counter(ran.traffic.duplicates)
    derived = [r for r in rows if r["feedback_id"].startswith("fb_")]
    assert len({r["feedback_id"] for r in derived}) == len(derived) == ran.traffic.resent_without_id


def test_the_accounts_add_up(ran: Ran) -> None:
    accounts = {r.pop("received_date"): r for r in ran.platform.query("from marts.daily_accounts")}
    for day, row in accounts.items():
        assert row.pop("lines_received") == len(ran.traffic.landed["feedback", day]) == sum(row.values())
    assert sum(row["requires_human_review"] for row in accounts.values()) >= len(ran.traffic.review)


def test_nothing_that_waits_for_a_reviewer_is_published(ran: Ran, states: dict[str, State]) -> None:
    held_back = {f for f, state in states.items() if state[0] == "requires_human_review"}
    published = ran.published()
    assert published & held_back == set()
    assert published & ran.traffic.invalid.keys() == set()
    assert len(published) > 1_000


def test_what_a_partition_could_know_is_not_in_it(ran: Ran, states: dict[str, State]) -> None:
    """A row that only a later partition gives doubts about stays where it was, and is told by its state."""
    rows = {r["feedback_id"]: r["attributed_date"] for r in ran.platform.query("from marts.attributed_feedback")}
    for reason in ALONE:
        assert ran.traffic.planted_for[reason] & rows.keys() == set(), reason
    assert {f: state[2] for f, state in states.items() if state[2]} == rows
    assert all(states[f][0] in ("attributed", "requires_human_review") for f in rows)


def test_the_order_of_lines_and_files_decides_nothing(
    ran: Ran, states: dict[str, State], tmp_path_factory: pytest.TempPathFactory
) -> None:
    only_of_the_first(ran)
    other = run(ran.traffic, tmp_path_factory.mktemp("shuffled"), shuffled=True).states()
    assert {f: (states[f], other[f]) for f in states if states[f] != other[f]} == {}


# -- what reviewers decide ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reviewed:
    """The decisions, and what was there before and after them."""

    accepted: set[str]
    rejected: set[str]
    states: dict[str, State]
    attributed_before: list[dict[str, Any]]
    attributed: list[dict[str, Any]]


@pytest.fixture(scope="module")
def reviewed(ran: Ran, states: dict[str, State]) -> Reviewed:
    """The day after, on which reviewers accept one event held back for each reason and reject another."""
    only_of_the_first(ran)
    query = "from marts.attributed_feedback order by feedback_id"
    before = ran.platform.query(query)
    accepted, rejected = set(), set()
    for reason in REASONS:
        yes, no, *_ = sorted(f for f in ran.traffic.planted_for[reason] if states[f][1] == reason)
        accepted.add(yes)
        rejected.add(no)
    day = ran.traffic.decided
    lines = [
        f'{{"feedback_id": "{f}", "decision": "{decision}", "reviewer": "ada", "timestamp": "{day}T09:00:00Z"}}'
        for decision, ids in (("accept", accepted), ("reject", rejected))
        for f in sorted(ids)
    ]
    land(ran.platform.data_dir, "reviews", day, lines)
    assert ran.platform.run(day, day) == 0
    return Reviewed(accepted, rejected, ran.states(), before, ran.platform.query(query))


def test_what_is_accepted_belongs_to_the_day_of_its_review(
    ran: Ran, states: dict[str, State], reviewed: Reviewed
) -> None:
    rows = {row["feedback_id"]: row["attributed_date"] for row in reviewed.attributed}
    for accepted in reviewed.accepted:
        # What a later partition doubted has its partition already, and keeps it.
        wanted = states[accepted][2] or ran.traffic.decided
        assert reviewed.states[accepted][::2] == ("attributed", wanted), accepted
        assert rows[accepted] == wanted
    assert sum(rows[accepted] == ran.traffic.decided for accepted in reviewed.accepted) >= len(ALONE)


def test_what_is_rejected_is_invalid(ran: Ran, reviewed: Reviewed) -> None:
    assert {f: reviewed.states[f][:2] for f in reviewed.rejected} == dict.fromkeys(
        reviewed.rejected, ("invalid", "rejected_in_review")
    )
    published = ran.published()
    assert published & reviewed.rejected == set()
    assert published >= {f for f in reviewed.accepted if reviewed.states[f][0] == "attributed"}


def test_a_review_changes_no_other_event_and_no_earlier_partition(
    ran: Ran, states: dict[str, State], reviewed: Reviewed
) -> None:
    decided = reviewed.accepted | reviewed.rejected
    assert {f: s for f, s in reviewed.states.items() if f not in decided} == {
        f: s for f, s in states.items() if f not in decided
    }
    assert [r for r in reviewed.attributed if r["attributed_date"] < ran.traffic.decided] == reviewed.attributed_before
