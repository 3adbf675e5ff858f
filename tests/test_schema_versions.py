"""Schema versions: what is refused, how events of both versions are read, and a backfill after a new one.

The last is done as the README says it, in a copy of the repository, with the field of the README's example.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.versions import VERSIONS_DIR, SchemaVersionError, with_versions
from orchestration.lib.ledger import load_partition
from orchestration.lib.ledger_parts import ledger_path
from orchestration.lib.settings import REPOSITORY, Settings
from tests.platform_under_test import Platform
from tests.processes import start
from tests.test_backfill_by_daemon import serving
from tests.traffic import inference, land

DAY_1, DAY_2, DAY_3 = (date(2024, 6, n) for n in (1, 2, 3))


def first_version(stream: Stream) -> Stream:
    """The stream as it was before it had a second version."""
    fields = tuple(replace(f, until=None) for f in stream.fields if f.since == 1)
    return replace(stream, version=1, fields=fields, splits=(), examples={1: stream.examples[1]})


def next_version(folder: Path, text: str, *, stream: Stream = FEEDBACK) -> Stream:
    """The stream with a version after its shipped ones."""
    shutil.copytree(VERSIONS_DIR, folder, dirs_exist_ok=True)
    (folder / f"{stream.event}.v{stream.version + 1}.yml").write_text(text, encoding="utf-8")
    return with_versions(first_version(stream), folder)


def rows(folder: Path, stream: Stream, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ledger's rows of events that land in one file."""
    land(folder, stream.name, DAY_1, [json.dumps(event) for event in events])
    settings = Settings.from_env({"FEEDBACK_DATA_DIR": str(folder)})
    load_partition(settings, stream, DAY_1)
    path = Path(settings.ledger_url) / ledger_path(stream.name, DAY_1)
    with duckdb.connect() as connection:
        cursor = connection.execute("select * from read_parquet(?) order by source_line", [str(path)])
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# -- compatibility --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "add: [{name: team, kind: string, description: d, required: true}]",
            r"field 'team' is required and has no default: events of earlier versions do not have it \(backward\)",
        ),
        ("change: [{name: rating, kind: integer}]", r"'rating' is narrowed from number to integer: .*\(backward\)"),
        ("change: [{name: comment, kind: scalar}]", r"'comment' is widened from string to scalar: .*\(forward\)"),
        ("change: [{name: thumbs, enum: [up]}]", r"'thumbs' is narrowed: earlier events may say down \(backward\)"),
        ("change: [{name: thumbs, enum: [up, down, sideways]}]", r"'thumbs' is widened: .*\(forward\)"),
        ("change: [{name: label, enum: [a, b]}]", r"'label' is narrowed to a list of words"),
        ("change: [{name: comment, required: true}]", r"'comment' becomes required"),
        ("add: [{name: comment, kind: string, description: d}]", r"'comment' had a meaning in an earlier version"),
        ("add: [{name: value, kind: number, description: d}]", r"'value' had a meaning in an earlier version"),
        ("add: [{name: feedback, kind: object, description: d}]", r"'feedback' had a meaning"),
        ("add: [{name: raw, kind: string, description: d}]", r"'raw' had a meaning .* for the platform"),
        ("add: [{name: team, kind: string, description: d, aliases: [client_version]}]", r"'client_version' had a meaning"),
        ("rename: [{from: comment, to: client_version}]", r"'client_version' had a meaning"),
        ("rename: [{from: value, to: amount}]", r"'value' is no field of version 2. Its fields are .*signal_value"),
        ("split: [{from: rating, separator: '/', into: [{name: a, description: d}, {name: b, description: d}]}]", "'rating' is a number and can not be taken apart"),
        ("add: [{name: team, kind: string, description: d, lift: comment.team}]", "is lifted from 'comment.team', which"),
        ("add: [{name: team, kind: text, description: d}]", "of kind string, scalar"),
        ("add: [{name: Team, kind: string, description: d}]", "named in snake_case"),
        ("add: [{name: team, kind: string}]", "a field with name, kind and description"),
        ("remove: [comment]", "must be a mapping of add, change"),
        ("examples: [{thumbs: up}]", "is no JSON text; quote each event"),
    ],
)  # fmt: skip
def test_a_version_that_would_break_somebody_is_refused_with_the_reason(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SchemaVersionError, match=r"^feedback\.v3\.yml: ") as error:
        next_version(tmp_path, text)
    assert re.search(says, str(error.value)), error.value


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = "add: [{name: value, kind: string, description: d}]\nrename: [{from: nothing, to: something}]\n"
    with pytest.raises(SchemaVersionError) as error:
        next_version(tmp_path, text)
    assert len(str(error.value).splitlines()) == 2


