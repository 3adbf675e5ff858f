"""What trainers get: planted conversations, preferences, retrievals, choices and labels, read from published versions.

The failures that this prevents: a conversation that lacks a turn or holds one twice, an answer that is said to be good
because somebody clicked it away, silence that counts as a verdict before anybody had time to speak, a session in two
splits, and a row that moves from training to test.
"""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import datasets
import pytest

from orchestration.defs.automation.retraining import retraining_sensor
from orchestration.defs.resources import PlatformResource
from orchestration.lib.catalog import Catalog
from orchestration.lib.recipe import RecipeError, load_recipe, load_recipes
from orchestration.lib.settings import REPOSITORY, Settings
from tests.platform_under_test import Platform
from tests.traffic import land, land_honest_day

DAYS = [date(2024, 5, 1) + timedelta(n) for n in range(3)]
CHUNKS = [
    {"chunk_id": "c1", "document_id": "d", "index_version": "i1", "rank": 1, "text": "Paris is the capital."},
    {"chunk_id": "c2", "document_id": "d", "index_version": "i1", "rank": 2, "text": "Lyon is a city."},
]


def answer(request: str, day: date, *, minute: int = 0, **fields: Any) -> dict[str, Any]:
    fields.setdefault("output", {"text": f"answer {request}"})
    return {
        "request_id": request, "timestamp": f"{day}T08:{minute:02d}:00Z", "model_version": "v1", "model_name": "m"
    } | fields  # fmt: skip


def said(request: str, day: date, by: str, **fields: Any) -> dict[str, Any]:
    return {
        "feedback_id": f"{request}/{by}", "request_id": request, "timestamp": f"{day}T09:00:00Z", "user_id": by
    } | fields  # fmt: skip


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def system(content: str) -> dict[str, str]:
    return {"role": "system", "content": content}


def turn(request: str, day: date, n: int, prompt: str, **fields: Any) -> dict[str, Any]:
    return answer(
        request,
        day,
        minute=n,
        session_id="talk",
        turn=n,
        input={"prompt": prompt, "system_prompt": "Be brief."},
        **fields,
    )


