"""Dagster's own files and queue: many small writes do not wait for the disk one by one, and runs for their place."""

from pathlib import Path

import sqlalchemy

from orchestration.lib.instance import ensure_dagster_home, open_instance
from orchestration.lib.locks import WAREHOUSE_POOL
from orchestration.lib.settings import Settings
from tests.platform_under_test import Platform


def test_a_write_to_the_event_log_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """Dagster closes its connection after each write: SQLite empties its log then and waits, unless one stays open."""
    platform = Platform(tmp_path)
    with platform.environment():
        home = ensure_dagster_home(Settings.from_env())
        with open_instance() as instance:
            with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
                assert connection.execute(sqlalchemy.text("pragma synchronous")).scalar() == 1
                assert connection.execute(sqlalchemy.text("pragma journal_mode")).scalar() == "wal"
            assert (home / "history" / "runs" / "index.db-wal").exists()


def test_an_event_log_file_is_opened_once(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    with platform.environment():
        ensure_dagster_home(Settings.from_env())
        with open_instance() as instance:
            storage = instance.event_log_storage
            seen = []
            for _ in range(2):
                with storage.index_connection() as connection:  # type: ignore[attr-defined]
                    seen.append(connection.connection.dbapi_connection)
            assert seen[0] is seen[1]
            # More files than are kept open: the first is opened again.
            for run in [*"abcd", "a"]:
                with storage._connect(run) as connection:  # type: ignore[attr-defined]
                    assert connection.execute(sqlalchemy.text("select count(*) from event_logs")).scalar() == 0


def test_the_warehouse_has_its_one_place_before_the_first_run_waits(tmp_path: Path) -> None:
    """Dagster makes it at the first look at the queue, and starts at that look whatever waits."""
    platform = Platform(tmp_path)
    with platform.environment():
        ensure_dagster_home(Settings.from_env())
        with open_instance() as instance:
            assert instance.event_log_storage.get_concurrency_keys() == {WAREHOUSE_POOL}
            (limit,) = instance.event_log_storage.get_pool_limits()
            assert (limit.name, limit.limit, limit.from_default) == (WAREHOUSE_POOL, 1, True)
