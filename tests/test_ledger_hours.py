"""What a day is in the ledger when it is loaded by the hour: which files, from which folders, and what is refused.

The failure that this prevents: a line that is in two files of a day, or in none.
"""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.json_schema import STREAMS
from orchestration.definitions import defs
from orchestration.lib.erasure.late import keep_late, noted_late
from orchestration.lib.erasure.tombstones import Late
from orchestration.lib.landing import hour_of, landing_files
from orchestration.lib.late_landings import late_landings
from orchestration.lib.ledger import LedgerError, fingerprint, load_hour, load_partition
from orchestration.lib.ledger_metadata import ledger_metadata, whole_days
from orchestration.lib.ledger_parts import hour_of_part, parts_of
from orchestration.lib.names import HOURS_GROUP, LOADING_JOB
from orchestration.lib.settings import Settings, SettingsError
from orchestration.lib.store import Store
from tests.platform_under_test import Platform
from tests.traffic import inference, land

DAY = date(2024, 6, 1)
HOURLY = {"FEEDBACK_LOADING_PARTITIONS": "hourly"}


def settings_of(folder: Path, **more: str) -> Settings:
    return Settings.from_env({"FEEDBACK_DATA_DIR": str(folder), **more})


def land_in(folder: Path, place: str, n: int, name: str = "events.jsonl") -> None:
    (folder / "landing" / "inferences" / f"dt={DAY}" / place).mkdir(parents=True, exist_ok=True)
    land(folder, "inferences", DAY, [inference(DAY, n)], name="on-its-way").rename(
        folder / "landing" / "inferences" / f"dt={DAY}" / place / name
    )


def hours(settings: Settings) -> list[int | None]:
    return [hour_of_part(path) for path in parts_of(Store(settings.ledger_url), "inferences", DAY)]


def quiet(_: str) -> None:
    pass


def test_a_day_is_its_files_and_those_of_its_hours_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for place, name in (("", "z.jsonl"), ("hour=05", "b.jsonl"), ("hour=23", "a.jsonl"), ("", "a.jsonl")):
        land_in(tmp_path, place, 1, name)
    land_in(tmp_path, "hour=05", 2, "_being_written.jsonl")
    store = Store(str(tmp_path / "landing"))
    names = [file.name for file in landing_files(store, "inferences", DAY)]
    assert names == ["a.jsonl", "hour=05/b.jsonl", "hour=23/a.jsonl", "z.jsonl"]
    assert [file.name for file in landing_files(store, "inferences", DAY, 5)] == ["hour=05/b.jsonl"]
    assert landing_files(store, "inferences", DAY, 6) == []
    # What lies in no hour counts to the last one.
    of_last = landing_files(store, "inferences", DAY, 23)
    assert [file.name for file in of_last] == ["a.jsonl", "hour=23/a.jsonl", "z.jsonl"]
    assert {hour_of(file.source_file) for file in of_last} == {23}


@pytest.mark.parametrize("folder", ["hour=24", "hour=x", "hour=5", "Hour=05", "hour05"])
def test_a_folder_that_is_no_hour_stops_the_day(tmp_path: Path, folder: str) -> None:
    land_in(tmp_path, folder, 1)
    land_in(tmp_path, "hour=05", 2)
    for more in ({}, HOURLY):
        settings = settings_of(tmp_path, **more)
        with pytest.raises(LedgerError, match=f"inferences/dt={DAY}/{folder} is no hour.*hour=00 to hour=23"):
            load_partition(settings, INFERENCES, DAY)
        assert hours(settings) == []


def test_the_day_loads_what_is_left_of_its_hours_and_closes(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, **HOURLY)
    for hour in (3, 4, 9):
        land_in(tmp_path, f"hour={hour:02}", hour)
    assert load_hour(settings, INFERENCES, DAY, 3).lines == 1
    assert hours(settings) == [3] and whole_days(settings, INFERENCES) == set()
    assert late_landings(settings, streams=STREAMS) is None

    loaded = load_partition(settings, INFERENCES, DAY)
    assert (loaded.lines, loaded.files, loaded.hours) == (3, 3, (4, 9, 23))
    assert hours(settings) == [3, 4, 9, 23] and whole_days(settings, INFERENCES) == {DAY}
    landed = fingerprint(landing_files(Store(settings.landing_url), "inferences", DAY))
    assert ledger_metadata(settings, INFERENCES, "landing_files") == {DAY: landed}

    again = load_partition(settings, INFERENCES, DAY)
    assert again == replace(loaded, hours=())
    land_in(tmp_path, "hour=10", 10)
    late = late_landings(settings, streams=STREAMS)
    assert late and late.changed == (DAY,)
    assert load_partition(settings, INFERENCES, DAY).hours == (10,)
    # Whoever takes lines out of landing files needs them read again, of the same size or not.
    assert load_partition(settings, INFERENCES, DAY, again=True).hours == (3, 4, 9, 10, 23)


def test_another_way_of_reading_loads_every_hour_again(tmp_path: Path) -> None:
    land_in(tmp_path, "hour=03", 3)
    load_partition(settings_of(tmp_path, **HOURLY), INFERENCES, DAY)
    other = settings_of(tmp_path, **HOURLY, FEEDBACK_MAX_LINE_BYTES="1024")
    assert load_partition(other, INFERENCES, DAY).hours == (3, 23)


