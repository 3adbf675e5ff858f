"""A person is erased, with the process killed after each step: nothing of them is left, and all else is as if they had
never been.

The failure that this prevents: a copy that nobody thought of.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from orchestration.defs.privacy import assets
from orchestration.lib.erasure.events import land_erasure
from orchestration.lib.erasure.steps import STEPS
from orchestration.lib.settings import REPOSITORY, Settings
from tests.erasure_world import DAYS, ERASE, NAMESAKE, PERSON, contents, land_world, planted
from tests.platform_under_test import Platform, recipes_of
from tests.processes import environment, is_killed
from tests.traffic import land

RECIPES = ("feedback", "sft", "preference")
ENOUGH_KILLS = 10
HOLDS_ROWS = ("data", "rows", "delta", "openai")
# The person's id, and not their namesake's; the ids of what is theirs; and their words.
LEFT = re.compile(rb"user-planted-7f3a(?!9)|req-planted|fb-req-planted|fb-planted|sess-planted|fb-retracting|SECRET")
# The first half of an erasure ends when the run goes on to dbt.
_APPLY = STEPS[: STEPS.index("applied") + 1]


@pytest.fixture(scope="module")
def recipes() -> Path:
    return recipes_of(*RECIPES)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory, recipes: Path) -> Platform:
    """The world as it was published with the person in it, and what was trained on it."""
    platform = Platform(tmp_path_factory.mktemp("with"), {"FEEDBACK_RECIPES": str(recipes)})
    land_world(platform.data_dir, with_person=True)
    assert platform.run(DAYS[0], DAYS[-1]) == 0
    for name in ("sft", "feedback"):
        version = json.loads((platform.data_dir / "datasets" / name / "latest.json").read_text())["version"]
        assert platform.command("register-model", "--model", f"{name}-model-1", "--dataset", f"{name}@{version}") == 0
    return platform


@pytest.fixture(scope="module")
def never_was(tmp_path_factory: pytest.TempPathFactory, recipes: Path) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("without"), {"FEEDBACK_RECIPES": str(recipes)})
    land_world(platform.data_dir, with_person=False)
    assert platform.run(DAYS[0], DAYS[-1]) == 0
    return platform


@pytest.fixture(scope="module")
def erased(before: Platform, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The same world after the erasure, which was killed after each of its steps and taken up again."""
    platform = Platform(tmp_path_factory.mktemp("erased") / "data", before.settings)
    shutil.copytree(before.data_dir, platform.data_dir)
    with platform.environment():
        land_erasure(Settings.from_env(), PERSON, reason=f"a letter of {PERSON}", received_date=DAYS[-1])
    for step in _APPLY:
        assert _killed(platform, "apply", step)
    with mock.patch.object(assets, "finish_erasures", lambda *_, **__: []):
        assert platform.command("erase", "--resume") == 0
    for step in STEPS[len(_APPLY) :]:
        assert _killed(platform, "finish", step)
    assert platform.command("erase", "--resume") == 0
    return platform


def _killed(platform: Platform, half: str, step: str) -> bool:
    """Does half of an erasure in a process that is killed when it has done a step; whether it came that far."""
    return is_killed(platform.data_dir, platform.settings, "tests.erasure_killed", half, step)


def _files(platform: Platform) -> Iterator[Path]:
    return (path for path in sorted(platform.data_dir.rglob("*")) if path.is_file())


def test_nothing_of_the_person_is_left_in_any_file(before: Platform, erased: Platform) -> None:
    def found(platform: Platform) -> list[str]:
        return [
            f"{path.relative_to(platform.data_dir)}: {LEFT.search(content).group()!r}"  # type: ignore[union-attr]
            for path in _files(platform)
            for content in contents(path)
            if LEFT.search(content)
        ]

    # What is searched finds them where they were.
    assert len(found(before)) > 20
    assert found(erased) == []
    assert not list(erased.data_dir.glob("*.wal")) and not list((erased.data_dir / ".erasing").iterdir())


