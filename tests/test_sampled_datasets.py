"""Datasets that are windowed, drawn and weighted, through one run: planted judgements, and the Open Bandit log.

The failures that this prevents: a manifest that tells of other rows than there are, a quiet week that holds back all
later versions, an effective sample size that is not that of the weights in the file, and a source whose columns are not
those that recipes are checked against.
"""

import csv
import hashlib
import json
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from demo.open_bandit import POLICIES, OpenBanditMissing, log_folder, write_open_bandit
from demo.week import DAYS as WEEK
from orchestration.defs.datasets.assets import dataset_spec
from orchestration.lib.instance import open_instance
from orchestration.lib.recipe import SOURCES, load_recipe
from orchestration.lib.recipe.source_columns import ROW_HASH, source_columns
from tests.platform_under_test import Platform
from tests.traffic import land

DAYS = WEEK[:3]  # planted is on the first two, so that a window of one day is empty on the last
CLIP, CAP, SHARE = 20.0, 6, 0.25
COLUMNS = """
columns:
  feedback_id: Identifies the feedback event.
  request_id: Identifies the inference.
  attributed_date: The partition in which the pair became known.
"""
HEAD = "description: Planted.\nlicense: other\n"
RECIPES = {
    "drawn": f"""
name: drawn
{HEAD}
source: attributed_feedback
where: thumbs is not null
sample:
  seed: planted
  rates: {{variant: {{canary: 1, '*': 0}}}}
  balance: {{by: is_good}}
most_per: {{user_id: {CAP}}}
privacy: deidentified
{COLUMNS}
  is_good: {{value: "thumbs = 'up'", meaning: Whether it was praised.}}
  says_why: {{value: comment is not null, meaning: Whether it came with a comment.}}
""",
    "recent": f"""
name: recent
{HEAD}
source: attributed_feedback
where: thumbs is not null
window_days: 1
{COLUMNS}
""",
    "rehearsed": f"""
name: rehearsed
{HEAD}
source: attributed_feedback
where: thumbs is not null
window_days: 1
sample: {{rehearsal: {{share: {SHARE}}}}}
{COLUMNS}
""",
    "weighted": f"""
name: weighted
{HEAD}
source: ranking_examples
parameters: {{by_signal: click, silence_after_days: 1}}
weights: {{inverse_propensity: true, clip: {CLIP}}}
split: {{by: request_id, shares: {{train: 0.8, test: 0.2}}}}
privacy: pseudonymous
{COLUMNS}
  propensity: Probability with which it was chosen.
  sample_weight: {{value: 1.0, meaning: How much the row counts.}}
  user_id: Who was shown it.
""",
}


