"""The label queue: planted outputs of which it is known how uncertain they are, read from published versions.

The failures that this prevents: an annotator who is asked about what somebody has judged, about what nobody saw, or
again about what they have labelled; a queue that one kind of doubt fills alone; a week that depends on when it was run.
"""

import json
import math
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.recipe import RecipeError, load_recipe
from orchestration.lib.recipe.every import overdue_after, snapshot_day
from orchestration.lib.settings import REPOSITORY
from orchestration.lib.snapshot import snapshot_query
from tests.platform_under_test import Platform
from tests.traffic import land, land_honest_day

SATURDAY, SUNDAY, MONDAY, NEXT_SUNDAY = (date(2024, 5, day) for day in (4, 5, 6, 12))
DAYS = (SATURDAY, SUNDAY, MONDAY, NEXT_SUNDAY)
RECIPE = REPOSITORY / "recipes" / "label_queue.yml"
QUEUE = RECIPE.read_text(encoding="utf-8")
# What nobody judged leaves after a week, and then nothing is left in this one.
UNJUDGED = QUEUE.replace("name: label_queue", "name: unjudged").replace(
    "every: week", f"every: week\nwhere: feedback_id is null and attributed_date <= date '{SUNDAY}'"
)


def answer(request: str, day: date, **output: Any) -> dict[str, Any]:
    return {
        "request_id": request, "timestamp": f"{day}T08:00:00Z", "model_version": "v1",
        "input": {"prompt": f"{request}?"}, "output": output or {"text": f"answer {request}"},
    }  # fmt: skip


def unsure(request: str, day: date, probability: float, **more: Any) -> dict[str, Any]:
    """A text of two tokens whose mean probability is known."""
    logprobs = {"content": [{"token": t, "logprob": math.log(probability)} for t in "ab"]}
    return answer(request, day, text=f"answer {request}", logprobs=logprobs) | more


def members(*said: str) -> list[dict[str, Any]]:
    return [{"name": f"m{n}", "kind": "ensemble_member", "output": text} for n, text in enumerate(said)]


def said(request: str, day: date, by: str, **fields: Any) -> dict[str, Any]:
    minute = 10 + len(request) + len(by)
    return {
        "feedback_id": f"{request}/{by}", "request_id": request, "timestamp": f"{day}T09:{minute}:00Z", "user_id": by
    } | fields  # fmt: skip


def annotator(request: str, day: date, by: str, **fields: Any) -> dict[str, Any]:
    return said(request, day, by, source="annotator", **fields)


INFERENCES = {
    SATURDAY: [
        unsure("unsure", SATURDAY, 0.25), unsure("labelled-on-monday", SATURDAY, 0.5), unsure("judged", SATURDAY, 0.1),
        unsure("judged-by-model", SATURDAY, 0.4), unsure("clicked", SATURDAY, 0.375),
        unsure("unseen", SATURDAY, 0.1, exposed=False),
        unsure("all-told", SATURDAY, 0.5, output={"label": "a", "score": 0.75, "logprobs": [math.log(0.5)]}),
        answer("tie", SATURDAY, label="spam", score=0.55) | {"input": {"features": {"age": 7}}},
        answer("choice", SATURDAY, alternatives=[{"text": "A", "score": 0.5}, {"text": "B", "score": 0.375}]),
        answer("members", SATURDAY, text="cat") | {"components": members("cat", "Cat", "dog")},
        answer("certain", SATURDAY, label="spam", score=1),
        answer("split", SATURDAY), answer("two-to-one", SATURDAY), answer("agreed", SATURDAY),
        answer("settled", SATURDAY), answer("annotators", SATURDAY), answer("corrected", SATURDAY),
        answer("torn", SATURDAY, label="yes", score=1), answer("rag", SATURDAY),
    ],
    SUNDAY: [unsure("sunday", SUNDAY, 0.75)],
    MONDAY: [unsure("monday", MONDAY, 0.5), unsure("labelled", MONDAY, 0.5)],
    NEXT_SUNDAY: [],
}  # fmt: skip
FEEDBACK = {
    SATURDAY: [
        said("judged", SATURDAY, "ann", thumbs="up"), said("clicked", SATURDAY, "ann", signal="click"),
        said("judged-by-model", SATURDAY, "judge", thumbs="up", source="model"),
        said("split", SATURDAY, "ann", thumbs="up"), said("split", SATURDAY, "bob", thumbs="down"),
        *(said("two-to-one", SATURDAY, by, rating=stars) for by, stars in (("ann", 5), ("bob", 1), ("cid", 4))),
        said("agreed", SATURDAY, "ann", rating=5), said("agreed", SATURDAY, "bob", rating=4),
        said("settled", SATURDAY, "ann", thumbs="up"), said("settled", SATURDAY, "bob", thumbs="down"),
        annotator("settled", SATURDAY, "dora", thumbs="down"),
        annotator("annotators", SATURDAY, "dora", thumbs="up"), said("annotators", SATURDAY, "cid", thumbs="up"),
        annotator("annotators", SATURDAY, "emil", thumbs="down"),
        said("corrected", SATURDAY, "ann", thumbs="up"),
        said("corrected", SATURDAY, "robert", corrected_output="answer corrected at last"),
        said("torn", SATURDAY, "ann", label="no"), said("torn", SATURDAY, "bob", label="maybe"),
        said("rag", SATURDAY, "ann", thumbs="up"),
        said("rag", SATURDAY, "bob", thumbs="down", target={"kind": "session", "id": "s"}),
    ],
    SUNDAY: [],
    MONDAY: [
        annotator("labelled-on-monday", MONDAY, "dora", corrected_output="what it should have been"),
        annotator("split", MONDAY, "dora", thumbs="up"),
    ],
    NEXT_SUNDAY: [annotator("labelled", NEXT_SUNDAY, "dora", rating=2)],
}  # fmt: skip
PLANTED = {event["request_id"] for events in INFERENCES.values() for event in events}