def test_datasets_are_as_if_the_person_had_never_been(erased: Platform, never_was: Platform) -> None:
    for name in RECIPES:
        folders = [platform.data_dir / "datasets" / name for platform in (erased, never_was)]
        partitions = [json.loads((folder / "partitions.json").read_text()) for folder in folders]
        # A version is named by its rows.
        assert partitions[0] == partitions[1]
        for version in {one["version"] for one in partitions[0].values() if one["version"]}:
            told = [json.loads((folder / version / "manifest.json").read_text()) for folder in folders]
            files = [
                {f["path"]: f["sha256"] for f in one["files"] if f["path"].split("/")[0] in HOLDS_ROWS} for one in told
            ]
            assert files[0] == files[1]
            assert told[0]["parent_version"] == told[1]["parent_version"]
            assert told[0]["changes"] == told[1]["changes"]


def test_marts_are_as_if_the_person_had_never_been(erased: Platform, never_was: Platform) -> None:
    """But for the numbers of lines, which stay, and the account of what was erased."""
    # A row's hash is of all its columns.
    numbers = ("source_line", "feedback_source_line", "inference_source_line", "row_hash")

    def told(platform: Platform) -> dict[str, list[str]]:
        tables = platform.tables()
        return {
            name: sorted(
                repr({c: v for c, v in row.items() if c not in (*numbers, "lines_received", "erased")})
                for row in rows
                if row.get("state") != "erased"
            )
            for name, rows in tables.items()
        }

    now, then = told(erased), told(never_was)
    assert now.keys() == then.keys()
    for name in now:
        assert now[name] == then[name], name


def test_the_accounts_still_add_up(before: Platform, erased: Platform) -> None:
    lines = {str(row["received_date"]): row for row in erased.query("from marts.daily_accounts")}
    for row in before.query("from marts.daily_accounts"):
        assert lines[str(row["received_date"])]["lines_received"] == row["lines_received"]
    erased_feedback = [one for one in planted() if one.fate == ERASE and one.stream == "feedback"]
    assert sum(row["erased"] for row in lines.values()) == len(erased_feedback)
    status = erased.query("from marts.feedback_status where state = 'erased'")
    assert len(status) == len(erased_feedback)
    assert all(row["source_file"] and row["source_line"] and not row["feedback_id"] for row in status)


def test_a_later_load_of_the_rewritten_files_gives_the_same_ledger(erased: Platform) -> None:
    ledger = erased.ledger_files()
    assert erased.run(DAYS[0], DAYS[-1]) == 0
    assert erased.ledger_files() == ledger


