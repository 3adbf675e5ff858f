"""The ledger's gate: each line is there once, sound ones are whole, and not too many are dead."""

from typing import Any

import pytest

from expectations import ledger
from expectations.ledger import LINE_COLUMNS
from expectations.session import GateSession
from expectations.thresholds import Thresholds
from tests.expectations.tables import Row, broken, judge

LINE_TYPES = {
    "received_date": "date",
    "source_file": "varchar",
    "source_line": "bigint",
    "dead_letter_reason": "varchar",
    "dead_letter_detail": "varchar",
    "raw": "varchar",
}
FEEDBACK_TYPES = {
    "feedback_id": "varchar",
    "request_id": "varchar",
    "session_id": "varchar",
    "feedback_type": "varchar",
    "feedback_at": "timestamptz",
    "comment": "varchar",
}
INFERENCE_TYPES = {"request_id": "varchar", "inference_at": "timestamptz", "model_version": "varchar"}
TYPES = {
    "feedback": LINE_TYPES | FEEDBACK_TYPES,
    "inferences": LINE_TYPES | INFERENCE_TYPES,
}

DEAD_FEEDBACK = "at most 20 % of the feedback lines are dead letters"


def line(number: int, **fields: Any) -> Row:
    return {"received_date": "2024-01-15", "source_file": "app.jsonl", "source_line": number} | fields


def feedback(number: int, **fields: Any) -> Row:
    return line(number, feedback_id=f"fb-{number}", request_id=f"req-{number}", feedback_type="rating") | fields


def inference(number: int, **fields: Any) -> Row:
    return (
        line(number, request_id=f"req-{number}", inference_at="2024-01-15 10:00:00+00", model_version="v4.2") | fields
    )


def dead(number: int, reason: str = "not_json", **fields: Any) -> Row:
    return line(number, dead_letter_reason=reason, raw="{oops") | fields


def suite(stream: str, rows: list[Row], *, lines: int | None = None, share: float = 0.2) -> Any:
    return ledger.build_suite(
        stream=stream,
        columns=[name for name in TYPES[stream] if name not in LINE_COLUMNS],
        lines_received=len(rows) if lines is None else lines,
        thresholds=Thresholds(max_dead_letter_share=share),
    )


def test_a_sound_day_passes(gate: GateSession) -> None:
    rows = [*(feedback(n) for n in range(1, 5)), feedback(5, request_id=None, session_id="s"), dead(6)]
    report = judge(gate, suite("feedback", rows), rows, TYPES["feedback"])
    assert broken(report) == []
    assert [o.expectation for o in report.outcomes][:2] == [
        "columns are as declared",
        "a row for each of the 6 lines received",
    ]
    assert report.outcomes[-1].observed == "1 of 6 (16.67 %)"
    assert report.outcomes[-1].unexpected_count == 1


def test_a_sound_day_of_inferences_passes(gate: GateSession) -> None:
    rows = [inference(n) for n in range(1, 5)]
    assert judge(gate, suite("inferences", rows), rows, TYPES["inferences"]).success


@pytest.mark.parametrize("stream", ["feedback", "inferences"])
def test_a_day_without_lines_passes(gate: GateSession, stream: str) -> None:
    report = judge(gate, suite(stream, []), [], TYPES[stream])
    assert broken(report) == []
    assert report.outcomes[-1].observed == "0 of 0"


def test_the_lines_own_columns_may_be_declared_too(gate: GateSession) -> None:
    built = ledger.build_suite(
        stream="feedback", columns=list(TYPES["feedback"]), lines_received=1, thresholds=Thresholds()
    )
    assert judge(gate, built, [feedback(1)], TYPES["feedback"]).success


@pytest.mark.parametrize(
    ("types", "observed"),
    [
        ({k: v for k, v in TYPES["feedback"].items() if k != "comment"}, "missing: comment"),
        (TYPES["feedback"] | {"surprise": "varchar"}, "unexpected: surprise"),
    ],
)
def test_a_column_missing_or_too_many_fails(gate: GateSession, types: dict[str, str], observed: str) -> None:
    report = judge(gate, suite("feedback", [feedback(1)]), [feedback(1)], types)
    assert broken(report) == ["columns are as declared"]
    assert report.failures[0].observed == observed


def test_a_missing_key_column_fails_every_rule_on_it_and_says_why(gate: GateSession) -> None:
    types = {k: v for k, v in TYPES["feedback"].items() if k != "source_line"}
    report = judge(gate, suite("feedback", [feedback(1)]), [feedback(1)], types)
    by_name = {outcome.expectation: outcome for outcome in report.failures}
    assert by_name["columns are as declared"].observed == "missing: source_line"
    assert by_name["source_line is never null"].observed == (
        'not evaluated: The column "source_line" in BatchData does not exist'
    )
    assert "Binder Error" in by_name["source_file and source_line are unique together"].observed


