"""Landing files that have had their time: which go, which stay, and what the ledger has of them afterwards."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.inference import INFERENCES
from orchestration.lib.erasure.apply import apply_erasures
from orchestration.lib.erasure.events import land_erasure
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.plan import open_plans
from orchestration.lib.ledger import LedgerError, load_partition
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.recipe import load_recipe
from orchestration.lib.retention import findings
from orchestration.lib.retention.landing import Expired, expire_landing_files
from orchestration.lib.retention.policy import RetentionPolicy, load_policy
from orchestration.lib.settings import REPOSITORY, Settings, SettingsError
from orchestration.lib.snapshot import snapshot_query
from tests.traffic import inference, land, thumbs

DAYS = [date(2024, 6, n) for n in (1, 2, 3, 4)]
TODAY = DAYS[-1] + timedelta(days=10)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Four days of inferences, all loaded but the last file, and one of feedback."""
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)})
    for day in DAYS:
        land(tmp_path, "inferences", day, [inference(day, n) for n in range(day.day, day.day + 2)])
        load_partition(settings, INFERENCES, day, tell=lambda _: None)
    land(tmp_path, "inferences", DAYS[2], [inference(DAYS[2], 9)], name="late.jsonl")
    land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], 1)])
    load_partition(settings, FEEDBACK, DAYS[0], tell=lambda _: None)
    return settings


def expire(settings: Settings, policy: str) -> tuple[dict[str, Expired], list[str]]:
    told = expire_landing_files(settings, policy_of(settings, policy), TODAY, tell=lambda _: None)
    left = sorted(str(path.relative_to(settings.landing_url)) for path in Path(settings.landing_url).rglob("*.jsonl"))
    return told, [path for path in left if path.startswith("inferences")]


def policy_of(settings: Settings, text: str) -> RetentionPolicy:
    settings.retention.write_text(text, encoding="utf-8")
    return load_policy(settings.retention)


def test_files_go_that_are_older_than_their_time_and_in_the_ledger(settings: Settings) -> None:
    ledger = {day: Path(settings.ledger_url, ledger_path("inferences", day)).read_bytes() for day in DAYS}
    told, left = expire(settings, "landing: {inferences: 10}")
    assert (told["inferences"].files, told["inferences"].held, told["inferences"].not_loaded) == (2, 0, 2)
    assert left == [
        "inferences/dt=2024-06-03/events.jsonl", "inferences/dt=2024-06-03/late.jsonl",
        "inferences/dt=2024-06-04/events.jsonl",
    ]  # fmt: skip
    # A day whose files are gone stays in the ledger as it was, also where it is run again.
    assert load_partition(settings, INFERENCES, DAYS[0], tell=lambda _: None).lines == 2
    assert {day: Path(settings.ledger_url, ledger_path("inferences", day)).read_bytes() for day in DAYS} == ledger
    assert "feedback" not in told and (Path(settings.landing_url) / "feedback").exists()


def test_a_late_file_does_not_take_the_place_of_a_day_whose_files_are_gone(settings: Settings) -> None:
    expire(settings, "landing: {inferences: 10}")
    folder = Path(settings.landing_url, "inferences", f"dt={DAYS[0]}")
    ledger = Path(settings.ledger_url, ledger_path("inferences", DAYS[0])).read_bytes()
    land(settings.data_dir, "inferences", DAYS[0], [inference(DAYS[0], 9)], name="late.jsonl")
    with pytest.raises(LedgerError, match=r"inferences 2024-06-01: late\.jsonl .*events\.jsonl.*move what is new"):
        load_partition(settings, INFERENCES, DAYS[0], tell=lambda _: None)
    assert Path(settings.ledger_url, ledger_path("inferences", DAYS[0])).read_bytes() == ledger
    expire(settings, "landing: {inferences: 10}")
    assert (folder / "late.jsonl").exists()
    land(settings.data_dir, "inferences", DAYS[0], [inference(DAYS[0], n) for n in (1, 2)])
    assert load_partition(settings, INFERENCES, DAYS[0], tell=lambda _: None).lines == 3


def test_what_a_kill_left_of_a_day_goes_and_is_not_loaded_for_all_of_it(settings: Settings) -> None:
    land(settings.data_dir, "inferences", DAYS[0], [inference(DAYS[0], 9)], name="more.jsonl")
    load_partition(settings, INFERENCES, DAYS[0], tell=lambda _: None)
    policy = policy_of(settings, "landing: {inferences: 10}")
    with (
        mock.patch.object(LocalFileSystem, "rm", autospec=True, side_effect=_killed_at("more.jsonl")),
        pytest.raises(KeyboardInterrupt),
    ):
        expire_landing_files(settings, policy, TODAY, tell=lambda _: None)
    with pytest.raises(LedgerError, match="other files of the day had their time"):
        load_partition(settings, INFERENCES, DAYS[0], tell=lambda _: None)
    _, left = expire(settings, "landing: {inferences: 10}")
    assert not [path for path in left if str(DAYS[0]) in path]
    assert load_partition(settings, INFERENCES, DAYS[0], tell=lambda _: None).lines == 3


