"""Where each row comes from, and what became of each line: trail, trace, differences and rebuilds of a planted world.

The failures that this prevents: a row that nobody can follow back to the line that it rests on, a decision that the
tables show and the trail does not, a delta that does not turn a version into the next one, and a rebuild that is only
nearly so.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.lib import made_with
from orchestration.lib.catalog import Catalog
from orchestration.lib.instance import ensure_dagster_home, open_instance
from orchestration.lib.recipe import row_key
from orchestration.lib.rests_on import WITH_CONVERSATION
from orchestration.lib.settings import REPOSITORY, Settings
from orchestration.lib.snapshot import column_types
from orchestration.lib.warehouse import read_warehouse
from tests.origin_world import D1, D2, D3, D4, D5, DAYS, SETTINGS, land_world
from tests.platform_under_test import Platform

LINE = "received_date, source_file, source_line"
STATUS = "feedback_id, request_id, state, reason, received_date, attributed_date, source_file, source_line"
NAMES = ("feedback", "sft", "preference", "kto", "reward", "ranking")


def changed_recipes(folder: Path) -> Path:
    """Two recipes as somebody may change them: columns come, go and change their type, rows go, and groups move."""
    folder.mkdir()
    for name, changes in {
        "reward": {
            "source: reward_examples": "source: reward_examples\nwhere: reward > -1",
            "  endpoint: Serving endpoint.\n": "  loudness: {value: judgement_count, meaning: How many judged.}\n",
            "  annotator_count: How": "  annotator_count: {value: annotator_count::varchar, meaning: How many.}\n  #",
        },
        "kto": {"  by: session_id": "  by: session_id\n  seed: another"},
    }.items():
        text = (REPOSITORY / "recipes" / f"{name}.yml").read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The planted days, and the last of them once more with the changed recipes."""
    planted = Platform(tmp_path_factory.mktemp("origin"), SETTINGS)
    land_world(planted.data_dir)
    assert planted.run(D1, D5) == 0
    recipes = changed_recipes(tmp_path_factory.mktemp("changed") / "recipes")
    assert Platform(planted.data_dir, {**SETTINGS, "FEEDBACK_RECIPES": str(recipes)}).run(D5, D5) == 0
    return planted


def settings_of(platform: Platform) -> Settings:
    return Settings.from_env({"FEEDBACK_DATA_DIR": str(platform.data_dir), **platform.settings})


def catalog(platform: Platform, name: str) -> Catalog:
    return Catalog(settings_of(platform), name)


def first_version(platform: Platform, name: str, day: date) -> str:
    """The version of a day that the shipped recipe made."""
    of_day = [v for v in catalog(platform, name).versions() if v.startswith(str(day))]
    parents = {catalog(platform, name).manifest(version)["parent_version"] for version in of_day}
    return next((version for version in of_day if version in parents), of_day[0])


