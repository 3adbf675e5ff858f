"""What a user holds on to after a run: datasets, history, exit codes, the sensor, the schedule, dbt's own tests."""

import hashlib
import json
import socket
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import datasets
import pytest

from orchestration.contracts.json_schema import STREAMS
from orchestration.contracts.reasons import STATES
from orchestration.definitions import defs
from orchestration.defs.resources import PlatformResource
from orchestration.lib import dbt
from orchestration.lib.instance import PROCESS_TAG, fail_dead_runs, this_process
from orchestration.lib.range_tags import range_tags
from orchestration.lib.settings import Settings
from tests.platform_under_test import Platform
from tests.traffic import inference, land, land_honest_day, thumbs

DAY_1, DAY_2 = date(2024, 6, 1), date(2024, 6, 2)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("held"))
    for day in (DAY_1, DAY_2):
        land_honest_day(platform.data_dir, day)
    assert platform.run(DAY_1, DAY_2) == 0
    return platform


def latest(platform: Platform) -> Path:
    folder = platform.data_dir / "datasets" / "feedback"
    return folder / json.loads((folder / "latest.json").read_text())["version"]


def test_the_folder_loads_with_datasets(platform: Platform, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(latest(platform)), cache_dir=str(tmp_path))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 40}
    row = loaded["train"][0]
    assert row["feedback_id"] and row["request_id"] and row["output_text"].startswith("answer")


def test_the_manifest_says_what_the_files_are(platform: Platform) -> None:
    manifest = json.loads((latest(platform) / "manifest.json").read_text())
    assert manifest["partition"] == str(DAY_2)
    assert manifest["parent_version"].startswith(str(DAY_1))
    assert manifest["rows"] == {"train": 40}
    assert manifest["changes"] == {"added": 20, "changed": 0, "removed": 0}
    assert len(manifest["ledger_files"]) == 2 * len(STREAMS)
    assert manifest["gate"]["result"] == "passed"
    for file in manifest["files"]:
        content = (latest(platform) / file["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])


def test_the_same_rows_make_the_same_bytes_in_another_place(platform: Platform, tmp_path: Path) -> None:
    elsewhere = Platform(tmp_path / "elsewhere")
    for day in (DAY_1, DAY_2):
        land_honest_day(elsewhere.data_dir, day)
    assert elsewhere.run(DAY_1, DAY_2) == 0
    assert elsewhere.dataset_files() == platform.dataset_files()


def test_status_tells_the_whole_history(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.command("status", "--feedback", f"fb-{DAY_1}-3") == 0
    history = json.loads(capsys.readouterr().out)
    assert [line["source_line"] for line in history["received"]] == [4]
    assert history["states"][0]["state"] == "attributed"
    assert history["attribution"]["request_id"] == f"req-{DAY_1}-3"
    held: dict[str, list[str]] = {}
    for version in history["datasets"]:
        held.setdefault(version["dataset"], []).append(version["version"][:10])
    # A thumbs-down: no demonstration, and no pair without a praised answer to the same prompt.
    assert held == {name: [str(DAY_1), str(DAY_2)] for name in ("feedback", "kto", "reward")}

    assert platform.command("status", "--request", f"req-{DAY_1}-3") == 0
    history = json.loads(capsys.readouterr().out)
    assert history["feedback"][0]["feedback_id"] == f"fb-{DAY_1}-3"

    assert platform.command("status", "--feedback", "nobody") == 1


def test_datasets_lists_the_versions(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.command("datasets") == 0
    said = capsys.readouterr().out
    assert latest(platform).name in said and f"latest, as of {DAY_2}" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--from", "2024-06-02", "--to", "2024-06-01"),
        ("run", "--from", "yesterday", "--to", "2024-06-01"),
        ("run", "--from", "2024-06-01"),
        ("run", "--from", "2001-01-01", "--to", "2001-01-02"),
        ("run", "--from", "2024-06-01", "--to", "2999-01-01"),
        ("status",),
    ],
)
def test_bad_arguments_exit_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as exit_:
        Platform(tmp_path).command(*arguments)
    assert exit_.value.code == 2


def test_a_bad_setting_exits_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDBACK_FIRST_DAY", "soon")
    assert Platform(tmp_path).command("datasets") == 2


def test_the_sensor_asks_for_a_day_with_a_late_file_and_the_days_after(platform: Platform) -> None:
    sensor = defs().resolve_sensor_def("late_landing_sensor")
    with platform.environment(), dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"platform": PlatformResource()})
        assert not sensor.evaluate_tick(context).run_requests
        late = land(platform.data_dir, "feedback", DAY_1, [thumbs(DAY_1, 99)], name="late.jsonl")
        try:
            requests = sensor.evaluate_tick(context).run_requests or []
            again = sensor.evaluate_tick(context).run_requests or []
        finally:
            late.unlink()
    assert len(requests) == 1
    assert range_tags(DAY_1, DAY_2).items() <= requests[0].tags.items()
    assert requests[0].run_key == again[0].run_key


