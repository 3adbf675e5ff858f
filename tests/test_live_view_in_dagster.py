"""What a data team sees of the live view in Dagster, which does not make it: an asset, a check, a sensor.

The failure that this prevents: a follower that died days ago, and nothing anywhere that is red.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import defs
from orchestration.defs.live.assets import live_view_is_fresh
from orchestration.defs.resources import PlatformResource
from orchestration.lib.follow import freshness
from orchestration.lib.follow.follower import Follower
from orchestration.lib.follow.models import load_models
from orchestration.lib.settings import Settings
from tests.traffic import inference, land, thumbs

DAY = date(2024, 6, 1)
KEY = dg.AssetKey("live_attributed_feedback")


@contextmanager
def caught_up(settings: Settings) -> Iterator[Follower]:
    with Follower(settings, load_models(settings), tell=lambda _: None) as follower:
        follower.open()
        while follower.step():
            pass
        follower.settle_rules()
        yield follower


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[dg.SensorResult, str | None]:
    """One look of the sensor, whose events are stored as the daemon does."""
    sensor = defs().resolve_sensor_def("live_view_sensor")
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"platform": PlatformResource()})
    told = sensor.evaluate_tick(context)
    for event in told.asset_events:
        instance.report_runless_asset_event(event)
    return told, told.cursor


def last_check(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    key = dg.AssetCheckKey(KEY, "live_view_is_fresh")
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    evaluation = record.evaluation
    assert evaluation is not None
    return evaluation


def test_the_sensor_tells_of_the_view_and_of_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(tmp_path))
    settings = Settings.from_env()
    land(tmp_path, "inferences", DAY, [inference(DAY, n) for n in range(2)])
    land(tmp_path, "feedback", DAY, [thumbs(DAY, n) for n in range(3)])
    with dg.DagsterInstance.ephemeral() as instance:
        told, _ = tick(instance)
        assert told.asset_events == []
        assert "nobody runs" in (told.skip_message or "")
        with caught_up(settings):
            _, cursor = tick(instance)
            event = instance.get_latest_materialization_event(KEY)
            assert event is not None and event.asset_materialization is not None
            shown = {name: value.value for name, value in event.asset_materialization.metadata.items()}
            assert (shown["attributed"], shown["waiting"], shown["files_behind"], shown["lines"]) == (2, 1, 0, 5)
            assert shown["rules_have_seen_all"]
            assert last_check(instance).passed
            told, cursor = tick(instance, cursor)
            assert [type(event) for event in told.asset_events] == [dg.AssetCheckEvaluation], "nothing is new"
        land(tmp_path, "feedback", DAY, [thumbs(DAY, 0)], name="nobody-takes-it-in.jsonl")
        tick(instance, cursor)
        assert last_check(instance).passed, "it has only just landed"
        now = time.time()
        monkeypatch.setattr(freshness.time, "time", lambda: now + 120)
        tick(instance, cursor)
        assert not last_check(instance).passed
        assert "1 landed files are not in the view, the oldest for 12" in (last_check(instance).description or "")
        assert "is `attribution follow` running?" in (last_check(instance).description or "")


def test_the_check_can_be_run_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a follower there is nothing to be late."""
    monkeypatch.setenv("FEEDBACK_DATA_DIR", str(tmp_path))
    ran = dg.Definitions(
        asset_checks=[live_view_is_fresh],
        jobs=[dg.define_asset_job("look", selection=dg.AssetSelection.checks(live_view_is_fresh))],
        resources={"platform": PlatformResource()},
    ).resolve_job_def("look")
    with dg.DagsterInstance.ephemeral() as instance:
        assert ran.execute_in_process(instance=instance).success
        assert last_check(instance).passed