def land_all(data_dir: Path) -> Platform:
    for day in DAYS:
        land_honest_day(data_dir, day)
        for stream, planted in (("inferences", INFERENCES), ("feedback", FEEDBACK)):
            land(data_dir, stream, day, [json.dumps(event) for event in planted[day]], name="planted.jsonl")
    return Platform(data_dir)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("recipes")
    (folder / RECIPE.name).write_text(QUEUE, encoding="utf-8")
    (folder / "unjudged.yml").write_text(UNJUDGED, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEEDBACK_RECIPES", str(folder))
        yield folder


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, recipes: Path) -> Platform:
    planted = land_all(tmp_path_factory.mktemp("label_queue"))
    assert planted.run(SATURDAY, MONDAY) == 0
    assert planted.run(NEXT_SUNDAY, NEXT_SUNDAY) == 0
    return planted


def partitions(platform: Platform, name: str = "label_queue") -> dict[str, Any]:
    path = platform.data_dir / "datasets" / name / "partitions.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def queue(platform: Platform, day: date) -> dict[str, dict[str, Any]]:
    """The rows of the version that a partition has, by request."""
    folder = platform.data_dir / "datasets" / "label_queue" / partitions(platform)[str(day)]["version"]
    return {row["request_id"]: row for row in platform.query(f"from read_parquet('{folder}/data/*.parquet')")}


def test_what_is_uncertain_is_queued_with_the_reason(platform: Platform) -> None:
    rows = queue(platform, SUNDAY)
    assert {name: (row["reason"], row["uncertainty"]) for name, row in rows.items()} == {
        "unsure": ("low_confidence", 0.75),
        "labelled-on-monday": ("low_confidence", 0.5),
        "judged-by-model": ("low_confidence", 0.6),
        "clicked": ("low_confidence", 0.625),
        "sunday": ("low_confidence", 0.25),
        "all-told": ("uncertain_score", 0.5),
        "tie": ("uncertain_score", 0.9),
        "choice": ("uncertain_score", 0.875),
        "members": ("ensemble_disagreement", 0.666667),
        "split": ("rater_disagreement", 1),
        "two-to-one": ("rater_disagreement", 0.666667),
        "annotators": ("rater_disagreement", 1),
        "corrected": ("rater_disagreement", 1),
        "torn": ("rater_disagreement", 1),
    }
    assert (rows["all-told"]["low_confidence"], rows["all-told"]["uncertain_score"]) == (0.5, 0.5)


def test_a_row_has_what_an_annotator_needs_and_how_it_is_traced(platform: Platform) -> None:
    rows = queue(platform, SUNDAY)
    assert rows["unsure"]["prompt"] == [{"role": "user", "content": "unsure?"}]
    assert rows["unsure"]["completion"] == [{"role": "assistant", "content": "answer unsure"}]
    assert rows["tie"]["completion"] == [{"role": "assistant", "content": "spam"}]
    assert (rows["tie"]["prompt"], json.loads(rows["tie"]["features"])) == (None, {"age": 7})
    assert (rows["choice"]["completion"], rows["choice"]["alternatives"]) == (None, ["A", "B"])
    assert rows["split"]["prompt"] == [{"role": "user", "content": "split?"}]
    traced = {name: (row["feedback_id"], row["judgement_count"], row["attributed_date"]) for name, row in rows.items()}
    assert traced["unsure"] == (None, 0, SATURDAY) and traced["clicked"] == (None, 0, SATURDAY)
    assert traced["judged-by-model"] == ("judged-by-model/judge", 1, SATURDAY)
    assert traced["split"] == ("split/bob", 2, SATURDAY) and traced["sunday"] == (None, 0, SUNDAY)
    version = partitions(platform)[str(SUNDAY)]["version"]
    card = (platform.data_dir / "datasets" / "label_queue" / version / "README.md").read_text(encoding="utf-8")
    assert "it is no sample of the traffic" in card and "| rater_disagreement | 5 |" in card


