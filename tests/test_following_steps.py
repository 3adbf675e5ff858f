"""The follower's steps in this process, without a batch: whatever the order and the size of the steps, the same view.

What the batch makes of the same files is asked in test_following.py.
"""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.erasure.plan import Plan, plan_path, write_plan
from orchestration.lib.follow import segments, view
from orchestration.lib.follow.follower import Follower
from orchestration.lib.follow.locks import let_go, only_follower
from orchestration.lib.follow.models import Models, load_models
from orchestration.lib.settings import Settings, StateError
from tests.attacks import make
from tests.traffic import inference, land, thumbs

DAYS = [date(2024, 6, 1) + timedelta(days=n) for n in range(4)]


def settings_of(data_dir: Path, **more: str) -> Settings:
    return Settings.from_env({"FEEDBACK_DATA_DIR": str(data_dir), **more})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return load_models(settings_of(tmp_path_factory.mktemp("models")))


@contextmanager
def following(settings: Settings, models: Models, told: list[str] | None = None) -> Iterator[Follower]:
    with Follower(settings, models, tell=(told if told is not None else []).append) as follower:
        follower.open()
        yield follower


def catch_up(follower: Follower) -> None:
    while follower.step():
        pass
    follower.settle_rules()


def shown(settings: Settings) -> list[dict[str, Any]]:
    return view.rows(settings, "from attributed_feedback order by feedback_source_file, feedback_source_line")


def pieces() -> list[tuple[str, date, str, list[str]]]:
    """Four days of traffic with attacks, in files of some lines, many of them received twice."""
    rng, made = random.Random(1), []
    traffic = make(5, DAYS[0])
    for (stream, day), _ in sorted(traffic.landed.items()):
        if day in DAYS:
            lines = traffic.lines(stream, day)
            rng.shuffle(lines)
            lines += rng.sample(lines, len(lines) // 8)
            made += [(stream, day, f"{rng.randrange(10**6):06}.jsonl", lines[n::3]) for n in range(3)]
    other = {"request_id": json.loads(made[-1][3][0])["request_id"], "timestamp": f"{DAYS[0]}T00:00:00Z"}
    other |= {"model_version": "x", "session_id": "s"}
    made.append(("inferences", DAYS[0], "000000.jsonl", [json.dumps(other)]))
    made.append(("feedback", DAYS[1], "on-a-session.jsonl", ['{"session_id": "s", "comment": "well"}']))
    nobody = '{"feedback_id": "nobody", "decision": "accept", "reviewer": "ada"}'
    made.append(("reviews", DAYS[3], "none.jsonl", [nobody]))
    return made


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory, models: Models) -> list[dict[str, Any]]:
    """The view where all has landed before anybody follows: one step, in which nothing is put right afterwards."""
    settings = settings_of(tmp_path_factory.mktemp("at_once"))
    for stream, day, name, lines in pieces():
        land(settings.data_dir, stream, day, lines, name=name)
    with following(settings, models) as follower:
        catch_up(follower)
    return shown(settings)


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_landing_comes_to_the_same(
    tmp_path: Path, models: Models, at_once: list[dict[str, Any]], seed: int
) -> None:
    settings, rng, landing = settings_of(tmp_path), random.Random(seed), pieces()
    rng.shuffle(landing)
    follower = Follower(settings, models, tell=lambda _: None)
    with follower:
        follower.open()
        for n, (stream, day, name, lines) in enumerate(landing):
            land(settings.data_dir, stream, day, lines, name=name)
            if rng.random() < 0.5:
                follower.step()
            if n == len(landing) // 2:  # as after a restart
                follower.close()
                follower.open()
        catch_up(follower)
    assert len(at_once) > 300
    assert shown(settings) == at_once


def test_a_view_without_a_row_has_its_columns(tmp_path: Path, models: Models) -> None:
    settings = settings_of(tmp_path)
    with pytest.raises(StateError, match="attribution follow"):
        shown(settings)
    with following(settings, models) as follower:
        catch_up(follower)
    assert view.rows(settings, "select count(feedback_id) as n, count(matched_by) as m from attributed_feedback") == [
        {"n": 0, "m": 0}
    ]


def test_feedback_waits_for_its_inference(tmp_path: Path, models: Models) -> None:
    settings = settings_of(tmp_path)
    land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], 1)])
    with following(settings, models) as follower:
        catch_up(follower)
        assert shown(settings) == []
        assert view.following(settings)["waiting"] == 1
        land(tmp_path, "inferences", DAYS[1], [inference(DAYS[0], 1)])
        catch_up(follower)
        (row,) = shown(settings)
        assert (row["feedback_id"], row["attributed_date"]) == (f"fb-{DAYS[0]}-1", DAYS[1])
        assert view.following(settings)["waiting"] == 0
    (told,) = view.one(settings, "feedback_id", row["feedback_id"])
    assert json.loads(told["inference"]["output"]) == {"text": "answer 1"}