def printed(platform: Platform, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert platform.command(*arguments) == 0
    return json.loads(capsys.readouterr().out)


# -- the trail ------------------------------------------------------------------------------------------


def folded(trail: str) -> str:
    """The last decision on each line."""
    return f"select * from ({trail}) qualify row_number() over (partition by {LINE} order by position desc) = 1"


@pytest.mark.parametrize("day", DAYS)
def test_the_trail_folded_up_to_a_day_is_the_state_of_that_day(platform: Platform, day: date) -> None:
    for trail in (
        f"from marts.decision_trail_as_of('{day}')",
        f"from marts.decision_trail_as_of('{D5}') where decided_date <= '{day}'",
    ):
        states = platform.query(f"select {STATUS} from ({folded(trail)}) order by all")
        assert states == platform.query(f"select {STATUS} from marts.feedback_status_as_of('{day}') order by all")
        in_force = platform.query(f"select feedback_id from ({folded(trail)}) where is_in_force order by all")
        assert in_force == platform.query(f"select feedback_id from marts.feedback_as_of('{day}') order by all")
    assert len(states) > 20


def test_a_later_day_only_adds_to_the_trail(platform: Platform) -> None:
    for day in DAYS:
        then = platform.query(f"from marts.decision_trail_as_of('{day}') order by all")
        now = platform.query(f"from marts.decision_trail_as_of('{D5}') where decided_date <= '{day}' order by all")
        assert then == now


def test_every_kind_of_decision_and_every_state_is_planted(platform: Platform) -> None:
    """Without this the tests above might compare nothing."""
    trail = platform.query(f"from marts.decision_trail_as_of('{D5}')")
    assert {row["decision"] for row in trail} == {
        "received", "validated", "matched", "expired", "flagged", "accepted", "rejected", "attributed", "superseded",
        "retracted",
    }  # fmt: skip
    assert {row["state"] for row in trail} == {
        None, "dead_letter", "duplicate", "invalid", "requires_human_review", "pending", "attributed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("feedback", "decisions"),
    [
        (
            "torn/1",
            [
                (D1, "received"), (D1, "validated"), (D1, "matched"), (D1, "attributed"), (D1, "added_to_version"),
                (D2, "flagged"), (D2, "removed_from_version"), (D3, "rejected"),
            ],
        ),
        (
            "both/1",
            [
                (D1, "received"), (D1, "validated"), (D1, "matched"), (D1, "attributed"), (D1, "added_to_version"),
                (D3, "changed_in_version"), (D5, "changed_in_version"),
            ],
        ),
        (
            "minded/1",
            [
                (D1, "received"), (D1, "validated"), (D1, "matched"), (D1, "attributed"), (D1, "added_to_version"),
                (D2, "superseded"), (D2, "received"), (D2, "validated"), (D2, "removed_from_version"),
            ],
        ),
        (
            # Its reviewer was before it.
            "early/1",
            [
                (D2, "rejected"), (D2, "received"), (D2, "validated"), (D2, "matched"), (D2, "flagged"),
                (D4, "accepted"), (D4, "attributed"), (D4, "added_to_version"), (D5, "changed_in_version"),
            ],
        ),
        ("never/1", [(D1, "received"), (D1, "validated"), (D5, "expired")]),
    ],
)  # fmt: skip
def test_status_tells_the_decisions_in_order(
    platform: Platform, capsys: pytest.CaptureFixture[str], feedback: str, decisions: list[tuple[date, str]]
) -> None:
    trail = printed(platform, capsys, "status", "--feedback", feedback)["trail"]
    of_reward = [one for one in trail if one.get("dataset", "reward") == "reward"]
    assert [(one["decided_date"], one["decision"]) for one in of_reward if one["decision"] != "changed_in_version"] == [
        (str(day), decision) for day, decision in decisions if decision != "changed_in_version"
    ]
    changes = [one["decided_date"] for one in of_reward if one["decision"] == "changed_in_version"]
    assert changes == [str(day) for day, decision in decisions if decision == "changed_in_version"]


# -- deltas ---------------------------------------------------------------------------------------------


def of_types(query: str, types: Mapping[str, str]) -> str:
    return f"select {', '.join(f'{column}::{kind} as {column}' for column, kind in types.items())} from ({query})"


@pytest.mark.parametrize("name", NAMES)
def test_the_deltas_folded_are_every_version_with_its_splits(platform: Platform, name: str) -> None:
    catalogued = catalog(platform, name)
    assert catalogued.versions()
    for version in catalogued.versions():
        manifest = catalogued.manifest(version)
        rows = sum(manifest["rows"].values())
        if manifest["parent_version"] is None:
            assert manifest["changes"] == {"added": rows, "changed": 0, "removed": 0}
            continue
        key = ", ".join(row_key(manifest["recipe"]["source"], manifest["recipe"].get("key", ())))
        delta = {p.stem: str(p) for p in (platform.data_dir / "datasets" / name / version / "delta").iterdir()}
        kept = f"select * from ({catalogued.rows_query(manifest['parent_version'], split_as='split_')})"
        for change in ("changed", "removed"):
            if change in delta:
                kept += f" anti join (select {key} from read_parquet('{delta[change]}')) using ({key})"
        new = [f"select * from read_parquet('{delta[change]}')" for change in ("added", "changed") if change in delta]
        snapshot = catalogued.rows_query(version, split_as="split_")
        with read_warehouse(settings_of(platform)) as connection:
            types = column_types(connection, snapshot)
            made = of_types(" union all by name ".join([kept, *new]), types)
            for one, other in ((made, snapshot), (snapshot, made)):
                assert connection.execute(f"from ({one}) except all from ({other})").fetchall() == [], version
    counted = {**manifest["changes"]}
    assert set(delta) == {change for change, number in counted.items() if number}


def test_a_row_that_moves_to_another_split_is_in_the_delta(platform: Platform) -> None:
    """The seed only says where rows are: a delta without those that moved would not make the version."""
    versions = catalog(platform, "kto").versions()
    manifests = [catalog(platform, "kto").manifest(version) for version in versions if version.startswith(str(D5))]
    (moved,) = [one for one in manifests if one["recipe"]["split"]["seed"] == "another"]
    assert moved["changes"]["changed"] > 0 and moved["changes"]["added"] == moved["changes"]["removed"] == 0


# -- differences ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "days", "told"),
    [
        ("feedback", (D1, D2), {
            ("removed", "supersession", "minded/1"), ("removed", "retraction", "undone/1"),
            ("removed", "flag", "torn/1"), ("added", "review", "doubted/1"), ("added", "new_feedback", "minded/2"),
        }),
        ("feedback", (D1, D3), {
            ("removed", "review", "torn/1"), ("removed", "retraction", "both/2"), ("added", "review", "torn/2"),
            ("added", "new_feedback", "late/1"),
        }),
        # One of two who praised took it back: the row is of the other.
        ("reward", (D1, D2), {("changed", "supersession", "minded/2"), ("removed", "retraction", "undone/1")}),
        ("reward", (D2, D3), {("changed", "retraction", "both/1")}),
        ("reward", (D3, D4), {("changed", "new_feedback", "marred/2"), ("added", "review", "early/1")}),
        # What was praised is no demonstration any more once somebody has corrected or blamed it.
        ("sft", (D2, D3), {("removed", "new_feedback", "tried/1"), ("changed", "late_turn", "t2/1")}),
        ("sft", (D3, D4), {("removed", "new_feedback", "marred/1")}),
        ("ranking", (D2, D3), {("changed", "new_feedback", "clicked/1")}),
    ],
)  # fmt: skip
def test_each_difference_is_told_by_its_cause(
    platform: Platform,
    capsys: pytest.CaptureFixture[str],
    name: str,
    days: tuple[date, date],
    told: set[tuple[str, str, str]],
) -> None:
    versions = [first_version(platform, name, day) for day in days]
    capsys.readouterr()
    assert platform.command("datasets", "diff", name, *versions, "--rows", "1000") == 0
    found = {tuple(line.split()[:3]) for line in capsys.readouterr().out.splitlines()}
    assert told <= found
    assert not {cause for _, cause, *_ in (one for one in found if len(one) == 3)} & {
        "later_events",
        "recipe",
        "schema",
    }


