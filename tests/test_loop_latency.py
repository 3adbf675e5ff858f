"""The feedback loop's latency in parts, through the command line: what is claimed of it has to add up.

The failures that this prevents: a backfill that rewrites how long a loop took, and a wait for the inference that shows
up as anything but attribution.
"""

import os
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from orchestration.lib.settings import Settings
from orchestration.lib.stage_times import latency_metadata
from orchestration.lib.warehouse import read_warehouse
from tests.platform_under_test import Platform
from tests.traffic import inference, land, thumbs

DAYS = (date(2024, 6, 1), date(2024, 6, 2))
# Given at 10:05 (tests/traffic.py), landed an hour later.
GIVEN = datetime(2024, 6, 1, 10, 5, tzinfo=UTC)
LANDED = GIVEN + timedelta(hours=1)
STAGES = ("feedback_at", "landed_at", "loaded_at", "validated_at", "attributed_at", "published_at")


def times(platform: Platform) -> dict[str, dict[str, Any]]:
    return {row["feedback_id"]: row for row in platform.query("from marts.feedback_stage_times")}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    """Stage times after a run of the first day, of the second with a late inference, and of both again."""
    platform = Platform(tmp_path_factory.mktemp("latency"))
    on_time, late = 1, 2
    land(platform.data_dir, "inferences", DAYS[0], [inference(DAYS[0], on_time)])
    file = land(platform.data_dir, "feedback", DAYS[0], [thumbs(DAYS[0], n) for n in (on_time, late)])
    os.utime(file, (LANDED.timestamp(), LANDED.timestamp()))
    land(platform.data_dir, "inferences", DAYS[1], [inference(DAYS[0], late)])
    told = []
    for first, last in ((DAYS[0], DAYS[0]), (DAYS[1], DAYS[1]), DAYS):
        assert platform.run(first, last) == 0
        told.append(times(platform))
    (whole,) = platform.query(
        "select p50_seconds, feedback from marts.feedback_loop_latency "
        f"where part = 'whole_loop' and attributed_date = '{DAYS[0]}'"
    )
    row = told[-1][f"fb-{DAYS[0]}-{on_time}"]
    assert whole["feedback"] == 1
    assert whole["p50_seconds"] == pytest.approx((row["published_at"] - row["feedback_at"]).total_seconds())
    parts = platform.query(
        "select part, p50_seconds, p95_seconds from marts.feedback_loop_latency "
        f"where part <> 'whole_loop' and attributed_date = '{DAYS[0]}'"
    )
    assert {part["part"] for part in parts} == {"transmission", "landing", "validation", "attribution", "dataset"}
    assert sum(part["p50_seconds"] for part in parts) == pytest.approx(whole["p50_seconds"]), "of one event they add up"
    with platform.environment(), read_warehouse(Settings.from_env()) as connection:
        metadata = latency_metadata(connection, [DAYS[0]])
        assert list(latency_metadata(connection, DAYS)) == list(DAYS)
    for part in parts:
        assert metadata[DAYS[0]][f"seconds_{part['part']}"].value == part["p50_seconds"]
        assert metadata[DAYS[0]][f"seconds_{part['part']}_p95"].value == part["p95_seconds"]
    return told


def test_the_stages_follow_each_other(told: list[dict[str, dict[str, Any]]]) -> None:
    for row in told[-1].values():
        reached = [row[stage] for stage in STAGES]
        assert None not in reached
        assert reached == sorted(reached)


def test_transmission_is_from_given_to_landed(told: list[dict[str, dict[str, Any]]]) -> None:
    for row in told[-1].values():
        assert (row["feedback_at"], row["landed_at"]) == (GIVEN, LANDED)


def test_waiting_for_the_inference_is_attribution(told: list[dict[str, dict[str, Any]]]) -> None:
    on_time, late = (told[-1][f"fb-{DAYS[0]}-{n}"] for n in (1, 2))
    assert on_time["validated_at"] == late["validated_at"], "they came in one file"
    assert late["attributed_date"] == DAYS[1]
    assert late["attributed_at"] > on_time["published_at"], "the run of the day after"


def test_a_backfill_does_not_change_how_long_a_loop_took(told: list[dict[str, dict[str, Any]]]) -> None:
    first_day, both_days, again = told
    assert again == both_days
    assert first_day == {name: row for name, row in again.items() if row["attributed_date"] == DAYS[0]}
