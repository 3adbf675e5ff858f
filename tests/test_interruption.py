"""`kill -9` at any moment of a run, then a rerun: the same result as a run that nobody disturbed."""

import os
import signal
import subprocess
import time
from datetime import date
from pathlib import Path

import pytest

from tests.platform_under_test import Platform
from tests.processes import start
from tests.traffic import land_honest_day

DAYS = [date(2024, 6, n) for n in (1, 2, 3)]
RUN = ("run", "--from", str(DAYS[0]), "--to", str(DAYS[-1]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Platform, float]:
    """The result and the seconds of a run in a process of its own."""
    platform = Platform(tmp_path_factory.mktemp("undisturbed"))
    for day in DAYS:
        land_honest_day(platform.data_dir, day)
    started = time.monotonic()
    process = start(platform.data_dir, *RUN)
    assert process.wait(timeout=300) == 0
    return platform, time.monotonic() - started


def test_a_killed_run_leaves_nothing_that_a_rerun_does_not_mend(
    undisturbed: tuple[Platform, float], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    reference, seconds = undisturbed
    kills = request.config.getoption("--kills")
    wanted = reference.ledger_files(), reference.dataset_files(), reference.tables()
    for n in range(kills):
        platform = Platform(tmp_path / str(n))
        for day in DAYS:
            land_honest_day(platform.data_dir, day)
        # The moments are spread over the part of the run in which something is written.
        moment = seconds * (0.3 + 0.7 * (n + 0.5) / kills)
        process = start(platform.data_dir, *RUN)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        published = {f for f in platform.dataset_files() if f.endswith("manifest.json")}
        for manifest in published:  # whole or not at all: what can be seen is what it would have been
            assert platform.dataset_files()[manifest] == reference.dataset_files()[manifest]
        assert platform.run(DAYS[0], DAYS[-1]) == 0, f"rerun after a kill at {moment:.1f} s"
        assert (platform.ledger_files(), platform.dataset_files(), platform.tables()) == wanted
        assert not list((platform.data_dir / "datasets" / ".staging").glob("*"))