def test_a_day_stays_as_it_was_first_loaded(tmp_path: Path) -> None:
    """So that no line is ever in a day's file and in an hour's."""
    daily, hourly = settings_of(tmp_path), settings_of(tmp_path, **HOURLY)
    land_in(tmp_path, "hour=03", 3)
    load_partition(daily, INFERENCES, DAY)
    assert load_partition(hourly, INFERENCES, DAY).lines == 1
    assert hours(hourly) == [None]
    with pytest.raises(LedgerError, match=f"{DAY} was loaded as a whole.*attribution run --from {DAY} --to {DAY}"):
        load_hour(hourly, INFERENCES, DAY, 3)

    other = tmp_path / "other"
    land_in(other, "hour=03", 3)
    load_partition(settings_of(other, **HOURLY), INFERENCES, DAY)
    land_in(other, "", 4)
    assert load_partition(settings_of(other), INFERENCES, DAY).lines == 2
    assert hours(settings_of(other)) == [3, 23]


def test_who_was_overtaken_by_the_other_way_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    daily, hourly = settings_of(tmp_path), settings_of(tmp_path, **HOURLY)
    land_in(tmp_path, "hour=03", 3)

    def overtaken(late: object) -> None:
        raise AssertionError

    from orchestration.lib import ledger

    write = ledger._write

    def write_slowly(settings: Settings, *given: object) -> object:
        monkeypatch.setattr(ledger, "_write", write)
        load_hour(hourly, INFERENCES, DAY, 3, keep_late=overtaken)
        return write(settings, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "_write", write_slowly)
    with pytest.raises(LedgerError, match="another run has loaded it by the hour meanwhile"):
        load_partition(daily, INFERENCES, DAY)
    assert hours(daily) == [3]


def test_a_day_whose_files_are_all_gone_keeps_the_lines_of_its_hours(tmp_path: Path) -> None:
    """And one of which some are gone does not, as it would not in one file."""
    settings = settings_of(tmp_path, **HOURLY)
    for hour in (3, 4):
        land_in(tmp_path, f"hour={hour:02}", hour)
    assert load_partition(settings, INFERENCES, DAY).lines == 2
    landed = tmp_path / "landing" / "inferences" / f"dt={DAY}"
    (landed / "hour=03" / "events.jsonl").unlink()
    assert load_partition(settings, INFERENCES, DAY).lines == 1
    (landed / "hour=04" / "events.jsonl").unlink()
    said: list[str] = []
    assert load_partition(settings, INFERENCES, DAY, tell=said.append).lines == 1
    assert said == [
        f"inferences {DAY} 04:00: its 1 landing files are gone, so its 1 lines stay in the ledger as they were read; "
        "put the files back to have them read again"
    ]


def test_late_lines_of_two_hours_are_both_noted(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    for hour in ("03", "04"):
        one = Late(f"landing/inferences/dt={DAY}/hour={hour}/a.jsonl", 1, "er_1")
        keep_late(settings, INFERENCES, DAY, [one])
    assert len([one for _, _, lines in noted_late(settings).values() for one in lines]) == 2


def test_the_setting_has_two_values() -> None:
    assert not Settings.from_env({}).loads_by_hour
    with pytest.raises(SettingsError, match=re.escape("FEEDBACK_LOADING_PARTITIONS='weekly' must be daily or hourly")):
        Settings.from_env({"FEEDBACK_LOADING_PARTITIONS": "weekly"})


@pytest.mark.parametrize(
    ("more", "first", "last"),
    [
        ({}, "2024-06-01T00", "2024-06-01T01"),
        (HOURLY, "2024-06-01T05", "2024-06-01T01"),
        (HOURLY, "2024-06-01", "2024-06-01T01"),
        (HOURLY, "2001-06-01T05", "2001-06-01T05"),
        (HOURLY, "2024-06-01T05", "2999-06-01T05"),
    ],
)
def test_hours_that_can_not_be_loaded_exit_with_2(tmp_path: Path, more: dict[str, str], first: str, last: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        Platform(tmp_path, more).command("load", "--from", first, "--to", last)
    assert exit_.value.code == 2


def test_the_graph_has_hours_where_they_are_set(tmp_path: Path) -> None:
    with Platform(tmp_path, HOURLY).environment():
        definitions = defs()
        specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
        of_hours = {
            name for name, spec in specs.items() if isinstance(spec.partitions_def, dg.HourlyPartitionsDefinition)
        }
        assert of_hours == {
            f"{name}{stream.name}{by}"
            for name, by in (("landing_", ""), ("", "_by_hour"))
            for stream in (INFERENCES, FEEDBACK)
        }
        assert {name for name, spec in specs.items() if spec.group_name == HOURS_GROUP} == {
            "inferences_by_hour", "feedback_by_hour",
        }  # fmt: skip
        for job in ("attribution_job", "erasure_job"):
            keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
            assert not {key.to_user_string() for key in keys} & of_hours, job
        graph = definitions.resolve_asset_graph()
        hours_of = graph.get_partition_mapping(dg.AssetKey("raw_inferences"), dg.AssetKey("inferences_by_hour"))
        assert isinstance(hours_of, dg.TimeWindowPartitionMapping)

        schedule = definitions.resolve_schedule_def("hourly_loading_schedule")
        assert (schedule.cron_schedule, schedule.job_name) == ("5 * * * *", LOADING_JOB)
        at = datetime(2024, 6, 2, 0, 5, tzinfo=UTC)
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(instance, at, repository_def=definitions.get_repository_def())
            requests = schedule.evaluate_tick(context).run_requests or []
        assert [request.partition_key for request in requests] == ["2024-06-01-23:00"]
