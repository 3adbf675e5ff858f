"""The same week loaded by the day and by the hour: the same rows, the same versions, the same after what comes late.

The failure that this prevents: a setting for large days that makes other data of them.
"""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.late_landings import late_landings
from orchestration.lib.ledger_parts import HOURLY_STREAMS, hour_of_part, parts_of
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from tests.erasure_world import DAYS, PERSON, contents, land_world
from tests.platform_under_test import Platform, recipes_of
from tests.processes import is_killed
from tests.test_erasure import LEFT
from tests.traffic import inference, into_hours, land, thumbs

WEEK = [DAYS[0] + timedelta(days=n) for n in range(7)]
HOURLY = {"FEEDBACK_LOADING_PARTITIONS": "hourly"}
RECIPES = ("feedback", "sft")
# When something was done, and from which files of the ledger.
OF_THE_RUN = {"feedback_stage_times", "feedback_loop_latency", "int_built_partitions"}


def hour_folder(day: date, hour: int) -> str:
    return f"dt={day}/hour={hour:02}"


def land_hour(data_dir: Path, day: date, hour: int, numbers: range, name: str = "more.jsonl") -> None:
    for stream, make in (("inferences", inference), ("feedback", thumbs)):
        landed = land(data_dir, stream, day, [make(day, n) for n in numbers], name=name)
        folder = data_dir / "landing" / stream / hour_folder(day, hour)
        folder.mkdir(exist_ok=True)
        landed.rename(folder / name)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of files in hours, in the day itself, and in some formats; one day has none."""
    data_dir = tmp_path_factory.mktemp("landed")
    land_world(data_dir, with_person=True)
    into_hours(data_dir)
    for day in WEEK[3:6]:
        for hour in (0, 11, 23):
            land_hour(data_dir, day, hour, range(100 + hour, 110 + hour))
        land(data_dir, "feedback", day, [thumbs(day, 100), "no JSON"], name="of_no_hour.jsonl")
    return data_dir


@pytest.fixture(scope="module")
def recipes() -> Path:
    return recipes_of(*RECIPES)


@pytest.fixture(scope="module")
def daily(landed: Path, recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("daily") / "data", {"FEEDBACK_RECIPES": str(recipes)})
    shutil.copytree(landed, platform.data_dir)
    assert platform.run(WEEK[0], WEEK[-1]) == 0
    return platform


@pytest.fixture(scope="module")
def hourly(landed: Path, recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A day of it while it goes on, whose loading is killed and taken up again; and then the week."""
    platform = Platform(tmp_path_factory.mktemp("hourly") / "data", {"FEEDBACK_RECIPES": str(recipes), **HOURLY})
    shutil.copytree(landed, platform.data_dir)
    hours = ("load", "--from", f"{WEEK[3]}T00", "--to", f"{WEEK[3]}T11")
    assert is_killed(platform.data_dir, platform.settings, "tests.hours_killed", "5", *hours)
    assert len(platform.ledger_files()) == 4
    assert platform.command(*hours) == 0
    with platform.environment():
        # An open day is nobody's business yet, though files have landed in hours that are to come.
        assert late_landings(Settings.from_env(), streams=STREAMS) is None
    assert {Path(path).name for path in platform.ledger_files()} == {
        f"part-hour-{hour:02}.parquet" for hour in range(12)
    }
    assert platform.run(WEEK[0], WEEK[-1]) == 0
    return platform


def relations(platform: Platform) -> dict[str, list[dict[str, Any]]]:
    names = platform.query(
        "select table_schema || '.' || table_name as name from information_schema.tables "
        "where table_schema in ('staging', 'intermediate', 'marts') order by 1"
    )
    asked = [row["name"] for row in names if row["name"].split(".")[1] not in OF_THE_RUN]
    with platform.environment():
        return {name: platform.query(f"select * from {name} order by all") for name in asked}


def published(platform: Platform) -> dict[str, str]:
    """Every file of the datasets but the manifests, which list the ledger's files."""
    return {path: sha for path, sha in platform.dataset_files().items() if not path.endswith("manifest.json")}