INFERENCES = {
    DAYS[0]: [
        # A memory on the server: each turn logs what is new. Turn 1 comes a day late, and turn 2 was asked twice.
        turn("t0", DAYS[0], 0, "Hello"),
        turn("t2-first", DAYS[0], 2, "And then?"),
        turn("t2", DAYS[0], 2, "And then?") | {"timestamp": f"{DAYS[0]}T08:02:30Z"},
        turn("t3", DAYS[0], 3, "Why?"),
        # A chat API: each turn logs the whole conversation.
        answer("api0", DAYS[0], session_id="api", turn=0, input={"messages": [user("One?")]}),
        answer(
            "api1", DAYS[0], minute=1, session_id="api", turn=1,
            input={"messages": [user("One?"), assistant("answer api0"), user([{"type": "text", "text": "Two?"}])]},  # type: ignore[arg-type]
        ),
        answer("split", DAYS[0], input={"prompt": "Is it so?"}),
        answer("options", DAYS[0], input={"prompt": "Pick"}, output={"alternatives": ["A", {"text": "B"}, "C"]}),
        answer("left", DAYS[0], input={"prompt": "Same"}), answer("right", DAYS[0], input={"prompt": "Same"}),
        answer("other", DAYS[0], input={"prompt": "Another"}),
        answer("good", DAYS[0], input={"prompt": "Twice"}), answer("bad", DAYS[0], input={"prompt": "Twice"}),
        answer("rag", DAYS[0], input={"prompt": "Capital?", "retrieved": CHUNKS}),
        answer("cat", DAYS[0], input={"features": {"age": 7}}, output={"label": "yes", "score": 0.7}),
        answer("torn", DAYS[0], input={"features": {"age": 8}}, output={"label": "yes", "score": 0.6}),
        *(
            answer(name, DAYS[0], input={"features": {"position": 1}}, output={"label": name}, propensity=0.25, **more)
            for name, more in (("clicked", {}), ("ignored", {}), ("late-click", {}), ("unseen", {"exposed": False}))
        ),
    ],
    DAYS[1]: [
        turn("t1", DAYS[0], 1, "Who?"),
        answer("new", DAYS[1], input={"features": {"position": 1}}, output={"label": "new"}, propensity=0.5),
    ],
    DAYS[2]: [],
}  # fmt: skip
FEEDBACK = {
    DAYS[0]: [
        said("t3", DAYS[0], "ann", corrected_output="Because."),
        said("api1", DAYS[0], "bob", thumbs="up"),
        said("split", DAYS[0], "ann", thumbs="up"), said("split", DAYS[0], "bob", thumbs="down"),
        said("options", DAYS[0], "ann", preferred_output_idx=1),
        {"feedback_id": "pair", "chosen_request_id": "left", "rejected_request_id": "right", "user_id": "cid",
         "timestamp": f"{DAYS[0]}T09:00:00Z"},
        {"feedback_id": "apples", "chosen_request_id": "left", "rejected_request_id": "other", "user_id": "dan",
         "timestamp": f"{DAYS[0]}T09:00:00Z"},
        said("good", DAYS[0], "eve", thumbs="up"), said("bad", DAYS[0], "fay", thumbs="down"),
        said("rag", DAYS[0], "gus", thumbs="up", target={"kind": "chunk", "id": "c1"}),
        said("rag", DAYS[0], "hal", thumbs="down", target={"kind": "chunk", "id": "c2"}),
        said("cat", DAYS[0], "ann", label="no"), said("cat", DAYS[0], "bob", label="no"),
        said("cat", DAYS[0], "cid", thumbs="up"),
        said("torn", DAYS[0], "ann", label="no"), said("torn", DAYS[0], "bob", label="maybe"),
        said("clicked", DAYS[0], "ann", signal="click"),
    ],
    DAYS[1]: [said("good", DAYS[1], "gus", rating=2)],
    DAYS[2]: [said("late-click", DAYS[2], "bob", signal="click")],
}  # fmt: skip


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    planted = Platform(tmp_path_factory.mktemp("examples"))
    for day in DAYS:
        land_honest_day(planted.data_dir, day)
        land(
            planted.data_dir, "inferences", day, [json.dumps(event) for event in INFERENCES[day]], name="planted.jsonl"
        )
        land(planted.data_dir, "feedback", day, [json.dumps(event) for event in FEEDBACK[day]], name="planted.jsonl")
    assert planted.run(DAYS[0], DAYS[-1]) == 0
    return planted


PLANTED = {event["request_id"] for events in INFERENCES.values() for event in events}


def published(platform: Platform, name: str, day: date) -> list[dict[str, Any]]:
    """The planted rows of a dataset as of a day, as `datasets` reads them, with their split."""
    record = catalog(platform, name).partitions()[day]
    folder = platform.data_dir / "datasets" / name / str(record.version)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(platform.data_dir / "cache"))
    rows = [row | {"split": split} for split, of_split in loaded.items() for row in of_split]
    return [row for row in rows if row["request_id"] in PLANTED]


def catalog(platform: Platform, name: str) -> Catalog:
    return Catalog(Settings.from_env({"FEEDBACK_DATA_DIR": str(platform.data_dir)}), name)


def test_a_correction_ends_the_whole_conversation(platform: Platform) -> None:
    conversations = {
        day: {row["request_id"]: row for row in published(platform, "sft", day)} for day in (DAYS[0], DAYS[1])
    }
    first, then = (
        [system("Be brief."), user("Hello"), assistant("answer t0")],
        [user("And then?"), assistant("answer t2")],
    )
    late = [user("Who?"), assistant("answer t1")]
    last = [user("Why?"), assistant("Because.")]
    assert conversations[DAYS[0]]["t3"]["messages"] == [*first, *then, *last]
    assert conversations[DAYS[0]]["t3"]["missing_turns"] == 1
    assert conversations[DAYS[1]]["t3"]["messages"] == [*first, *late, *then, *last]
    assert conversations[DAYS[1]]["t3"]["missing_turns"] == 0


def test_praise_makes_a_demonstration_unless_somebody_disagrees(platform: Platform) -> None:
    rows = {day: {row["request_id"]: row for row in published(platform, "sft", day)} for day in (DAYS[0], DAYS[1])}
    assert set(rows[DAYS[0]]) == {"t3", "api1", "good"}
    assert set(rows[DAYS[1]]) == {"t3", "api1"}, "two stars of five are no praise"
    assert rows[DAYS[0]]["api1"]["kind"] == "demonstration"
    whole = [user("One?"), assistant("answer api0"), user("Two?"), assistant("answer api1")]
    assert rows[DAYS[0]]["api1"]["messages"] == whole, "what the API was sent is the conversation"


