"""Days in which a unique text is planted in each place where somebody's words can be."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from tests.traffic import land, land_honest_day

PLACES = (
    *("system", "question", "chunk", "feature", "answer", "alternative", "parameter", "component", "inferenceextra"),
    *("nestedextra", "comment", "correction", "label", "feedbackextra", "deadletter", "brokenvalue", "note"),
)


def planted(place: str, day: date) -> str:
    """A text that is nowhere else; one word, so that no compression is likely to take it apart."""
    return f"zq{place}{day:%m%d}qz"


def planted_texts(days: list[date]) -> list[str]:
    return [planted(place, day) for place in PLACES for day in days]


def land_private_day(data_dir: Path, day: date, *, pairs: int = 12) -> None:
    """An honest day, and pairs with every planted text."""
    land_honest_day(data_dir, day, pairs=pairs)
    text = {place: planted(place, day) for place in PLACES}
    land(data_dir, "inferences", day, list(_inferences(day, text)), name="private.jsonl")
    land(data_dir, "feedback", day, list(_feedback(day, text)), name="private.jsonl")
    review = {"feedback_id": f"fb-{day}-1", "decision": "accept", "reviewer": "ada", "note": text["note"]}
    land(data_dir, "reviews", day, [json.dumps(review)])


def _inferences(day: date, text: dict[str, str]) -> Iterator[str]:
    base = {"timestamp": f"{day}T11:00:00Z", "model_version": "v1", "user_id": f"person-{day}", "endpoint": "/chat"}
    answered = {
        "params": {"stop": text["parameter"]},
        "input": {
            "system_prompt": text["system"],
            "messages": [{"role": "user", "content": text["question"]}],
            "features": {"city": text["feature"]},
            "retrieved": [{"chunk_id": "c1", "rank": 1, "text": text["chunk"]}],
        },
        "output": {"text": text["answer"], "alternatives": [text["alternative"]]},
        "components": [{"name": "generator", "kind": "generator", "output": text["component"]}],
        "unheard_of": text["inferenceextra"],
        "odd": {"deep": [{"er": text["nestedextra"]}]},
    }
    for n in range(3):
        yield json.dumps({**base, **answered, "request_id": f"private-{day}-{n}"})


def _feedback(day: date, text: dict[str, str]) -> Iterator[str]:
    base = {"timestamp": f"{day}T11:05:00Z", "user_id": f"person-{day}", "unheard_of": text["feedbackextra"]}
    said = {"comment": text["comment"], "corrected_output": text["correction"], "label": text["label"]}
    for n, (kind, told) in enumerate(said.items()):
        yield json.dumps({**base, "feedback_id": f"said-{day}-{n}", "request_id": f"private-{day}-{n}", kind: told})
    yield f"{{not json {text['deadletter']}"
    yield json.dumps({**base, "request_id": f"private-{day}-0", "thumbs": text["brokenvalue"]})