def manifests(platform: Platform) -> dict[str, Any]:
    found = {}
    for path in sorted((platform.data_dir / "datasets").rglob("manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        del manifest["ledger_files"]
        found[str(path.relative_to(platform.data_dir))] = manifest
    return found


def assert_same(daily: Platform, hourly: Platform) -> None:
    of_day, of_hours = relations(daily), relations(hourly)
    assert of_day.keys() == of_hours.keys()
    assert [name for name, rows in of_day.items() if rows != of_hours[name]] == []
    assert published(daily) == published(hourly)
    assert manifests(daily) == manifests(hourly)


def files_of(platform: Platform, stream: str, day: date) -> list[str]:
    return parts_of(Store(str(platform.data_dir / "ledger")), stream, day)


def test_a_day_is_one_file_or_one_an_hour(daily: Platform, hourly: Platform) -> None:
    for stream in HOURLY_STREAMS:
        for day in WEEK:
            assert [hour_of_part(path) for path in files_of(daily, stream.name, day)] == [None]
        hours = [hour_of_part(path) for path in files_of(hourly, stream.name, WEEK[3])]
        assert hours == [*range(12), 23]
        assert [hour_of_part(path) for path in files_of(hourly, stream.name, WEEK[6])] == [23]
    assert [hour_of_part(path) for path in files_of(hourly, "reviews", WEEK[0])] == [None]


def test_every_relation_and_every_version_is_the_same(daily: Platform, hourly: Platform) -> None:
    assert_same(daily, hourly)
    accounts = hourly.query("select * from marts.daily_accounts order by received_date")
    assert [row["received_date"] for row in accounts] == WEEK
    for row in accounts:
        assert row["lines_received"] == sum(
            n for name, n in row.items() if name not in ("received_date", "lines_received")
        )
    assert sum(row["dead_letter"] for row in accounts) > 3 and sum(row["attributed"] for row in accounts) > 90


def test_a_rerun_changes_no_byte(hourly: Platform) -> None:
    before = hourly.ledger_files(), hourly.dataset_files(), relations(hourly)
    assert hourly.run(WEEK[0], WEEK[-1]) == 0
    assert (hourly.ledger_files(), hourly.dataset_files(), relations(hourly)) == before


def test_a_row_is_traced_to_the_hour_that_it_came_in(hourly: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    version = json.loads((hourly.data_dir / "datasets" / "feedback" / "latest.json").read_text())["version"]
    wanted = f"fb-{WEEK[4]}-112"
    assert hourly.command("datasets", "trace", "feedback", version, "--feedback", wanted) == 0
    events = [one for row in json.loads(capsys.readouterr().out)["rows"] for one in row["rests_on"]]
    assert {one["ledger_file"].rsplit("/", 1)[-1] for one in events} == {"part-hour-11.parquet"}
    assert all(one["is_ledger_as_it_was"] and one["is_line_in_ledger"] for one in events) and len(events) == 2


def test_a_version_is_made_again_from_hours(hourly: Platform) -> None:
    version = json.loads((hourly.data_dir / "datasets" / "feedback" / "latest.json").read_text())["version"]
    assert hourly.command("datasets", "rebuild", "feedback", version) == 0


def test_a_late_file_in_an_old_hour_is_seen_and_loaded(daily: Platform, hourly: Platform) -> None:
    day = WEEK[4]
    before = hourly.ledger_files()
    for platform in (daily, hourly):
        land_hour(platform.data_dir, day, 11, range(200, 205), name="late.jsonl")
        with platform.environment():
            late = late_landings(Settings.from_env(), streams=STREAMS)
        assert late and (late.first, late.last, late.changed) == (day, WEEK[-1], (day,))
        assert platform.run(day, day) == 0
    assert_same(daily, hourly)
    changed = {path for path, sha in hourly.ledger_files().items() if before.get(path) != sha}
    assert changed == {f"{s.name}/received_date={day}/part-hour-11.parquet" for s in HOURLY_STREAMS}


def test_a_person_is_erased_from_every_hour(daily: Platform, hourly: Platform) -> None:
    asked = json.dumps({"user_id": PERSON, "timestamp": f"{WEEK[-1]}T12:00:00Z"})
    for platform in (daily, hourly):
        land(platform.data_dir, "erasures", WEEK[-1], [asked])
        assert platform.command("erase", "--resume") == 0
    of_day, of_hours = relations(daily), relations(hourly)
    assert [name for name, rows in of_day.items() if rows != of_hours[name]] == []
    assert published(daily) == published(hourly)
    left = [
        path.relative_to(hourly.data_dir)
        for path in sorted(hourly.data_dir.rglob("*"))
        if path.is_file() and any(LEFT.search(content) for content in contents(path))
    ]
    assert left == []
