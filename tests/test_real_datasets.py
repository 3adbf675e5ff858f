"""MLQE's ratings and post-edits and Open Bandit's clicks, through a real run, as each format's own reader sees them.

None of us wrote them. What a dataset must hold is computed here in plain Python from the files as they were published,
and from the states that the platform gave the feedback: nothing that a rule holds back may be in, nothing else missing.
"""

import csv
import gzip
import io
import json
import os
import tarfile
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import datasets
import mlcroissant
import pytest

from tests.platform_under_test import Platform
from tests.traffic import land

REAL = Path(os.environ.get("FEEDBACK_REAL_DATA", ""))
MLQE, BANDIT = "04_mlqe_pe_en_de", "01_open_bandit"
# The bandit's silence is a label a day after it was received.
DAYS = (date(2024, 5, 1), date(2024, 5, 2))
START = datetime(2024, 5, 1, 0, 1, tzinfo=UTC)
RATERS = 6

pytestmark = pytest.mark.skipif(
    not (os.environ.get("FEEDBACK_REAL_DATA") and all((REAL / folder).is_dir() for folder in (MLQE, BANDIT))),
    reason=f"FEEDBACK_REAL_DATA does not name a folder with {MLQE} and {BANDIT}",
)

Event = dict[str, Any]
Row = dict[str, Any]


def lines(archive: str, member: str) -> list[str]:
    with tarfile.open(REAL / MLQE / archive) as tar:
        file = tar.extractfile(f"en-de-dev/{member}")
        assert file is not None
        return file.read().decode().splitlines()


def translations() -> tuple[list[Event], list[Event]]:
    """1,000 machine translations, six raters' marks from 0 to 100 for each, and what an editor made of each."""
    sources, outputs, edits = (lines("post-editing.en-de-dev.tar.gz", f"dev.{kind}") for kind in ("src", "mt", "pe"))
    table = "\n".join(lines("direct-assessments.en-de-dev.tar.gz", "dev.ende.df.short.tsv"))
    marked = csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE)
    marks = [json.loads(row["scores"]) for row in marked]
    inferences: list[Event] = []
    feedback: list[Event] = []
    for n, (source, output, edit) in enumerate(zip(sources, outputs, edits, strict=True)):
        # A mark every half minute and rater: faster would be called a burst.
        at = START + timedelta(seconds=30 * n)
        inferences.append({
            "request_id": f"mlqe-{n}", "timestamp": at.isoformat(), "model_version": "mlqe-en-de",
            "input": {"prompt": source}, "output": {"text": output},
        })  # fmt: skip
        for rater, mark in enumerate(marks[n]):
            feedback.append({
                "feedback_id": f"mark-{n}-{rater}", "request_id": f"mlqe-{n}", "user_id": f"rater-{rater}",
                "source": "annotator", "rating": mark, "rating_max": 100,
                "timestamp": (at + timedelta(seconds=10 + rater)).isoformat(),
            })  # fmt: skip
        feedback.append({
            "feedback_id": f"edit-{n}", "request_id": f"mlqe-{n}", "user_id": "editor", "source": "annotator",
            "corrected_output": edit, "timestamp": (at + timedelta(seconds=25)).isoformat(),
        })  # fmt: skip
    return inferences, feedback


def impressions() -> tuple[list[Event], list[Event]]:
    """20,000 choices of two policies with their propensities, and the clicks on them."""
    inferences: list[Event] = []
    feedback: list[Event] = []
    for policy in ("bts", "random"):
        with gzip.open(REAL / BANDIT / f"{policy}_men.csv.gz", "rt", encoding="utf-8") as file:
            for n, row in enumerate(csv.DictReader(file)):
                at = START + timedelta(seconds=4 * n)
                request = {"request_id": f"{policy}-{n}"}
                inferences.append({
                    **request, "timestamp": at.isoformat(), "model_version": policy, "variant": policy,
                    "propensity": float(row["propensity_score"]), "input": {"features": {"position": row["position"]}},
                    "output": {"label": row["item_id"]},
                })  # fmt: skip
                if row["click"] == "1":
                    clicked = {"signal": "click", "timestamp": (at + timedelta(seconds=5)).isoformat()}
                    feedback.append({**request, "feedback_id": f"click-{policy}-{n}", **clicked})
    return inferences, feedback


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("real"))
    for name, (inferences, feedback) in (("mlqe", translations()), ("bandit", impressions())):
        for stream, events in (("inferences", inferences), ("feedback", feedback)):
            land(platform.data_dir, stream, DAYS[0], [json.dumps(event) for event in events], name=f"{name}.jsonl")
    assert platform.run(*DAYS) == 0
    return platform


@pytest.fixture(scope="module")
def let_in(platform: Platform) -> set[str]:
    """The feedback that no rule holds back."""
    found = platform.query("select feedback_id from marts.feedback_status where state = 'attributed'")
    return {row["feedback_id"] for row in found}


@pytest.fixture(scope="module")
def marks(let_in: set[str]) -> dict[str, list[float]]:
    """What each translation's raters thought of it, from -1 to 1: 1 of 100 is -1, 100 is 1, and none is below -1."""
    found: dict[str, list[float]] = defaultdict(list)
    for event in translations()[1]:
        if "rating" in event and event["feedback_id"] in let_in:
            found[event["request_id"]].append(max(-1.0, 2 * (event["rating"] - 1) / 99 - 1))
    return found