def test_versions_have_no_gaps(tmp_path: Path) -> None:
    (tmp_path / "feedback.v3.yml").write_text("add: []\n", encoding="utf-8")
    with pytest.raises(SchemaVersionError, match=r"there is no feedback\.v2\.yml before it"):
        with_versions(first_version(FEEDBACK), tmp_path)


def test_a_required_field_with_a_default_is_welcome(tmp_path: Path) -> None:
    text = "add: [{name: team, kind: string, description: d, required: true, default: core}]"
    stream = next_version(tmp_path / "versions", text)
    events = [
        {"request_id": "r", "thumbs": "up"},
        {"schema_version": 3, "request_id": "s", "thumbs": "up", "team": "x"},
    ]
    assert [row["team"] for row in rows(tmp_path, stream, events)] == ["core", "x"]


# -- both versions at once ------------------------------------------------------------------------------


def test_producers_of_both_versions_write_into_one_file(tmp_path: Path) -> None:
    common = {"request_id": "r", "signal": "dwell"}
    lifted, stated, nested, odd, stray = rows(
        tmp_path,
        FEEDBACK,
        [
            {**common, "value": 3, "client_version": "ios/3.2", "surface": "chat", "other": 1},
            {**common, "schema_version": 2, "signal_value": 3, "client_name": "ios", "client_release": "3.2", "surface": "chat"},
            {"request_id": "r", "feedback": {"signal": "dwell", "surface": "mail"}, "client_version": "7"},
            {**common, "surface": 5, "signal_value": 1},
            {**common, "schema_version": 2, "value": 3, "client_version": "x"},
        ],
    )  # fmt: skip
    for row in (lifted, stated):
        assert (row["value"], row["surface"]) == ("3", "chat")
        assert (row["client_version"], row["client_name"], row["client_release"]) == ("ios/3.2", "ios", "3.2")
    assert (lifted["extras"], stated["extras"]) == ('{"other":1}', None)
    assert (nested["surface"], nested["client_name"], nested["client_release"]) == ("mail", None, "7")
    assert nested["extras"] is None
    (twice,) = rows(
        tmp_path / "twice",
        FEEDBACK,
        [{"request_id": "r", "surface": "a", "feedback": {"thumbs": "up", "surface": "b"}}],
    )
    assert (twice["surface"], json.loads(twice["extras"])) == ("a", {"feedback": {"surface": "b"}})
    # What does not fit stays where it was, and a name means nothing in a version that does not know it.
    assert (odd["dead_letter_reason"], odd["surface"], odd["value"]) == (None, None, None)
    assert json.loads(odd["extras"]) == {"surface": 5, "signal_value": 1}
    assert (stray["value"], json.loads(stray["extras"])) == (None, {"value": 3, "client_version": "x"})


def test_an_inference_is_lifted_from_its_parameters_and_its_models_name(tmp_path: Path) -> None:
    common = {"timestamp": "2024-06-01T10:00:00Z", "model_version": "v1"}
    old, new, bare = rows(
        tmp_path,
        INFERENCES,
        [
            {**common, "request_id": "a", "turn": 2, "model_name": "openai/gpt/4", "params": {"reasoning_effort": "low"}, "source": "web"},
            {**common, "request_id": "b", "schema_version": 2, "turn_index": 2, "provider_name": "openai",
             "request_model": "gpt/4", "reasoning_effort": "low", "source": "web"},
            {**common, "request_id": "c", "model_name": "assistant"},
        ],
    )  # fmt: skip
    names = ("turn", "model_name", "provider_name", "request_model", "reasoning_effort", "source", "extras")
    for row in (old, new):
        assert [row[name] for name in names] == [2, "openai/gpt/4", "openai", "gpt/4", "low", "web", None]
    assert json.loads(old["params"]) == {"reasoning_effort": "low"}
    assert (bare["model_name"], bare["provider_name"], bare["request_model"]) == ("assistant", None, "assistant")


def test_a_version_checks_its_own_fields_and_no_other(tmp_path: Path) -> None:
    read = rows(
        tmp_path,
        FEEDBACK,
        [
            {"request_id": "r", "thumbs": "up", "locale": {"any": "thing"}},
            {"schema_version": 2, "request_id": "r", "thumbs": "up", "locale": {"any": "thing"}},
            {"schema_version": 2, "request_id": "r", "thumbs": "up", "client_version": 5},
            {"request_id": "r", "thumbs": "up", "client_version": 5},
            {"schema_version": 3, "request_id": "r", "thumbs": "up"},
        ],
    )
    assert [row["dead_letter_reason"] for row in read] == [
        None, "wrong_type", None, "wrong_type", "unknown_schema_version",
    ]  # fmt: skip


