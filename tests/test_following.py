"""`attribution follow` as a user has it: a process of its own, that is killed, beside a batch that has the last word.

The failure that this prevents: a pair that is live and not in the batch, or the other way round, or twice.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest

from tests.attacks import DAYS, Traffic, make
from tests.platform_under_test import Platform
from tests.processes import start, stop
from tests.traffic import land

FIRST = date(2024, 6, 1)
# These days are the batch's before anybody follows; the others land while somebody does.
BUILT_DAYS = 6
PIECES = 6
KILLS = 3
PATIENCE_SECONDS = 120.0
PAIR = "feedback_id, request_id, matched_by, attributed_date, feedback_source_file, feedback_source_line"

Rows = list[dict[str, Any]]


def live(platform: Platform, query: str) -> Rows:
    """The view as a reader opens it."""
    with duckdb.connect(str(platform.data_dir / "live" / "live.duckdb"), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def is_shown(platform: Platform, files: int) -> bool:
    """Whether all that has landed is in the view, and the rules were asked of it."""
    if not (platform.data_dir / "live" / "live.duckdb").exists():
        return False
    (told,) = live(platform, "from following")
    return bool(told["files"] == files and told["is_settled"])


@contextmanager
def following(platform: Platform) -> Iterator[subprocess.Popen[str]]:
    process = start(platform.data_dir, "follow", "--interval", "0.1", output=platform.data_dir.parent / "follow.log")
    try:
        yield process
    finally:
        if process.poll() is None:
            stop(process)


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True)
class Piece:
    """Some lines of a day that land as one file."""

    stream: str
    day: date
    name: str
    lines: list[str]


def pieces(traffic: Traffic, days: list[date], rng: random.Random) -> list[Piece]:
    """The days in files that land in no order, some lines of them twice, in another file or on another day."""
    made = []
    for stream, day in sorted(traffic.landed):
        if day not in days:
            continue
        lines = traffic.lines(stream, day)
        rng.shuffle(lines)
        if (stream, day) == ("inferences", days[0]):
            # Their feedback is there a day before them.
            lines, late = lines[10:], lines[:10]
            made.append(Piece(stream, days[1], "late.jsonl", late))
        again = rng.sample(lines, len(lines) // 10)
        for n in range(PIECES):
            made.append(Piece(stream, day, f"{rng.randrange(10**6):06}-{n}.jsonl", lines[n::PIECES] + again[n::PIECES]))
        made.append(Piece(stream, max(days), f"resent-{day}.jsonl", rng.sample(lines, len(lines) // 20)))
    # Another answer under an id that is there, in a file that is the first by its name and not by when it came.
    at = f"{days[0]}T00:00:00Z"
    request_id = json.loads(traffic.lines("inferences", days[0])[0])["request_id"]
    other = {"request_id": request_id, "timestamp": at, "model_version": "other", "session_id": "s-x"}
    on_session = {"feedback_id": "fb-session", "session_id": "s-x", "comment": "well", "timestamp": at}
    waiting = {"feedback_id": "fb-waiting", "request_id": "never-came", "comment": "well", "timestamp": at}
    made.append(Piece("inferences", days[0], "000000.jsonl", [json.dumps(other)]))
    made.append(Piece("feedback", days[-1], "broken.jsonl", ["{", '{"thumbs": "up"}', "[]"]))
    made.append(Piece("feedback", days[-1], "others.jsonl", [json.dumps(on_session), json.dumps(waiting)]))
    rng.shuffle(made)
    return made


@dataclass(frozen=True)
class World:
    """What was live before the batch built the same days, and the platform afterwards."""

    platform: Platform
    days: list[date]
    pairs: Rows
    told: dict[str, Any]
    kills: int


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    traffic = make(3, FIRST)
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("followed") / "data")
    days = [FIRST + timedelta(days=n) for n in range(DAYS)]
    built, open_days = days[:BUILT_DAYS], days[BUILT_DAYS:]
    for stream, day in sorted(traffic.landed):
        if day in built:
            land(platform.data_dir, stream, day, traffic.lines(stream, day))
    assert platform.run(built[0], built[-1]) == 0
    held_back = platform.query("select feedback_id from marts.feedback_status where state = 'requires_human_review'")
    rng = random.Random(7)
    landing = pieces(traffic, open_days, rng)
    reviews = [json.dumps({**row, "decision": "accept", "reviewer": "ada"}) for row in held_back[:20]]
    landing.insert(len(landing) // 2, Piece("reviews", open_days[1], "accepted.jsonl", reviews))
    kills = 0
    parts = [landing[n :: KILLS + 1] for n in range(KILLS + 1)]
    landed = 0
    for part in parts[:-1]:
        with following(platform) as process:
            for piece in part:
                land(platform.data_dir, piece.stream, piece.day, piece.lines, name=piece.name)
                landed += 1
                time.sleep(0.05)
            wait_for(lambda: (platform.data_dir / "live" / "live.duckdb").exists(), "a first view")
            time.sleep(rng.random() * 2)
            assert process.poll() is None, (platform.data_dir.parent / "follow.log").read_text()
            kill(process)
            kills += 1
    with following(platform) as process:
        for piece in parts[-1]:
            land(platform.data_dir, piece.stream, piece.day, piece.lines, name=piece.name)
            landed += 1
        wait_for(lambda: is_shown(platform, landed), f"{landed} files in the view")
        pairs = live(platform, f"select * from attributed_feedback order by {PAIR}")
        (told,) = live(platform, "from following")
        # The follower goes on while the batch builds the same days, and compares when they are closed.
        assert platform.run(open_days[0], open_days[-1]) == 0
        closed = platform.data_dir / "live" / "closed.jsonl"
        wait_for(lambda: closed.exists(), "the follower to see that the days are closed")
        assert process.poll() is None, (platform.data_dir.parent / "follow.log").read_text()
    return World(platform, open_days, pairs, told, kills)


def test_the_batch_comes_to_the_same_pairs(world: World) -> None:
    """With all that the view has of them, to the last column."""
    columns = ", ".join(world.pairs[0])
    batch = world.platform.query(
        f"select {columns} from marts.attributed_feedback where attributed_date >= ? order by {PAIR}", world.days[0]
    )
    assert world.kills == KILLS
    assert len(batch) > 500
    assert world.pairs == batch


def test_no_pair_is_there_twice(world: World) -> None:
    lines = [(row["feedback_source_file"], row["feedback_source_line"]) for row in world.pairs]
    assert len(set(lines)) == len(lines)
    assert len({row["feedback_id"] for row in world.pairs}) == len(lines)


def test_the_traffic_has_what_makes_it_hard(world: World) -> None:
    """Rules that hold back, reviews that let in, duplicates, and feedback that came before its inference."""
    count = world.platform.query(
        """
        select count(*) filter (state = 'requires_human_review') as held_back,
            count(*) filter (state = 'duplicate') as duplicates,
            count(*) filter (state = 'pending') as pending,
            (select count(*) from marts.attributed_feedback
                where review_received_date is not null and attributed_date >= $1) as reviewed,
            (select count(*) from marts.attributed_feedback
                where inference_received_date > feedback_received_date and attributed_date >= $1) as early
        from marts.feedback_status where received_date >= $1
        """,
        world.days[0],
    )[0]
    assert all(number > 0 for number in count.values()), count


def test_bad_lines_are_counted(world: World) -> None:
    letters = world.platform.query(
        "select count(*) as n from marts.dead_letter where received_date >= ? and reason <> 'conflicting_request_id'",
        world.days[0],
    )
    assert world.told["dead_letters"] == letters[0]["n"] >= 3


def test_the_follower_itself_finds_the_closed_days_the_same(world: World) -> None:
    closed = (world.platform.data_dir / "live" / "closed.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in closed]
    assert [one["day"] for one in told] == [str(day) for day in world.days]
    assert all(one["only_live"] == one["only_batch"] == 0 and one["live"] == one["batch"] for one in told)
