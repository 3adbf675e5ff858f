"""The ways in which clients write the same feedback: nested, under an alias, with less said, with more.

Changes no meaning. From here on a feedback is an event as it goes over the wire.
"""

from datetime import datetime, timedelta, timezone
from random import Random

from demo.conversations import Event, rfc_3339
from demo.feedback import Feedback

# The fields that a client may nest under `feedback{}`.
CONTENT = ("rating", "rating_max", "thumbs", "corrected_output", "preferred_output_idx", "label", "comment",
           "signal", "value")  # fmt: skip
CENTRAL_EUROPE = timezone(timedelta(hours=1))


def spelled(feedback: Feedback, rng: Random) -> Event:
    """The event of a feedback, in one of the spellings that the contract takes."""
    event = dict(feedback.fields)
    if rng.random() < 0.02:
        del event["timestamp"]  # then it counts as the end of its received date
    else:
        event["timestamp"] = _time(event["timestamp"], rng)
    if rng.random() < 0.25 and event["feedback_type"] != "retraction":
        del event["feedback_id"]  # then it is derived from the content
    if rng.random() < 0.2:
        del event["feedback_type"]  # then it is inferred from the field that is there
    if "request_id" in event and rng.random() < 0.15:
        event = _renamed(event, "request_id", "inference_request_id")
    if rng.random() < 0.15:
        event = _nested(event)
    return event | _extras(feedback.channel, rng)


def _time(moment: datetime, rng: Random) -> str:
    chance = rng.random()
    if chance < 0.10:
        return moment.astimezone(CENTRAL_EUROPE).isoformat(timespec="milliseconds")
    if chance < 0.15:
        return moment.replace(tzinfo=None).isoformat(timespec="seconds")  # no offset: UTC
    return rfc_3339(moment)


def _renamed(event: Event, name: str, other: str) -> Event:
    return {other if key == name else key: value for key, value in event.items()}


def _nested(event: Event) -> Event:
    content = {name: value for name, value in event.items() if name in CONTENT}
    if not content:
        return event
    return {name: value for name, value in event.items() if name not in CONTENT} | {"feedback": content}


def _extras(channel: str, rng: Random) -> Event:
    """What clients add: some of it known to the schema, some of it not (yet)."""
    extras: Event = {}
    if rng.random() < 0.7:
        extras["client_version"] = f"{channel}-5.{rng.randrange(4)}"
    if rng.random() < 0.4:
        extras["app_build"] = f"2019.11.{rng.randrange(3)}"
    if rng.random() < 0.1:
        extras["experiment"] = {"name": "bigger-thumbs", "bucket": rng.randrange(10)}
    return extras