def folder(platform: Platform, name: str) -> Path:
    own = platform.data_dir / "datasets" / name
    return own / str(json.loads((own / "latest.json").read_text(encoding="utf-8"))["version"])


def read(platform: Platform, name: str) -> list[Row]:
    """All splits of the latest version, as `datasets` reads them."""
    loaded = datasets.load_dataset(str(folder(platform, name)), cache_dir=str(platform.data_dir / "cache"))
    return [row | {"split": split} for split, of_split in loaded.items() for row in of_split]


def test_nothing_is_lost_and_what_is_held_back_has_a_reason(platform: Platform) -> None:
    sent = len(translations()[1]) + len(impressions()[1])
    accounts = platform.query("select * from marts.daily_accounts where received_date = ?", DAYS[0])[0]
    assert accounts.pop("lines_received") == sent
    assert sum(value for value in accounts.values() if isinstance(value, int)) == sent
    held = platform.query(
        "select reason, count(*) as n from marts.feedback_status where state <> 'attributed' group by 1"
    )
    # 299 post-edits change nothing (SOURCE.md: 701 of 1,000 differ).
    assert {row["reason"]: row["n"] for row in held}["no_op_correction"] == 299


def test_an_answers_reward_is_the_mean_of_its_raters(platform: Platform, marks: dict[str, list[float]]) -> None:
    rows = {row["request_id"]: row for row in read(platform, "reward") if row["request_id"].startswith("mlqe-")}
    assert rows.keys() == marks.keys() and len(rows) > 900
    asked = {event["request_id"]: event for event in translations()[0]}
    for request, row in rows.items():
        given = marks[request]
        signs = Counter((mark > 0) - (mark < 0) for mark in given)
        assert row["reward"] == pytest.approx(sum(given) / len(given))
        assert row["annotator_count"] == len(given) <= RATERS
        assert row["agreement"] == pytest.approx(max(signs.values()) / len(given))
        assert sorted(one["reward"] for one in row["judgements"]) == pytest.approx(sorted(given))
        assert row["prompt"] == [{"role": "user", "content": asked[request]["input"]["prompt"]}]
        assert row["completion"] == [{"role": "assistant", "content": asked[request]["output"]["text"]}]


def test_kto_takes_the_sign_of_the_mean(platform: Platform, marks: dict[str, list[float]]) -> None:
    means = {request: sum(given) / len(given) for request, given in marks.items()}
    expected = {request: mean > 0 for request, mean in means.items() if mean}
    found = {row["request_id"]: row["label"] for row in read(platform, "kto") if row["request_id"].startswith("mlqe-")}
    assert found == expected
    assert set(Counter(found.values())) == {True, False}


def test_post_edits_are_what_is_trained_on(platform: Platform, let_in: set[str], marks: dict[str, list[float]]) -> None:
    """OpenAI's file has them too, word for word; an answer that all praised and nobody edited shows how, as well."""
    asked = {event["request_id"]: event for event in translations()[0]}
    edits = {e["request_id"]: e for e in translations()[1] if "corrected_output" in e and e["feedback_id"] in let_in}
    assert len(edits) >= 690
    expected = {
        request: (asked[request]["input"]["prompt"], edit["corrected_output"]) for request, edit in edits.items()
    } | {
        request: (asked[request]["input"]["prompt"], asked[request]["output"]["text"])
        for request, given in marks.items()
        if request not in edits and all(mark > 0 for mark in given)
    }
    rows = [row for row in read(platform, "sft") if row["request_id"].startswith("mlqe-")]
    found = {row["request_id"]: tuple(message["content"] for message in row["messages"]) for row in rows}
    assert found == expected
    files = sorted(folder(platform, "sft").glob("openai/*.jsonl"))
    written = [json.loads(line)["messages"] for file in files for line in file.read_text("utf-8").splitlines()]
    texts = Counter(tuple(message["content"] for message in messages) for messages in written)
    assert texts == Counter(found.values())


def test_an_edit_is_preferred_to_what_it_edits(platform: Platform, let_in: set[str]) -> None:
    asked = {event["request_id"]: event["output"]["text"] for event in translations()[0]}
    pairs = {
        row["request_id"]: (row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in read(platform, "preference") if row["kind"] == "correction"
    }  # fmt: skip
    edits = [e for e in translations()[1] if "corrected_output" in e and e["feedback_id"] in let_in]
    assert pairs == {e["request_id"]: (e["corrected_output"], asked[e["request_id"]]) for e in edits}


def test_each_shown_choice_is_a_tuple_with_its_click_or_its_silence(platform: Platform) -> None:
    rows = {row["request_id"]: row for row in read(platform, "ranking")}
    choices, clicks = impressions()
    clicked = {event["request_id"] for event in clicks}
    assert rows.keys() == {event["request_id"] for event in choices} and len(rows) == 20_000
    for event in choices:
        row = rows[event["request_id"]]
        assert (row["action"], row["propensity"]) == (event["output"]["label"], event["propensity"])
        assert row["reward"] == (event["request_id"] in clicked) and row["is_silence"] != (row["reward"] == 1)
        assert row["sample_weight"] == pytest.approx(1 / event["propensity"])


def test_croissants_own_reader_finds_the_same_rows(platform: Platform) -> None:
    described = mlcroissant.Dataset(str(folder(platform, "kto") / "croissant.json"))
    found = {str(record["default/request_id"], "utf-8") for record in described.records("default")}
    assert found == {row["request_id"] for row in read(platform, "kto")}