def test_what_was_labelled_leaves_the_queue_the_week_after(platform: Platform) -> None:
    """Disputes stay until an annotator has settled them; what nobody judged makes room for what is newer."""
    assert set(queue(platform, NEXT_SUNDAY)) == {"monday", "two-to-one", "annotators", "corrected", "torn"}


def test_a_label_counts_from_the_day_on_which_it_is_received(platform: Platform) -> None:
    asked = {
        day: {r["request_id"] for r in platform.query(f"select request_id from marts.label_candidates_as_of('{day}')")}
        for day in (SUNDAY, MONDAY)
    }
    assert asked[SUNDAY] - asked[MONDAY] == {"labelled-on-monday", "split"}
    assert asked[MONDAY] - asked[SUNDAY] == {"monday", "labelled"}


def test_who_asks_says_of_how_many_days_and_how_many_of_each_reason(platform: Platform) -> None:
    def asked(parameters: str) -> list[tuple[str, float]]:
        rows = platform.query(
            f"from marts.label_candidates_as_of('{SUNDAY}', {parameters}) order by reason, uncertainty"
        )
        return [(row["reason"], row["uncertainty"]) for row in rows]

    assert {reason for reason, _ in asked("days := 0")} == {"rater_disagreement"}, "disputes are of any age"
    assert ("low_confidence", 0.25) in asked("days := 1") and ("low_confidence", 0.75) not in asked("days := 1")
    most = {"ensemble_disagreement": 0.666667, "low_confidence": 0.75, "rater_disagreement": 1, "uncertain_score": 0.9}
    assert asked("candidates := 1") == list(most.items())


def test_a_version_is_as_of_the_last_sunday(platform: Platform) -> None:
    records = partitions(platform)
    assert records[str(SATURDAY)]["version"] is None, "no Sunday is over yet"
    assert records[str(MONDAY)] == records[str(SUNDAY)] and records[str(SUNDAY)]["version"].startswith(f"{SUNDAY}-")
    assert records[str(NEXT_SUNDAY)]["version"].startswith(f"{NEXT_SUNDAY}-")
    assert {record["gate"] for record in records.values()} == {"passed"}


def test_a_day_of_the_week_run_by_itself_makes_the_same_bytes(platform: Platform, tmp_path: Path) -> None:
    by_day = land_all(tmp_path)
    assert by_day.run(SATURDAY, SUNDAY) == 0
    assert by_day.run(MONDAY, MONDAY) == 0
    version = f"label_queue/{partitions(platform)[str(SUNDAY)]['version']}/"
    both = [
        {path: sha for path, sha in one.dataset_files().items() if path.startswith(version)}
        for one in (platform, by_day)
    ]
    assert both[0] == both[1] and len(both[0]) > 3
    assert partitions(by_day) == {day: r for day, r in partitions(platform).items() if day != str(NEXT_SUNDAY)}
    latest = json.loads((tmp_path / "datasets" / "label_queue" / "latest.json").read_text(encoding="utf-8"))
    assert latest["as_of"] == str(MONDAY)


def test_a_day_of_the_past_run_again_changes_no_byte(platform: Platform) -> None:
    """The weeks after it are made again, too: what it changes shows there first."""
    before = platform.dataset_files()
    assert platform.run(SATURDAY, SATURDAY) == 0
    assert platform.dataset_files() == before


def test_a_week_is_rebuilt_to_the_byte(platform: Platform, capfd: pytest.CaptureFixture[str]) -> None:
    version = partitions(platform)[str(SUNDAY)]["version"]
    assert platform.command("datasets", "rebuild", "label_queue", version) == 0
    assert "data/train-00000-of-00001.parquet: the same bytes" in capfd.readouterr().out


def test_a_queue_may_come_out_empty(platform: Platform) -> None:
    """Once all is labelled the week passes its gate, and a run does not stop for it."""
    records = partitions(platform, "unjudged")
    assert records[str(NEXT_SUNDAY)]["gate"] == "passed"
    folder = platform.data_dir / "datasets" / "unjudged"
    rows = {
        day: json.loads((folder / records[str(day)]["version"] / "manifest.json").read_text(encoding="utf-8"))["rows"]
        for day in (SUNDAY, NEXT_SUNDAY)
    }
    assert rows == {SUNDAY: {"train": 8}, NEXT_SUNDAY: {"train": 0}}