@pytest.mark.parametrize("lines", [1, 3])
def test_a_lost_or_an_added_line_fails(gate: GateSession, lines: int) -> None:
    rows = [feedback(1), feedback(2)]
    report = judge(gate, suite("feedback", rows, lines=lines), rows, TYPES["feedback"])
    assert broken(report) == [f"a row for each of the {lines} lines received"]
    assert report.failures[0].observed == "2 rows"


@pytest.mark.parametrize("column", ["received_date", "source_file", "source_line"])
def test_a_line_that_can_not_be_found_again_fails(gate: GateSession, column: str) -> None:
    rows = [feedback(1), feedback(2, **{column: None})]
    report = judge(gate, suite("feedback", rows), rows, TYPES["feedback"])
    assert broken(report) == [f"{column} is never null"]
    assert report.failures[0].observed == "1 of 2 rows"
    assert report.failures[0].unexpected_count == 1


def test_a_column_of_nothing_but_nulls_fails(gate: GateSession) -> None:
    rows = [feedback(1, received_date=None)]
    assert broken(judge(gate, suite("feedback", rows), rows, TYPES["feedback"])) == ["received_date is never null"]


def test_a_line_that_is_there_twice_fails(gate: GateSession) -> None:
    rows = [feedback(1), feedback(2), feedback(2, feedback_id="other"), feedback(2, source_file="web.jsonl")]
    report = judge(gate, suite("feedback", rows), rows, TYPES["feedback"])
    assert broken(report) == ["source_file and source_line are unique together"]
    assert report.failures[0].examples == ({"source_file": "app.jsonl", "source_line": 2},)


@pytest.mark.parametrize("column", ["request_id", "inference_at", "model_version"])
def test_a_sound_inference_without_its_keys_fails(gate: GateSession, column: str) -> None:
    rows = [inference(1), inference(2, **{column: None})]
    report = judge(gate, suite("inferences", rows), rows, TYPES["inferences"])
    assert broken(report) == ["sound lines have request_id, inference_at and model_version"]
    assert report.failures[0].examples == ({"source_file": "app.jsonl", "source_line": 2},)


@pytest.mark.parametrize("gone", [{"feedback_id": None}, {"feedback_type": None}, {"request_id": None}])
def test_sound_feedback_without_its_keys_fails(gate: GateSession, gone: dict[str, None]) -> None:
    rows = [feedback(1), feedback(2, **gone)]
    report = judge(gate, suite("feedback", rows), rows, TYPES["feedback"])
    assert broken(report) == ["sound lines have feedback_id, feedback_type and one of request_id and session_id"]
    assert report.failures[0].unexpected_count == 1


def test_a_dead_letter_without_its_text_fails(gate: GateSession) -> None:
    rows = [*(feedback(n) for n in range(1, 9)), dead(9, raw=None)]
    report = judge(gate, suite("feedback", rows), rows, TYPES["feedback"])
    assert broken(report) == ["dead letters carry their raw text"]
    assert report.failures[0].examples == ({"source_file": "app.jsonl", "source_line": 9},)


def test_dead_letters_at_the_threshold_pass_and_one_above_fails(gate: GateSession) -> None:
    at = [*(feedback(n) for n in range(1, 9)), dead(9), dead(10)]
    assert judge(gate, suite("feedback", at), at, TYPES["feedback"]).success
    above = [*(feedback(n) for n in range(1, 8)), dead(8), dead(9), dead(10)]
    report = judge(gate, suite("feedback", above), above, TYPES["feedback"])
    assert broken(report) == [DEAD_FEEDBACK]
    assert report.failures[0].observed == "3 of 10 (30.00 %)"
    assert report.failures[0].unexpected_count == 3


def test_the_threshold_is_compared_exactly(gate: GateSession) -> None:
    """0.29 of 100 lines is less than 29 in floating point."""
    rows = [*(feedback(n) for n in range(71)), *(dead(n) for n in range(71, 100))]
    assert judge(gate, suite("feedback", rows, share=0.29), rows, TYPES["feedback"]).success
    assert not judge(gate, suite("feedback", rows, share=0.28), rows, TYPES["feedback"]).success


def test_examples_of_dead_letters_show_every_reason_first(gate: GateSession) -> None:
    rows = [*(dead(n) for n in range(1, 8)), dead(8, "wrong_type"), dead(9, "no_reference"), dead(10, "no_reference")]
    report = judge(gate, suite("feedback", rows), rows, TYPES["feedback"])
    assert [(e["source_line"], e["reason"]) for e in report.failures[0].examples] == [
        (9, "no_reference"),
        (1, "not_json"),
        (8, "wrong_type"),
        (10, "no_reference"),
        (2, "not_json"),
    ]


def test_a_day_of_dead_letters_only_fails_on_their_share_alone(gate: GateSession) -> None:
    rows = [dead(1), dead(2)]
    assert broken(judge(gate, suite("feedback", rows), rows, TYPES["feedback"])) == [DEAD_FEEDBACK]


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'clicks'; say in expectations/ledger\.py"):
        ledger.build_suite(stream="clicks", columns=[], lines_received=0, thresholds=Thresholds())
