"""The gate of attributed feedback: what the contract promises of every row."""

from typing import Any

import pytest

from expectations import attributed_feedback
from expectations.session import GateSession
from expectations.vocabulary import FEEDBACK_TYPES
from orchestration.contracts.feedback import FEEDBACK
from tests.expectations.tables import Row, broken, judge

TYPES = {
    "feedback_id": "varchar",
    "request_id": "varchar",
    "feedback_type": "varchar",
    "reward": "double",
    "comment": "varchar",
    "feedback_received_date": "date",
    "inference_received_date": "date",
    "review_received_date": "date",
    "attributed_date": "date",
    "lag_seconds": "double",
    "model_version": "varchar",
}
MONTH = 30 * 86_400
LAG = f"lag_seconds is between -300 and {MONTH}"
LATER_DAY = "attributed_date is the latest of the received dates of feedback, inference and review"


def row(number: int, **fields: Any) -> Row:
    return {
        "feedback_id": f"fb-{number}",
        "request_id": f"req-{number}",
        "feedback_type": "rating",
        "reward": 0.5,
        "feedback_received_date": "2024-01-15",
        "inference_received_date": "2024-01-14",
        "attributed_date": "2024-01-15",
        "lag_seconds": 12.5,
        "model_version": "v4.2",
    } | fields


def verdict(gate: GateSession, rows: list[Row], **settings: Any) -> list[str]:
    return broken(judge(gate, attributed_feedback.build_suite(**({"window_days": 30} | settings)), rows, TYPES))


def test_a_sound_partition_passes(gate: GateSession) -> None:
    rows = [
        row(1, reward=-1, lag_seconds=-300),
        row(2, reward=1, lag_seconds=MONTH),
        row(3, reward=None, feedback_type="comment"),
        row(4, feedback_received_date="2024-01-10", inference_received_date="2024-01-15"),
        *(row(10 + n, feedback_type=kind) for n, kind in enumerate(FEEDBACK_TYPES)),
    ]
    assert verdict(gate, rows, expected_rows=len(rows)) == []


def test_an_empty_partition_passes_unless_rows_are_expected(gate: GateSession) -> None:
    assert verdict(gate, []) == []
    assert verdict(gate, [], expected_rows=0) == []
    assert verdict(gate, [], expected_rows=7) == ["a row for each of the 7 attributed feedback"]


@pytest.mark.parametrize("column", ["feedback_id", "request_id", "feedback_type", "model_version"])
def test_a_missing_key_fails(gate: GateSession, column: str) -> None:
    assert verdict(gate, [row(1), row(2, **{column: None})]) == [f"{column} is never null"]


def test_feedback_that_is_attributed_twice_fails(gate: GateSession) -> None:
    suite = attributed_feedback.build_suite(window_days=30)
    report = judge(gate, suite, [row(1), row(2), row(1, request_id="req-9")], TYPES)
    assert broken(report) == ["feedback_id is unique"]
    assert report.failures[0].observed == "2 of 3 rows"
    assert report.failures[0].examples == (
        {"feedback_id": "fb-1", "request_id": "req-1"},
        {"feedback_id": "fb-1", "request_id": "req-9"},
    )


def test_an_unknown_feedback_type_fails_without_being_quoted(gate: GateSession) -> None:
    suite = attributed_feedback.build_suite(window_days=30)
    report = judge(gate, suite, [row(1), row(2, feedback_type="my secret words")], TYPES)
    assert broken(report) == ["feedback_type is one of its values"]
    assert report.failures[0].examples == ({"feedback_id": "fb-2", "request_id": "req-2"},)
    assert "secret" not in str(report)


@pytest.mark.parametrize("reward", [-1.01, 1.01, "nan", "inf"])
def test_a_reward_out_of_range_fails(gate: GateSession, reward: float | str) -> None:
    assert verdict(gate, [row(1), row(2, reward=reward)]) == ["reward is between -1 and 1"]


@pytest.mark.parametrize("lag", [-300.5, MONTH + 1, None])
def test_feedback_outside_the_attribution_window_fails(gate: GateSession, lag: float | None) -> None:
    assert verdict(gate, [row(1), row(2, lag_seconds=lag)]) == [LAG]


def test_the_attribution_window_is_a_setting(gate: GateSession) -> None:
    assert verdict(gate, [row(1, lag_seconds=86_400)], window_days=1) == []
    assert verdict(gate, [row(1, lag_seconds=86_401)], window_days=1) == ["lag_seconds is between -300 and 86400"]
    assert verdict(gate, [row(1, lag_seconds=-600)], earliest_lag_seconds=-600) == []


@pytest.mark.parametrize(
    "dates",
    [
        {"attributed_date": "2024-01-14"},
        {"attributed_date": "2024-01-16"},
        {"attributed_date": None},
        {"inference_received_date": None},
        {"feedback_received_date": None, "inference_received_date": "2024-01-15"},
        {"inference_received_date": "2024-01-16"},
    ],
)
def test_a_pair_in_another_than_its_one_partition_fails(gate: GateSession, dates: dict[str, str | None]) -> None:
    assert verdict(gate, [row(1), row(2, **dates)]) == [LATER_DAY]


def test_the_feedback_types_are_the_contracts() -> None:
    """The suite keeps its own list, so that it does not agree with a mistake in the code that wrote the data."""
    declared = next(field.enum for field in FEEDBACK.fields if field.name == "feedback_type")
    assert set(FEEDBACK_TYPES) == set(declared)


def test_feedback_that_a_reviewer_accepted_belongs_to_the_day_of_the_review(gate: GateSession) -> None:
    reviewed = {"review_received_date": "2024-01-20"}
    suite = attributed_feedback.build_suite(window_days=30)
    assert broken(judge(gate, suite, [row(1, **reviewed, attributed_date="2024-01-20")], TYPES)) == []
    assert broken(judge(gate, suite, [row(1, **reviewed)], TYPES)) == [LATER_DAY]