def _killed_at(name: str) -> Callable[..., None]:
    remove = LocalFileSystem.rm

    def rm(fs: LocalFileSystem, path: str, *arguments: Any, **named: Any) -> None:
        if path.endswith(name):
            raise KeyboardInterrupt
        remove(fs, path, *arguments, **named)

    return rm


@pytest.mark.parametrize(
    ("hold", "gone"),
    [
        ("{days: [2024-06-01]}", ["2024-06-02"]),
        ("{users: [user-2]}", []),
        ("{users: [user-3]}", ["2024-06-01"]),
        ("{streams: [inferences]}", []),
        ("{streams: [feedback], users: [somebody]}", ["2024-06-01", "2024-06-02"]),
    ],
)
def test_what_is_held_stays(settings: Settings, hold: str, gone: list[str]) -> None:
    _, left = expire(settings, f"landing: {{inferences: 10}}\nhold: {hold}")
    assert [str(day) for day in DAYS if not any(str(day) in path for path in left)] == gone


def test_without_a_policy_nothing_goes_and_nobody_is_held(settings: Settings) -> None:
    assert expire(settings, "") == ({}, expire(settings, "landing: {}")[1])


def test_who_is_held_is_erased_when_the_hold_ends(settings: Settings) -> None:
    policy_of(settings, "hold: {users: [user-2]}")
    land_erasure(settings, "user-2", reason=None, received_date=DAYS[-1])
    said: list[str] = []
    assert apply_erasures(settings, tell=said.append) == [] and not open_plans(settings)
    assert "legal hold" in said[-1] and "user-2" not in said[-1]
    policy_of(settings, "")
    assert len(apply_erasures(settings, tell=said.append)) == 1
    file = Path(settings.landing_url) / "inferences" / f"dt={DAYS[0]}" / "events.jsonl"
    assert json.loads(file.read_text(encoding="utf-8").splitlines()[1]).keys() == {"erased"}
    assert sum(len(plan.lines) for plan in open_plans(settings)) == 2


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("landing: {inference: 3}", "landing must be a mapping of inferences"),
        ("landing: {inferences: 0}", "landing.inferences is 0"),
        ("hold: {days: [yesterday]}", "hold.days must be a list of days"),
        ("hold: {streams: [clicks]}", "hold.streams has 'clicks'"),
        ("text: 3", "the file must be a mapping of landing, texts, datasets, hold"),
        (
            "landing: {feedback: 9}\ntexts: {feedback: 8}",
            "texts.feedback is 8, and landing files, which hold the texts, stay 9",
        ),
        ("datasets: 0", "datasets is 0; write a number of days from 1 on"),
    ],
)
def test_a_policy_that_is_no_good_is_named(settings: Settings, text: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        policy_of(settings, text)


def test_findings_of_who_is_erased_go_by_line_and_by_id_of_any_length(tmp_path: Path) -> None:
    """What stays would come back into the marts with the next build."""
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)})
    line = {"received_date": str(DAYS[0]), "source_file": "f.jsonl"}
    rows = [
        ("int_feedback_receipts", {**line, "source_line": 1, "text_length": 9}),
        ("int_feedback_receipts", {**line, "source_line": 2, "text_length": 9}),
        ("int_output_uncertainties", {**line, "source_line": 1, "request_id": "another"}),
        ("int_chunk_shares", {"feedback_id": "f1", "request_id": "r1"}),
        ("int_chunk_shares", {"feedback_id": "f2", "request_id": "r2"}),
        ("int_inference_conflicts", {"request_id": "r3", "raw": "named-by-others"}),
    ]
    path = tmp_path / "ledger" / findings.path_of("feedback", DAYS[0])
    path.parent.mkdir(parents=True)
    made = [{"model": model, "partition_date": DAYS[0], "finding": json.dumps(row)} for model, row in rows]
    pq.write_table(pa.Table.from_pylist(made, findings.SCHEMA), path)
    lines = [("feedback", str(DAYS[0]), "f.jsonl", 1)]
    findings.forget_findings(settings, Names.of(["named-by-others"]), ["f1"], lines)
    left = [(row["model"], json.loads(row["finding"])) for row in pq.read_table(path).to_pylist()]
    assert left == [rows[1], rows[2], rows[4]]


def test_a_recipe_leaves_out_rows_without_texts_if_it_asks_for_texts() -> None:
    """Numbers of a row do not go with its texts."""
    recipe = load_recipe(REPOSITORY / "recipes" / "feedback.yml")
    columns = {"feedback_id": "Its id.", "request_id": "The input.", "reward": "A value.", "attributed_date": "When."}
    numbers = replace(recipe, columns=columns, description="No comment.", split=None, values={})
    asking = [
        recipe,
        replace(numbers, where="length(comment) > 9"),
        replace(numbers, columns={**columns, "asked": "…"}, values={"asked": "input ->> '$.prompt'"}),
    ]
    assert all("is_text_expired" in snapshot_query(one, DAYS[0]) for one in asking)
    assert "is_text_expired" not in snapshot_query(numbers, DAYS[0])