def test_openai_files_have_the_rows_of_the_snapshot(platform: Platform) -> None:
    record = catalog(platform, "sft").partitions()[DAYS[-1]]
    folder = platform.data_dir / "datasets" / "sft" / str(record.version)
    lines = [json.loads(line) for path in (folder / "openai").glob("*.jsonl") for line in path.open(encoding="utf-8")]
    loaded = datasets.load_dataset(str(folder), cache_dir=str(platform.data_dir / "cache"))
    assert sorted(map(json.dumps, (line["messages"] for line in lines))) == sorted(
        json.dumps(row["messages"]) for of_split in loaded.values() for row in of_split
    )


def test_preferences_come_from_choices_corrections_and_thumbs_on_one_prompt(platform: Platform) -> None:
    rows = {
        (row["kind"], row["chosen"][0]["content"], row["rejected"][0]["content"], row["prompt"][-1]["content"])
        for row in published(platform, "preference", DAYS[0])
    }
    assert rows == {
        ("correction", "Because.", "answer t3", "Why?"),
        ("preference", "B", "A", "Pick"),
        ("preference", "B", "C", "Pick"),
        ("preference", "answer left", "answer right", "Same"),  # and not with the answer to another prompt
        ("same_prompt", "answer good", "answer bad", "Twice"),
    }


def test_judgements_of_one_answer_are_one_row_with_their_agreement(platform: Platform) -> None:
    rewards = {row["request_id"]: row for row in published(platform, "reward", DAYS[1])}
    assert (rewards["split"]["reward"], rewards["split"]["agreement"], rewards["split"]["annotator_count"]) == (
        0,
        0.5,
        2,
    )
    assert rewards["good"]["reward"] == pytest.approx((1 - 0.5) / 2)
    assert [(one["feedback_id"], one["reward"]) for one in rewards["good"]["judgements"]] == [
        ("good/eve", 1.0), ("good/gus", -0.5)
    ]  # fmt: skip
    labels = {row["request_id"]: row["label"] for row in published(platform, "kto", DAYS[1])}
    assert labels == {"api1": True, "good": True, "bad": False}
    assert "rag" not in rewards, "what is said of a chunk says nothing of the answer"