def test_what_leaves_the_view_is_gone_for_readers(tmp_path: Path, models: Models) -> None:
    """A file whose name comes first has the first line of a feedback_id, though it came last."""
    settings = settings_of(tmp_path)
    land(tmp_path, "inferences", DAYS[0], [inference(DAYS[0], n) for n in range(2)])
    land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], 0), thumbs(DAYS[0], 1)], name="b.jsonl")
    with following(settings, models) as follower:
        catch_up(follower)
        land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], 1, up=False)], name="a.jsonl")
        catch_up(follower)
    rows = [(Path(row["feedback_source_file"]).name, row["feedback_id"], row["thumbs"]) for row in shown(settings)]
    assert rows == [("a.jsonl", f"fb-{DAYS[0]}-1", "down"), ("b.jsonl", f"fb-{DAYS[0]}-0", "up")]


def test_a_file_that_changes_is_read_again(tmp_path: Path, models: Models) -> None:
    settings, told = settings_of(tmp_path), list[str]()
    land(tmp_path, "inferences", DAYS[0], [inference(DAYS[0], n) for n in range(2)])
    land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], 0)])
    with following(settings, models, told) as follower:
        catch_up(follower)
        land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], 0), thumbs(DAYS[0], 1)])
        catch_up(follower)
    assert [row["feedback_id"] for row in shown(settings)] == [f"fb-{DAYS[0]}-{n}" for n in range(2)]
    assert any("is not what was taken in before" in line for line in told)


def test_one_follows_at_a_time(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with only_follower(settings), pytest.raises(StateError, match="is followed already"), only_follower(settings):
        pass


def test_many_segments_become_few(tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FAN", 3)
    settings = settings_of(tmp_path)
    land(tmp_path, "inferences", DAYS[0], [inference(DAYS[0], n) for n in range(7)])
    with following(settings, models) as follower:
        for n in range(7):
            land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], n)], name=f"{n:02}.jsonl")
            follower.step()
        catch_up(follower)
        while follower.is_busy_beside:
            follower.step()
    named = view.rows(settings, "select sql from duckdb_views() where view_name = 'attributed_feedback'")[0]["sql"]
    assert 0 < named.count("-feedback-") <= 3
    assert [row["feedback_id"] for row in shown(settings)] == [f"fb-{DAYS[0]}-{n}" for n in range(7)]


def test_what_is_kept_is_encrypted_with_a_key(tmp_path: Path, models: Models) -> None:
    comment = "nobody else ever said quokka"
    settings = settings_of(tmp_path, FEEDBACK_ENCRYPTION_KEY="k" * 32)
    at = f"{DAYS[0]}T11:00:00Z"
    event = {"feedback_id": "f", "request_id": f"req-{DAYS[0]}-1", "comment": comment, "timestamp": at}
    land(tmp_path, "inferences", DAYS[0], [inference(DAYS[0], 1)])
    land(tmp_path, "feedback", DAYS[0], [json.dumps(event)])
    with following(settings, models) as follower:
        catch_up(follower)
    assert [row["comment"] for row in shown(settings)] == [comment]
    kept = [path for path in (tmp_path / "live").rglob("*") if path.is_file()]
    assert len(kept) >= 4
    assert [path for path in kept if b"quokka" in path.read_bytes()] == []
    for name in ("state.duckdb", "base.duckdb"):
        with pytest.raises(duckdb.Error), duckdb.connect(str(tmp_path / "live" / name), read_only=True):
            pass
    assert not [p for p in kept if p.suffix == ".parquet" and p.read_bytes()[:4] != b"PARE"]


def test_an_erasure_takes_all_and_it_is_built_anew_when_it_is_done(tmp_path: Path, models: Models) -> None:
    settings, told = settings_of(tmp_path), list[str]()
    land(tmp_path, "inferences", DAYS[0], [inference(DAYS[0], n) for n in range(2)])
    land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], n) for n in range(2)])
    with following(settings, models, told) as follower:
        catch_up(follower)
        write_plan(settings, Plan(erasure_id="er_0", day=str(DAYS[0])))
        let_go(settings)
        assert not (tmp_path / "live").exists()
        land(tmp_path, "feedback", DAYS[0], [thumbs(DAYS[0], 1)])  # as an erasure rewrites a file
        with pytest.MonkeyPatch.context() as patched:
            # The follower waits for the plan to go; what waits is told, and here it is what ends the waiting.
            patched.setattr("time.sleep", lambda _: plan_path(settings, "er_0").unlink(missing_ok=True))
            follower.step()
        catch_up(follower)
    assert [row["feedback_id"] for row in shown(settings)] == [f"fb-{DAYS[0]}-1"]
    assert any("waiting for an erasure" in line for line in told)
