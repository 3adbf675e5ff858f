"""Texts go from days that were loaded by the hour, encrypted, and from the warehouse that was built of them.

The failure that this prevents: a kill between two hours of a day, after which the texts of some stay for good.
"""

import pytest

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.build_window import stale_days
from orchestration.lib.ledger_metadata import ledger_metadata, ledger_versions
from orchestration.lib.ledger_parts import HOURLY_STREAMS, parts_of
from orchestration.lib.retention.ledger_texts import NO_TEXTS, TEXTS
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from orchestration.lib.warehouse import built_versions, read_warehouse
from tests.platform_under_test import Platform
from tests.processes import is_killed
from tests.retention_killed import FIRST_HOUR
from tests.test_privacy_together import KEYS, settings_of
from tests.text_world import KEPT, OLD, POLICY, land_world
from tests.traffic import into_hours

HOURLY = {"FEEDBACK_LOADING_PARTITIONS": "hourly"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("hours"), {**KEYS, **HOURLY})
    land_world(platform.data_dir)
    into_hours(platform.data_dir)
    (platform.data_dir / "retention.yml").write_text(POLICY, encoding="utf-8")
    assert platform.run(OLD[0], KEPT) == 0
    return platform


def rows(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    with read_warehouse(settings) as connection:
        names = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_catalog = 'warehouse' and table_schema in ('intermediate', 'marts') "
            "and table_name not in ('feedback_stage_times', 'feedback_loop_latency', 'int_built_partitions') order by 1"
        ).fetchall()
        return {name: connection.execute(f"select * from {name} order by all").fetchall() for (name,) in names}


def test_a_kill_between_two_hours_leaves_no_text_behind(platform: Platform) -> None:
    settings = settings_of(platform)
    for stream in HOURLY_STREAMS:
        assert len(parts_of(Store(settings.ledger_url), stream.name, OLD[1])) > 1
    assert is_killed(platform.data_dir, platform.settings, "tests.retention_killed", FIRST_HOUR)
    assert platform.command("retain") == 0
    for stream in STREAMS:
        assert ledger_metadata(settings, stream, TEXTS) == dict.fromkeys(OLD, NO_TEXTS), stream.name
    assert stale_days(ledger=ledger_versions(settings), built=built_versions(settings)) == []
    before = rows(settings)
    # What was cleared is what a build of the days makes, and a build takes nothing away from what is noted.
    assert platform.run(OLD[0], KEPT) == 0
    assert rows(settings) == before
    for stream in HOURLY_STREAMS:
        assert ledger_metadata(settings, stream, TEXTS) == dict.fromkeys(OLD, NO_TEXTS), stream.name
