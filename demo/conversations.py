"""The assistant's conversations: who asks what, which model version answers, and whether it errs.

Makes sound inference events only. What users think of them is in `feedback.py`, what happens to events on
their way in `transport.py` and `damage.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from demo.topics import TOPICS, Exchange, Topic
from demo.week import DAYS

Event = dict[str, Any]

# Sunday to Saturday, as the week of the log is; together about 4,000 inferences.
SESSIONS_PER_DAY = (180, 235, 240, 245, 230, 225, 185)
TURN_WEIGHTS = {1: 30, 2: 25, 3: 20, 4: 12, 5: 8, 6: 5}
USERS = 400
REGIONS = ("eu-west-1", "us-east-1")
OPENINGS = ("{}", "{}", "Sure. {}", "{} Anything else?", "Good question. {}")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A variant that serves a share of the sessions, and how good it is."""

    variant: str
    model_version: str
    share: float
    accuracy: float
    temperature: float
    hardware: str
    latency_ms: int
    reranker: str | None = None


ARMS: tuple[Arm, ...] = (
    Arm(variant="model-v1-stable", model_version="v1.8.2", share=0.60, accuracy=0.68, temperature=0.7,
        hardware="nvidia-t4", latency_ms=900),
    Arm(variant="model-v2-stable", model_version="v2.0.1", share=0.35, accuracy=0.88, temperature=0.4,
        hardware="nvidia-v100", latency_ms=650),
    Arm(variant="model-v2-canary-05", model_version="v2.1.0-rc1", share=0.05, accuracy=0.95, temperature=0.2,
        hardware="nvidia-v100", latency_ms=700, reranker="reranker-2019-11"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Inference:
    """An inference event, with what its user finds out but the platform is never told."""

    event: Event
    at: datetime
    exchange: Exchange
    is_right: bool
    best_alternative: int | None

    @property
    def request_id(self) -> str:
        """The id under which the inference is logged."""
        return str(self.event["request_id"])

    @property
    def is_exposed(self) -> bool:
        """Whether a user saw the output, and so could say something about it."""
        return bool(self.event["exposed"])


def conversations(rng: Random) -> Iterator[list[Inference]]:
    """Every conversation of the week, each with its inferences in order."""
    for day, sessions in zip(DAYS, SESSIONS_PER_DAY, strict=True):
        for start in sorted(_start(day, rng) for _ in range(sessions)):
            yield _Session.begin(start, rng).inferences()


def rfc_3339(moment: datetime) -> str:
    """A time as most producers write it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _start(day: date, rng: Random) -> datetime:
    """A time with a peak in the afternoon, early enough for the last turn to be on the same day."""
    seconds = rng.triangular(0, 23 * 3600, 15 * 3600)
    return datetime.combine(day, time(), UTC) + timedelta(milliseconds=int(seconds * 1000))


@dataclass(kw_only=True)
class _Session:
    """One conversation as it goes on: the clock, and what was said so far."""

    rng: Random
    now: datetime
    session_id: str
    user_id: str
    region: str
    arm: Arm
    topic: Topic
    turns: int
    messages: list[Event] = field(default_factory=list)

    @classmethod
    def begin(cls, start: datetime, rng: Random) -> "_Session":
        # A few users come often and most seldom, as anywhere.
        user = int(rng.expovariate(1 / 90)) % USERS
        return cls(
            rng=rng,
            now=start,
            session_id=f"s_{rng.getrandbits(40):010x}",
            user_id=f"user_{user:04d}",
            region=REGIONS[user % len(REGIONS)],
            arm=rng.choices(ARMS, weights=[arm.share for arm in ARMS])[0],
            topic=rng.choice(TOPICS),
            turns=rng.choices(list(TURN_WEIGHTS), weights=list(TURN_WEIGHTS.values()))[0],
        )

    def inferences(self) -> list[Inference]:
        made: list[Inference] = []
        last: Inference | None = None
        for turn in range(self.turns):
            if last and not last.is_right and self.rng.random() < 0.4:
                exchange, question = last.exchange, f"Are you sure? {last.exchange.question}"
            else:
                exchange = self.topic.ask(self.rng)
                question = exchange.question
            self.messages.append({"role": "user", "content": question})
            last = self._answer(self.arm, exchange, turn=turn, exposed=True)
            made.append(last)
            if self.rng.random() < 0.02:  # the next version answers in the dark, to be compared later
                made.append(self._answer(ARMS[-1], exchange, turn=turn, exposed=False))
            self.messages.append({"role": "assistant", "content": last.event["output"]["text"]})
            self.now += timedelta(milliseconds=self.rng.randrange(15_000, 180_000))
        return made

    def _answer(self, arm: Arm, exchange: Exchange, *, turn: int, exposed: bool) -> Inference:
        rng = self.rng
        is_right = rng.random() < arm.accuracy
        opening = rng.choice(OPENINGS)
        text = opening.format(exchange.answer if is_right else exchange.mistake)
        output: Event = {"text": text, "finish_reason": "stop"}
        best_alternative = None
        if rng.random() < 0.015:  # ran into max_tokens: nobody calls half a sentence right
            output = {"text": text[: len(text) // 2], "finish_reason": "length"}
            is_right = False
        elif rng.random() < 0.25:
            other = opening.format(exchange.mistake if is_right else exchange.answer)
            place = rng.randrange(2)
            output["alternatives"] = [text, other] if place == 0 else [other, text]
            best_alternative = place if is_right else 1 - place
        event = self._event(arm, exchange, output, turn=turn, exposed=exposed, is_right=is_right)
        return Inference(
            event=event, at=self.now, exchange=exchange, is_right=is_right, best_alternative=best_alternative
        )

    def _event(self, arm: Arm, exchange: Exchange, output: Event, *, turn: int, exposed: bool, is_right: bool) -> Event:
        rng = self.rng
        retrieved = _retrieved(exchange, is_right=is_right, rng=rng)
        event: Event = {
            "request_id": f"req_{rng.getrandbits(48):012x}",
            "timestamp": rfc_3339(self.now),
            "model_name": "assistant",
            "model_version": arm.model_version,
            "variant": arm.variant,
            "endpoint": "/chat",
            "session_id": self.session_id,
            "turn": turn,
            "user_id": self.user_id,
            "params": {"temperature": arm.temperature, "top_p": 0.95, "max_tokens": 256},
            "input": {"system_prompt": self.topic.system_prompt, "messages": list(self.messages)},
            "output": output,
            "exposed": exposed,
            "components": _components(arm, self.topic, retrieved),
            "system": {
                "latency_ms": int(arm.latency_ms * rng.uniform(0.6, 1.8)),
                "hardware": arm.hardware,
                "region": self.region,
                "input_tokens": sum(len(m["content"]) for m in self.messages) // 4 + 30,
                "output_tokens": len(output["text"]) // 4 + 1,
            },
        }
        if retrieved:
            event["input"]["retrieved"] = retrieved
        if exposed:  # a shadow answer was not chosen, so it has no probability of being chosen
            event["propensity"] = arm.share
        if rng.random() < 0.5:
            event["app_build"] = f"2019.11.{rng.randrange(3)}"
        if rng.random() < 0.1:
            event["experiment"] = {"name": "shorter-answers", "bucket": rng.randrange(10)}
        return event


def _retrieved(exchange: Exchange, *, is_right: bool, rng: Random) -> list[Event]:
    """The chunks by rank. A wrong answer has its cause here: the outdated page came first."""
    chunks = exchange.chunks if is_right else exchange.chunks[::-1]
    scores = sorted((round(rng.uniform(0.4, 0.95), 3) for _ in chunks), reverse=True)
    return [
        {"chunk_id": chunk.chunk_id, "document_id": chunk.document_id, "index_version": "help-2019-11-18",
         "rank": rank, "score": score, "text": chunk.text}
        for rank, (chunk, score) in enumerate(zip(chunks, scores, strict=True), start=1)
    ]  # fmt: skip


def _components(arm: Arm, topic: Topic, retrieved: list[Event]) -> list[Event]:
    """The routing path of an answer, in order."""
    path: list[Event] = [{"name": "router", "kind": "router", "model_version": "router-3", "output": topic.name}]
    if retrieved:
        found = [chunk["chunk_id"] for chunk in retrieved]
        path.append({"name": "retriever", "kind": "retriever", "model_version": "bm25-7", "output": found})
        if arm.reranker:
            path.append({"name": "reranker", "kind": "reranker", "model_version": arm.reranker, "output": found})
    if topic.tool:
        path.append({"name": topic.tool, "kind": "tool", "model_version": "1"})
    path.append({"name": "generator", "kind": "generator", "model_version": arm.model_version, "weight": 1.0})
    return path
