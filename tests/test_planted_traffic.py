"""Planted traffic with known answers, through the command line, in every order in which days can be run.

The plan (`tests/planted/`) was written from the contract alone. The failure that this prevents: a line
lost, double, or in another state than the contract says, on any way to the same day.
"""

import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.planted import scenario
from tests.planted.undecided import UNDECIDED, write_undecided
from tests.platform_under_test import Platform

LAST = scenario.DAYS[-1]
# The ranges of days with files. The weeks between them would be 44 empty partitions in each run, most of
# whose time is Dagster's own bookkeeping.
RANGES = ((scenario.DAYS[0], scenario.DAYS[1]), (scenario.DAYS[2], LAST))


def run_ranges(platform: Platform) -> None:
    for first, last in RANGES:
        assert platform.run(first, last) == 0


@pytest.fixture(scope="module")
def one_range(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """All days in ranges."""
    platform = Platform(tmp_path_factory.mktemp("one_range"))
    scenario.write_landing(platform.data_dir)
    run_ranges(platform)
    return platform


@pytest.fixture(scope="module")
def day_by_day(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Each day with files in a run of its own."""
    platform = Platform(tmp_path_factory.mktemp("day_by_day"))
    scenario.write_landing(platform.data_dir)
    for day in scenario.DAYS:
        assert platform.run(day, day) == 0
    return platform


def status(platform: Platform) -> list[dict[str, Any]]:
    rows = platform.query("select * from marts.feedback_status order by received_date, source_file, source_line")
    return [{**row, "source_file": Path(row["source_file"]).name} for row in rows]


def differences(platform: Platform, *, as_of: date = LAST, late: bool = False) -> list[str]:
    """Every planted line whose row is not as expected, in words."""
    wanted = {
        (r["received_date"], r["source_file"], r["source_line"]): r
        for r in scenario.expected_status(as_of=as_of, late=late)
    }
    found = {(r["received_date"], r["source_file"], r["source_line"]): r for r in status(platform)}
    wrong = [f"not expected: {place} {found[place]}" for place in sorted(found.keys() - wanted.keys())]
    for place, want in sorted(wanted.items()):
        have = found.get(place)
        if have is None:
            wrong.append(f"missing: {place} {want}")
            continue
        for column in ("state", "reason", "attributed_date"):
            if have[column] != want[column]:
                wrong.append(f"{place}: {column} is {have[column]!r}, want {want[column]!r}")
        for column in ("feedback_id", "request_id"):
            if want[column] is not None and have[column] != want[column]:
                wrong.append(f"{place}: {column} is {have[column]!r}, want {want[column]!r}")
    return wrong


def test_every_line_is_in_its_planned_state(one_range: Platform) -> None:
    assert differences(one_range) == []


def test_the_accounts_add_up_to_the_lines(one_range: Platform) -> None:
    accounts = {r["received_date"]: r for r in one_range.query("from marts.daily_accounts")}
    for want in scenario.expected_accounts():
        assert {k: accounts[want["received_date"]][k] for k in want} == want
    for row in accounts.values():
        assert sum(v for k, v in row.items() if k not in ("received_date", "lines_received")) == row["lines_received"]


def test_dead_inference_lines_are_kept_with_reason(one_range: Platform) -> None:
    found = Counter(
        (r["received_date"], Path(r["source_file"]).name, r["source_line"], r["reason"])
        for r in one_range.query("from marts.dead_letter where stream = 'inferences'")
    )
    wanted = Counter(
        (r["received_date"], r["source_file"], r["source_line"], r["reason"])
        for r in scenario.expected_dead_inference_lines()
    )
    assert found == wanted


def test_derived_ids_are_equal_for_equal_content_only(one_range: Platform) -> None:
    ids = {(r["received_date"], r["source_file"], r["source_line"]): r["feedback_id"] for r in status(one_range)}
    groups = {name: {ids[place] for place in places} for name, places in scenario.same_content_groups().items()}
    assert [name for name, found in groups.items() if len(found) != 1] == []
    assert len({next(iter(found)) for found in groups.values()}) == len(groups)


def test_day_by_day_gives_the_same_tables_and_datasets(one_range: Platform, day_by_day: Platform) -> None:
    assert day_by_day.tables() == one_range.tables()
    assert day_by_day.ledger_files() == one_range.ledger_files()
    assert day_by_day.dataset_files() == one_range.dataset_files()


def test_a_second_run_changes_no_byte(one_range: Platform) -> None:
    before = one_range.ledger_files(), one_range.dataset_files(), one_range.tables()
    assert one_range.run(*RANGES[1]) == 0
    assert one_range.run(scenario.DAYS[3], scenario.DAYS[3]) == 0
    assert (one_range.ledger_files(), one_range.dataset_files(), one_range.tables()) == before


def test_late_inferences_reach_the_feedback_that_waited(day_by_day: Platform, tmp_path: Path) -> None:
    """Only the day in which the files landed is asked for; the later days follow by themselves."""
    platform = Platform(tmp_path / "late")
    shutil.copytree(day_by_day.data_dir, platform.data_dir, ignore=shutil.ignore_patterns(".dagster"))
    assert differences(platform) == []
    scenario.write_late_landing(platform.data_dir)
    assert platform.run(scenario.LATE_DAY, scenario.LATE_DAY) == 0
    assert differences(platform, late=True) == []

    at_once = Platform(tmp_path / "at_once")
    scenario.write_landing(at_once.data_dir)
    scenario.write_late_landing(at_once.data_dir)
    run_ranges(at_once)
    for table in ("attributed_feedback", "feedback_status", "dead_letter"):
        assert platform.tables()[table] == at_once.tables()[table]


def test_days_in_any_order_come_to_the_same_state(one_range: Platform, tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    scenario.write_landing(platform.data_dir)
    assert platform.run(*RANGES[0]) == 0
    for day in (scenario.DAYS[5], scenario.DAYS[3]):
        assert platform.run(day, day) == 0
    assert platform.run(*RANGES[1]) == 0
    assert platform.tables() == one_range.tables()


def test_lines_without_an_answer_are_accounted_for_all_the_same(day_by_day: Platform, tmp_path: Path) -> None:
    """Nesting 5,000 deep, NUL in an id, numbers beyond a double: the contract decides none, nothing may break."""
    platform = Platform(tmp_path / "undecided")
    shutil.copytree(day_by_day.data_dir, platform.data_dir, ignore=shutil.ignore_patterns(".dagster"))
    before = platform.query("select * from marts.daily_accounts where received_date = ?", LAST)[0]
    write_undecided(platform.data_dir)
    assert platform.run(LAST, LAST) == 0
    after = platform.query("select * from marts.daily_accounts where received_date = ?", LAST)[0]
    assert after["lines_received"] == before["lines_received"] + len(UNDECIDED)
    assert sum(v for k, v in after.items() if k not in ("received_date", "lines_received")) == after["lines_received"]
    assert len(status(platform)) == len(status(day_by_day)) + len(UNDECIDED)


def test_an_orphan_is_given_up_after_the_window(one_range: Platform, tmp_path: Path) -> None:
    platform = Platform(tmp_path / "given_up")
    shutil.copytree(one_range.data_dir, platform.data_dir, ignore=shutil.ignore_patterns(".dagster"))
    assert platform.run(scenario.ORPHANS_GIVEN_UP_BY, scenario.ORPHANS_GIVEN_UP_BY) == 0
    found = {
        (r["source_file"], r["source_line"]): (r["state"], r["reason"])
        for r in status(platform)
        if r["received_date"] == date(2024, 3, 1)
    }
    for source_file, line, _ in scenario.ORPHAN_LATER:
        assert found[source_file, line] == ("invalid", "unknown_request")


def test_the_dataset_holds_the_attributed_rows_as_of_each_partition(one_range: Platform) -> None:
    attributed = {
        r["feedback_id"]: r
        for r in one_range.query("select * from marts.attributed_feedback where feedback_type <> 'retraction'")
    }
    ended = {
        r["feedback_id"]: r["effective_date"] for r in one_range.query("from intermediate.int_feedback_supersessions")
    }
    root = one_range.data_dir / "datasets" / "feedback"
    versions = sorted(f for f in root.iterdir() if f.is_dir())
    assert len(versions) == len(scenario.DAYS)
    for version in versions:
        day = date.fromisoformat(version.name[:10])
        rows = duckdb.sql(f"select feedback_id from read_parquet('{version}/data/*.parquet')").fetchall()
        wanted = {f for f, r in attributed.items() if r["attributed_date"] <= day and not ended.get(f, date.max) <= day}
        assert {row[0] for row in rows} == wanted
        assert len(rows) == len(wanted)
