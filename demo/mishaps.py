"""Feedback that is well formed and yet wrong or doubtful: what the rules of sense and the reviewers are for.

Lines that are broken as such are made in `damage.py`; late and repeated ones in `transport.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from demo.conversations import ARMS, Event, Inference
from demo.feedback import Feedback, make

# A user gives more than 20 feedbacks within a minute on this day: a script, or a campaign.
BURST_AT = datetime(2019, 11, 27, 16, 20, tzinfo=UTC)
BURST_SIZE = 30


def with_mishaps(feedback: Iterable[Feedback], rng: Random) -> Iterator[Feedback]:
    """Each feedback, a few of them changed by at most one mishap."""
    for one in feedback:
        chance = rng.random()
        fields = one.fields
        for share, happens_to, mishap in _MISHAPS:
            if 0 <= chance < share and happens_to(fields):
                fields = mishap(fields, rng)
            chance -= share  # below zero, its turn is over, also where the mishap can not happen to it
        yield replace(one, fields=fields)


def burst(inferences: Sequence[Inference], rng: Random) -> Iterator[Feedback]:
    """Thumbs down on everything, two a second, by one account."""
    seen = [i for i in inferences if i.is_exposed and i.at.date() == BURST_AT.date() and i.at < BURST_AT]
    for n, inference in enumerate(rng.sample(seen, BURST_SIZE)):
        given_at = BURST_AT + timedelta(milliseconds=500 * n)
        feedback = make(inference, given_at=given_at, rng=rng, feedback_type="thumbs", thumbs="down")
        # No source: with source `user` each would be doubted already for being about another user's answer.
        fields = {name: value for name, value in feedback.fields.items() if name not in ("source", "session_id")}
        yield replace(feedback, fields=fields | {"user_id": "user_0666"}, channel="web")


def contradictions(inferences: Sequence[Inference], rng: Random) -> Iterator[Feedback]:
    """Praise and a correction of the same output by the same user."""
    for inference in rng.sample([i for i in inferences if i.is_exposed and i.is_right], 6):
        praised_at = inference.at + timedelta(seconds=20)
        yield make(inference, given_at=praised_at, rng=rng, feedback_type="rating", rating=5)
        yield make(
            inference,
            given_at=praised_at + timedelta(seconds=25),
            rng=rng,
            feedback_type="explicit_correction",
            corrected_output=inference.exchange.mistake,
        )


def _in_the_future(fields: Event, rng: Random) -> Event:
    """A client whose clock runs days ahead."""
    return fields | {"timestamp": fields["timestamp"] + timedelta(days=rng.randrange(7, 20))}


def _before_its_inference(fields: Event, rng: Random) -> Event:
    """A client that writes local time without saying so."""
    return fields | {"timestamp": fields["timestamp"] - timedelta(hours=rng.choice((5, 8)))}


def _rating_out_of_range(fields: Event, rng: Random) -> Event:
    return fields | {"rating": rng.choice((-1, 11, 99))}


def _about_nothing(fields: Event, rng: Random) -> Event:
    """An orphan: the inference was never logged."""
    orphan = {name: value for name, value in fields.items() if name != "session_id"}
    return orphan | {"request_id": f"req_{rng.getrandbits(48):012x}"}


def _no_such_alternative(fields: Event, rng: Random) -> Event:
    return fields | {"preferred_output_idx": rng.randrange(2, 6)}


def _other_model_version(fields: Event, rng: Random) -> Event:
    """A page that was open while another version took over. None of the arms ever was this version."""
    return fields | {"model_version": "v1.7.9", "variant": ARMS[0].variant}


def _by_another_user(fields: Event, rng: Random) -> Event:
    return fields | {"user_id": f"user_{rng.randrange(500, 600):04d}"}


def _always(fields: Event) -> bool:
    return True


def _of_a_user(fields: Event) -> bool:
    return fields["source"] == "user" and fields["feedback_type"] != "retraction" and "request_id" in fields


def _has_rating(fields: Event) -> bool:
    return "rating" in fields


def _chooses_alternative(fields: Event) -> bool:
    return "preferred_output_idx" in fields


# Share of all feedback, to what it can happen, what happens.
_MISHAPS: tuple[tuple[float, Callable[[Event], bool], Callable[[Event, Random], Event]], ...] = (
    (0.005, _always, _in_the_future),
    (0.005, _of_a_user, _before_its_inference),
    (0.020, _has_rating, _rating_out_of_range),
    (0.010, _of_a_user, _about_nothing),
    (0.060, _chooses_alternative, _no_such_alternative),
    (0.004, _of_a_user, _other_model_version),
    (0.004, _of_a_user, _by_another_user),
)
