"""Dagster's own files: that many small writes to them do not wait for the disk one by one."""

from pathlib import Path

import sqlalchemy

from orchestration.lib.instance import ensure_dagster_home, open_instance
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
