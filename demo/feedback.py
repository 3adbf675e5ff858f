"""What the assistant's users, annotators and judge models say about its answers, meant well and sound.

A feedback is a flat dict of contract fields here; `spelling.py` writes it the way clients do, and what is
wrong with some of them comes from `mishaps.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from demo.conversations import Event, Inference

# People complain more readily than they praise.
SHARE_WITH_FEEDBACK = {True: 0.25, False: 0.42}
# How often someone is pleased by a wrong answer, or displeased by a right one.
NOISE = 0.05
KINDS_WHEN_PLEASED = {"thumbs": 36, "rating": 18, "rating_of_10": 8, "signal": 22, "comment": 6, "label": 4,
                      "preference": 12, "part": 1}  # fmt: skip
KINDS_WHEN_DISPLEASED = {"thumbs": 26, "rating": 14, "rating_of_10": 6, "signal": 10, "comment": 7, "label": 6,
                         "preference": 10, "correction": 22, "part": 5}  # fmt: skip

_PRAISE = ("Exactly what I needed, thanks!", "Quick and right.", "Very clear.", "Saved me a search. 👍")
_COMPLAINTS = ("That is not right: {}", "Wrong. {}", "No. It should say: {}", "I checked, {}")


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """One feedback: its contract fields, and when it was really given (the fields may claim another time)."""

    fields: Event
    given_at: datetime
    channel: str


def feedback_on_conversations(conversations: Sequence[Sequence[Inference]], rng: Random) -> Iterator[Feedback]:
    """All feedback of the week, conversation by conversation."""
    for inferences in conversations:
        shown = [inference for inference in inferences if inference.is_exposed]
        for inference in shown:
            if rng.random() < SHARE_WITH_FEEDBACK[inference.is_right]:
                yield from _with_second_thoughts(_of_the_user(inference, rng), rng)
            if rng.random() < 0.035:
                yield _of_an_annotator(inference, rng)
            if rng.random() < 0.015:
                yield _of_a_judge_model(inference, rng)
        if rng.random() < 0.04:
            yield _on_the_whole(shown, rng)
        yield from _between_attempts(shown, rng)


def make(inference: Inference, *, given_at: datetime, rng: Random, **content: object) -> Feedback:
    """A feedback of the inference's own user."""
    user = str(inference.event["user_id"])
    fields: Event = {
        "feedback_id": f"f-{rng.getrandbits(48):012x}",
        "request_id": inference.request_id,
        "timestamp": given_at,
        "user_id": user,
        "session_id": inference.event["session_id"],
        "source": "user",
    }
    return Feedback(fields=fields | content, given_at=given_at, channel=_channel(user))


def _channel(user_id: str) -> str:
    """The application that a user has; each writes landing files of its own."""
    return "mobile" if user_id[-1] in "012" else "web"


def _seconds_later(moment: datetime, rng: Random, *, mean: float) -> datetime:
    return moment + timedelta(milliseconds=2_000 + min(int(rng.expovariate(1 / mean) * 1000), 1_800_000))


def _of_the_user(inference: Inference, rng: Random) -> Feedback:
    pleased = inference.is_right != (rng.random() < NOISE)
    kinds = KINDS_WHEN_PLEASED if pleased else KINDS_WHEN_DISPLEASED
    kind = rng.choices(list(kinds), weights=list(kinds.values()))[0]
    given_at = _seconds_later(inference.at, rng, mean=40)
    return make(inference, given_at=given_at, rng=rng, **_content(kind, inference, pleased=pleased, rng=rng))


def _content(kind: str, inference: Inference, *, pleased: bool, rng: Random) -> Event:
    """The fields that carry a kind of feedback."""
    right = inference.exchange.answer
    if kind == "correction" and not inference.is_right:
        return {"feedback_type": "explicit_correction", "corrected_output": right}
    if kind == "preference" and inference.best_alternative is not None:
        return {"feedback_type": "preference", "preferred_output_idx": inference.best_alternative}
    if kind == "rating_of_10":
        return {"feedback_type": "rating", "rating": rng.choice((8, 9, 9, 10) if pleased else (1, 2, 3, 4)),
                "rating_max": 10}  # fmt: skip
    if kind == "rating":
        return {"feedback_type": "rating", "rating": rng.choice((4, 5, 5) if pleased else (1, 2, 2))}
    if kind == "signal":
        return {"feedback_type": "implicit_signal", **_signal(pleased=pleased, rng=rng)}
    if kind == "comment":
        comment = rng.choice(_PRAISE) if pleased else rng.choice(_COMPLAINTS).format(right)
        return {"feedback_type": "comment", "comment": comment}
    if kind == "label":
        return {"feedback_type": "label", "label": "helpful" if pleased else rng.choice(("wrong", "outdated"))}
    if kind == "part":
        return {"feedback_type": "label", **_label_of_a_part(inference, pleased=pleased)}
    # Thumbs, and what has nothing to correct or to choose from.
    return {"feedback_type": "thumbs", "thumbs": "up" if pleased else "down"}


