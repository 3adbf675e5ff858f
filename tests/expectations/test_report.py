"""Reports: the same for the same data, one line for a log, and closed to user text."""

import json
from dataclasses import replace

import pytest

from expectations.report import MAX_FINDINGS, ExpectationOutcome, Finding, GateReport, findings_table

HOLDS = ExpectationOutcome(
    expectation="feedback_id is unique", success=True, observed="0 of 9 rows", unexpected_count=0
)
DEAD = ExpectationOutcome(
    expectation="at most 20 % of the feedback lines are dead letters",
    success=False,
    observed="3 of 9 (33.33 %)",
    unexpected_count=3,
    examples=({"source_file": "a|b.jsonl", "source_line": 3, "reason": "not_json"},),
)
WARNS = ExpectationOutcome(
    expectation="there are as many lines as there were", success=False, observed="9 lines", blocks=False
)


def report(*outcomes: ExpectationOutcome) -> GateReport:
    return GateReport(gate="ledger", partition="2024-01-15", outcomes=outcomes)


def test_a_gate_holds_when_every_expectation_does() -> None:
    assert report(HOLDS).success
    assert report(HOLDS).failures == ()
    assert report(HOLDS).summary() == "gate ledger, partition 2024-01-15: all 1 expectations hold"
    assert not report(HOLDS, DEAD).success
    assert report(HOLDS, DEAD).failures == (DEAD,)


def test_the_summary_is_one_line_that_names_partition_gate_expectation_and_count() -> None:
    assert report(HOLDS, DEAD).summary() == (
        "gate ledger, partition 2024-01-15: 1 of 2 expectations failed: "
        "at most 20 % of the feedback lines are dead letters (found 3 of 9 (33.33 %))"
    )
    many = report(*[DEAD] * 5).summary()
    assert many.count("dead letters") == 3
    assert many.endswith("; and 2 more")


def test_the_dictionary_is_json_and_has_neither_time_nor_run_id() -> None:
    found = json.loads(json.dumps(report(HOLDS, DEAD).to_dict()))
    assert found == {
        "gate": "ledger",
        "partition": "2024-01-15",
        "success": False,
        "outcomes": [
            {
                "expectation": "feedback_id is unique",
                "success": True,
                "observed": "0 of 9 rows",
                "unexpected_count": 0,
                "blocks": True,
                "examples": [],
            },
            {
                "expectation": "at most 20 % of the feedback lines are dead letters",
                "success": False,
                "observed": "3 of 9 (33.33 %)",
                "unexpected_count": 3,
                "blocks": True,
                "examples": [{"source_file": "a|b.jsonl", "source_line": 3, "reason": "not_json"}],
            },
        ],
    }


def test_the_table_shows_failures_first_and_no_id_breaks_out_of_its_cell() -> None:
    hostile = ExpectationOutcome(
        expectation="feedback_id is unique",
        success=False,
        observed="2 of 9 rows",
        examples=({"feedback_id": "x | y\n| z <img src=//evil> `*_[a](b)"},),
    )
    lines = report(HOLDS, hostile).to_markdown().splitlines()
    assert lines[0] == "| | expectation | observed | examples |"
    assert lines[2].startswith("| FAILED |")
    assert lines[3].startswith("| ok |")
    assert len(lines) == 4
    assert "&lt;img" in lines[2]
    assert lines[2].replace("\\|", "").count("|") == 5


def test_a_warning_holds_nothing_up_and_is_told_where_nothing_failed() -> None:
    warned = report(HOLDS, WARNS)
    assert warned.success and warned.warnings == (WARNS,)
    assert warned.summary() == (
        "gate ledger, partition 2024-01-15: passed with 1 of 2 expectations to look at: "
        "there are as many lines as there were (found 9 lines)"
    )
    both = report(WARNS, HOLDS, DEAD)
    assert not both.success and "as many lines" not in both.summary()
    words = [line.split("|")[1].strip() for line in both.to_markdown().splitlines()[2:]]
    assert words == ["FAILED", "WARNING", "ok"]


def test_findings_are_one_table_the_most_surprising_first_and_no_part_of_what_is_kept() -> None:
    def finding(surprise: float, name: str = "1|0") -> Finding:
        subject = f"feedback client_version {name}"
        return Finding(subject=subject, today="1 of 2", expected="0 to 1 %", days=9, surprise=surprise)

    one = replace(report(HOLDS), findings=(finding(1), finding(5)))
    other = replace(one, partition="2024-01-16", findings=(finding(3),))
    lines = findings_table([one, other]).splitlines()
    assert [line.split("|")[-2].strip() for line in lines[2:]] == ["5.0", "3.0", "1.0"]
    assert lines[3].startswith("| 2024-01-16 | feedback client\\_version 1\\|0 | 1 of 2 | 0 to 1 % | 9 |")
    assert len(findings_table([replace(one, findings=(finding(1),) * 50)]).splitlines()) == MAX_FINDINGS + 2
    assert findings_table([report(HOLDS)]) == ""
    assert one.to_dict() == report(HOLDS).to_dict()


def test_examples_hold_ids_only_and_are_few() -> None:
    with pytest.raises(ValueError, match="comment, which may hold user text"):
        ExpectationOutcome(expectation="x", success=False, observed="", examples=({"comment": "awful"},))
    with pytest.raises(ValueError, match="at most 5"):
        ExpectationOutcome(expectation="x", success=False, observed="", examples=({"feedback_id": "f"},) * 6)
