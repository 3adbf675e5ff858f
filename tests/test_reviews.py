"""Human review through the command line: what waits, what a decision does, and what it never touches.

Three days. On the first two traffic lands of which some is held back; on the third a reviewer decides.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.recipe import Recipe, load_recipes
from orchestration.lib.settings import REPOSITORY, Settings
from orchestration.lib.snapshot import snapshot_query
from orchestration.lib.warehouse import read_warehouse
from tests.platform_under_test import Platform
from tests.traffic import inference, land, thumbs

DAY_1, DAY_2, DAY_3 = (date(2024, 6, n) for n in (1, 2, 3))

# Held back on the first day, because another user than the one who asked gave them.
ACCEPTED, REJECTED, LEFT = "mismatch-accepted", "mismatch-rejected", "mismatch-left"
# Attributed on the first day, and doubted on the second: then the same user corrects the output.
PRAISE, CORRECTION = f"fb-{DAY_1}-1", "late-correction"


def by_another(feedback_id: str, n: int) -> str:
    return json.dumps(
        {
            "feedback_id": feedback_id,
            "request_id": f"req-{DAY_1}-{n}",
            "rating": 2,
            "timestamp": f"{DAY_1}T10:06:00Z",
            "user_id": "somebody",
            "source": "user",
        }
    )


def correction() -> str:
    return json.dumps(
        {
            "feedback_id": CORRECTION,
            "request_id": f"req-{DAY_1}-1",
            "corrected_output": "another answer 1",
            "timestamp": f"{DAY_2}T09:00:00Z",
            "user_id": "user-1",
        }
    )


@pytest.fixture(scope="module")
def undecided(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("reviews"))
    for day in (DAY_1, DAY_2):
        land(platform.data_dir, "inferences", day, [inference(day, n) for n in range(12)])
    held_back = [by_another(ACCEPTED, 2), by_another(REJECTED, 3), by_another(LEFT, 4)]
    land(platform.data_dir, "feedback", DAY_1, [*(thumbs(DAY_1, n) for n in range(12)), *held_back])
    land(platform.data_dir, "feedback", DAY_2, [*(thumbs(DAY_2, n) for n in range(12)), correction()])
    assert platform.run(DAY_1, DAY_2) == 0
    return platform


@pytest.fixture(scope="module")
def before(undecided: Platform) -> dict[str, Any]:
    """What was there before anybody decided."""
    return {
        "attributed": undecided.query("from marts.attributed_feedback order by feedback_id"),
        "files": undecided.dataset_files(),
        "states": states(undecided),
    }


@pytest.fixture(scope="module")
def decided(undecided: Platform, before: dict[str, Any]) -> Platform:
    """The same after the third day, on which a reviewer decided by the command line and by a landing file."""
    accept = ("review", "accept", ACCEPTED, PRAISE, "--reviewer", "ada", "--note", "asked them", "--dt", str(DAY_3))
    assert undecided.command(*accept) == 0
    event = {"feedback_id": REJECTED, "decision": "reject", "reviewer": "bob"}
    land(undecided.data_dir, "reviews", DAY_3, [json.dumps(event)], name="tool.jsonl")
    assert undecided.run(DAY_3, DAY_3) == 0
    return undecided


def states(platform: Platform) -> dict[str, tuple[str, str, date | None]]:
    rows = platform.query("from marts.feedback_status")
    return {row["feedback_id"]: (row["state"], row["reason"], row["attributed_date"]) for row in rows}


def ids_as_of(platform: Platform, day: date, recipe: Recipe) -> set[str]:
    """The feedback that a recipe's snapshot holds as of a day."""
    with platform.environment(), read_warehouse(Settings.from_env()) as connection:
        return {row[0] for row in connection.execute(snapshot_query(recipe, day)).fetchall()}


def recipe(**changed: Any) -> Recipe:
    (feedback,) = [r for r in load_recipes(REPOSITORY / "recipes") if r.name == "feedback"]
    return Recipe(**{**vars(feedback), **changed})


def test_what_is_held_back_waits_and_is_in_no_dataset(undecided: Platform, before: dict[str, Any]) -> None:
    for feedback_id in (ACCEPTED, REJECTED, LEFT):
        assert before["states"][feedback_id] == ("requires_human_review", "user_mismatch", None)
        assert feedback_id not in ids_as_of(undecided, DAY_2, recipe())
    assert {row["feedback_id"] for row in before["attributed"]}.isdisjoint({ACCEPTED, REJECTED, LEFT, CORRECTION})


def test_what_is_doubted_later_keeps_its_partition_and_leaves_the_dataset(
    undecided: Platform, before: dict[str, Any]
) -> None:
    assert before["states"][PRAISE] == ("requires_human_review", "contradictory_signal", DAY_1)
    assert before["states"][CORRECTION] == ("requires_human_review", "contradictory_signal", None)
    assert PRAISE in ids_as_of(undecided, DAY_1, recipe())
    assert PRAISE not in ids_as_of(undecided, DAY_2, recipe())