@pytest.mark.parametrize("name", ["reward", "kto"])
def test_another_recipe_is_the_cause_of_what_nothing_else_explains(
    platform: Platform, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    own = first_version(platform, name, D5)
    (other,) = [v for v in catalog(platform, name).versions() if v.startswith(str(D5)) and v != own]
    capsys.readouterr()
    assert platform.command("datasets", "diff", name, own, other) == 0
    causes = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert causes == ["recipe"]
    assert platform.command("datasets", "diff", name, own, first_version(platform, name, D4)) == 1
    assert "name the earlier version first" in capsys.readouterr().err


# -- from rows to lines, and from users to rows ---------------------------------------------------------


def lines_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["role"], one.get("feedback_id") or one["request_id"]) for one in row["rests_on"]]


@pytest.mark.parametrize(
    ("name", "day", "asked", "key", "rests_on"),
    [
        ("sft", D2, ("--feedback", "t2/1"), {"feedback_id": "t2/1"},
         [("feedback", "t2/1"), ("inference", "t2"), ("earlier_turn", "t0")]),
        ("sft", D4, ("--request", "t1"), {"feedback_id": "t2/1"},
         [("feedback", "t2/1"), ("inference", "t2"), ("earlier_turn", "t0"), ("earlier_turn", "t1")]),
        ("reward", D2, ("--feedback", "both/1"), {"request_id": "both"},
         [("feedback", "both/1"), ("feedback", "both/2"), ("inference", "both")]),
        ("reward", D2, ("--feedback", "doubted/1"), {"request_id": "doubted"},
         [("feedback", "doubted/1"), ("inference", "doubted"), ("review", "doubted/1")]),
        ("ranking", D2, ("--request", "silent"), {"request_id": "silent"}, [("inference", "silent")]),
        ("feedback", D3, ("--request", "late"), {"feedback_id": "late/1"},
         [("feedback", "late/1"), ("inference", "late")]),
    ],
)  # fmt: skip
def test_a_row_is_traced_to_its_lines(
    platform: Platform,
    capsys: pytest.CaptureFixture[str],
    name: str,
    day: date,
    asked: tuple[str, str],
    key: dict[str, str],
    rests_on: list[tuple[str, str]],
) -> None:
    version = first_version(platform, name, day)
    found = printed(platform, capsys, "datasets", "trace", name, version, *asked)
    (row,) = found["rows"]
    assert (row["key"], lines_of(row), row["is_silence"]) == (key, rests_on, not any("/" in id for _, id in rests_on))
    told = {f["path"]: f["ledger_version"] for f in catalog(platform, name).manifest(version)["ledger_files"]}
    assert (platform.data_dir / "datasets" / name / version / row["file"]).exists()
    assert row["file"].startswith(f"data/{row['split']}-")
    for one in row["rests_on"]:
        line = (platform.data_dir / one["landing_file"]).read_text(encoding="utf-8").splitlines()[one["line"] - 1]
        event = json.loads(line)
        assert all(event[id] == one[id] for id in ("feedback_id", "request_id") if id in one and id in event)
        assert told[one["ledger_file"]] == one["ledger_version"]
        assert one["is_ledger_as_it_was"] and one["is_line_in_ledger"]


