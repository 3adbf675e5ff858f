"""Lines that are broken as such: no JSON, wrong types, words outside an enumeration, cut and garbled bytes.

Every kind comes in turn, so that each is in the week and each day has about the same share of them.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle

from demo.conversations import Event
from demo.transport import Received

# 2 % of the lines: every day has some, and none comes near the gate's 20 %.
EVERY = 50

Damage = Callable[[Event], bytes]


def line(event: Event) -> bytes:
    """An event as its producer writes it, when nothing goes wrong."""
    return json.dumps(event, ensure_ascii=False).encode()


def feedback_lines(received: Iterable[Received]) -> Iterator[tuple[Received, bytes]]:
    """Feedback with its line, some of them broken."""
    return _lines(received, _FEEDBACK_DAMAGE)


def inference_lines(received: Iterable[Received]) -> Iterator[tuple[Received, bytes]]:
    """Inferences with their lines, some of them broken."""
    return _lines(received, _INFERENCE_DAMAGE)


def _lines(received: Iterable[Received], damage: tuple[Damage, ...]) -> Iterator[tuple[Received, bytes]]:
    turns = cycle(damage)
    for n, one in enumerate(received, start=1):
        yield one, next(turns)(one.event) if n % EVERY == 0 else line(one.event)


def _with(**fields: object) -> Damage:
    """Sets fields, the nested spelling taken away so that it says nothing else."""
    return lambda event: line({k: v for k, v in event.items() if k != "feedback"} | fields)


def _without(*names: str) -> Damage:
    return lambda event: line({k: v for k, v in event.items() if k not in names})


def _plain_text(event: Event) -> bytes:
    """A log line that slipped into the file."""
    return b"2019-11-26 10:12:01,332 WARN  retrying in 200 ms"


def _array(event: Event) -> bytes:
    return b"[" + line(event) + b"]"


def _null(event: Event) -> bytes:
    return b"null"


def _python_literal(event: Event) -> bytes:
    """str() of a dict instead of json.dumps()."""
    return str(event).encode()


def _trailing_comma(event: Event) -> bytes:
    return line(event)[:-1] + b",}"


def _not_a_number(event: Event) -> bytes:
    return line({k: v for k, v in event.items() if k != "feedback"} | {"rating": float("nan")})


def _cut(event: Event) -> bytes:
    whole = line(event)
    return whole[: len(whole) * 3 // 5]


def _invalid_utf8(event: Event) -> bytes:
    """A byte of Latin-1 in a text of UTF-8."""
    return line(event | {"note": "caf@"}).replace(b"caf@", b"caf\xe9")


_ANY_DAMAGE: tuple[Damage, ...] = (
    _plain_text,
    _array,
    _cut,
    _invalid_utf8,
    _with(timestamp="yesterday evening"),
    _with(request_id=48151623),
)

_FEEDBACK_DAMAGE: tuple[Damage, ...] = (
    *_ANY_DAMAGE,
    _with(feedback_type="rating", rating="five"),
    _with(feedback_type="thumbs", thumbs="sideways"),
    _without("request_id", "inference_request_id", "session_id", "chosen_request_id"),
    _with(feedback_type="applause"),
    _with(target="the second sentence"),
    _trailing_comma,
    _not_a_number,
    _null,
)

_INFERENCE_DAMAGE: tuple[Damage, ...] = (
    *_ANY_DAMAGE,
    _without("model_version"),
    _without("request_id"),
    _with(system={"latency_ms": "fast"}),
    _with(output="Paris."),
    _python_literal,
)
