"""A fortnight of days beside their recent past: what warns, what blocks, and how it is told. Real runs."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest

from orchestration.lib.instance import ensure_dagster_home
from orchestration.lib.settings import Settings
from tests.platform_under_test import Platform
from tests.traffic import inference, land, thumbs

FIRST = date(2024, 6, 5)
QUIET_SATURDAY, QUIET_SUNDAY = date(2024, 6, 15), date(2024, 6, 16)
CANARY_GROWS, BROKEN_CLIENT = date(2024, 6, 17), date(2024, 6, 18)


def land_day(data_dir: Path, day: date, *, pairs: int = 100, canary: int = 0, broken: int = 1) -> None:
    """So many pairs, of them so many answered by a canary, and the last lines broken by the client ios-2."""
    inferences = [json.loads(inference(day, n)) for n in range(pairs)]
    for n, event in enumerate(inferences):
        event["variant"] = "v2-canary" if n < canary else "v1"
    feedback = [json.loads(thumbs(day, n, up=n % 3 > 0)) for n in range(pairs)]
    for n, event in enumerate(feedback):
        event["client_version"] = "ios-2" if n % 5 == 0 or n >= pairs - broken else "web-7"
        if n >= pairs - broken:
            event["thumbs"] = "sideways"
    land(data_dir, "inferences", day, [json.dumps(event) for event in inferences])
    land(data_dir, "feedback", day, [json.dumps(event) for event in feedback])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    data_dir = tmp_path_factory.mktemp("recent_past")
    for n in range(10):
        land_day(data_dir, FIRST + timedelta(days=n), pairs=90 + 3 * n, broken=n % 3)
    land_day(data_dir, QUIET_SATURDAY, pairs=10, broken=2)
    land_day(data_dir, CANARY_GROWS, canary=40)
    land_day(data_dir, BROKEN_CLIENT, canary=40, broken=15)
    return Platform(data_dir)


@pytest.fixture(scope="module")
def said(platform: Platform) -> Iterator[str]:
    """What the one run of the whole range says; it must stop at the client's day."""
    told: list[str] = []
    with mock.patch("orchestration.cli._tell", told.append), mock.patch("sys.stderr.write", told.append):
        assert platform.run(FIRST, BROKEN_CLIENT) == 1
    yield "".join(told)


def published(platform: Platform) -> dict[str, str]:
    partitions = json.loads((platform.data_dir / "datasets/feedback/partitions.json").read_text())
    return {day: record["gate"] for day, record in partitions.items()}


def checks(platform: Platform, asset: str, name: str) -> list[dg.AssetCheckEvaluation]:
    """The evaluations of a check, the newest first."""
    with platform.environment():
        ensure_dagster_home(Settings.from_env())
        with dg.DagsterInstance.get() as instance:
            records = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(dg.AssetKey(asset), name), limit=10
            )
    evaluations = (r.event.dagster_event.event_specific_data for r in records if r.event and r.event.dagster_event)
    return [e for e in evaluations if isinstance(e, dg.AssetCheckEvaluation)]


def test_a_client_that_starts_to_send_broken_events_blocks_its_day_below_the_fixed_threshold(
    platform: Platform, said: str
) -> None:
    assert f"partition {BROKEN_CLIENT} of dataset feedback is not published" in said
    assert "attribution_gate on partition_profile" in said
    assert "no client breaks 3 % of the lines more than it did" in said
    assert "feedback broken_by_client_version ios-2: 15 of 32 (46.88 %), expected 0.00 to " in said
    assert "surprise" in said and "new_normal_from" in said


def test_the_first_days_a_quiet_weekend_and_a_canary_are_published(platform: Platform, said: str) -> None:
    gates = published(platform)
    assert {day for day, gate in gates.items() if gate == "failed"} == {str(BROKEN_CLIENT)}
    assert {str(FIRST), str(QUIET_SATURDAY), str(QUIET_SUNDAY), str(CANARY_GROWS)} <= set(gates)


def test_the_check_shows_the_most_surprising_numbers_and_what_is_warned_of(platform: Platform, said: str) -> None:
    newest = checks(platform, "attributed_feedback", "attribution_gate")[0]
    assert (newest.passed, newest.severity) == (False, dg.AssetCheckSeverity.ERROR)
    surprises = str(newest.metadata["surprises"].value)
    assert f"| {BROKEN_CLIENT} | feedback broken\\_by\\_client\\_version ios-2 | 15 of 32 (46.88 %) |" in surprises
    warned = {name: str(value.value) for name, value in newest.metadata.items() if name.startswith("warned")}
    assert (
        "inferences volume lines: 10 lines" in warned[f"warned {QUIET_SATURDAY} attribution_gate on partition_profile"]
    )
    assert "variant v2-canary: 40 of 100" in warned[
        f"warned {CANARY_GROWS} attribution_gate on partition_profile"
    ].replace("\\", "")
    assert not any(str(FIRST) in name for name in warned)


def test_a_new_normal_is_published_and_no_later_day_changes_a_profile(
    platform: Platform, said: str, tmp_path: Path
) -> None:
    """Feedback that comes a day late is of its own day; who says that it is to stay so goes on from there."""
    query = "select * from marts.partition_profile where partition_date <= ? order by all"
    before = platform.query(query, CANARY_GROWS)
    assert {row["dimension"] for row in before} >= {"volume", "broken", "state", "variant", "feedback_type"}
    normal = tmp_path / "thresholds.yml"
    normal.write_text(f"recent_past:\n  new_normal_from: [{BROKEN_CLIENT}]\n", encoding="utf-8")
    late = thumbs(BROKEN_CLIENT, 1000).replace(f"req-{BROKEN_CLIENT}-1000", f"req-{CANARY_GROWS}-1")
    land(platform.data_dir, "feedback", BROKEN_CLIENT, [late], name="late.jsonl")

    with mock.patch.dict("os.environ", {"FEEDBACK_THRESHOLDS": str(normal)}):
        assert platform.run(CANARY_GROWS, BROKEN_CLIENT) == 0
    assert platform.query(query, CANARY_GROWS) == before
    assert published(platform)[str(BROKEN_CLIENT)] == "passed"
    # A warning is a warning in Dagster, and holds nothing up.
    for asset, name in (("attributed_feedback", "attribution_gate"), ("feedback_dataset", "dataset_gate")):
        newest = checks(platform, asset, name)[0]
        assert (newest.passed, newest.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert f"partition {CANARY_GROWS}: passed with 1 of 7 expectations to look at" in (newest.description or "")