def test_the_schedule_asks_for_the_day_that_has_closed() -> None:
    schedule = defs().resolve_schedule_def("daily_attribution_schedule")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance, datetime(2024, 6, 3, 0, 15, tzinfo=UTC), repository_def=defs().get_repository_def()
        )
        requests = schedule.evaluate_tick(context).run_requests or []
    assert [request.partition_key for request in requests] == ["2024-06-02"]


def test_a_run_whose_process_is_gone_is_marked_as_failed() -> None:
    said: list[str] = []
    alive, gone = this_process(), f"{socket.gethostname()}:999999999:1"
    job = defs().resolve_job_def("attribution_job")
    with dg.DagsterInstance.ephemeral() as instance:
        runs = {
            process: instance.create_run_for_job(
                job, status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: process}
            ).run_id
            for process in (alive, gone)
        }
        fail_dead_runs(instance, tell=said.append)
        statuses = {process: instance.get_run_by_id(run_id).status for process, run_id in runs.items()}  # type: ignore[union-attr]
    assert statuses == {alive: dg.DagsterRunStatus.STARTED, gone: dg.DagsterRunStatus.FAILURE}
    assert runs[gone] in said[0]


def test_a_run_that_is_done_again_is_not_taken_for_the_dead_one_whose_tags_it_has() -> None:
    gone = f"{socket.gethostname()}:999999999:1"
    job = defs().resolve_job_def("attribution_job")
    with dg.DagsterInstance.ephemeral() as instance:
        started = {"status": dg.DagsterRunStatus.STARTED, "tags": {PROCESS_TAG: gone}}
        dead = instance.create_run_for_job(job, **started)
        again = instance.create_run_for_job(job, parent_run_id=dead.run_id, root_run_id=dead.run_id, **started)
        fail_dead_runs(instance, tell=lambda _: None)
        found = [run and run.status for run in map(instance.get_run_by_id, (dead.run_id, again.run_id))]
    assert found == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED]


def test_dbt_unit_tests_pass(platform: Platform) -> None:
    """One for each rule of the contract; they need the tables of a run for their types."""
    with platform.environment():
        settings = Settings.from_env()
        dbt.set_environment(settings)
        unit_tests = ["test", "--select", "test_type:unit", "--target-path", str(platform.data_dir / "target")]
        result = dbt.invoke(unit_tests, manifest=dbt.project_of(settings))
    failed = [f"{r.node.name}: {r.message}" for r in result.result.results if r.status != "pass"]
    assert failed == []
    assert len(result.result.results) > 40


def test_the_accounts_have_a_column_for_each_state_and_no_other(platform: Platform) -> None:
    row = platform.query("from marts.daily_accounts")[0]
    assert list(row) == ["received_date", "lines_received", *STATES]


def test_the_warehouse_tells_what_its_columns_mean(platform: Platform) -> None:
    """Whoever opens the file without this repository reads it there."""
    untold = platform.query(
        "select table_name, column_name from duckdb_columns() where comment is null and not internal "
        "and schema_name in ('staging', 'intermediate', 'marts')"
    )
    assert untold == []
    (table,) = platform.query("select comment from duckdb_tables() where table_name = 'attributed_feedback'")
    assert table["comment"]


def test_an_inference_that_no_feedback_is_about_takes_part_in_nothing(platform: Platform, tmp_path: Path) -> None:
    silent = Platform(tmp_path)
    land(silent.data_dir, "inferences", DAY_1, [inference(DAY_1, 1)])
    assert silent.run(DAY_1, DAY_1) == 0
    assert silent.tables()["attributed_feedback"] == []
    assert not list((silent.data_dir / "datasets").glob("feedback/2024*"))
