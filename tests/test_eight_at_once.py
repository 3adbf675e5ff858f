"""Eight runs started together, four of the command line and four of the UI's queue, and one of each is killed."""

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from orchestration.lib.instance import PROCESS_TAG
from tests.platform_under_test import Platform
from tests.processes import start
from tests.test_backfill_by_daemon import Server, serving
from tests.traffic import land_honest_day

DAYS = [date(2024, 6, n) for n in range(1, 9)]
OF_COMMAND_LINE, OF_QUEUE = DAYS[:4], DAYS[4:]
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
RUNS = """{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"""
HAS_A_PLACE = {"STARTING", "STARTED", "CANCELING"}
HAS_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
Found = TypeVar("Found")


def launch(server: Server, day: date) -> str:
    """Launches a day as the UI does; the run waits in the queue."""
    selector = {
        "repositoryLocationName": "orchestration",
        "repositoryName": "__repository__",
        "jobName": "attribution_job",
    }
    tags = [{"key": "dagster/partition", "value": str(day)}]
    params = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
    launched = server.ask(LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def runs_of(server: Server) -> dict[str, dict[str, Any]]:
    found = server.ask(RUNS)["runsOrError"]["results"]
    return {run["runId"]: run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found}


def until(ask: Callable[[], Found | None], what: str, *, seconds: float = 400) -> Found:
    deadline = time.monotonic() + seconds
    while (found := ask()) is None:
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
    return found


def holder_of_warehouse(data_dir: Path) -> int | None:
    lock = data_dir / "warehouse.lock"
    told = lock.read_text(encoding="utf-8") if lock.exists() else ""
    return int(json.loads(told)["pid"]) if told else None


def test_eight_runs_at_once_of_which_two_are_killed(tmp_path: Path) -> None:
    together, alone = (Platform.with_one_dataset(tmp_path / name) for name in ("together", "alone"))
    for platform in (together, alone):
        for day in DAYS:
            land_honest_day(platform.data_dir, day, pairs=5)
    with serving(together.data_dir, settings=together.settings) as server:
        logs = {day: tmp_path / f"{day}.log" for day in OF_COMMAND_LINE}
        processes = {
            start(
                *(together.data_dir, "run", "--from", str(day), "--to", str(day)),
                output=log,
                settings=together.settings,
            ): day
            for day, log in logs.items()
        }
        queued = {launch(server, day): day for day in OF_QUEUE}

        killed = until(lambda: holder_of_warehouse(together.data_dir), "no run has taken the warehouse")
        os.kill(killed, signal.SIGKILL)
        for process, day in processes.items():
            wanted = -signal.SIGKILL if process.pid == killed else 0
            assert process.wait(timeout=400) == wanted, logs[day].read_text(encoding="utf-8")

        def running() -> str | None:
            """A run of the queue that is in a process by now. It has to have the place of the one that was killed."""
            with_place = [run for run_id, run in runs_of(server).items() if run["status"] in HAS_A_PLACE]
            assert len([run for run in with_place if run["runId"] in queued]) <= 1
            return next(
                (run["runId"] for run in with_place if PROCESS_TAG in run["tags"] and run["runId"] in queued), None
            )

        died = until(running, "the queue stands still")
        os.kill(int(runs_of(server)[died]["tags"][PROCESS_TAG].split(":")[1]), signal.SIGKILL)

        def ended() -> dict[str, str] | None:
            running()
            found = {run_id: run["status"] for run_id, run in runs_of(server).items()}
            return found if all(status in HAS_ENDED for status in found.values()) else None

        statuses = until(ended, "not all runs of the queue have ended")
    assert sorted(statuses.values()) == ["FAILURE"] * 2 + ["SUCCESS"] * 6
    assert {run_id for run_id in queued if statuses[run_id] == "FAILURE"} == {died}

    (not_landed,) = [day for process, day in processes.items() if process.pid == killed]
    for day in (not_landed, queued[died]):
        assert together.run(day, day) == 0
    assert alone.run(DAYS[0], DAYS[-1]) == 0
    assert together.tables() == alone.tables()
    partitions = "datasets/feedback/partitions.json"
    published = json.loads((alone.data_dir / partitions).read_text(encoding="utf-8"))
    assert json.loads((together.data_dir / partitions).read_text(encoding="utf-8")) == published
    # Which version was whose parent may differ, and with it what is told of that; the rows may not.
    rows = {name: digest for name, digest in alone.dataset_files().items() if "/data/" in name}
    assert rows.items() <= together.dataset_files().items()
