"""The assistant's week as landing files: generated, seeded, with everything that happens to real events.

The order of the steps is here; each step is a module: `conversations` → `feedback` → `mishaps` → `spelling`
→ `transport` → `damage` → `files`.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from itertools import chain
from pathlib import Path
from random import Random

from demo.conversations import Inference, conversations
from demo.damage import feedback_lines, inference_lines
from demo.feedback import feedback_on_conversations
from demo.files import write_lines
from demo.mishaps import burst, contradictions, with_mishaps
from demo.spelling import spelled
from demo.transport import Received, Sent, receive_feedback, receive_inferences

# Who writes files, and how: a serving region writes inferences, an application writes feedback.
FILE_NAMES = {
    "eu-west-1": "assistant-eu-west-1.jsonl.gz",
    "us-east-1": "assistant-us-east-1.jsonl",
    "mobile": "assistant-mobile.jsonl.gz",
    "web": "assistant-web.jsonl",
}


def write_assistant(data_dir: Path) -> dict[str, int]:
    """Writes two inference files and two feedback files a day; returns the counts of lines."""
    held = list(conversations(_randomness("conversations")))
    inferences = list(chain.from_iterable(held))
    return {
        "inferences": _write(data_dir, "inferences", inference_lines(_inferences(inferences))),
        "feedback": _write(data_dir, "feedback", feedback_lines(_feedback(held, inferences))),
    }


def _randomness(step: str) -> Random:
    """A source of its own for each step, so that a change of one step leaves the others' draws alone."""
    return Random(f"demo/assistant/{step}")


def _inferences(inferences: list[Inference]) -> list[Received]:
    sent = (Sent(event=i.event, at=i.at, producer=i.event["system"]["region"]) for i in inferences)
    return receive_inferences(sent, _randomness("inference transport"))


def _feedback(held: list[list[Inference]], inferences: list[Inference]) -> list[Received]:
    sound = feedback_on_conversations(held, _randomness("feedback"))
    doubtful = _randomness("doubtful feedback")
    feedback = chain(
        with_mishaps(sound, _randomness("mishaps")), burst(inferences, doubtful), contradictions(inferences, doubtful)
    )
    spelling = _randomness("spelling")
    sent = (Sent(event=spelled(f, spelling), at=f.given_at, producer=f.channel) for f in feedback)
    return receive_feedback(sent, _randomness("feedback transport"))


def _write(data_dir: Path, stream: str, lines: Iterable[tuple[Received, bytes]]) -> int:
    """Writes lines to the file of their producer and day; returns their number."""
    files: dict[tuple[date, str], list[bytes]] = defaultdict(list)
    for received, text in lines:
        files[received.day, FILE_NAMES[received.producer]].append(text)
    for (day, name), content in sorted(files.items()):
        write_lines(data_dir, stream=stream, day=day, name=name, lines=content)
    return sum(len(content) for content in files.values())