def test_what_no_row_rests_on_is_said(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    version = first_version(platform, "sft", D4)
    assert platform.command("datasets", "trace", "sft", version, "--feedback", "tried/1") == 1
    assert "`attribution status --feedback tried/1` tells which versions have" in capsys.readouterr().err


@pytest.mark.parametrize("user", ["ann", "asker", "eve", "quiet", "user-3"])
def test_every_version_that_holds_a_user_is_told(
    platform: Platform, capsys: pytest.CaptureFixture[str], user: str
) -> None:
    """Against a reading of every row of every version, and of the landed events."""
    history = printed(platform, capsys, "status", "--user", user)
    given = platform.query(f"select feedback_id from staging.stg_feedback where user_id = '{user}'")
    asked = platform.query(f"select request_id from staging.stg_inferences where user_id = '{user}'")
    feedback, requests = {row["feedback_id"] for row in given}, {row["request_id"] for row in asked}
    assert history["received"]["inferences"]["lines"] == len(asked)
    assert history["received"]["feedback"]["lines"] == len(given)
    assert {one["feedback_id"] for one in history["feedback"] if one["is_by_user"]} == feedback
    expected = {}
    for name in NAMES:
        for version in catalog(platform, name).versions():
            rows = platform.query(catalog(platform, name).rows_query(version))
            held = [row for row in rows if names(row, feedback, requests, user)]
            if held:
                expected[name, version] = len(held)
    told = {(one["dataset"], one["version"]): one["rows"] for one in history["datasets"] if one["rows"]}
    assert told == expected and told


def names(row: dict[str, Any], feedback: set[str], requests: set[str], user: str) -> bool:
    judged = {one["feedback_id"] for one in row.get("judgements") or []}
    own = {row["feedback_id"], row.get("other_feedback_id")} | judged
    return bool(own & feedback) or bool({row["request_id"], row.get("rejected_request_id")} & requests) or (
        row["user_id"] == user
    )  # fmt: skip


def test_a_turn_is_held_by_the_conversations_after_it(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    """Its words are in rows that are about another answer: to forget it one has to know them."""
    held = printed(platform, capsys, "status", "--request", "t1")["datasets"]
    sft = {one["version"][:10]: (one["rows"], one["as_earlier_turn"]) for one in held if one["dataset"] == "sft"}
    assert sft == {str(day): (0, 1) for day in (D3, D4, D5)}, "it was logged on the third day"
    assert platform.command("status", "--user", "nobody") == 1


def test_sources_with_conversations_are_those_that_read_prompts() -> None:
    folder = REPOSITORY / "dbt_project" / "models" / "marts" / "examples"
    reads = {p.stem for p in folder.glob("*.sql") if "ref('feedback_prompt_as_of')" in p.read_text(encoding="utf-8")}
    assert {name.removesuffix("_as_of") for name in reads} == set(WITH_CONVERSATION)


# -- on another machine ---------------------------------------------------------------------------------


@pytest.fixture
def stranger(platform: Platform, tmp_path: Path) -> Iterator[Platform]:
    """A folder of another name that has the ledger and one manifest, and nothing else."""
    version = first_version(platform, "sft", D3)
    there = Platform(tmp_path / "another place", SETTINGS)
    folder = there.data_dir / "datasets" / "sft" / version
    folder.mkdir(parents=True)
    shutil.copytree(platform.data_dir / "ledger", there.data_dir / "ledger")
    shutil.copy2(platform.data_dir / "datasets" / "sft" / version / "manifest.json", folder)
    yield there


def test_a_stranger_makes_every_file_again_to_the_byte(stranger: Platform, capfd: pytest.CaptureFixture[str]) -> None:
    version = first_version(stranger, "sft", D3)
    manifest = catalog(stranger, "sft").manifest(version)
    assert stranger.command("datasets", "rebuild", "sft", version) == 0
    said = capfd.readouterr().out
    assert set(re.findall("^(.+): the same bytes$", said, re.M)) == {file["path"] for file in manifest["files"]}
    assert {"README.md", "croissant.json", "delta/added.parquet", "openai/train.jsonl"} <= set(
        re.findall("^(.+): the same bytes$", said, re.M)
    )
    assert "other bytes" not in said


def test_what_is_another_on_the_strangers_machine_is_told_exactly(
    stranger: Platform, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = first_version(stranger, "sft", D3)
    shutil.rmtree(stranger.data_dir / "ledger" / "reviews" / f"received_date={D2}")
    recipe = (REPOSITORY / "recipes" / "sft.yml").read_text(encoding="utf-8")
    changes = {"license: other": "license: mit", "  variant: Canary or A/B arm.": "  variant: Which arm."}
    for old, new in changes.items():
        recipe = recipe.replace(old, new)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "sft.yml").write_text(recipe, encoding="utf-8")
    then = {**made_with.made_with()}
    monkeypatch.setattr(made_with, "made_with", lambda: {**then, "duckdb": "9.9.9"})
    there = Platform(
        stranger.data_dir,
        {"FEEDBACK_ATTRIBUTION_WINDOW_DAYS": "7", "FEEDBACK_RECIPES": str(tmp_path / "recipes")},
    )
    assert there.command("datasets", "rebuild", "sft", version) == 1
    said = capfd.readouterr().out
    assert said.splitlines() == [
        f"can not be rebuilt: ledger/reviews/received_date={D2}/part-00000.parquet is missing; put it back, or land "
        "its files and run that day",
        "can not be rebuilt: sft.yml: columns.variant is 'Which arm.' and was 'Canary or A/B arm.' then; "
        "set it back for the rebuild",
        "can not be rebuilt: sft.yml: license is 'mit' and was 'other' then; set it back for the rebuild",
        "can not be rebuilt: FEEDBACK_ATTRIBUTION_WINDOW_DAYS is 7 and was 3 then; set it back for the rebuild",
        f"another than then: duckdb is 9.9.9 here and was {then['duckdb']} then: install that one if the bytes are "
        "others",
    ]


# -- in the UI ------------------------------------------------------------------------------------------


def materializations(platform: Platform, asset: str) -> dict[str, Mapping[str, dg.MetadataValue]]:
    """The first materialization of each partition: later ones are of the changed recipes."""
    with platform.environment():
        ensure_dagster_home(Settings.from_env())
        with open_instance() as instance:
            records = instance.fetch_materializations(dg.AssetKey(asset), limit=100, ascending=True).records
    found: dict[str, Mapping[str, dg.MetadataValue]] = {}
    for record in records:
        assert record.partition_key and record.asset_materialization
        found.setdefault(record.partition_key, record.asset_materialization.metadata)
    return found


def test_a_partition_shows_version_counts_balance_delta_and_gate(platform: Platform) -> None:
    shown = materializations(platform, "reward_dataset")
    for day in DAYS:
        version = first_version(platform, "reward", day)
        manifest = catalog(platform, "reward").manifest(version)
        metadata = {name: value.value for name, value in shown[str(day)].items()}
        assert metadata["version"] == version
        assert metadata["rows"] == sum(manifest["rows"].values())
        for change, number in manifest["changes"].items():
            assert metadata[f"rows_{change}"] == number
        for split, number in manifest["rows"].items():
            assert metadata[f"rows_in_{split}"] == number
        rows = platform.query(catalog(platform, "reward").rows_query(version))
        good, bad = sum(row["reward"] > 0 for row in rows), sum(row["reward"] < 0 for row in rows)
        assert (metadata["rows_of_good"], metadata["rows_of_bad"]) == (good, bad)
        assert f"| reward | good | {good} |" in metadata["class_balance"]
        assert Path(metadata["manifest"]).exists() and Path(metadata["card"]).exists()
        assert "dataset_gate on reward | passed" in metadata["gate"]
    numbers = [name for name, value in shown[str(D5)].items() if isinstance(value, dg.IntMetadataValue)]
    assert {"rows", "rows_added", "rows_changed", "rows_removed", "bytes", "rows_of_good"} <= set(numbers), (
        "they are plots"
    )


def test_a_partition_that_changes_nothing_shows_the_version_that_it_has(platform: Platform) -> None:
    ranking = materializations(platform, "preference_dataset")
    assert ranking[str(D2)]["version"].value == first_version(platform, "preference", D1)
    assert [ranking[str(D2)][f"rows_{change}"].value for change in ("added", "changed", "removed")] == [0, 0, 0]
    assert ranking[str(D2)]["rows_in_train"].value == ranking[str(D1)]["rows_in_train"].value
