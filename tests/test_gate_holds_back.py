"""A bad day in a range: what is published, what is not, and how it is mended. Real runs, real suites."""

import json
from datetime import date
from pathlib import Path

import pytest

from tests.platform_under_test import Platform
from tests.traffic import land, land_honest_day

DAY_1, DAY_2, DAY_3 = date(2024, 6, 1), date(2024, 6, 2), date(2024, 6, 3)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    for day in (DAY_1, DAY_2, DAY_3):
        land_honest_day(tmp_path, day)
    land(tmp_path, "feedback", DAY_2, ['{"request_id": 5}'] * 20, name="broken.jsonl")
    return Platform(tmp_path)


def versions(platform: Platform) -> list[str]:
    folder = platform.data_dir / "datasets" / "feedback"
    return sorted(f.name[:10] for f in folder.iterdir() if f.is_dir())


def latest(platform: Platform) -> dict[str, str]:
    content: dict[str, str] = json.loads((platform.data_dir / "datasets/feedback/latest.json").read_text())
    return content


def test_a_bad_day_holds_back_itself_and_the_later_days(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.run(DAY_1, DAY_3) == 1
    assert versions(platform) == [str(DAY_1)]
    assert latest(platform)["as_of"] == str(DAY_1)
    said = capsys.readouterr().err
    assert f"partition {DAY_2}" in said and "dead letters" in said and "gate" in said

    # What was received is accounted for all the same, so that one can look at what is wrong.
    accounts = {r["received_date"]: r for r in platform.query("from marts.daily_accounts")}
    assert accounts[DAY_2]["dead_letter"] == 20
    assert accounts[DAY_3]["attributed"] == 20

    # The day after is not published past the bad one, asked for alone.
    before = platform.dataset_files()
    assert platform.run(DAY_3, DAY_3) == 1
    assert platform.dataset_files() == before

    # After a mend, running the range again publishes the rest and leaves the first as it was.
    (platform.data_dir / f"landing/feedback/dt={DAY_2}/broken.jsonl").unlink()
    assert platform.run(DAY_1, DAY_3) == 0
    assert versions(platform) == [str(DAY_1), str(DAY_2), str(DAY_3)]
    assert latest(platform)["as_of"] == str(DAY_3)
    after = platform.dataset_files()
    assert {f: h for f, h in after.items() if str(DAY_1) in f} == {f: h for f, h in before.items() if str(DAY_1) in f}


def test_too_much_invalid_feedback_holds_back_the_day(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    (platform.data_dir / f"landing/feedback/dt={DAY_2}/broken.jsonl").unlink()
    out_of_range = [json.dumps({"request_id": f"req-{DAY_2}-{n}", "rating": 9}) for n in range(10)]
    land(platform.data_dir, "feedback", DAY_2, out_of_range, name="ratings.jsonl")
    assert platform.run(DAY_1, DAY_2) == 1
    assert versions(platform) == [str(DAY_1)]
    assert "invalid" in capsys.readouterr().err


def test_days_without_files_pass(platform: Platform) -> None:
    assert platform.run(date(2024, 5, 30), DAY_1) == 0
    assert versions(platform) == [str(DAY_1)]


def test_a_day_that_changes_no_row_moves_only_as_of(platform: Platform) -> None:
    assert platform.run(DAY_1, DAY_1) == 0
    version = latest(platform)["version"]
    assert platform.run(date(2024, 5, 31), date(2024, 5, 31)) == 0
    assert latest(platform) == {"version": version, "as_of": str(DAY_1)}
    for empty in ("feedback", "inferences"):
        (platform.data_dir / f"landing/{empty}/dt={DAY_2}").rename(platform.data_dir / f"kept-{empty}")
    assert platform.run(DAY_2, DAY_2) == 0
    assert latest(platform) == {"version": version, "as_of": str(DAY_2)}
