"""Arms compared, through the command line: a planted canary, and the Open Bandit logs.

The failures that this prevents: silence about an output that nobody saw counted against its arm, feedback that was
taken back counted on, an old day's answer that changes, and estimates of one arm from another's log that are off.
"""

import csv
import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from demo.open_bandit import OpenBanditMissing, log_folder, write_open_bandit
from demo.week import DAYS as WEEK
from orchestration.lib.experiments_metadata import experiments_metadata
from tests.platform_under_test import Platform
from tests.traffic import land

DAYS = [date(2024, 3, 1) + timedelta(n) for n in range(3)]
ENDPOINT = "/answer"


def answer(day: date, variant: str, n: int, *, exposed: bool) -> str:
    return json.dumps(
        {
            "request_id": f"{variant}-{day}-{n}", "timestamp": f"{day}T10:00:00Z", "model_version": variant,
            "variant": variant, "endpoint": ENDPOINT, "exposed": exposed, "output": {"text": "yes"},
        }
    )  # fmt: skip


def said(day: date, request: str, **what: Any) -> str:
    name = "-".join(str(value) for value in what.values())
    return json.dumps(
        {"feedback_id": f"{request}-{name}", "request_id": request, "timestamp": f"{day}T12:00:00Z", "user_id": request}
        | what
    )


def land_canary(data_dir: Path) -> None:
    """Each day 60 stable answers, and from the second day on 20 of the canary, 5 of which nobody saw."""
    for day in DAYS:
        lines = [answer(day, "stable", n, exposed=True) for n in range(60)]
        if day > DAYS[0]:
            lines += [answer(day, "canary", n, exposed=n < 15) for n in range(20)]
        land(data_dir, "inferences", day, lines)
    first, second, third = DAYS
    up, down, click = {"thumbs": "up"}, {"thumbs": "down"}, {"signal": "click"}
    land(data_dir, "feedback", first, [said(first, f"stable-{first}-{n}", **up) for n in range(6)])
    clicked = f"stable-{second}-0"
    land(
        data_dir, "feedback", second,
        [said(second, f"stable-{second}-{n}", **down) for n in range(3)]
        + [said(second, clicked, **click), said(second, clicked, **click, value=2)]  # one click, told twice
        + [said(second, f"canary-{second}-{n}", **up) for n in range(4)]
        + [said(second, f"canary-{second}-19", **down)],  # about an output that nobody saw
    )  # fmt: skip
    late = [said(third, f"stable-{first}-{n}", **up) for n in range(6, 9)]
    taken_back = said(third, f"canary-{second}-0", retracts=f"canary-{second}-0-up")
    changed_mind = said(third, f"canary-{second}-1", **down)
    land(data_dir, "feedback", third, [*late, taken_back, changed_mind])


# Variant, metric to: exposed, unexposed, with feedback, observations, their sum; as of each day.
EXPECTED = {
    DAYS[0]: {("stable", "reward"): (60, 0, 6, 6, 6.0)},
    DAYS[1]: {
        ("stable", "reward"): (120, 0, 9, 9, 3.0),
        ("stable", "signal:click"): (120, 0, 9, 120, 1.0),
        ("canary", "reward"): (15, 5, 4, 4, 4.0),
        ("canary", "signal:click"): (15, 5, 4, 15, 0.0),
    },
    DAYS[2]: {
        ("stable", "reward"): (180, 0, 12, 12, 6.0),
        ("stable", "signal:click"): (180, 0, 12, 180, 1.0),
        ("canary", "reward"): (30, 10, 3, 3, 1.0),
        ("canary", "signal:click"): (30, 10, 3, 30, 0.0),
    },
}


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("canary"))
    land_canary(platform.data_dir)
    for day in DAYS:
        assert platform.run(day, day) == 0
    return platform


def test_each_arm_has_what_was_shown_and_what_holds(canary: Platform) -> None:
    rows = canary.query("select * from marts.variant_comparison")
    found: dict[date, dict[tuple[str, str], tuple[float, ...]]] = {}
    for row in rows:
        total = row["mean"] * row["n"]
        values = (row["exposed"], row["unexposed"], row["with_feedback"], row["n"], pytest.approx(total))
        found.setdefault(row["partition_date"], {})[row["variant"], row["metric"]] = values
    assert found == EXPECTED
    assert {row["control_variant"] for row in rows} == {"stable"}
    assert {row["srm_reason"] for row in rows} == {"no_expected_shares"}


def test_the_ui_shows_the_arms_beside_each_other(canary: Platform) -> None:
    with duckdb.connect(str(canary.data_dir / "warehouse.duckdb"), read_only=True) as connection:
        metadata = experiments_metadata(connection, DAYS)
    shown = str(metadata["variant_comparison"][DAYS[-1]]["arms"].value)
    assert f"| {ENDPOINT} | reward | canary | 30 | 10 |" in shown
    assert f"| {ENDPOINT} | reward | stable | 180 | 0 |" in shown


