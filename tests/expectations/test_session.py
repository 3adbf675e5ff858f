"""The session: reads where the data is, says nothing, and leaves no trace of itself on the files."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

import expectations
from expectations.attach import AttachError
from expectations.gx_runtime import import_gx
from expectations.rules import RowRules, columns_are, row_count_is
from expectations.session import GateError, GateSession

RULES = RowRules(ids=("feedback_id",))

WRITER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
connection.execute("insert into feedback values ('written')")
print("writing", flush=True)
time.sleep(float(sys.argv[2]))
"""


def suite(*expectations: Any) -> Any:
    return import_gx().ExpectationSuite(name="test", expectations=list(expectations))


def count_rows(session: GateSession, query: str, expected: int) -> bool:
    report = session.validate(
        gate="count",
        asset_name="feedback",
        partition="2024-01-15",
        query=query,
        suite=suite(row_count_is(expected, sentence="all rows")),
    )
    return report.success


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "it's a warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table feedback as select 'fb-' || i as feedback_id from range(3) as r(i)")
    return path


def write_from_another_process(warehouse: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WRITER, str(warehouse), "0"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def another_process_writing(warehouse: Path, *, seconds: float) -> Iterator[None]:
    command = [sys.executable, "-c", WRITER, str(warehouse), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield
        process.terminate()


def test_it_reads_an_attached_file_and_lets_go_of_it(warehouse: Path) -> None:
    with GateSession(attach={"warehouse": warehouse}) as session:
        assert count_rows(session, "select * from warehouse.feedback", 3)
        assert "Could not set lock" in write_from_another_process(warehouse).stderr
    assert write_from_another_process(warehouse).stdout == "writing\n"
    with GateSession(attach={"warehouse": warehouse}) as session:
        assert count_rows(session, "select * from warehouse.feedback", 4)
    assert write_from_another_process(warehouse).stdout == "writing\n"


@pytest.mark.parametrize("setup", [["selec"], ["select * from warehouse.nothing"]])
def test_it_lets_go_of_the_file_when_opening_fails(warehouse: Path, setup: Sequence[str]) -> None:
    with pytest.raises(duckdb.Error), GateSession(attach={"warehouse": warehouse}, setup=setup):
        pass
    assert write_from_another_process(warehouse).stdout == "writing\n"


def test_it_lets_go_of_the_file_when_its_user_fails(warehouse: Path) -> None:
    with pytest.raises(duckdb.Error), GateSession(attach={"warehouse": warehouse}) as session:
        count_rows(session, "select * from warehouse.nothing", 3)
    assert write_from_another_process(warehouse).stdout == "writing\n"


def test_it_never_writes_an_attached_file(warehouse: Path) -> None:
    with (
        pytest.raises(duckdb.InvalidInputException, match="read-only"),
        GateSession(attach={"warehouse": warehouse}, setup=["delete from warehouse.feedback"]),
    ):
        pass


def test_it_waits_for_another_process_to_finish_writing(warehouse: Path) -> None:
    with another_process_writing(warehouse, seconds=1.5):
        before = time.monotonic()
        with GateSession(attach={"warehouse": warehouse}) as session:
            assert time.monotonic() - before > 0.5
            assert count_rows(session, "select * from warehouse.feedback", 4)


def test_it_says_which_file_is_locked_and_by_whom_when_it_has_waited_enough(warehouse: Path) -> None:
    with another_process_writing(warehouse, seconds=60), pytest.raises(AttachError) as error:
        GateSession(attach={"warehouse": warehouse}, lock_timeout_seconds=0.5).__enter__()
    assert str(warehouse) in str(error.value)
    assert "after 0.5 s" in str(error.value)
    assert "(PID " in str(error.value)
    assert "run again" in str(error.value)


def test_a_writer_in_this_process_is_an_error_at_once(warehouse: Path) -> None:
    """It would be waited for in vain: whoever holds the file is most likely the caller."""
    with duckdb.connect(str(warehouse)), pytest.raises(AttachError, match="open for writing in this process"):
        GateSession(attach={"warehouse": warehouse}).__enter__()


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(AttachError, match=r"gone\.duckdb does not exist; build it"):
        GateSession(attach={"warehouse": tmp_path / "gone.duckdb"}).__enter__()


def test_setup_statements_run_after_attaching_and_times_are_utc(warehouse: Path) -> None:
    setup = ["use warehouse", "create view memory.main.seen as select * from warehouse.feedback"]
    with GateSession(attach={"warehouse": warehouse}, setup=setup) as session:
        assert count_rows(session, "select * from memory.main.seen", 3)
        assert count_rows(session, "select 1 where current_setting('TimeZone') = 'UTC'", 1)


def test_the_same_asset_with_other_rows_and_columns_is_judged_anew(gate: GateSession) -> None:
    """GX caches by asset name: a partition must not be judged by the one before it."""
    for rows, columns in ((3, "i"), (5, "i"), (0, "i"), (2, "i, i as j")):
        report = gate.validate(
            gate="count",
            asset_name="feedback",
            partition="2024-01-15",
            query=f"select {columns} from range({rows}) as r(i)",
            suite=suite(
                row_count_is(rows, sentence="all rows"),
                columns_are(["i", "j"] if "j" in columns else ["i"]),
                RULES.not_null("i"),
            ),
        )
        assert report.success, report.summary()


def test_two_sessions_give_the_same_report_in_the_order_of_the_suite() -> None:
    def run() -> dict[str, Any]:
        with GateSession() as session:
            report = session.validate(
                gate="g",
                asset_name="a",
                partition="p",
                query="select 'fb-' || i as feedback_id, i // 2 as n from range(20000) as r(i)",
                suite=suite(
                    RULES.no_row("n is small", where="n > 100"),
                    RULES.unique("n"),
                    RULES.not_null("n"),
                    row_count_is(20_000, sentence="all rows"),
                    RULES.between("n", 0, 5),
                ),
            )
        assert [o.expectation for o in report.outcomes] == [
            "n is small",
            "n is unique",
            "n is never null",
            "all rows",
            "n is between 0 and 5",
        ]
        return report.to_dict()

    assert run() == run()


def test_it_says_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.INFO), GateSession(data_docs_dir=tmp_path / "docs") as session:
        assert not count_rows(session, "select 1", 3)
        session.build_data_docs()
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith("great_expectations")] == []


