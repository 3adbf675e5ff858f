"""Two runs started together: one waits for the other, both land, and the result is right."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from orchestration.contracts.json_schema import LANDED_STREAMS
from orchestration.lib.names import ATTRIBUTION_JOB
from orchestration.lib.runs import run_job
from orchestration.lib.settings import Settings
from tests.platform_under_test import Platform
from tests.processes import start
from tests.traffic import land_honest_day

DAYS = [date(2024, 6, n) for n in (1, 2, 3)]


def test_two_runs_at_once_both_land(tmp_path: Path) -> None:
    together, alone = Platform(tmp_path / "together"), Platform(tmp_path / "alone")
    for platform in (together, alone):
        for day in DAYS:
            land_honest_day(platform.data_dir, day)
    runs = [
        start(together.data_dir, "run", "--from", str(DAYS[0]), "--to", str(DAYS[1])),
        start(together.data_dir, "run", "--from", str(DAYS[1]), "--to", str(DAYS[2])),
    ]
    said = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(said)
    assert alone.run(DAYS[0], DAYS[2]) == 0
    assert together.tables() == alone.tables()
    assert together.run(DAYS[0], DAYS[2]) == 0
    assert together.tables() == alone.tables()
    assert set(alone.dataset_files()) <= set(together.dataset_files())


def test_a_day_that_another_run_has_loaded_and_not_built_is_not_published(tmp_path: Path) -> None:
    """Its rows are in no mart yet: a version without them would be published, and no gate asked about them."""
    platform = Platform.with_one_dataset(tmp_path)
    for day in (DAYS[0], DAYS[2]):
        land_honest_day(platform.data_dir, day)
        assert platform.run(day, day) == 0
    land_honest_day(platform.data_dir, DAYS[1])
    with platform.environment():
        for day, assets in ((DAYS[1], [s.asset_name for s in LANDED_STREAMS]), (DAYS[2], ["feedback_dataset"])):
            job = run_job(Settings.from_env(), ATTRIBUTION_JOB, day, day, only=assets, tell=print)
            assert job.failure is None
    folder = platform.data_dir / "datasets" / "feedback"
    partitions = json.loads((folder / "partitions.json").read_text(encoding="utf-8"))
    assert list(partitions) == [str(DAYS[0]), str(DAYS[2])]
    assert sorted(path.name[:10] for path in folder.glob("2024-*")) == list(partitions)


def test_a_run_waits_for_an_open_reader(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    land_honest_day(platform.data_dir, DAYS[0])
    assert platform.run(DAYS[0], DAYS[0]) == 0
    code = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print('open', flush=True); time.sleep(30)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(platform.data_dir / "warehouse.duckdb")], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None and reader.stdout.readline() == "open\n"
        land_honest_day(platform.data_dir, DAYS[1])
        assert platform.run(DAYS[1], DAYS[1]) == 0
        assert reader.wait() == 0  # it read on to its end, undisturbed
    assert len(platform.query("from marts.attributed_feedback")) == 40
