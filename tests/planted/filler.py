"""Boring honest traffic around the planted lines, so that no day is all trouble.

A gate that blocks at 20 % would otherwise stop every planted day. Each pair is received on one
day, sound, of its own user and about its own request: always attributed.
"""

import json
from datetime import date, datetime, time, timedelta
from random import Random

from .plan import LandingFile, Planted, attributed, counts, landing_file

SEED = 20240301
WORDS = (
    "the",
    "answer",
    "was",
    "short",
    "and",
    "clear",
    "but",
    "it",
    "left",
    "out",
    "why",
    "at",
    "all",
)


def honest_filler(received_date: date, *, pairs: int, suffix: str, seed: int = SEED) -> tuple[LandingFile, LandingFile]:
    """The day's filler inferences and filler feedback, the same for the same seed anywhere."""
    random = Random(f"{seed} {received_date.isoformat()}")
    inferences, feedback = [], []
    for number in range(pairs):
        request_id = f"filler-{received_date.isoformat()}-{number:04d}"
        at = datetime.combine(received_date, time()) + timedelta(seconds=random.randrange(79_000))
        inferences.append(_inference(random, request_id, at))
        after = at + timedelta(seconds=random.randrange(1, 5_000))
        feedback.append(_feedback(random, request_id, after, received_date))
    random.shuffle(feedback)
    name = f"filler.jsonl{suffix}"
    return (
        landing_file("inferences", received_date, name, *inferences),
        landing_file("feedback", received_date, name, *feedback),
    )


def _inference(random: Random, request_id: str, at: datetime) -> Planted:
    text = " ".join(random.choices(WORDS, k=random.randrange(8, 24)))
    event = {
        "request_id": request_id,
        "timestamp": f"{at.isoformat()}Z",
        "model_name": "assistant",
        "model_version": random.choice(("v4.1", "v4.2")),
        "variant": random.choice(("arm-a", "arm-b")),
        "user_id": f"user-of-{request_id}",
        "params": {"temperature": 0.7},
        "input": {"prompt": " ".join(random.choices(WORDS, k=6))},
        "output": {"text": text, "alternatives": [text, "no"]},
    }
    return counts(json.dumps(event), of=request_id, why="filler")


def _feedback(random: Random, request_id: str, at: datetime, received_date: date) -> Planted:
    kinds: tuple[dict[str, object], ...] = (
        {"rating": random.randrange(1, 6)},
        {"thumbs": random.choice(("up", "down"))},
        {"corrected_output": " ".join(random.choices(WORDS, k=9))},
        {"preferred_output_idx": random.randrange(2)},
        {"label": random.choice(("helpful", "wrong"))},
        {"comment": " ".join(random.choices(WORDS, k=5))},
        {"signal": random.choice(("copy", "regenerate")), "value": 1},
    )
    said = random.choice(kinds)
    reference = random.choice(("request_id", "inference_request_id"))
    event: dict[str, object] = {reference: request_id, "timestamp": f"{at.isoformat()}Z"}
    event |= {"feedback": said} if random.random() < 0.3 else said
    event |= {"user_id": f"user-of-{request_id}"}
    feedback_id = f"fb-{request_id}" if random.random() < 0.8 else None
    if feedback_id:
        event |= {"feedback_id": feedback_id}
    return attributed(json.dumps(event), of=request_id, on=received_date, id=feedback_id, why="filler")
