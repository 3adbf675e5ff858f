"""Doubted labels as users get them: the shipped recipes that ask for them, two days, `attribution run`."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import mlcroissant
import pytest

from orchestration.lib.catalog import Catalog
from orchestration.lib.recipe import load_recipe
from orchestration.lib.retraining import retraining_due
from orchestration.lib.settings import REPOSITORY, Settings
from tests.platform_under_test import Platform
from tests.test_label_noise import features, precision_and_recall, texts
from tests.traffic import land

DAYS = {date(2024, 7, 1): range(0, 260), date(2024, 7, 2): range(260, 300)}
LABELLED, THUMBED = features(300, rng=Random("published")), texts(300, rng=Random("published"))


def events(day: date, n: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """A refund that a clerk gave its class, and an answer on travel that was praised, or on billing that was not."""
    at = {
        "inferences": f"{day}T{8 + n % 9:02d}:{n % 60:02d}:00Z",
        "feedback": f"{day}T{18 + n % 5:02d}:{n % 60:02d}:00Z",
    }
    labelled, thumbed = LABELLED[n], THUMBED[n]
    inputs: dict[str, dict[str, Any]] = {
        "f": {"input": {"features": json.loads(labelled["features"])}, "output": {"label": "refund"}},
        "t": {"input": {"prompt": "Go on."}, "output": {"text": thumbed["text"]}},
    }
    judgements = {
        "f": {"label": "refund" if labelled["label"] else "look", "source": "annotator"},
        "t": {"thumbs": "up" if thumbed["label"] == "travel" else "down"},
    }
    for kind, row in (("f", labelled), ("t", thumbed)):
        request = f"{kind}-{row['request_id']}"
        yield (
            "inferences",
            {"request_id": request, "timestamp": at["inferences"], "model_version": "v1", **inputs[kind]},
        )
        yield "feedback", {"feedback_id": f"fb-{request}", "request_id": request, "timestamp": at["feedback"],
                           "user_id": f"user-{n % 53}", **judgements[kind]}  # fmt: skip


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("doubted")
    (folder / "recipes").mkdir()
    for name in ("tabular", "kto"):
        shutil.copy2(REPOSITORY / "recipes" / f"{name}.yml", folder / "recipes")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEEDBACK_RECIPES", str(folder / "recipes"))
        platform = Platform(folder / "data")
        for day, numbers in DAYS.items():
            landed = [event for n in numbers for event in events(day, n)]
            for stream in ("inferences", "feedback"):
                land(platform.data_dir, stream, day, [json.dumps(event) for of, event in landed if of == stream])
        assert platform.run(min(DAYS), max(DAYS)) == 0
        yield platform


def catalog(platform: Platform, name: str) -> Catalog:
    return Catalog(Settings.from_env({"FEEDBACK_DATA_DIR": str(platform.data_dir)}), name)


def versions(platform: Platform, name: str) -> list[str]:
    return [str(record.version) for _, record in sorted(catalog(platform, name).partitions().items())]


@pytest.mark.parametrize(("name", "planted"), [("tabular", LABELLED), ("kto", THUMBED)])
def test_the_wrong_labels_are_marked_in_the_published_rows(
    platform: Platform, name: str, planted: list[dict[str, Any]]
) -> None:
    values = {
        row["request_id"][2:]: (row["label_quality"], row["is_label_issue"]) for row in platform.latest_rows(name)
    }
    assert len(values) == 300
    precision, recall = precision_and_recall(planted, values)
    assert precision > 0.5 and recall > 0.6


@pytest.mark.parametrize("name", ["tabular", "kto"])
def test_card_and_manifest_tell_how_many(platform: Platform, name: str) -> None:
    version = versions(platform, name)[-1]
    rows = platform.latest_rows(name)
    suspected = Counter(str(row["label"]).lower() for row in rows if row["is_label_issue"])
    found = catalog(platform, name).manifest(version)["label_noise"]
    assert {one["label"]: one["suspected"] for one in found["classes"]} == {
        label: suspected[label] for label in {str(row["label"]).lower() for row in rows}
    }
    folder = platform.data_dir / "datasets" / name / version
    card = (folder / "README.md").read_text(encoding="utf-8")
    section = card.split("## Label noise\n")[1].split("\n## ")[0]
    assert f"suspects {suspected.total():,} of 300 rows" in section
    for one in found["classes"]:
        assert f"| {one['label']} | {one['rows']} | {one['suspected']} |" in section
    assert "How likely the label is right" in card
    fields = mlcroissant.Dataset(str(folder / "croissant.json")).metadata.record_sets[-1].fields
    assert {"default/label_quality", "default/is_label_issue"} <= {field.id for field in fields}


@pytest.mark.parametrize("name", ["tabular", "kto"])
def test_a_row_that_is_only_trusted_otherwise_is_told_apart(
    platform: Platform, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, last = versions(platform, name)
    manifest = catalog(platform, name).manifest(last)
    changed = manifest["label_noise"]["rows_changed"]
    assert changed == manifest["changes"]["changed"] > 0
    capsys.readouterr()
    assert platform.command("datasets", "diff", name, first, last) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["label_noise", "0", str(changed), "0"] in lines
    assert ["new_feedback", "40", "0", "0"] in lines


def test_no_training_is_due_for_it(platform: Platform) -> None:
    """40 rows are new, and many more have another quality."""
    kto = load_recipe(REPOSITORY / "recipes" / "kto.yml")
    first, last = versions(platform, "kto")
    assert catalog(platform, "kto").manifest(last)["label_noise"]["rows_changed"] > 1
    for rows, is_due in ((40, True), (41, False)):
        due = retraining_due(catalog(platform, "kto"), replace(kto, retrain_when={"changed_rows": rows}), first)
        assert (due is not None) is is_due


def test_a_version_is_made_again_to_the_byte(
    platform: Platform, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """On another run, from the ledger alone: what all rows decide together comes out the same."""
    assert platform.command("datasets", "rebuild", "kto", versions(platform, "kto")[-1]) == 0
    assert "the same bytes" in capfd.readouterr().out