def test_a_query_that_fails_on_its_data_is_an_error_without_the_data(gate: GateSession) -> None:
    query = "select * from (values ('my secret words')) as t(feedback_id) where feedback_id::int > 3"
    with pytest.raises(GateError, match="the query of feedback fails; not evaluated: ConversionException") as error:
        count_rows(gate, query, 1)
    assert "secret" not in str(error.value)
    assert error.value.__context__ is None


def test_a_session_that_is_not_open_says_so() -> None:
    session = GateSession()
    with pytest.raises(GateError, match="not open"):
        count_rows(session, "select 1", 1)
    with session:
        assert count_rows(session, "select 1", 1)
    with pytest.raises(GateError, match="not open"):
        count_rows(session, "select 1", 1)


def test_importing_the_package_imports_neither_gx_nor_dagster() -> None:
    """Every command of the platform imports it; Great Expectations alone takes 8 s."""
    folder = Path(expectations.__file__).parent
    # The dialect is SQLAlchemy's by nature; the session imports it when it opens.
    modules = sorted({path.stem for path in folder.glob("*.py")} - {"__init__", "duckdb_dialect"})
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module('expectations.' + name)\n"
        "heavy = {'great_expectations', 'pandas', 'sqlalchemy', 'dagster', 'dbt'} & set(sys.modules)\n"
        "print(*sorted(heavy), end='')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (found.stdout, found.stderr) == ("", "")
