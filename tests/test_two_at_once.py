"""Two runs started together: one waits for the other, both land, and the result is right."""

from datetime import date
from pathlib import Path

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
