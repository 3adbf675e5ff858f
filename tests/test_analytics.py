"""What analysts get: marts without texts, in a file that no run waits for and that is whole whenever it is opened."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.analytics import publish_analytics
from orchestration.lib.replay import OF_THE_PLACE
from orchestration.lib.settings import SETTINGS, Settings
from tests.platform_under_test import Platform
from tests.private_world import land_private_day, planted_texts

DAYS = [date(2024, 6, 1), date(2024, 6, 2)]
COUNT = "select count(*) from analytics.attributed_feedback"
# An analyst's session, which stays open and asks the same again whenever it is told to.
READER = f"""
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for _ in sys.stdin:
        print(connection.execute("{COUNT}").fetchone()[0], flush=True)
"""


class Reader:
    """A process that has the published file open."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", READER, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def count(self) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Two runs, with an analyst who opened the file between them and kept it open."""
    platform = Platform(tmp_path_factory.mktemp("analysts"))
    path = platform.data_dir / "published" / "analytics.duckdb"
    land_private_day(platform.data_dir, DAYS[0])
    # A run that was killed while it wrote.
    path.parent.mkdir()
    (path.parent / f".{path.name}.0123").write_bytes(b"half a file")
    first = platform.run(DAYS[0], DAYS[0])
    reader = Reader(path)
    before = reader.count()
    land_private_day(platform.data_dir, DAYS[1])
    second = platform.run(DAYS[1], DAYS[1])
    still, late = reader.count(), Reader(path)
    yield {"platform": platform, "path": path, "exits": (first, second), "counts": (before, still, late.count())}
    reader.close()
    late.close()


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table of the published file, as an analyst reads them."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        found: dict[str, list[dict[str, Any]]] = {}
        for (name,) in connection.execute("select table_name from duckdb_tables() order by 1").fetchall():
            cursor = connection.execute(f"select * from analytics.{name}")
            columns = [column[0] for column in cursor.description or []]
            found[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        return found


def test_a_reader_keeps_what_was_opened_and_no_run_waits_for_it(world: dict[str, Any]) -> None:
    before, still, late = world["counts"]
    assert world["exits"] == (0, 0)
    assert 0 < before == still < late


def test_no_text_that_somebody_wrote_is_in_it(world: dict[str, Any]) -> None:
    content = world["path"].read_bytes()
    # DuckDB compresses: what is in no byte of the file may still be in its rows.
    rows = str(tables(world["path"]))
    marts = str(world["platform"].tables())
    texts = planted_texts(DAYS)
    assert [text for text in texts if text.encode() in content or text in rows] == []
    assert len([text for text in texts if text in marts]) > len(texts) / 2, "the search finds what is there"


def test_the_rows_and_numbers_are_those_of_the_marts(world: dict[str, Any]) -> None:
    published, marts = tables(world["path"]), world["platform"].tables()
    # What is told of models' features is not in it: a model that can not be explained would hold it back.
    assert published.keys() == marts.keys() - {"feature_attributions", "feedback_conversation"}
    for name, rows in published.items():
        of_mart = [{column: row[column] for column in rows[0]} for row in marts[name]] if rows else []
        assert sorted(map(str, rows)) == sorted(map(str, of_mart)), name
    assert {row["state"] for row in published["feedback_status"]} >= {"attributed", "dead_letter"}
    assert {row["user_id"] for row in published["attributed_feedback"]} >= {f"person-{day}" for day in DAYS}


def test_nobody_writes_it_and_nothing_is_left_beside_it(world: dict[str, Any]) -> None:
    path = world["path"]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o222 == 0


def test_a_replay_puts_nothing_where_analysts_look() -> None:
    places = {name for name, default, _ in SETTINGS if default.startswith("<data dir>")}
    assert places <= set(OF_THE_PLACE)


def test_a_column_that_nobody_vouches_for_is_not_in_it(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create schema marts; create table marts.new_mart as select 'id' as request_id, 'text' as remark, "
            "1.5 as reward, {'deep': 'text', 'n': 1} as told, map {'a': 'text'} as more, ['text'] as list, "
            "'state' as state, '{}'::json as settings, 'x'::blob as raw"
        )
    published = publish_analytics(Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)}), ["new_mart"])
    assert published.columns == {"new_mart": ["request_id", "reward"]}
    assert set(published.withheld["new_mart"]) == {"remark", "told", "more", "list", "state", "settings", "raw"}
