"""Which turn feedback on a session is matched with: int_feedback_candidates.sql, run by DuckDB alone.

Random sessions against plain Python, and the trap of a client that names all its sessions alike. The failures that this
prevents: feedback drawn to a turn that the platform did not know yet, and one session that takes the day's run down.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import jinja2
import pytest

MODEL = Path(__file__).parents[1] / "dbt_project" / "models" / "intermediate" / "int_feedback_candidates.sql"
DAYS = [date(2024, 3, 1) + timedelta(n) for n in range(5)]
VARIABLES = {"window_from": DAYS[1], "window_to": DAYS[3], "attribution_window_days": 30, "early_tolerance_minutes": 5}
START = datetime(2024, 3, 1, 12, tzinfo=UTC)


def model() -> str:
    """The model's SQL for a run of the second to the fourth day."""
    window = f"between date '{DAYS[1]}' and date '{DAYS[3]}'"
    return (
        jinja2.Environment()
        .from_string(MODEL.read_text(encoding="utf-8"))
        .render(
            config=lambda **settings: "",
            ref=lambda name: name,
            var=lambda name: VARIABLES[name],
            in_window=lambda column: f"{column} {window}",
            window_start_less_attribution_window=lambda: f"date '{DAYS[1]}' - 30",
            plus_minutes=lambda time, minutes: f"({time} + interval '{minutes} minutes')",
        )
    )


@dataclass(frozen=True)
class Turn:
    session: str
    number: int | None
    request_id: str
    at: datetime
    received: date


@dataclass(frozen=True)
class Feedback:
    """`turn` is what it names, by number or request id; null where it is on the whole session."""

    feedback_id: str
    session: str
    turn: str | None
    at: datetime
    received: date

    def match(self, turns: list[Turn]) -> tuple[str, date] | None:
        """Request id and paired date, as the README words it; None while it waits."""
        meant = [
            t for t in turns
            if t.session == self.session and (self.turn is None or self.turn in (str(t.number), t.request_id))
        ]  # fmt: skip
        if not meant:
            return None
        paired = max(self.received, min(t.received for t in meant))
        known = [t for t in meant if t.received <= paired]
        given = [t for t in known if t.at <= self.at + timedelta(minutes=5)] or known
        nearest = min(
            given,
            key=lambda t: (
                abs(t.at - self.at),
                (0, -t.number) if t.number is not None else (1, 0),
                t.request_id,
            ),
        )
        return nearest.request_id, paired


def random_world(seed: int) -> tuple[list[Turn], list[Feedback]]:
    rng = random.Random(seed)
    turns = [
        Turn(
            f"s{rng.randrange(6)}", rng.choice([None, 0, 1, 2, 3]), f"r{n}",
            START + timedelta(minutes=rng.randrange(40), days=rng.choice([0, 0, 1])), rng.choice(DAYS),
        )
        for n in range(90)
    ]  # fmt: skip
    feedback = [
        Feedback(
            f"f{n}", f"s{rng.randrange(7)}", rng.choice([None, None, "0", "2", f"r{rng.randrange(90)}"]),
            START + timedelta(minutes=rng.randint(-10, 50), days=rng.choice([0, 0, 1])), rng.choice(DAYS),
        )
        for n in range(150)
    ]  # fmt: skip
    return turns, feedback


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            "create table int_inference_receipts (session_id varchar, turn bigint, request_id varchar, "
            "inference_at timestamptz, received_date date, source_line bigint, source_file varchar default 'i', "
            "is_first boolean default true, user_id varchar, model_version varchar, variant varchar)"
        )
        connection.execute(
            "create table int_feedback_receipts (feedback_id varchar, session_id varchar, target_kind varchar, "
            "target_id varchar, feedback_at timestamptz, received_date date, source_line bigint, "
            "source_file varchar default 'f', state varchar default 'open', request_id varchar)"
        )
        yield connection


def insert(connection: duckdb.DuckDBPyConnection, turns: list[Turn], feedback: list[Feedback]) -> None:
    connection.executemany(
        "insert into int_inference_receipts (session_id, turn, request_id, inference_at, received_date, source_line) "
        "values (?, ?, ?, ?, ?, ?)",
        [(t.session, t.number, t.request_id, t.at, t.received, line) for line, t in enumerate(turns)],
    )
    connection.executemany(
        "insert into int_feedback_receipts (feedback_id, session_id, target_kind, target_id, feedback_at, "
        "received_date, source_line) values (?, ?, ?, ?, ?, ?, ?)",
        [
            (f.feedback_id, f.session, f.turn and "turn", f.turn, f.at, f.received, line)
            for line, f in enumerate(feedback)
        ],
    )


@pytest.mark.parametrize("seed", range(8))
def test_feedback_is_matched_with_the_turn_that_plain_python_finds(
    connection: duckdb.DuckDBPyConnection, seed: int
) -> None:
    turns, feedback = random_world(seed)
    insert(connection, turns, feedback)
    rows = connection.execute(f"select feedback_id, request_id, paired_date from ({model()})").fetchall()
    wanted = {f.feedback_id: f.match(turns) for f in feedback}
    in_window = {name: match for name, match in wanted.items() if match and DAYS[1] <= match[1] <= DAYS[3]}
    assert {name: (request_id, paired) for name, request_id, paired in rows} == in_window
    assert len(rows) == len(in_window) > 60


def test_one_name_for_all_sessions_is_no_trap(connection: duckdb.DuckDBPyConnection) -> None:
    """20,000 turns and as much feedback are 4 * 10^8 pairs: more than this memory holds, and a minute for each 500."""
    connection.execute("set memory_limit = '1GB'; set max_temp_directory_size = '0KiB'")
    connection.execute(
        f"insert into int_inference_receipts (session_id, turn, request_id, inference_at, received_date, source_line) "
        f"select 'default', 0, 'r' || n, timestamptz '{START}' + to_seconds(4 * n), date '{DAYS[2]}', n "
        "from range(20000) as turns(n)"
    )
    connection.execute(
        f"insert into int_feedback_receipts (feedback_id, session_id, target_kind, target_id, feedback_at, "
        f"received_date, source_line) select 'f' || n, 'default', if(n % 2 = 0, 'turn', null), '0', "
        f"timestamptz '{START}' + to_seconds(4 * n + 1), date '{DAYS[2]}', n from range(20000) as feedback(n)"
    )
    found = connection.execute(
        f"select count(*), count(*) filter (where request_id = 'r' || feedback_source_line) from ({model()})"
    ).fetchone()
    assert found == (20000, 20000)
