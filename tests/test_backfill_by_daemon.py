"""The UI's backfill page, as a browser drives it: GraphQL to the real webserver, runs by the real daemon."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.platform_under_test import Platform
from tests.processes import REPOSITORY, start, stop
from tests.traffic import land, land_honest_day

DAYS = [date(2024, 6, n) for n in (1, 2, 3)]
ASSETS = """{ assetNodes(loadMaterializations: false) { assetKey { path } isMaterializable } }"""
LAUNCH = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATUS = (
    """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""
)
DONE = {"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}


class Server:
    """The webserver and daemon of one data folder."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            content: dict[str, Any] = json.load(response)
        assert "errors" not in content, content
        return dict(content["data"])

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + 180
        while True:
            try:
                if self.ask(ASSETS)["assetNodes"]:
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            assert time.monotonic() < deadline, "the webserver did not come up"
            time.sleep(1)

    def backfill(self, days: list[date]) -> str:
        """Launches every asset for the days, waits, and returns how the backfill ended."""
        nodes = self.ask(ASSETS)["assetNodes"]
        selection = [{"path": n["assetKey"]["path"]} for n in nodes if n["isMaterializable"]]
        params = {"assetSelection": selection, "partitionNames": [str(day) for day in days]}
        launched = self.ask(LAUNCH, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            status = self.ask(STATUS, id=launched["backfillId"])["partitionBackfillOrError"]["status"]
            if status in DONE:
                return str(status)
            time.sleep(2)
        raise AssertionError("the backfill did not end")


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    for day in DAYS:
        land_honest_day(tmp_path, day)
    return Platform(tmp_path)


@contextmanager
def serving(
    data_dir: Path, *, repository: Path = REPOSITORY, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Server]:
    """The UI and daemon of a data folder, up and then ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = data_dir / "ui.log"
    process = start(data_dir, "ui", "--port", str(port), output=log, repository=repository, settings=settings)
    try:
        server = Server(port)
        server.wait_until_up()
        yield server
    finally:
        stop(process)


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    with serving(platform.data_dir) as server:
        yield server


def test_a_backfill_publishes_up_to_the_bad_day_and_after_a_mend_the_rest(platform: Platform, server: Server) -> None:
    bad = land(platform.data_dir, "feedback", DAYS[1], ['{"rating": "five"}'] * 20, name="bad.jsonl")

    def published() -> list[str]:
        return sorted(f.name[:10] for f in (platform.data_dir / "datasets" / "feedback").glob("2024-*"))

    assert server.backfill(DAYS) in ("COMPLETED_FAILED", "FAILED")
    assert published() == [str(DAYS[0])]
    first = {f: h for f, h in platform.dataset_files().items() if str(DAYS[0]) in f}

    bad.unlink()
    assert server.backfill(DAYS) in ("COMPLETED", "COMPLETED_SUCCESS")
    assert published() == [str(day) for day in DAYS]
    assert {f: h for f, h in platform.dataset_files().items() if str(DAYS[0]) in f} == first
