"""Data Docs: a page for each validation of the session, in the words of the suite."""

from pathlib import Path

from expectations import ledger, partition_quality
from expectations.session import GateSession
from expectations.thresholds import Thresholds

LINES = """
    select date '2024-01-15' as received_date, 'a.jsonl' as source_file, i as source_line,
        case when i < 5 then 'not_json' end as dead_letter_reason, null as dead_letter_detail,
        case when i < 5 then '{' end as raw, 'fb' as feedback_id, 'req' as request_id, null as session_id,
        'rating' as feedback_type
    from range(10) as r(i)
"""
COLUMNS = ("feedback_id", "request_id", "session_id", "feedback_type")


def validate_ledger(session: GateSession, partition: str) -> None:
    suite = ledger.build_suite(stream="feedback", columns=COLUMNS, lines_received=10, thresholds=Thresholds())
    session.validate(
        gate="ledger_gate on raw_feedback", asset_name="raw_feedback", partition=partition, query=LINES, suite=suite
    )


def test_there_are_none_without_a_folder() -> None:
    with GateSession() as session:
        validate_ledger(session, "2024-01-15")
        assert session.build_data_docs() is None


def test_every_validation_of_the_session_has_its_page(tmp_path: Path) -> None:
    with GateSession(data_docs_dir=tmp_path / "docs") as session:
        for partition in ("2024-01-15", "2024-01-16"):
            validate_ledger(session, partition)
            session.validate(
                gate="attribution_gate on partition_quality",
                asset_name="partition_quality",
                partition=partition,
                query="select 1 as partition_date",
                suite=partition_quality.build_suite(thresholds=Thresholds()),
            )
    # After the files are let go of: building pages needs no data.
    index = session.build_data_docs()
    assert index == tmp_path / "docs" / "index.html"
    pages = {page.relative_to(tmp_path / "docs" / "validations") for page in (tmp_path / "docs").rglob("*_gate*.html")}
    # validations/<suite>/<partition>/<time>/<gate and asset>.html
    assert {(p.parts[0], p.parts[1], p.name) for p in pages} == {
        (suite, partition, name)
        for partition in ("2024-01-15", "2024-01-16")
        for suite, name in (
            ("ledger_feedback", "ledger_gate_on_raw_feedback-raw_feedback.html"),
            ("partition_quality", "attribution_gate_on_partition_quality-partition_quality.html"),
        )
    }
    links = index.read_text(encoding="utf-8")
    assert all(p.name in links for p in pages)


def test_a_page_speaks_the_suites_words_with_counts_and_examples(tmp_path: Path) -> None:
    with GateSession(data_docs_dir=tmp_path) as session:
        validate_ledger(session, "2024-01-15")
        session.build_data_docs()
    (page,) = tmp_path.rglob("*raw_feedback.html")
    text = page.read_text(encoding="utf-8")
    assert "at most 20 % of the feedback lines are dead letters" in text
    assert "5 of 10 (50.00 %), for example source_file=a.jsonl source_line=0 reason=not_json" in text
    assert "source_file is never null" in text


def test_pages_of_an_earlier_session_in_the_folder_go(tmp_path: Path) -> None:
    for partition in ("2024-01-15", "2024-01-16"):
        with GateSession(data_docs_dir=tmp_path) as session:
            validate_ledger(session, partition)
            session.build_data_docs()
    (page,) = tmp_path.rglob("*raw_feedback.html")
    assert "2024-01-16" in page.parts
