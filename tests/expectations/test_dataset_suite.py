"""The gate of a dataset version: nothing lost, nothing twice, nothing from the future."""

from datetime import date
from typing import Any

import pytest

from expectations import dataset
from expectations.session import GateSession
from tests.expectations.tables import Row, broken, judge

TYPES = {
    "feedback_id": "varchar",
    "request_id": "varchar",
    "feedback_type": "varchar",
    "reward": "double",
    "model_version": "varchar",
    "attributed_date": "date",
    "output_text": "varchar",
}
IN_ORDER = "columns are as declared, in order"
NO_LEAK = "no row was attributed after 2024-01-15"


def row(number: int, **fields: Any) -> Row:
    return {
        "feedback_id": f"fb-{number}",
        "request_id": f"req-{number}",
        "feedback_type": "thumbs",
        "reward": 1,
        "model_version": "v4.2",
        "attributed_date": "2024-01-15",
        "output_text": "Paris.",
    } | fields


def suite(expected: int, columns: list[str] | None = None) -> Any:
    return dataset.build_suite(
        name="feedback", columns=columns or list(TYPES), expected_rows=expected, partition=date(2024, 1, 15)
    )


def verdict(gate: GateSession, rows: list[Row], *, expected: int | None = None) -> list[str]:
    return broken(judge(gate, suite(len(rows) if expected is None else expected), rows, TYPES))


def test_a_sound_version_passes(gate: GateSession) -> None:
    assert verdict(gate, [row(1), row(2, reward=None), row(3, attributed_date="2023-12-31"), row(4, reward=-1)]) == []


@pytest.mark.parametrize("expected", [1, 3])
def test_a_lost_or_an_added_row_fails(gate: GateSession, expected: int) -> None:
    assert verdict(gate, [row(1), row(2)], expected=expected) == [f"all {expected} rows of the recipe are there"]


def test_an_empty_version_fails_even_if_nothing_was_expected(gate: GateSession) -> None:
    assert verdict(gate, [], expected=0) == ["there are rows"]
    assert verdict(gate, [], expected=2) == ["there are rows", "all 2 rows of the recipe are there"]


@pytest.mark.parametrize(("expected", "broken_rules"), [(0, []), (2, ["all 2 rows of the recipe are there"])])
def test_a_queue_may_be_empty_but_loses_no_row(gate: GateSession, expected: int, broken_rules: list[str]) -> None:
    queue = dataset.build_suite(
        name="queue", columns=list(TYPES), expected_rows=expected, partition=date(2024, 1, 15), may_be_empty=True
    )
    assert broken(judge(gate, queue, [], TYPES)) == broken_rules


def test_columns_in_another_order_fail(gate: GateSession) -> None:
    swapped = {"request_id": "varchar", "feedback_id": "varchar"} | TYPES
    report = judge(gate, suite(1), [row(1)], swapped)
    assert broken(report) == [IN_ORDER]
    assert report.failures[0].observed == (
        "column 1 is request_id, expected feedback_id; column 2 is feedback_id, expected request_id"
    )


def test_a_missing_column_fails(gate: GateSession) -> None:
    types = {name: kind for name, kind in TYPES.items() if name != "output_text"}
    report = judge(gate, suite(1), [row(1)], types)
    assert broken(report) == [IN_ORDER]
    assert report.failures[0].observed == "column 7 is missing, expected output_text"


@pytest.mark.parametrize("column", ["feedback_id", "request_id", "model_version"])
def test_a_missing_key_fails(gate: GateSession, column: str) -> None:
    assert verdict(gate, [row(1), row(2, **{column: None})]) == [f"{column} is never null"]


def test_a_feedback_that_is_there_twice_fails(gate: GateSession) -> None:
    assert verdict(gate, [row(1), row(2), row(2)]) == ["feedback_id is unique"]


@pytest.mark.parametrize("day", ["2024-01-16", None])
def test_a_row_from_the_future_fails(gate: GateSession, day: str | None) -> None:
    report = judge(gate, suite(2), [row(1), row(2, attributed_date=day)], TYPES)
    assert broken(report) == [NO_LEAK]
    assert report.failures[0].examples == ({"feedback_id": "fb-2", "request_id": "req-2"},)


def test_an_unknown_type_or_a_reward_out_of_range_fails(gate: GateSession) -> None:
    assert verdict(gate, [row(1), row(2, feedback_type="applause")]) == ["feedback_type is one of its values"]
    assert verdict(gate, [row(1), row(2, reward=1.5)]) == ["reward is between -1 and 1"]


def test_rules_on_columns_that_a_recipe_does_not_publish_are_left_out(gate: GateSession) -> None:
    types = {name: TYPES[name] for name in ("feedback_id", "request_id", "output_text")}
    report = judge(gate, suite(1, list(types)), [row(1)], types)
    assert report.success
    assert len(report.outcomes) == 6


def test_a_recipe_must_publish_the_ids() -> None:
    with pytest.raises(ValueError, match="dataset feedback has no request_id; every recipe must publish them"):
        suite(1, ["feedback_id", "output_text"])
