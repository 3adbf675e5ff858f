"""The default gate: the parts add up, and not too many of them are bad."""

from typing import Any

import pytest

from expectations import partition_quality
from expectations.session import GateSession
from expectations.thresholds import Thresholds
from tests.expectations.tables import Row, broken, judge

COUNTS = (
    "feedback_lines",
    *partition_quality.FEEDBACK_PARTS,
    "inference_lines",
    *partition_quality.INFERENCE_PARTS,
)
TYPES = {"partition_date": "date"} | dict.fromkeys(COUNTS, "bigint")
ONE_ROW = "the partition has exactly one row"
ADDS_UP = "the states of the feedback add up to its lines"
NO_NEGATIVE = "no count is negative"
INFERENCES_FIT = "inference dead letters and duplicates are no more than its lines"
DEAD_FEEDBACK = "at most 20 % of the feedback lines are dead letters"
DEAD_INFERENCES = "at most 20 % of the inference lines are dead letters"
INVALID = "at most 20 % of the feedback lines are invalid"


def day(**counts: int | None) -> Row:
    """A day with 100 lines of each stream; what is not said of the feedback is attributed."""
    row: dict[str, Any] = dict.fromkeys(COUNTS, 0)
    row |= {"partition_date": "2024-01-15", "feedback_lines": 100, "inference_lines": 100} | counts
    if "feedback_attributed" not in counts:
        parts = (row[part] or 0 for part in partition_quality.FEEDBACK_PARTS)
        row["feedback_attributed"] = (row["feedback_lines"] or 0) - sum(parts)
    return row


def verdict(gate: GateSession, *rows: Row, **thresholds: float) -> list[str]:
    suite = partition_quality.build_suite(thresholds=Thresholds(**thresholds))
    return broken(judge(gate, suite, rows, TYPES))


def test_a_good_day_passes(gate: GateSession) -> None:
    parts = dict.fromkeys(partition_quality.FEEDBACK_PARTS[:-1], 10)
    assert verdict(gate, day(**parts, inference_dead_letters=10, inference_duplicates=5)) == []


def test_a_day_without_lines_passes(gate: GateSession) -> None:
    assert verdict(gate, day(feedback_lines=0, inference_lines=0)) == []


def test_shares_at_the_threshold_pass(gate: GateSession) -> None:
    assert verdict(gate, day(feedback_dead_letters=20, feedback_invalid=20, inference_dead_letters=20)) == []


def test_no_row_or_two_fail(gate: GateSession) -> None:
    assert verdict(gate) == [ONE_ROW]
    assert verdict(gate, day(), day()) == [ONE_ROW]


@pytest.mark.parametrize("off", [-1, 1])
def test_parts_that_do_not_add_up_fail(gate: GateSession, off: int) -> None:
    assert verdict(gate, day(feedback_attributed=100 + off)) == [ADDS_UP]


@pytest.mark.parametrize("part", partition_quality.FEEDBACK_PARTS)
def test_every_state_is_part_of_the_sum(gate: GateSession, part: str) -> None:
    assert verdict(gate, day(feedback_attributed=90, **({part: 20} if part != "feedback_attributed" else {}))) == [
        ADDS_UP
    ]


def test_a_part_that_was_not_counted_fails(gate: GateSession) -> None:
    assert ADDS_UP in verdict(gate, day(feedback_pending=None))


@pytest.mark.parametrize("part", [*partition_quality.FEEDBACK_PARTS[:-1]])
def test_a_double_count_hidden_by_a_negative_rest_fails(gate: GateSession, part: str) -> None:
    assert verdict(gate, day(**{part: -1})) == [NO_NEGATIVE]


def test_more_bad_inferences_than_lines_fail(gate: GateSession) -> None:
    assert verdict(gate, day(inference_dead_letters=10, inference_duplicates=91)) == [INFERENCES_FIT]
    assert verdict(gate, day(inference_duplicates=None)) == [INFERENCES_FIT]


@pytest.mark.parametrize(
    ("part", "expectation"),
    [
        ("feedback_dead_letters", DEAD_FEEDBACK),
        ("inference_dead_letters", DEAD_INFERENCES),
        ("feedback_invalid", INVALID),
    ],
)
def test_a_share_above_its_threshold_fails_with_count_and_share(gate: GateSession, part: str, expectation: str) -> None:
    report = judge(gate, partition_quality.build_suite(thresholds=Thresholds()), [day(**{part: 21})], TYPES)
    assert broken(report) == [expectation]
    assert report.failures[0].observed == "21 of 100 (21.00 %)"
    assert report.failures[0].unexpected_count == 21


@pytest.mark.parametrize("part", ["feedback_dead_letters", "inference_dead_letters", "feedback_invalid"])
def test_a_share_that_was_not_counted_fails(gate: GateSession, part: str) -> None:
    assert {DEAD_FEEDBACK, DEAD_INFERENCES, INVALID} & set(verdict(gate, day(**{part: None})))


def test_thresholds_are_settings_and_exact(gate: GateSession) -> None:
    bad = day(feedback_dead_letters=29, feedback_invalid=50)
    assert verdict(gate, bad, max_dead_letter_share=0.29, max_invalid_share=0.5) == []
    assert verdict(gate, bad, max_dead_letter_share=0.285, max_invalid_share=0) == [
        "at most 28.5 % of the feedback lines are dead letters",
        "at most 0 % of the feedback lines are invalid",
    ]
