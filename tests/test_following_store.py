"""What a step rests on of DuckDB: plans that are kept, and an index that finds few rows of many.

The failure that this prevents: rows that are not found, or a step that reads past all of the history again.
"""

from collections.abc import Iterator

import duckdb
import pytest

from orchestration.lib.follow import lookups
from orchestration.lib.follow.history import KEYS, with_hashes
from orchestration.lib.follow.lookups import LookUps, look_up_by_index
from orchestration.lib.follow.statements import Statements, plan_for_any_rows

ROWS = 300_000


def fill(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("insert into t select 10, 'c' from range(3)")


def empty_table(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create table t (i integer, s varchar)")
    connection.execute("create temp table found (i integer, s varchar)")


def test_a_kept_plan_finds_rows_of_a_table_that_was_empty() -> None:
    with duckdb.connect() as connection:
        plan_for_any_rows(connection)
        empty_table(connection)
        statements = Statements(connection)
        query = "from t where i > 5 and s in (select s from t)"
        statements.table("found", query)
        fill(connection)
        statements.table("found", query)
        assert statements.count("found") == 3
        statements.table("found", query, when=False)
        assert statements.count("found") == 0


def test_duckdb_by_itself_keeps_what_it_knew_of_an_empty_table() -> None:
    """Why `plan_for_any_rows` is there: once this fails it may go."""
    with duckdb.connect() as connection:
        empty_table(connection)
        connection.execute("prepare kept as insert into found from t where i > 5")
        fill(connection)
        connection.execute("execute kept")
        assert connection.execute("select count(*) from found").fetchall() == [(0,)]


def test_a_table_that_is_made_later_does_not_undo_the_plans() -> None:
    with duckdb.connect() as connection:
        plan_for_any_rows(connection)
        empty_table(connection)
        statements = Statements(connection)
        statements.table("found", "from t where i > 5")
        statements.table("more", "select i from t")
        fill(connection)
        statements.table("found", "from t where i > 5")
        statements.table("more", "select i from t")
        assert (statements.count("found"), statements.count("more")) == (3, 3)


@pytest.fixture(scope="module")
def store() -> Iterator[Statements]:
    """Feedback of which every seventh is on a session, with the keys that a store has."""
    with duckdb.connect() as connection:
        plan_for_any_rows(connection)
        look_up_by_index(connection)
        connection.execute("attach ':memory:' as base")
        rows = f"""(
            select 'fb-' || i as feedback_id, case when i % 7 > 0 then 'req-' || i end as request_id,
                'session-' || i // 2 as session_id, date '2024-06-01' + (i % 30)::integer as received_date
            from range({ROWS}) as rows (i)
        )"""
        connection.execute(f"create table base.int_feedback_receipts as {with_hashes('int_feedback_receipts', rows)}")
        for column in KEYS["int_feedback_receipts"]:
            connection.execute(f"create index {column} on base.int_feedback_receipts ({column})")
        yield Statements(connection)


def found(store: Statements, column: str, asked: str, where: str = "true") -> list[str]:
    LookUps(store).table("found", "int_feedback_receipts", column, asked=asked, where=where)
    rows = store.connection.execute("select feedback_id from temp.found order by feedback_id")
    return [feedback_id for (feedback_id,) in rows.fetchall()]


@pytest.mark.parametrize("most_keys", [lookups.MOST_KEYS, 1])
def test_the_history_has_rows_of_just_the_keys(
    store: Statements, monkeypatch: pytest.MonkeyPatch, most_keys: int
) -> None:
    """By the index, and past as many keys by reading all."""
    monkeypatch.setattr(lookups, "MOST_KEYS", most_keys)
    asked = "select unnest(['req-8', 'req-9', 'req-9', 'req-7', 'nobody', null])"  # the seventh is on a session
    assert found(store, "request_hash", asked) == ["fb-8", "fb-9"]
    assert found(store, "request_hash", asked, "received_date > date '2024-06-09'") == ["fb-9"]
    assert found(store, "session_hash", "select unnest(['session-7', 'session-8'])") == ["fb-14"]
    assert found(store, "request_hash", "select null::varchar") == []
    columns = store.connection.execute("describe temp.found").fetchall()
    assert [row[0] for row in columns] == ["feedback_id", "request_id", "session_id", "received_date"]


def test_the_index_is_used(store: Statements, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB tells of a scan by an index in its profile only: here by how many rows it read."""
    asked = f"select 'req-' || i from range(8, {ROWS}, 1000) as rows (i)"
    found(store, "request_hash", asked)
    sql: list[str] = []
    monkeypatch.setattr(Statements, "table_once", lambda _, name, query: sql.append(query))
    found(store, "request_hash", asked)
    profile = store.connection.execute(f"explain (analyze, format json) {sql[0]}").fetchall()[0][1]
    assert "Index Scan" in profile, profile