def test_lifting_an_event_does_not_change_its_derived_id(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = [
        {"request_id": "r", "signal": "dwell", "value": {"b": 1, "a": 2}, "client_version": "ios/3.2", "surface": "chat"},
        {"request_id": "r", "thumbs": "up", "locale": "de", "other": [1]},
    ]  # fmt: skip
    before = rows(tmp_path / "before", first_version(FEEDBACK), events)
    after = rows(tmp_path / "after", FEEDBACK, events)
    assert [row["feedback_id"] for row in before] == [row["feedback_id"] for row in after]
    assert before[0]["extras"] == '{"surface":"chat"}' and after[0]["extras"] is None


def test_a_day_whose_landing_files_are_gone_keeps_its_ledger(tmp_path: Path) -> None:
    rows(tmp_path, FEEDBACK, [{"request_id": "r", "thumbs": "up"}, {"request_id": 5}])
    shutil.rmtree(tmp_path / "landing")
    settings, said = Settings.from_env({"FEEDBACK_DATA_DIR": str(tmp_path)}), list[str]()
    kept = load_partition(settings, FEEDBACK, DAY_1, tell=said.append)
    assert (kept.lines, kept.dead_letters) == (2, {"wrong_type": 1})
    assert "1 landing files are gone" in said[0]


# -- the README's procedure -----------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository as a checkout of its own, in which a team member works."""
    target = tmp_path / "repository"
    ignored = shutil.ignore_patterns(".*", "target", "logs", "data", "__pycache__")
    shutil.copytree(REPOSITORY, target, ignore=ignored)
    return target


def in_copy(copy: Path, *command: str) -> str:
    """Runs `python …` there; returns what it printed, fails with it."""
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, text=True, capture_output=True
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(copy: Path, data_dir: Path, first: date, last: date) -> None:
    process = start(data_dir, "run", "--from", str(first), "--to", str(last), repository=copy)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said


def test_one_backfill_after_a_new_version_fills_the_new_column_of_old_days(copy: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for day in (DAY_1, DAY_2, DAY_3):
        land(data_dir, "inferences", day, [inference(day, n) for n in range(6)])
        events = [{"request_id": f"req-{day}-{n}", "thumbs": "up", "device": "phone"} for n in range(6)]
        if day == DAY_3:
            events[:3] = [{"schema_version": 3, **event} for event in events[:3]]
        land(data_dir, "feedback", day, [json.dumps(event) for event in events])
    run(copy, data_dir, DAY_1, DAY_2)
    platform = Platform(data_dir)
    before = platform.dataset_files()

    readme = (copy / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"Write `(orchestration/\S+feedback\.v3\.yml)`:\n\n   ```yaml\n(.*?)   ```", readme, re.S)
    (copy / example[0]).write_text(re.sub(r"^   ", "", example[1], flags=re.M), encoding="utf-8")
    assert "feedback.v3.json" in in_copy(copy, "-m", "orchestration.contracts.published")
    recipe = copy / "recipes" / "feedback.yml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + "  device: What the user held.\n", encoding="utf-8")

    # A new day rests on the old ones as they are.
    run(copy, data_dir, DAY_3, DAY_3)
    devices = (
        "select attributed_date as day, count(device) as n from marts.attributed_feedback group by all order by all"
    )
    assert [row["n"] for row in platform.query(devices)] == [0, 0, 6]
    ids = platform.query("select feedback_id from marts.feedback_status order by all")

    with serving(data_dir, repository=copy) as server:
        assert server.backfill([DAY_1, DAY_2, DAY_3]) in ("COMPLETED", "COMPLETED_SUCCESS")
    assert [row["n"] for row in platform.query(devices)] == [6, 6, 6]
    assert platform.query("select feedback_id from marts.feedback_status order by all") == ids
    assert platform.query("select distinct feedback_extras from marts.attributed_feedback") == [
        {"feedback_extras": None}
    ]

    after = platform.dataset_files()
    versions = {path: sha for path, sha in before.items() if not path.endswith(("latest.json", "partitions.json"))}
    assert versions.items() <= after.items(), "a version that was published has changed"
    manifests = [
        json.loads(p.read_text()) for p in sorted((data_dir / "datasets" / "feedback").glob("*/manifest.json"))
    ]
    of_day_1 = [m for m in manifests if m["partition"] == str(DAY_1)]
    (old,) = [m for m in of_day_1 if m["schema_version"]["feedback"] == 2]
    (new,) = [m for m in of_day_1 if m["schema_version"]["feedback"] == 3]
    assert new["parent_version"] == old["version"]
    assert new["schema_changes"]["columns_added"] == ["device"]
    assert new["schema_changes"]["schema_version_of_parent"]["feedback"] == 2
    assert new["changes"] == {"added": 0, "changed": 6, "removed": 0}
    assert {f["schema_version"] for f in new["ledger_files"] if "/feedback/" in f["path"]} == {3}
    diff = start(data_dir, "datasets", "diff", "feedback", old["version"], new["version"], repository=copy)
    said, _ = diff.communicate(timeout=60)
    assert said.splitlines()[2].split() == ["schema", "0", "6", "0"], said