def test_each_judgement_knows_the_versions_that_rest_on_it(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second to speak stands for the row; the first is in it all the same, and so is the worse of a pair."""
    held = {}
    for name in ("good/eve", "good/gus", "bad/fay", "rag/gus"):
        assert platform.command("status", "--feedback", name) == 0
        held[name] = {one["dataset"] for one in json.loads(capsys.readouterr().out)["datasets"]}
    assert held["good/eve"] >= {"feedback", "reward", "kto"} and held["good/gus"] >= {"feedback", "reward", "kto"}
    assert "preference" in held["bad/fay"]
    assert "retrieval" in held["rag/gus"], "the row names who spoke of its chunks last"


def test_chunks_are_good_or_bad_for_the_query(platform: Platform) -> None:
    (row,) = published(platform, "retrieval", DAYS[0])
    assert (row["query"], row["request_id"]) == ("Capital?", "rag")
    assert [(chunk["chunk_id"], chunk["text"]) for chunk in row["positives"]] == [("c1", "Paris is the capital.")]
    assert [chunk["chunk_id"] for chunk in row["negatives"]] == ["c2"]


def test_silence_counts_once_its_time_is_over_and_only_of_what_was_shown(platform: Platform) -> None:
    told = [
        {row["request_id"]: (row["reward"], row["is_silence"]) for row in published(platform, "ranking", day)}
        for day in DAYS
    ]
    assert told == [
        {"clicked": (1, False)},
        {"clicked": (1, False), "ignored": (0, True), "late-click": (0, True)},
        {"clicked": (1, False), "ignored": (0, True), "late-click": (1, False), "new": (0, True)},
    ]
    row = next(row for row in published(platform, "ranking", DAYS[0]))
    assert (row["action"], row["slot"], row["propensity"], row["sample_weight"]) == ("clicked", "1", 0.25, 4)


def test_the_class_that_most_say_is_the_label(platform: Platform) -> None:
    (row,) = published(platform, "tabular", DAYS[0])
    assert (row["request_id"], row["label"], row["prediction"], json.loads(row["features"])) == (
        "cat",
        "no",
        "yes",
        {"age": 7},
    )
    assert (row["agreement"], row["annotator_count"]) == (pytest.approx(2 / 3), 3)
    assert {one["feedback_id"]: one["label"] for one in row["judgements"]} == {
        "cat/ann": "no", "cat/bob": "no", "cat/cid": "yes"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["sft", "preference", "kto", "reward", "ranking"])
def test_no_session_is_in_two_splits_and_no_row_moves(platform: Platform, name: str) -> None:
    recipe = load_recipe(REPOSITORY / "recipes" / f"{name}.yml")
    assert recipe.split
    split_of_group: dict[str, str] = {}
    for day, record in catalog(platform, name).partitions().items():
        folder = platform.data_dir / "datasets" / name / str(record.version)
        loaded = datasets.load_dataset(str(folder), cache_dir=str(platform.data_dir / "cache"))
        for split, rows in loaded.items():
            for row in rows:
                group = row[recipe.split.by] or row["request_id"]
                assert split_of_group.setdefault(group, split) == split, (day, group)
    assert split_of_group


def test_splits_have_the_shares_that_the_recipe_says(platform: Platform) -> None:
    counts = catalog(platform, "kto").manifest(str(catalog(platform, "kto").partitions()[DAYS[-1]].version))["rows"]
    assert counts["train"] > 0.75 * sum(counts.values()) and len(counts) > 1


def test_a_delta_turns_the_parent_into_the_snapshot(platform: Platform) -> None:
    catalogued = catalog(platform, "reward")
    folder = platform.data_dir / "datasets" / "reward"
    version = str(catalogued.partitions()[DAYS[1]].version)
    manifest = catalogued.manifest(version)
    parent, own = folder / manifest["parent_version"], folder / version
    delta = {path.stem: str(path) for path in (own / "delta").glob("*.parquet")}
    assert set(delta) == {"added", "changed"} and manifest["changes"]["changed"] == 1, "two stars for what was praised"
    rebuilt = platform.query(
        f"""
        select * from read_parquet('{parent}/data/*.parquet')
        anti join (from read_parquet('{delta["changed"]}')) using (request_id)
        union all by name select * exclude (split_) from read_parquet({list(delta.values())}) order by request_id
        """
    )
    assert rebuilt == platform.query(f"select * from read_parquet('{own}/data/*.parquet') order by request_id")


def test_a_difference_is_told_by_its_cause(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    records = catalog(platform, "ranking").partitions()
    first, last = (str(records[day].version) for day in (DAYS[0], DAYS[-1]))
    assert platform.command("datasets", "diff", "ranking", first, last, "--rows", "10") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["new_feedback", "1", "0", "0"] in lines
    assert ["silence", "2", "0", "0"] in lines
    assert ["added", "new_feedback", "late-click/bob", "late-click"] in lines
    assert platform.command("datasets", "diff", "ranking", first, "2024-01-01-000000000000") == 1
    assert "has no version 2024-01-01-000000000000" in capsys.readouterr().err


def test_a_training_job_is_told_once_when_enough_has_changed(platform: Platform) -> None:
    resource = PlatformResource()
    with platform.environment():
        first = retraining_sensor(dg.build_sensor_context(resources={"platform": resource}))
        told = {
            event.asset_key.path[-1].removesuffix("_retraining_due"): event.metadata["version"].value
            for event in first.asset_events
        }
        again = retraining_sensor(dg.build_sensor_context(cursor=first.cursor, resources={"platform": resource}))
    latest = {name: catalog(platform, name).latest() for name in ("sft", "preference", "kto", "reward")}
    assert told == {name: one["version"] for name, one in latest.items() if one}
    assert not again.asset_events


def test_a_version_is_made_again_to_the_byte_or_it_is_said_what_is_missing(
    platform: Platform, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    version = str(catalog(platform, "sft").partitions()[DAYS[1]].version)
    assert platform.command("datasets", "rebuild", "sft", version, "--into", str(tmp_path / "again")) == 0
    assert "data/train-00000-of-00001.parquet: the same bytes" in capfd.readouterr().out
    ledger = platform.data_dir / "ledger" / "inferences" / f"received_date={DAYS[0]}"
    ledger.rename(tmp_path / "away")
    try:
        assert platform.command("datasets", "rebuild", "sft", version) == 1
    finally:
        (tmp_path / "away").rename(ledger)
    assert f"ledger/inferences/received_date={DAYS[0]}/part-00000.parquet is missing" in capfd.readouterr().out


def test_the_ledger_replayed_up_to_a_day_is_the_state_of_that_day(platform: Platform, tmp_path: Path) -> None:
    """Every version of those days to the byte, manifests and cards included, and the tables as they stood."""
    assert platform.command("replay", "--as-of", str(DAYS[1]), "--into", str(tmp_path / "past")) == 0
    past = Platform(tmp_path / "past")
    then = {
        path: digest
        for path, digest in platform.dataset_files().items()
        if "/" in path and path.split("/")[1][:10] in (str(DAYS[0]), str(DAYS[1]))
    }
    assert {path: past.dataset_files().get(path) for path in then} == then and len(then) > 50
    for now, as_of in (("feedback_status", "feedback_status_as_of"), ("attributed_feedback", "attributed_feedback")):
        asked = f"{as_of}('{DAYS[1]}')" if as_of.endswith("as_of") else f"{as_of} where attributed_date <= '{DAYS[1]}'"
        assert past.query(f"from marts.{now} order by all") == platform.query(f"from marts.{asked} order by all")
    assert platform.command("replay", "--as-of", str(DAYS[1]), "--into", str(tmp_path / "past")) == 1


def test_the_same_days_again_change_no_byte(platform: Platform) -> None:
    before = platform.dataset_files()
    assert platform.run(DAYS[0], DAYS[-1]) == 0
    assert platform.dataset_files() == before


RECIPE = (REPOSITORY / "recipes" / "kto.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("source: reward_examples", "source: rewards", "source 'rewards' is unknown; write one of"),
        ("{train: 0.9, validation: 0.05, test: 0.05}", "{train: 0.9, test: 0.2}", "add up to 1.1; make it 1"),
        ("{train: 0.9, validation: 0.05, test: 0.05}", "{learn: 1}", "must give train"),
        ("by: session_id", "from: session_id", "split must say `by`"),
        ("{value: reward > 0, meaning: Whether the answer is a good one.}", "{value: reward}", "columns.label"),
        ("where: reward <> 0", "parameters: {silence_after_days: 1}", "which has none: leave it out"),
        ("where: reward <> 0", "most_per: {user_id: 0}", "most_per.user_id is 0"),
        ("where: reward <> 0", "sampling: 3", "field 'sampling' is unknown"),
        ("where: reward <> 0", "formats: [csv]", "formats: 'csv' is unknown"),
        ("where: reward <> 0", "formats: [openai_sft]", "needs column 'messages'"),
    ],
)
def test_a_wrong_recipe_is_refused_with_field_and_cure(tmp_path: Path, line: str, instead: str, told: str) -> None:
    assert line in RECIPE
    path = tmp_path / "kto.yml"
    path.write_text(RECIPE.replace(line, instead), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"kto\.yml") as refused:
        load_recipe(path)
    assert told in str(refused.value)


def test_most_per_keeps_the_rows_that_it_kept(platform: Platform, tmp_path: Path) -> None:
    """One loud user has at most two rows, and the first to come are not pushed out by each day anew."""
    text = (REPOSITORY / "recipes" / "feedback.yml").read_text(encoding="utf-8")
    path = tmp_path / "feedback.yml"
    path.write_text(text.replace("source: attributed", "most_per: {user_id: 2}\nsource: attributed"), encoding="utf-8")
    from orchestration.lib.snapshot import snapshot_query

    recipe = load_recipe(path)
    kept = [{row["feedback_id"]: row["user_id"] for row in platform.query(snapshot_query(recipe, day))} for day in DAYS]
    everything = [
        row["user_id"] for row in platform.query(snapshot_query(load_recipes(REPOSITORY / "recipes")[0], DAYS[-1]))
    ]
    users = list(kept[-1].values())
    assert max(everything.count(one) for one in everything) > 2
    assert all(users.count(one) == min(2, everything.count(one)) for one in set(everything) if one)