def test_day_by_day_is_one_range(canary: Platform, tmp_path: Path) -> None:
    at_once = Platform(tmp_path)
    land_canary(tmp_path)
    assert at_once.run(DAYS[0], DAYS[-1]) == 0
    for table in ("marts.variant_comparison", "intermediate.int_variant_days", "intermediate.int_outcome_changes"):
        query = f"select * from {table} order by all"
        assert at_once.query(query) == canary.query(query), table


def test_what_is_declared_of_an_experiment_is_what_arms_are_held_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 stable and 15 canary outputs were shown each day: as declared for the one file, a mismatch for the other."""
    land_canary(tmp_path)
    told = {}
    for shares in ("{stable: 80, canary: 20}", "{stable: 1, canary: 1}"):
        declared = tmp_path / "experiments.yml"
        declared.write_text(f"{ENDPOINT}: {{control: canary, since: {DAYS[1]}, shares: {shares}}}\n", encoding="utf-8")
        monkeypatch.setenv("FEEDBACK_EXPERIMENTS", str(declared))
        platform = Platform(tmp_path)
        assert platform.run(DAYS[0], DAYS[-1]) == 0
        rows = platform.query("select * from marts.variant_comparison where metric = 'signal:click' order by all")
        told[shares] = [(row["srm_reason"], row["has_srm"]) for row in rows if row["variant"] == "stable"]
        (last,) = (row for row in rows if (row["partition_date"], row["variant"]) == (DAYS[-1], "stable"))
        compared = (last["control_variant"], last["compared_from"], last["compared_n"], last["compared_control_n"])
        assert compared == ("canary", DAYS[1], 120, 30)
        assert last["difference"] == pytest.approx(1 / 120)
    assert told == {
        "{stable: 80, canary: 20}": [(None, False), (None, False)],
        "{stable: 1, canary: 1}": [(None, True), (None, True)],
    }


@pytest.fixture(scope="module")
def bandit(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("bandit"))
    try:
        write_open_bandit(platform.data_dir)
    except OpenBanditMissing as missing:
        pytest.skip(str(missing))
    assert platform.run(WEEK[0], WEEK[-1]) == 0
    return platform


def log(policy: str) -> list[tuple[int, float]]:
    """Whether each impression of a policy was clicked, and its propensity."""
    with open(log_folder(policy) / "men.csv", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    names = {name: place for place, name in enumerate(rows[0])}
    return [(int(row[names["click"]]), float(row[names["propensity_score"]])) for row in rows[1:]]


def click_rate(policy: str) -> float:
    shown = Counter(clicked for clicked, _ in log(policy))
    return shown[1] / shown.total()


@pytest.mark.parametrize(("target", "logged_by"), [("bts", "random"), ("random", "bts")])
@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
def test_an_arms_click_rate_is_found_from_the_other_arms_log(
    bandit: Platform, target: str, logged_by: str, method: str
) -> None:
    """The interval of the estimate holds the rate that the arm had itself."""
    (row,) = bandit.query(
        "select * from marts.off_policy_estimates where partition_date = ? and target_variant = ?", WEEK[-1], target
    )
    assert (row["logged_by_variant"], row["metric"], row["n"]) == (logged_by, "signal:click", 10000)
    own = click_rate(target)
    assert row[f"{method}_low"] < own < row[f"{method}_high"]


def test_thompson_sampling_earns_more_than_uniform_choice_as_published(bandit: Platform) -> None:
    """In each log the other arm's estimate is on its side of the log's own rate (arXiv:2008.07146)."""
    rows = bandit.query("select * from marts.off_policy_estimates where partition_date = ?", WEEK[-1])
    for row in rows:
        for method in ("ips", "snips", "dr"):
            bts, uniform = row[method], click_rate("random")
            if row["target_variant"] == "random":
                bts, uniform = click_rate("bts"), row[method]
            assert bts >= uniform, (row["target_variant"], method)


def test_ips_is_the_mean_of_the_weighted_clicks(bandit: Platform) -> None:
    (row,) = bandit.query(
        "select * from marts.off_policy_estimates where partition_date = ? and target_variant = 'random'", WEEK[-1]
    )
    by_hand = sum(clicked / 34 / propensity for clicked, propensity in log("bts")) / 10000
    assert row["ips"] == pytest.approx(by_hand, rel=1e-3)


def test_each_impression_is_a_tuple_with_its_click(bandit: Platform) -> None:
    """What learners get of the log: all of it but the last day's silence, whose time is not over."""
    rows = bandit.latest_rows("ranking")
    for policy in ("bts", "random"):
        of_policy = [row for row in rows if row["variant"] == policy]
        assert sum(row["reward"] for row in of_policy) == sum(clicked for clicked, _ in log(policy))
        silent = bandit.query(
            "select count(*) as n from marts.logged_choices where variant = ? and received_date < ?", policy, WEEK[-1]
        )
        clicked_on_the_last_day = sum(
            row["reward"] == 1 and row["request_id"] in last_day(bandit, policy) for row in of_policy
        )
        assert len(of_policy) == silent[0]["n"] + clicked_on_the_last_day > 8000


def last_day(bandit: Platform, policy: str) -> set[str]:
    rows = bandit.query(
        "select request_id from marts.logged_choices where variant = ? and received_date = ?", policy, WEEK[-1]
    )
    return {row["request_id"] for row in rows}
