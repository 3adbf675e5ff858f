"""What users wrote stays where it is: not in reports, not in Data Docs, not in logs, however a suite fails."""

import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from expectations import attributed_feedback, dataset, ledger, partition_quality
from expectations.gx_runtime import import_gx
from expectations.rules import RowRules, columns_are, share_at_most
from expectations.session import GateSession
from expectations.thresholds import Thresholds

SECRET = "zanzibar"

# Every column a text where it may be one, and every suite's rules broken at least once.
LEDGER = f"""
    select null::date as received_date, 'a.jsonl' as source_file, i // 2 as source_line,
        case when i < 5 then 'not_json' end as dead_letter_reason, '{SECRET} detail' as dead_letter_detail,
        case when i > 2 then '{SECRET} raw' end as raw, null as feedback_id, 'req-' || i as request_id,
        '{SECRET} session' as session_id, '{SECRET} type' as feedback_type, '{SECRET} comment' as comment
    from range(10) as r(i)
"""
PAIRS = f"""
    select 'fb-' || (i // 2) as feedback_id, null as request_id, '{SECRET} type' as feedback_type, 7.5 as reward,
        '{SECRET} comment' as comment, '{SECRET} output' as output_text, date '2024-01-15' as feedback_received_date,
        date '2024-01-15' as inference_received_date, date '2024-01-16' as attributed_date, -1e9 as lag_seconds,
        null as model_version
    from range(10) as r(i)
"""
NOT_EVALUATED = f"""
    select 'fb-' || i as feedback_id, (case when i = 5 then '{SECRET} words' else i::varchar end)::int as n,
        '{{"{SECRET}' as document
    from range(10) as r(i)
"""


def suites() -> list[tuple[str, str, Any]]:
    rules = RowRules(ids=("feedback_id",))
    columns = ["feedback_id", "request_id", "feedback_type", "reward", "model_version", "attributed_date"]
    return [
        (
            "ledger",
            LEDGER,
            ledger.build_suite(stream="feedback", columns=["label"], lines_received=3, thresholds=Thresholds()),
        ),
        ("attributed_feedback", PAIRS, attributed_feedback.build_suite(window_days=30, expected_rows=3)),
        (
            "dataset",
            PAIRS,
            dataset.build_suite(name="feedback", columns=columns, expected_rows=3, partition=date(2024, 1, 15)),
        ),
        ("partition_quality", PAIRS, partition_quality.build_suite(thresholds=Thresholds())),
        (
            "not_evaluated",
            NOT_EVALUATED,
            import_gx().ExpectationSuite(
                name="not_evaluated",
                expectations=[
                    columns_are(["n"], in_order=True),
                    rules.not_null("n"),
                    rules.unique("n"),
                    rules.between("n", 1, 2),
                    rules.no_row("n is not 3", where="n = 3"),
                    rules.no_row("the document has no a", where="json_extract(document, '$.a') is not null"),
                    share_at_most(
                        "few", at_most=0.2, part="sum(n)", whole="count(*)", rows="select 1 from {batch} where"
                    ),
                ],
            ),
        ),
    ]


def test_no_suite_lets_user_text_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), GateSession(data_docs_dir=tmp_path) as session:
        for name, query, suite in suites():
            report = session.validate(
                gate=f"{name} gate", asset_name=name, partition="2024-01-15", query=query, suite=suite
            )
            assert len(report.failures) >= 4, report.to_markdown()
            for shown in (repr(report), report.summary(), report.to_markdown(), str(report.to_dict())):
                assert SECRET not in shown
        assert session.build_data_docs() == tmp_path / "index.html"
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) == 1 + len(suites())
    for page in pages:
        assert SECRET not in page.read_text(encoding="utf-8")
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())


def test_an_error_is_told_by_its_kind_only_once_rows_were_read(gate: GateSession) -> None:
    _, query, suite = suites()[-1]
    report = gate.validate(gate="g", asset_name="a", partition="p", query=query, suite=suite)
    observed = {outcome.expectation: outcome.observed for outcome in report.failures}
    by_hand = "(run the gate's query by hand to see it)"
    assert observed["n is never null"] == f"not evaluated: ConversionException {by_hand}"
    assert observed["n is not 3"] == f"not evaluated: ConversionException {by_hand}"
    assert observed["the document has no a"] == f"not evaluated: InvalidInputException {by_hand}"


def test_an_id_that_is_a_page_of_text_is_cut(gate: GateSession) -> None:
    rules = RowRules(ids=("feedback_id",))
    suite = import_gx().ExpectationSuite(name="x", expectations=[rules.no_row("none", where="true")])
    report = gate.validate(
        gate="g", asset_name="a", partition="p", query="select repeat('x', 100000) as feedback_id", suite=suite
    )
    assert report.failures[0].examples == ({"feedback_id": "x" * 119 + "…"},)