def _signal(*, pleased: bool, rng: Random) -> Event:
    if pleased:
        return rng.choice(({"signal": "copy"}, {"signal": "dwell_seconds", "value": rng.randrange(8, 90)}))
    return rng.choice(({"signal": "regenerate"}, {"signal": "abandon"}))


def _label_of_a_part(inference: Inference, *, pleased: bool) -> Event:
    """A word about one chunk where there are chunks, and about the generator otherwise."""
    retrieved = inference.event["input"].get("retrieved")
    if retrieved:
        return {
            "label": "good_source" if pleased else "outdated_source",
            "target": {"kind": "chunk", "id": retrieved[0]["chunk_id"]},
        }
    return {"label": "fluent" if pleased else "made_up", "target": {"kind": "component", "id": "generator"}}


def _with_second_thoughts(feedback: Feedback, rng: Random) -> Iterator[Feedback]:
    """The feedback; for a few also a later one of the same type that replaces it, or one that takes it back."""
    yield feedback
    fields = feedback.fields
    chance = rng.random()
    later = _seconds_later(feedback.given_at, rng, mean=120)
    again = {"feedback_id": f"f-{rng.getrandbits(48):012x}", "timestamp": later}
    if chance < 0.03:
        kept = {name: fields[name] for name in ("request_id", "user_id", "session_id", "source")}
        taken_back = kept | again | {"feedback_type": "retraction", "retracts": fields["feedback_id"]}
        yield Feedback(fields=taken_back, given_at=later, channel=feedback.channel)
    elif chance < 0.06 and fields["feedback_type"] == "rating":
        yield Feedback(fields=fields | again | {"rating": 3}, given_at=later, channel=feedback.channel)
    elif chance < 0.06 and fields["feedback_type"] == "thumbs":
        turned = {"thumbs": "down" if fields["thumbs"] == "up" else "up"}
        yield Feedback(fields=fields | again | turned, given_at=later, channel=feedback.channel)


def _of_an_annotator(inference: Inference, rng: Random) -> Feedback:
    """Annotators work through a sample of the answers hours later, so often on the next day."""
    given_at = inference.at + timedelta(minutes=rng.randrange(120, 1_200))
    content: Event = {"feedback_type": "label", "label": "correct" if inference.is_right else "incorrect"}
    if not inference.is_right and rng.random() < 0.6:
        content = {"feedback_type": "explicit_correction", "corrected_output": inference.exchange.answer}
    who = {"user_id": f"annotator_{rng.randrange(6):02d}", "source": "annotator"}
    return make(inference, given_at=given_at, rng=rng, **content, **who)


def _of_a_judge_model(inference: Inference, rng: Random) -> Feedback:
    given_at = inference.at + timedelta(minutes=rng.randrange(5, 30))
    rating = rng.randrange(7, 11) if inference.is_right else rng.randrange(1, 7)
    who = {"user_id": "judge-v1", "source": "model"}
    return make(inference, given_at=given_at, rng=rng, feedback_type="rating", rating=rating, rating_max=10, **who)


def _on_the_whole(shown: Sequence[Inference], rng: Random) -> Feedback:
    """Stars for a conversation: no request_id, only the session."""
    share_right = sum(inference.is_right for inference in shown) / len(shown)
    given_at = _seconds_later(shown[-1].at, rng, mean=60)
    stars = max(1, min(5, round(1 + 4 * share_right + rng.uniform(-0.7, 0.7))))
    target = {"kind": "session", "id": shown[-1].event["session_id"]}
    feedback = make(shown[-1], given_at=given_at, rng=rng, feedback_type="rating", rating=stars, target=target)
    del feedback.fields["request_id"]
    return feedback


def _between_attempts(shown: Sequence[Inference], rng: Random) -> Iterator[Feedback]:
    """Where the user asked again and then got it right: sometimes the second is chosen over the first."""
    for first, second in pairwise(shown):
        if first.exchange is second.exchange and second.is_right and rng.random() < 0.2:
            given_at = _seconds_later(second.at, rng, mean=30)
            pair = {"chosen_request_id": second.request_id, "rejected_request_id": first.request_id}
            yield make(second, given_at=given_at, rng=rng, feedback_type="preference", **pair)