def test_list_and_show_tell_a_reviewer_what_to_decide_on(
    undecided: Platform, before: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert undecided.command("review", "list", "--to", str(DAY_2), "--limit", "2") == 0
    said = capsys.readouterr().out
    assert "user_mismatch" in said and "more; see --limit" in said
    assert undecided.command("review", "list", "--reason", "burst") == 0
    assert capsys.readouterr().out == "nothing waits for a reviewer\n"

    assert undecided.command("review", "show", LEFT) == 0
    case = json.loads(capsys.readouterr().out)
    assert case["flags"][0]["rule"] == "user_mismatch"
    assert "another user" in case["flags"][0]["description"]
    assert case["pair"]["output_text"] == "answer 4"
    assert case["pair"]["rating"] == 2


def test_accepted_feedback_belongs_to_the_partition_of_its_review(decided: Platform) -> None:
    assert states(decided)[ACCEPTED] == ("attributed", "matched_request_id", DAY_3)
    (row,) = decided.query("from marts.attributed_feedback where feedback_id = ?", ACCEPTED)
    assert (row["attributed_date"], row["review_received_date"]) == (DAY_3, DAY_3)
    assert ACCEPTED in ids_as_of(decided, DAY_3, recipe())
    assert ACCEPTED not in ids_as_of(decided, DAY_2, recipe())


def test_accepting_what_was_attributed_before_brings_it_back(decided: Platform) -> None:
    assert states(decided)[PRAISE] == ("attributed", "matched_request_id", DAY_1)
    assert PRAISE in ids_as_of(decided, DAY_3, recipe())
    assert PRAISE not in ids_as_of(decided, DAY_2, recipe())


def test_rejected_feedback_is_invalid_and_the_rest_still_waits(decided: Platform) -> None:
    assert states(decided)[REJECTED] == ("invalid", "rejected_in_review", None)
    assert states(decided)[LEFT] == ("requires_human_review", "user_mismatch", None)
    assert ids_as_of(decided, DAY_3, recipe()).isdisjoint({REJECTED, LEFT, CORRECTION})


def test_a_recipe_may_ask_for_what_nobody_has_reviewed(decided: Platform) -> None:
    everything = recipe(include_unreviewed=True)
    assert {ACCEPTED, REJECTED, LEFT, CORRECTION, PRAISE} <= ids_as_of(decided, DAY_2, everything)
    on_day_3 = ids_as_of(decided, DAY_3, everything)
    assert {ACCEPTED, LEFT, CORRECTION, PRAISE} <= on_day_3 and REJECTED not in on_day_3


def test_a_decision_touches_no_earlier_partition(decided: Platform, before: dict[str, Any]) -> None:
    up_to_day_2 = "from marts.attributed_feedback where attributed_date <= date '2024-06-02' order by feedback_id"
    assert decided.query(up_to_day_2) == before["attributed"]
    after = decided.dataset_files()
    pointers = ("latest.json", "partitions.json")  # they tell of the newest partition, by design
    unchanged = {path: sha for path, sha in before["files"].items() if not path.endswith(pointers)}
    assert unchanged.items() <= after.items()


def test_decisions_are_part_of_the_history(decided: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert decided.command("status", "--feedback", PRAISE) == 0
    history = json.loads(capsys.readouterr().out)
    assert [flag["rule"] for flag in history["flags"]] == ["contradictory_signal"]
    assert [(review["decision"], review["reviewer"], review["note"]) for review in history["reviews"]] == [
        ("accept", "ada", "asked them")
    ]
    assert [(s["standing"], s["effective_date"]) for s in history["standings"]] == [
        ("contested", str(DAY_2)),
        ("in_force", str(DAY_3)),
    ]


def test_the_accounts_still_add_up_and_a_rerun_changes_nothing(decided: Platform) -> None:
    tables, files = decided.tables(), decided.dataset_files()
    for account in tables["daily_accounts"]:
        assert account["lines_received"] == sum(
            v for k, v in account.items() if k not in ("received_date", "lines_received")
        )
    assert decided.run(DAY_1, DAY_3) == 0
    assert decided.tables() == tables
    assert decided.dataset_files() == files


def test_a_decision_on_unknown_feedback_lands_nothing(decided: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    landed = sorted((decided.data_dir / "landing" / "reviews").rglob("*"))
    assert decided.command("review", "reject", LEFT, "no-such-id", "--reviewer", "ada") == 1
    assert "'no-such-id'" in capsys.readouterr().err
    assert sorted((decided.data_dir / "landing" / "reviews").rglob("*")) == landed


def test_a_rule_that_is_turned_off_lets_its_feedback_go_when_the_days_are_run_again(
    decided: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last in the module: it changes what the others look at."""
    rules = tmp_path / "rules.yml"
    rules.write_text("user_mismatch: {enabled: false}\n", encoding="utf-8")
    monkeypatch.setenv("FEEDBACK_RULES", str(rules))
    assert decided.run(DAY_1, DAY_3) == 0
    assert states(decided)[LEFT] == ("attributed", "matched_request_id", DAY_1)
    assert states(decided)[REJECTED] == ("invalid", "rejected_in_review", DAY_1)
    assert states(decided)[ACCEPTED] == ("attributed", "matched_request_id", DAY_1)