def test_a_difference_says_what_was_labelled_and_what_is_too_old(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = (partitions(platform)[str(day)]["version"] for day in (SUNDAY, NEXT_SUNDAY))
    assert platform.command("datasets", "diff", "label_queue", first, last, "--rows", "20") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["new_inference", "1", "0", "0"] in lines
    assert ["labelled", "0", "0", "2"] in lines, "split and labelled-on-monday"
    assert ["made_room", "0", "0", "8"] in lines


def test_a_request_knows_that_it_was_queued(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert platform.command("status", "--request", "unsure") == 0
    held = json.loads(capsys.readouterr().out)["datasets"]
    assert [one["version"] for one in held if one["dataset"] == "label_queue"] == [
        partitions(platform)[str(SUNDAY)]["version"]
    ]


def chosen(platform: Platform, folder: Path, field: str) -> list[tuple[str, float]]:
    """What the recipe chooses with another `most` and `most_per`: reason and uncertainty, the most uncertain first."""
    path = folder / "label_queue.yml"
    fields = ("most: {rows: 500, by: uncertainty}", "most_per: {reason: 200}")
    assert all(one in QUEUE for one in fields)
    path.write_text(QUEUE.replace(fields[0], field).replace(fields[1], ""), encoding="utf-8")
    rows = platform.query(snapshot_query(load_recipe(path), SUNDAY))
    return sorted(((row["reason"], row["uncertainty"]) for row in rows), key=lambda row: (-row[1], row[0]))


def test_the_most_uncertain_come_first_and_no_reason_has_all(platform: Platform, tmp_path: Path) -> None:
    most = chosen(platform, tmp_path, "most: {rows: 5, by: uncertainty}")
    assert most == [("rater_disagreement", 1)] * 4 + [("uncertain_score", 0.9)]
    of_each = chosen(platform, tmp_path, "most: {rows: 3, by: uncertainty}\nmost_per: {reason: 1}")
    assert of_each == [("rater_disagreement", 1), ("uncertain_score", 0.9), ("low_confidence", 0.75)]
    least = chosen(platform, tmp_path, "most: {rows: 1, by: 1 - uncertainty}")
    assert least == [("low_confidence", 0.25)]


def test_of_those_that_are_as_uncertain_a_hash_chooses_the_same_each_time(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "label_queue.yml"
    path.write_text(QUEUE.replace("rows: 500", "rows: 2"), encoding="utf-8")
    expected = platform.query(
        f"from marts.label_candidates_as_of('{SUNDAY}') where uncertainty = 1 order by sha256(request_id) limit 2"
    )
    found = platform.query(f"from ({snapshot_query(load_recipe(path), SUNDAY)}) order by sha256(request_id)")
    assert [row["request_id"] for row in found] == [row["request_id"] for row in expected]


def test_rows_without_an_order_are_drawn_by_the_hash_alone(platform: Platform, tmp_path: Path) -> None:
    drawn = chosen(platform, tmp_path, "most: {rows: 3}")
    expected = platform.query(
        f"from marts.label_candidates_as_of('{SUNDAY}') order by sha256(request_id) limit 3",
    )
    assert sorted(drawn) == sorted((row["reason"], row["uncertainty"]) for row in expected)


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("every: week", "every: month", "every is 'month'; write one of day, week"),
        ("{rows: 500, by: uncertainty}", "{by: uncertainty}", "most must say `rows`"),
        ("{rows: 500, by: uncertainty}", "{rows: 0}", "most.rows is 0; write how many rows at most"),
        ("{rows: 500, by: uncertainty}", "{rows: 5, by: 3}", "most.by is 3; write a column"),
        ("{rows: 500, by: uncertainty}", "{rows: 5, per: reason}", "most must say `rows`"),
        ("parameters: {days: 7}", "parameters: {weeks: 1}", "parameters.weeks is unknown to label_candidates, which"),
        ("parameters: {days: 7}", "parameters: {days: -1}", "parameters.days is -1; write 0 or more"),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_refused_with_field_and_cure(tmp_path: Path, line: str, instead: str, told: str) -> None:
    assert line in QUEUE
    path = tmp_path / "label_queue.yml"
    path.write_text(QUEUE.replace(line, instead), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"label_queue\.yml") as refused:
        load_recipe(path)
    assert told in str(refused.value)


def test_a_week_is_as_of_the_last_sunday_up_to_its_partition() -> None:
    week = [SUNDAY + timedelta(n) for n in range(7)]
    assert {snapshot_day("week", day) for day in week} == {SUNDAY}
    assert snapshot_day("week", SATURDAY) == date(2024, 4, 28)
    assert [snapshot_day("day", day) for day in week] == week
    assert (overdue_after("day"), overdue_after("week")) == (timedelta(hours=36), timedelta(days=7, hours=12))