def test_the_report_tells_what_went_and_what_rests_on_it(erased: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = (erased.data_dir / "erasures").iterdir()
    report = json.loads((folder / "report.json").read_text())
    wanted: dict[str, int] = {}
    for one in planted():
        wanted[one.stream] = wanted.get(one.stream, 0) + (one.fate == ERASE)
    assert report["found"]["lines_erased"] == wanted
    assert report["found"]["lines_of_others_that_named_them"] == {"feedback": 1, "inferences": 1, "reviews": 1}
    assert report["verification"]["found_in"] == []
    assert {one["model"] for one in report["models"]} == {"sft-model-1", "feedback-model-1"}
    for one in report["datasets"]:
        version = erased.data_dir / "datasets" / one["dataset"] / one["version"]
        manifest = json.loads((version / "manifest.json").read_text())
        assert manifest["withdrawn"]["successor"] == one["successor"]
        assert manifest["withdrawn"]["erasure_id"] == report["erasure_id"]
        assert [path.name for path in version.iterdir()] == ["manifest.json"]
    assert {one["dataset"] for one in report["datasets"] if one["successor"]} == set(RECIPES)
    assert erased.command("erasures", "verify", report["erasure_id"]) == 0
    content = (folder / "report.json").read_text()
    (folder / "report.json").write_text(content.replace("withdrawn", "kept"))
    assert erased.command("erasures", "verify", report["erasure_id"]) == 1
    assert "changed after it was signed" in capsys.readouterr().err
    (folder / "report.json").write_text(content)


def test_a_withdrawn_version_says_so(erased: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    withdrawn = json.loads((erased.data_dir / "datasets" / "feedback" / "withdrawn.json").read_text())
    version, told = next(iter(withdrawn.items()))
    assert erased.command("datasets", "trace", "feedback", version, "--request", "req-kept-1") == 1
    assert told["successor"] in capsys.readouterr().err
    assert erased.command("datasets", "diff", "feedback", version, told["successor"]) == 0
    assert "erasure" in capsys.readouterr().out
    assert erased.command("datasets") == 0
    assert f"withdrawn ({told['erasure_id']})" in capsys.readouterr().out


def test_a_late_line_of_an_erased_person_is_erased_when_it_comes(erased: Platform) -> None:
    late = [
        json.dumps({"request_id": "req-late-1", "model_version": "v1", "timestamp": f"{DAYS[-1]}T08:00:00Z",
                    "user_id": PERSON, "output": {"text": "SECRET late"}}),
        json.dumps({"request_id": "req-kept-late", "model_version": "v1", "timestamp": f"{DAYS[-1]}T08:00:00Z",
                    "user_id": NAMESAKE}),
    ]  # fmt: skip
    file = land(erased.data_dir, "inferences", DAYS[-1], late, name="late.jsonl")
    assert erased.run(DAYS[-1], DAYS[-1]) == 0
    lines = file.read_text().splitlines()
    assert json.loads(lines[0]).keys() == {"erased"} and lines[1] == late[1]
    assert not [path for path in _files(erased) for content in contents(path) if LEFT.search(content)]
    ledger = erased.ledger_files()
    assert erased.run(DAYS[-1], DAYS[-1]) == 0
    assert erased.ledger_files() == ledger


def test_nothing_that_dagster_keeps_names_anybody(erased: Platform) -> None:
    """Run configuration, tags, logs and metadata: they name an erasure by its id."""
    (erasure,) = (path.name for path in (erased.data_dir / "erasures").iterdir())
    stored = b"".join(path.read_bytes() for path in _files(erased) if ".dagster" in path.parts)
    assert erasure.encode() in stored and PERSON.encode() not in stored


def test_an_erasure_that_is_killed_at_any_moment_is_completed(
    before: Platform, never_was: Platform, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The whole command, dbt and publishing included; the suite kills at the steps, and this takes long."""
    kills = request.config.getoption("--kills")
    if kills < ENOUGH_KILLS:
        pytest.skip(f"killing whole commands is for `make test-kill` (--kills {ENOUGH_KILLS} or more)")
    seconds = None
    for n in range(-1, kills):
        platform = Platform(tmp_path / str(n), before.settings)
        shutil.copytree(before.data_dir, platform.data_dir)
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", "erase", "--user", PERSON],
            cwd=REPOSITORY,
            env={**environment(platform.data_dir), **platform.settings, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # The first is not killed, and tells how long it takes.
            process.wait(timeout=None if seconds is None else seconds * (n + 0.5) / kills)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        seconds = seconds or time.monotonic() - started
        # One that was killed before it landed anything was never asked for.
        again = ("--resume",) if (platform.data_dir / "landing" / "erasures").exists() else ("--user", PERSON)
        assert platform.command("erase", *again) == 0, n
        assert not [path for path in _files(platform) for content in contents(path) if LEFT.search(content)], n
        for name in RECIPES:
            told = [
                json.loads((one.data_dir / "datasets" / name / "partitions.json").read_text())
                for one in (platform, never_was)
            ]
            assert told[0] == told[1], n
        shutil.rmtree(platform.data_dir)
