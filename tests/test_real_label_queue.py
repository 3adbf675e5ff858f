"""MLQE-PE's translations as a label queue: real token probabilities, and six people's ratings of each.

None of us wrote them. The queue is worked out here in plain Python from the archive, and what it is for is looked at:
what the model was unsure of is worse, by people that the queue knows nothing of.
"""

import csv
import io
import json
import math
import os
import tarfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean

import pytest

from orchestration.lib.settings import REPOSITORY
from tests.platform_under_test import Platform
from tests.traffic import land

ARCHIVE = Path(os.environ.get("FEEDBACK_REAL_DATA", "")) / "04_mlqe_pe_en_de" / "direct-assessments.en-de-dev.tar.gz"
SUNDAY = date(2024, 5, 5)
NOON = datetime(2024, 5, 5, 12, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not (os.environ.get("FEEDBACK_REAL_DATA") and ARCHIVE.is_file()),
    reason="FEEDBACK_REAL_DATA does not name a folder with 04_mlqe_pe_en_de",
)


@dataclass(frozen=True)
class Segment:
    """A translation with the log probabilities of its tokens and the ratings of six people, from 0 to 100."""

    request_id: str
    source: str
    translation: str
    logprobs: list[float]
    ratings: list[int]

    @property
    def is_rated(self) -> bool:
        """Half of them are: the others wait."""
        return int(self.request_id.removeprefix("seg-")) % 2 == 0

    @property
    def low_confidence(self) -> float:
        return 1 - math.exp(fmean(self.logprobs))

    @property
    def rater_disagreement(self) -> float:
        """A rating is good or bad by which half of the scale, counted from 1, it is in."""
        sides = [(r > 50.5) - (r < 50.5) for r in self.ratings]
        return min(1.0, 2 * (1 - max(sides.count(side) for side in sides) / len(sides)))


@pytest.fixture(scope="module")
def segments() -> list[Segment]:
    with tarfile.open(ARCHIVE) as archive:
        names = ("dev.ende.df.short.tsv", "word-probas/word_probas.dev.ende")
        table, probabilities = (archive.extractfile(f"en-de-dev/{name}") for name in names)
        assert table and probabilities
        rows = list(csv.DictReader(io.TextIOWrapper(table, "utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE))
        logprobs = [[float(word) for word in line.split()] for line in io.TextIOWrapper(probabilities, "utf-8")]
    return [
        Segment(f"seg-{n}", row["original"], row["translation"], of_row, json.loads(row["scores"]))
        for n, (row, of_row) in enumerate(zip(rows, logprobs, strict=True))
    ]


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory, segments: list[Segment]) -> dict[str, dict[str, object]]:
    """The rows of the only version, by request."""
    folder = tmp_path_factory.mktemp("real_label_queue")
    (folder / "recipes").mkdir()
    text = (REPOSITORY / "recipes" / "label_queue.yml").read_text(encoding="utf-8")
    (folder / "recipes" / "label_queue.yml").write_text(text, encoding="utf-8")
    inferences = [
        {"request_id": s.request_id, "timestamp": NOON.isoformat(), "model_version": "nmt",
         "input": {"prompt": s.source}, "output": {"text": s.translation, "logprobs": s.logprobs}}
        for s in segments
    ]  # fmt: skip
    feedback = [
        # Each by somebody of their own, so that no rule about raters has a say.
        {"feedback_id": f"{s.request_id}/{rater}", "request_id": s.request_id, "user_id": f"rater-{rater}-of-{n}",
         "rating": rating, "rating_max": 100, "timestamp": (NOON + timedelta(minutes=1 + n % 600)).isoformat()}
        for n, s in enumerate(segments) if s.is_rated for rater, rating in enumerate(s.ratings)
    ]  # fmt: skip
    land(folder, "inferences", SUNDAY, [json.dumps(event) for event in inferences])
    land(folder, "feedback", SUNDAY, [json.dumps(event) for event in feedback])
    platform = Platform(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEEDBACK_RECIPES", str(folder / "recipes"))
        assert platform.run(SUNDAY, SUNDAY) == 0
    return {str(row["request_id"]): row for row in platform.latest_rows("label_queue")}


def test_the_queue_is_what_plain_python_makes_of_the_archive(
    segments: list[Segment], queue: dict[str, dict[str, object]]
) -> None:
    asked = [s for s in segments if not s.is_rated or s.rater_disagreement > 0]
    disputed = {s.request_id: s.rater_disagreement for s in asked if s.is_rated}
    unsure = {s.request_id: s.low_confidence for s in asked if s.low_confidence > disputed.get(s.request_id, 0)}
    reasons = {"rater_disagreement": {n: v for n, v in disputed.items() if n not in unsure}, "low_confidence": unsure}
    for reason, measured in reasons.items():
        found = {name: row["uncertainty"] for name, row in queue.items() if row["reason"] == reason}
        least = sorted(measured.values(), reverse=True)[:200][-1]
        assert len(found) == min(200, len(measured)), reason
        assert all(measured[name] >= least - 1e-6 for name in found), reason
        assert found == pytest.approx({name: measured[name] for name in found}, abs=1e-6), reason


def test_what_the_model_was_unsure_of_is_what_people_find_worse(
    segments: list[Segment], queue: dict[str, dict[str, object]]
) -> None:
    """By ratings that were not landed: an annotator's hour is better spent on these than on any others."""
    waiting = {s.request_id: fmean(s.ratings) for s in segments if not s.is_rated}
    queued = fmean(rating for name, rating in waiting.items() if name in queue)
    others = fmean(rating for name, rating in waiting.items() if name not in queue)
    assert queued < others - 5
