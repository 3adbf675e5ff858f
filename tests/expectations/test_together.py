"""Partitions that are asked together have the reports that each has by itself, and good ones cost one question."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from expectations import attributed_feedback, partition_quality, recent_past
from expectations.session import GateSession
from expectations.together import Asked
from tests.expectations import test_attributed_feedback_suite as pairs
from tests.expectations import test_ledger_suite as lines
from tests.expectations import test_partition_quality_suite as accounts
from tests.expectations import test_recent_past_suite as past
from tests.expectations.tables import Row, query_of

DAYS = 9


def ledger_day(n: int, rows: Sequence[Row] | None = None, *, lost: int = 0) -> Asked:
    good = [lines.feedback(k, source_file=f"{n}.jsonl") for k in range(1, 5 + n)]
    rows = [*good, lines.dead(99, source_file=f"{n}.jsonl")] if rows is None else rows
    suite = lines.suite("feedback", list(rows), lines=len(rows) + lost)
    return Asked(partition=str(n), query=query_of(rows, lines.TYPES["feedback"]), suite=suite)


def pairs_day(n: int, **fields: object) -> Asked:
    rows = [pairs.row(100 * n + k, **fields) for k in range(n)]  # the first day has none
    suite = attributed_feedback.build_suite(window_days=30, expected_rows=n)
    return Asked(partition=str(n), query=query_of(rows, pairs.TYPES), suite=suite)


def accounts_day(n: int, **counts: int | None) -> Asked:
    query = query_of([accounts.day(**({"feedback_invalid": n} | counts))], accounts.TYPES)
    return Asked(partition=str(n), query=query, suite=partition_quality.build_suite(thresholds=accounts.Thresholds()))


def profile_day(n: int, today: past.Counts | None = None) -> Asked:
    # Each day is compared with another number of days before it.
    profile = past.profile(today or past.feedback_day(), [past.feedback_day()] * (3 + 2 * n))
    found = recent_past.compare(past.DAY, profile, past.DEFAULTS)
    day = past.DAY + timedelta(days=n)
    suite = recent_past.build_suite(day=day, comparisons=found, thresholds=past.DEFAULTS)
    return Asked(partition=str(n), query=recent_past.query_of(found), suite=suite)


GOOD: dict[str, Callable[[int], Asked]] = {
    "ledger": ledger_day,
    "pairs": pairs_day,
    "accounts": accounts_day,
    "profile": profile_day,
}
# Day to what it is in place of a good one.
BAD: dict[str, Callable[[int], Asked]] = {
    "a line twice": lambda n: ledger_day(n, [lines.feedback(1), lines.feedback(1)]),
    "a line lost": lambda n: ledger_day(n, lost=1),
    "too many dead letters, which few of all lines are": lambda n: ledger_day(
        n, [lines.feedback(1, source_file="bad.jsonl"), lines.dead(2, source_file="bad.jsonl")]
    ),
    "no lines, one expected": lambda n: ledger_day(n, [], lost=1),
    "a column more": lambda n: Asked(
        partition=str(n), query=f"select *, 1 as more from ({ledger_day(n).query})", suite=ledger_day(n).suite
    ),
    "a query that fails": lambda n: Asked(
        partition=str(n), query=ledger_day(n).query + " where nothing", suite=ledger_day(n).suite
    ),
    "a reward of 7": lambda n: pairs_day(n, reward=7),
    "no request": lambda n: pairs_day(n, request_id=None),
    "a share that is null": lambda n: accounts_day(n, feedback_invalid=None),
    "a negative count": lambda n: accounts_day(n, feedback_pending=-1),
    "a client that breaks": lambda n: profile_day(n, past.feedback_day(broken={"ios": 120})),
    "a warning": lambda n: profile_day(n, past.feedback_day(100)),
}
KINDS = ["ledger"] * 6 + ["pairs"] * 2 + ["accounts"] * 2 + ["profile"] * 2


def asked_by_itself(gate: GateSession, one: Asked) -> object:
    try:
        return gate.validate(
            gate="test", asset_name="planted", partition=one.partition, query=one.query, suite=one.suite
        )
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("kind", GOOD)
def test_good_days_together_have_the_reports_of_each(gate: GateSession, kind: str, asked_about: list[str]) -> None:
    days = [GOOD[kind](n) for n in range(DAYS)]
    together = gate.validate_each(gate="test", asset_name="planted", asked=days)
    assert len(asked_about) == 2  # the rows, and what is counted of them
    assert together == [asked_by_itself(gate, day) for day in days]
    assert all(report.success and not report.warnings for report in together)


@pytest.mark.parametrize(("kind", "bad"), list(zip(KINDS, BAD, strict=True)))
def test_a_bad_day_among_good_ones_has_its_own_report(gate: GateSession, kind: str, bad: str) -> None:
    days = [BAD[bad](n) if n == 6 else GOOD[kind](n) for n in range(DAYS)]
    wanted = [asked_by_itself(gate, day) for day in days]
    if isinstance(wanted[6], type):
        with pytest.raises(wanted[6]):
            gate.validate_each(gate="test", asset_name="planted", asked=days)
        return
    assert gate.validate_each(gate="test", asset_name="planted", asked=days) == wanted
    assert [n for n, report in enumerate(wanted) if report.failures or report.warnings] == [6]  # type: ignore[attr-defined]


@pytest.fixture
def asked_about(gate: GateSession, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the suites that Great Expectations is asked."""
    asked: list[str] = []
    run = gate._run

    def counted(*, asset_name: str, suite: object) -> object:
        asked.append(suite.name)  # type: ignore[attr-defined]
        return run(asset_name=asset_name, suite=suite)  # type: ignore[arg-type]

    monkeypatch.setattr(gate, "_run", counted)
    return asked
