"""The way of sound events to the platform: on which day they are received, and how many times.

Decides received dates and resent copies. What a line may suffer besides is in `damage.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from demo.conversations import Event
from demo.week import LAST_DAY

# Days between sending and receiving, with weights. Most feedback is there on its own day; a client that was
# offline sends hours or days later. A serving region now and then ships its log late, and then feedback
# waits for its inference.
FEEDBACK_DELAYS = {0: 950, 1: 40, 2: 10}
INFERENCE_DELAYS = {0: 975, 1: 17, 2: 8}
RESENT_FEEDBACK = 0.03
RESENT_INFERENCES = 0.008
CONFLICTING_INFERENCES = 0.001


@dataclass(frozen=True, kw_only=True)
class Sent:
    """An event at the moment when its producer sends it."""

    event: Event
    at: datetime
    producer: str


@dataclass(frozen=True, kw_only=True)
class Received:
    """An event with the day of the landing file that it is in."""

    event: Event
    at: datetime
    producer: str
    day: date


def receive_feedback(sent: Iterable[Sent], rng: Random) -> list[Received]:
    """Feedback in the order of the landing files; a resent copy lands in the same file or one day later."""
    received = []
    for one in sent:
        day = _day(one, FEEDBACK_DELAYS, rng)
        received.append(_received(one, one.event, day))
        if rng.random() < RESENT_FEEDBACK:
            # A retrying client may write the keys in another order; it is the same event all the same.
            copy = dict(reversed(one.event.items())) if rng.random() < 0.5 else one.event
            received.append(_received(one, copy, day + timedelta(days=rng.randrange(2))))
    return sorted(_in_the_week(received), key=_landing_order)


def receive_inferences(sent: Iterable[Sent], rng: Random) -> list[Received]:
    """Inferences in the order of the landing files; a few twice, fewer twice with another content."""
    received = []
    for one in sent:
        day = _day(one, INFERENCE_DELAYS, rng)
        received.append(_received(one, one.event, day))
        chance = rng.random()
        if chance < RESENT_INFERENCES:
            received.append(_received(one, one.event, day))
        elif chance < RESENT_INFERENCES + CONFLICTING_INFERENCES:
            other = one.event | {"output": {"text": "", "finish_reason": "error"}}
            received.append(_received(one, other, day))
    return sorted(_in_the_week(received), key=_landing_order)


def _day(sent: Sent, delays: dict[int, int], rng: Random) -> date:
    return sent.at.date() + timedelta(days=rng.choices(list(delays), weights=list(delays.values()))[0])


def _received(sent: Sent, event: Event, day: date) -> Received:
    return Received(event=event, at=sent.at, producer=sent.producer, day=day)


def _in_the_week(received: Iterable[Received]) -> Iterator[Received]:
    """What is still on its way when the week ends is left out: that feedback's inference is then awaited."""
    return (one for one in received if one.day <= LAST_DAY)


def _landing_order(received: Received) -> tuple[date, str, datetime]:
    # Sorting is stable: of events of the same moment the first sent stays the first.
    return received.day, received.producer, received.at
