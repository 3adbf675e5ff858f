"""Large datasets in files that versions share, through the command line.

The failures that this prevents: ten snapshots of the same rows that take ten times the space, a file that is shared
although a row in it has changed, and rows lost or twice where files are cut.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import datasets
import pytest

from orchestration.lib import shards
from orchestration.lib.recipe import load_recipes
from orchestration.lib.row_hashes import Day
from orchestration.lib.settings import REPOSITORY
from tests.platform_under_test import Platform
from tests.traffic import land, land_honest_day

DAYS = [date(2024, 2, 28) + timedelta(n) for n in range(5)]


def files(platform: Platform, day: date) -> dict[str, int]:
    """Path to inode of the data files of a partition's version of `feedback`."""
    folder = platform.data_dir / "datasets" / "feedback"
    partitions = json.loads((folder / "partitions.json").read_text(encoding="utf-8"))
    data = folder / partitions[str(day)]["version"] / "data"
    return {path.name: path.stat().st_ino for path in sorted(data.iterdir())}


def test_months_that_are_over_are_files_and_the_last_two_are_cut_by_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "CUT_FROM_ROWS", 1)
    recipe = load_recipes(REPOSITORY / "recipes")[0]
    found = [
        Day("train", date(2024, month, day), 1, f"{month}-{day}") for month, day in ((1, 30), (1, 31), (2, 1), (3, 1))
    ]
    periods = {
        as_of: [shard.period for shard in shards.shards(found, recipe, as_of, "")]
        for as_of in (date(2024, 3, 1), date(2024, 3, 31), date(2024, 4, 1))
    }
    assert periods[date(2024, 3, 1)] == periods[date(2024, 3, 31)] == ["2024-01", "2024-02-01", "2024-03-01"]
    assert periods[date(2024, 4, 1)] == ["2024-01", "2024-02", "2024-03-01"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A day of rows is a file; on the last day a row of the third is taken back."""
    platform = Platform(tmp_path_factory.mktemp("shards"))
    for day in DAYS:
        land_honest_day(platform.data_dir, day)
    taken_back = {"feedback_id": "taken-back", "retracts": f"fb-{DAYS[2]}-3", "user_id": "user-3"}
    changed_mind = taken_back | {"request_id": f"req-{DAYS[2]}-3", "timestamp": f"{DAYS[4]}T11:00:00Z"}
    land(platform.data_dir, "feedback", DAYS[4], [json.dumps(changed_mind)], name="later.jsonl")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shards, "CUT_FROM_ROWS", 1)
        assert platform.run(DAYS[0], DAYS[-1]) == 0
        yield platform


def test_snapshots_share_the_files_that_did_not_change(platform: Platform, tmp_path: Path) -> None:
    by_day = [list(files(platform, day).values()) for day in DAYS]
    assert [len(found) for found in by_day] == [1, 2, 3, 4, 5]
    for before, after in pairwise(by_day[:4]):
        assert after[:-1] == before, "a day more leaves the days before as they were"
    last = by_day[4]
    assert (last[:2], last[3]) == (by_day[3][:2], by_day[3][3])
    assert last[2] != by_day[3][2], "a row of that day was taken back"
    for day in DAYS:
        folder = next((platform.data_dir / "datasets" / "feedback").glob(f"{day}-*"))
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        assert len(loaded) == len(set(loaded["feedback_id"])) == manifest["rows"]["train"]


def test_what_versions_share_is_read_once(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the first version nothing has to be there that a later one has, too."""
    (shared,) = next((platform.data_dir / "datasets" / "feedback").glob(f"{DAYS[0]}-*")).glob("data/*")
    shared.unlink()
    assert platform.command("status", "--user", "user-3") == 0
    held = json.loads(capsys.readouterr().out)["datasets"]
    assert [one["rows"] for one in held if one["dataset"] == "feedback"] == [1, 2, 3, 4, 4]


def test_the_hash_of_a_row_is_of_all_that_the_row_has(platform: Platform) -> None:
    """A column that is not in it could be another tomorrow, and no version would have it."""
    kinds = {row["column_name"]: row["column_type"] for row in platform.query("describe marts.attributed_feedback")}
    columns = [f"{n}::varchar" if kind == "DOUBLE" else n for n, kind in kinds.items() if n != "row_hash"]
    own = f"hash({', '.join(columns)})"
    (found,) = platform.query(
        f"select count(*) as rows, count(*) filter (row_hash = {own}) as alike from marts.attributed_feedback"
    )
    assert found["rows"] == found["alike"] > 0