def judgement(day: date, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every other answer is the canary's, one in four is blamed, and of four users one says most."""
    request, user = f"req-{day}-{n}", "loud" if n % 8 < 5 else f"user-{n % 3}"
    inference = {
        "request_id": request, "timestamp": f"{day}T10:00:00Z", "model_version": "v1", "user_id": user,
        "variant": "canary" if n % 2 else None, "output": {"text": f"answer {n}"},
    }  # fmt: skip
    thumbs = {
        "feedback_id": f"fb-{day}-{n}", "request_id": request, "timestamp": f"{day}T11:{n:02d}:00Z", "user_id": user,
        "thumbs": "down" if n % 4 == 1 else "up",
    }  # fmt: skip
    return inference, thumbs


PLANTED = {DAYS[0]: 40, DAYS[1]: 16}
JUDGEMENTS = [judgement(day, n) for day, count in PLANTED.items() for n in range(count)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    folder = tmp_path_factory.mktemp("sampled")
    planted = Platform(folder / "data")
    (folder / "recipes").mkdir()
    for name, text in RECIPES.items():
        (folder / "recipes" / f"{name}.yml").write_text(text, encoding="utf-8")
    try:
        write_open_bandit(planted.data_dir)
    except OpenBanditMissing as missing:
        pytest.skip(str(missing))
    for day in PLANTED:
        of_day = [pair for pair in JUDGEMENTS if str(day) in pair[0]["request_id"]]
        land(planted.data_dir, "inferences", day, [json.dumps(inference) for inference, _ in of_day], name="p.jsonl")
        land(planted.data_dir, "feedback", day, [json.dumps(thumbs) for _, thumbs in of_day], name="p.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEEDBACK_RECIPES", str(folder / "recipes"))
        assert planted.run(DAYS[0], DAYS[-1]) == 0
    return planted


def version(platform: Platform, name: str, day: date) -> Path:
    """The folder of the version that holds a partition's snapshot."""
    folder = platform.data_dir / "datasets" / name
    found = sorted(path for path in folder.glob("20*") if path.name[:10] <= day.isoformat())
    return found[-1]


def manifest(platform: Platform, name: str, day: date) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((version(platform, name, day) / "manifest.json").read_text(encoding="utf-8"))
    return told


def rows(platform: Platform, name: str, day: date) -> list[dict[str, Any]]:
    return platform.query(f"from read_parquet('{version(platform, name, day)}/data/*.parquet')")


def drawn_by_hand() -> dict[str, set[str]]:
    """What must be left after each stage, as a few lines of Python."""

    def places(feedback_id: str) -> str:
        return hashlib.sha256(f"planted\x1f{feedback_id}".encode()).hexdigest()

    thumbs = {feedback["feedback_id"]: feedback for _, feedback in JUDGEMENTS}
    canary = {f["feedback_id"] for i, f in JUDGEMENTS if i["variant"] == "canary"}
    capped: set[str] = set()
    by_user = defaultdict(list)
    for one in sorted(canary, key=places):
        by_user[thumbs[one]["user_id"]].append(one)
    for of_user in by_user.values():
        capped.update(of_user[:CAP])
    by_class = defaultdict(list)
    for one in sorted(capped, key=lambda one: places(one)[51:]):
        by_class[thumbs[one]["thumbs"]].append(one)
    smallest = min(map(len, by_class.values()))
    balanced = {one for of_class in by_class.values() for one in of_class[:smallest]}
    return {"sample.rates": canary, "most_per": capped, "sample.balance": balanced}


def test_what_is_drawn_is_what_a_few_lines_of_python_draw(platform: Platform) -> None:
    expected = drawn_by_hand()
    published = rows(platform, "drawn", DAYS[-1])
    assert {row["feedback_id"] for row in published} == expected["sample.balance"]
    assert set(Counter(row["is_good"] for row in published).values()) == {len(published) // 2}
    assert not any(row["says_why"] for row in published)


def test_the_manifest_and_the_card_tell_what_each_stage_let_through(platform: Platform) -> None:
    expected = drawn_by_hand()
    told = manifest(platform, "drawn", DAYS[-1])["sampling"]
    assert [one["stage"] for one in told] == list(expected)
    assert [one["rows_out"] for one in told] == [len(ids) for ids in expected.values()]
    assert told[0]["rows_in"] == len(JUDGEMENTS)
    card = (version(platform, "drawn", DAYS[-1]) / "README.md").read_text(encoding="utf-8")
    for one in told:
        row = next(line for line in card.splitlines() if line.startswith(f"| `{one['stage']}` |"))
        assert row.endswith(f"| {one['rows_in']} | {one['rows_out']} |")
    assert "Its rows were drawn" in card


def test_a_window_slides_and_may_pass_over_quiet_days(platform: Platform) -> None:
    counts = [len(rows(platform, "recent", day)) for day in DAYS]
    assert counts == [40, 16, 0]
    assert manifest(platform, "recent", DAYS[1])["changes"] == {"added": 16, "changed": 0, "removed": 40}
    latest = json.loads((platform.data_dir / "datasets" / "recent" / "latest.json").read_text(encoding="utf-8"))
    assert latest["as_of"] == str(DAYS[-1])


def test_a_row_that_left_the_window_is_told_so(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    versions = [version(platform, "recent", day).name for day in DAYS[:2]]
    assert platform.command("datasets", "diff", "recent", *versions) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["window", "0", "0", "40"] in lines and ["new_feedback", "16", "0", "0"] in lines


def test_rehearsal_mixes_in_its_share_of_older_rows(platform: Platform) -> None:
    ages = Counter(row["attributed_date"] for row in rows(platform, "rehearsed", DAYS[1]))
    assert ages == {DAYS[1]: 16, DAYS[0]: 5}, "16 / (1 - 0.25) * 0.25 is 5.3"
    assert {row["feedback_id"] for row in rows(platform, "rehearsed", DAYS[0])} == {
        thumbs["feedback_id"] for _, thumbs in JUDGEMENTS if str(DAYS[0]) in thumbs["feedback_id"]
    }


def logged_weights() -> np.ndarray:
    """The inverse propensity of each impression whose reward is known at the end of the last day, from the files."""
    weights = []
    for policy in POLICIES:
        with open(log_folder(policy) / "men.csv", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                day = date.fromisoformat(row["timestamp"][:10])
                if day < DAYS[-1] or (day == DAYS[-1] and row["click"] == "1"):
                    weights.append(1 / float(row["propensity_score"]))
    return np.array(weights)


def test_the_effective_sample_size_is_that_of_the_open_bandit_log(platform: Platform) -> None:
    weights = np.minimum(logged_weights(), CLIP)
    told = manifest(platform, "weighted", DAYS[-1])
    assert len(weights) == sum(told["rows"].values()) > 3_000
    assert told["weights"]["effective_rows"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), abs=0.001)
    assert told["weights"]["effective_rows"] < 0.99 * len(weights)
    assert told["weights"]["clipped_rows"] == (weights == CLIP).sum() > 0
    assert told["weights"]["rows_without_propensity"] == 0
    published = rows(platform, "weighted", DAYS[-1])
    assert sorted(row["sample_weight"] for row in published) == pytest.approx(sorted(weights))
    card = (version(platform, "weighted", DAYS[-1]) / "README.md").read_text(encoding="utf-8")
    assert f"are worth {told['weights']['effective_rows']:,.1f} of equal weight" in card


def test_the_ui_shows_the_stages_and_what_the_weights_are_worth(platform: Platform) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(platform.data_dir / ".dagster"))
        with open_instance() as instance:
            shown = {}
            for name in ("drawn", "weighted"):
                asked = dg.AssetRecordsFilter(dg.AssetKey(f"{name}_dataset"), asset_partitions=[str(DAYS[1])])
                event = instance.fetch_materializations(asked, limit=1).records[0].asset_materialization
                assert event is not None
                shown[name] = event.metadata
    told = manifest(platform, "drawn", DAYS[1])["sampling"]
    for one in told:
        assert f"| {one['stage']} | {one['rows_in']} | {one['rows_out']} |" in str(shown["drawn"]["sampling"].value)
    effective = manifest(platform, "weighted", DAYS[1])["weights"]["effective_rows"]
    assert shown["weighted"]["effective_rows"].value == effective


def test_the_privacy_class_is_in_manifest_card_and_asset(platform: Platform) -> None:
    for name, privacy in (("drawn", "deidentified"), ("weighted", "pseudonymous"), ("recent", "personal")):
        assert manifest(platform, name, DAYS[1])["privacy"] == privacy
        card = (version(platform, name, DAYS[1]) / "README.md").read_text(encoding="utf-8")
        assert f"Class `{privacy}`." in card
        spec = dataset_spec(load_recipe(platform.data_dir.parent / "recipes" / f"{name}.yml"))
        assert spec.tags["privacy"] == privacy
    weighted = (version(platform, "weighted", DAYS[1]) / "README.md").read_text(encoding="utf-8")
    assert "`user_id` may hold who users are" in weighted


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_the_columns_that_recipes_are_checked_against(platform: Platform, source: str) -> None:
    """As a mart, and as a function of a day where recipes take it as one."""
    relations = [f"marts.{source}"] if not SOURCES[source].is_function else []
    if SOURCES[source].is_function or SOURCES[source].parameters:
        relations.append(f"marts.{source}_as_of(date '{DAYS[0]}')")
    for relation in relations:
        found = {row["column_name"]: row["column_type"] for row in platform.query(f"describe from {relation}")}
        described = platform.query(
            "describe select " + ", ".join(f"null::{kind} as {name}" for name, kind in source_columns(source).items())
        )
        # It is no recipe's to name.
        found.pop(ROW_HASH, None)
        assert found == {row["column_name"]: row["column_type"] for row in described}, relation
