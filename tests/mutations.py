"""Landed lines by chance: events by the published JSON Schemas, and what goes wrong with them.

A line is a sound event, then none to three mutations of the event, then none to two of its text or bytes.
Which of the lines are still events is for `line_oracle.py` to say, not for this module.

All chance comes from a `random.Random`: a seeded one makes ten thousand different lines in a second, one of
Hypothesis (`st.randoms`) makes the same kinds of lines and shrinks them.
"""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.line_oracle import CARRIERS, published, versions

Event = dict[str, Any]

FIRST_MOMENT = datetime(2024, 5, 1, tzinfo=UTC)

# What JSON writers can not say is put into the text after it was written, where this mark stands.
_MARK = "\u00a4"
_LITERALS = (
    "NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "1e400", "1e-999", "-0", "0.1e1", "5.0", "05", "+5",
    ".5", "5.", "0x5", "1_000", "True", "None", "undefined", "'five'", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "36893488147419103232", "9" * 60, "1" + "0" * 400, "1.7976931348623157e308", "{}", "[]",
    "[1,]", "{\"a\":1,}", "\"\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\u0000\"", "\"\\x41\"", "\"a\tb\"", "\"a\x00b\"",
)  # fmt: skip
ODD_TIMES = (
    "2024-05-01T10:00:00Z", "2024-05-01t10:00:00z", "2024-05-01 10:00:00", "2024-05-01T10:00:00",
    "2024-05-01T10:00:00+14:00", "2024-05-01T10:00:00-12:00", "2024-05-01T10:00:00+23:59",
    "2024-05-01T10:00:00+24:00",
    "2024-05-01T10:00:00+15", "2024-05-01T10:00:00+0000", "2024-05-01T10:00:00 +00:00",
    "2024-05-01T10:00:00.123456789Z",
    "2024-05-01T10:00:00." + "9" * 40 + "Z", "2024-05-01T10:00:00.Z", "2024-05-01T10:00:00,5Z",
    "2016-12-31T23:59:60Z",
    "2024-05-01T23:59:60Z", "2024-05-01T10:00:61Z", "2024-05-01T24:00:00Z", "2024-05-01T25:00:00Z",
    "2024-02-30T10:00:00Z",
    "2023-02-29T10:00:00Z", "2024-02-29T10:00:00Z", "2024-13-01T10:00:00Z", "2024-00-01T10:00:00Z",
    "2024-05-00T10:00:00Z",
    "0000-01-01T00:00:00Z", "0000-05-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00Z", "-2024-05-01T10:00:00Z",
    "294247-01-10T04:00:54Z", "1969-12-31T23:59:59Z", "1582-10-10T00:00:00Z", "2024-05-01", "2024-05",
    "2024", "10:00:00Z",
    "2024-W18-3", "2024-122T10:00:00Z", "20240501T100000Z", "01/05/2024 10:00", "May 1, 2024", "now",
    "today", "yesterday",
    "infinity", "-infinity", "epoch", "1714557600", "1714557600000", "", " ", " 2024-05-01T10:00:00Z",
    "2024-05-01T10:00:00Z ",
    "2024-05-01T10:00:00Z\n", "2024-05-01T10:00:00Z\x00", "２０２４-05-01T10:00:00Z", "٢٠٢٤-05-01T10:00:00Z",
    "2024\u201005\u201001T10:00:00Z", "2024-05-01T10:00:00UTC", "2024-05-01T10:00:00 Europe/Berlin",
    "2024-05-01T10:00:00[UTC]", "2024-5-1T1:2:3Z", "2024-05-01T10:00Z", "2024-05-01T10Z",
    "290309-12-22 (BC) 00:00:00Z",
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "\x00", "a\x00b", "null", "NaN", "true", "[]", "{}", "\ufeff", "\ufeffx", "\ud83d", "\udc00x",
    "😀", "e\u0301",
    "\u2028\u2029\u0085", "\r\n", "\n", "\t", "\x1f", "\x7f", "'; drop table x; --", "\"", "\\", "\\u0041",
    "$.a", "~0/1",
    ", ]", ":NaN", "[nan", "{\"a\": NaN,}", "%s {0}", "עברית \u202e",
    "x" * 5_000, "界" * 3_000, "\\" * 2_001, "\"" * 2_001,
)  # fmt: skip
ODD_KEYS = (
    "", " ", "a'b", "a\"b", "a.b", "$", "$.request_id", "feedback.rating", "a/b", "a~b", "~1", "[0]", "*",
    "\x00", "\n", "😀",
    "Request_ID", "request_id ", "REQUEST_ID", "rating\x00", "\ufeffrequest_id", "raw", "source_file",
    "extras", "doc", "v",
    "received_date", "dead_letter_reason", "feedback_at", "c_rating", "k3", "x", "__proto__", "select",
)  # fmt: skip

_TEXTS = ("answer", "a b c", "v1", "v2", "42", "Ünï", "日本語", "", "The capital of France is Paris.", "x = [1,\n2]")
_ANYTHING = (
    None, True, False, 0, 1, -1, 3, 5, 1.5, -0.0, 1e300, 2**53 + 1, "x", "5", "", "up", [], {}, [1, {"a": None}],
    {"kind": 5, "text": [], "rating": "five"},
)  # fmt: skip

# Ids out of small pools, so that feedback meets inferences, repeats itself, and is reviewed.
_POOLS = {
    "request_id": ("req", 2_000), "inference_request_id": ("req", 2_000), "chosen_request_id": ("req", 2_000),
    "rejected_request_id": ("req", 2_000), "feedback_id": ("fb", 3_000), "retracts": ("fb", 3_000),
    "session_id": ("s", 60),
    "user_id": ("u", 80),
}  # fmt: skip


def _anything(rng: Random) -> Any:
    return deepcopy(rng.choice(_ANYTHING))


def _value(rng: Random, name: str, schema: Event) -> Any:
    """A sound value of one property of the schema."""
    if name in _POOLS:
        prefix, size = _POOLS[name]
        return f"{prefix}-{rng.randrange(size)}"
    if name == "timestamp":
        return (FIRST_MOMENT + timedelta(seconds=rng.randrange(3 * 86_400))).isoformat()
    if name == "schema_version":
        return schema.get("const", 1)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = rng.choice(schema.get("type") or ("string", "number", "boolean", "object", "array", "null"))
    if kind == "object":
        inner = schema.get("properties") or {key: {} for key in ("temperature", "a", "b.c", "")}
        return {key: _value(rng, key, of_key) for key, of_key in inner.items() if rng.randrange(2)}
    if kind == "array":
        return [_anything(rng) for _ in range(rng.randrange(3))]
    if kind == "string":
        return rng.choice(_TEXTS)
    if kind == "null":
        return None
    if kind == "boolean":
        return rng.randrange(2) == 0
    return rng.randrange(6) if kind == "integer" or rng.randrange(2) else rng.randrange(-8, 8) / 8


def _filled(rng: Random, name: str, schema: Event) -> Any:
    """A sound value that says something."""
    value = _value(rng, name, schema)
    return value if value not in (None, "") else _default(name, schema)


def _default(name: str, schema: Event) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    return {"string": "a text", "number": 4, "integer": 1}[schema["type"][0]]


def event(rng: Random, stream: str) -> Event:
    """An event as the stream's published schema has it."""
    schema = published(stream, rng.choice(sorted(versions(stream))))
    properties = {name: s for name, s in schema["properties"].items() if name != "feedback"}
    made = {name: _filled(rng, name, properties[name]) for name in schema["required"]}
    # A few optional fields an event: some of each field in every line would find less, and slower.
    optional = [name for name in sorted(properties) if name not in made and name not in _CARRYING]
    for _ in range(rng.randrange(5)):
        name = rng.choice(optional)
        made[name] = _value(rng, name, properties[name])
    if stream == "feedback":
        kind = _feedback(rng, made, properties)
        made.pop("feedback_type", None)
        if rng.randrange(2):
            made["feedback_type"] = kind
        if rng.randrange(3) == 0:  # the same fields, nested
            made["feedback"] = {name: made.pop(name) for name in sorted(made) if rng.randrange(2)}
    return made


def _feedback(rng: Random, made: Event, properties: Event) -> str:
    """Gives the event what it is about and what it says; returns its type."""
    reference = rng.choice(("request_id", "request_id", "inference_request_id", "session_id"))
    for name in ("request_id", "inference_request_id"):
        made.pop(name, None)
    kind = rng.choice(sorted(CARRIERS))
    for name in (reference, *rng.choice(CARRIERS[kind])):
        made[name] = _filled(rng, name, properties[name])
    return kind


_CARRYING = {name for groups in CARRIERS.values() for group in groups for name in group}


# -- mutations of the event -----------------------------------------------------------------------------


def _place(rng: Random, event: Event) -> tuple[Event, str]:
    """One field of the event or of an object in it."""
    places = [(event, name) for name in event]
    places += [(v, name) for v in event.values() if isinstance(v, dict) for name in v]
    return rng.choice(places) if places else (event, "x")


def _swap(rng: Random, event: Event) -> None:
    place, name = _place(rng, event)
    place[name] = _anything(rng)


def _drop(rng: Random, event: Event) -> None:
    place, name = _place(rng, event)
    place.pop(name, None)


def _odd_text(rng: Random, event: Event) -> None:
    place, name = _place(rng, event)
    place[name] = rng.choice(ODD_TEXTS)


def _literal(rng: Random, event: Event) -> None:
    place, name = _place(rng, event)
    place[name] = _MARK + rng.choice(_LITERALS)


def _odd_time(rng: Random, event: Event) -> None:
    event["timestamp"] = rng.choice(ODD_TIMES)


def _odd_key(rng: Random, event: Event) -> None:
    place = rng.choice([event, *(v for v in event.values() if isinstance(v, dict))])
    place[rng.choice(ODD_KEYS)] = _anything(rng)


def _deep(rng: Random, event: Event) -> None:
    depth = rng.choice((5, 60, 499, 900, 1_500))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    place = rng.choice(("x", "params", "value", "target", "request_id"))
    event[place] = _MARK + opening * depth + "1" + closing * depth


def _long(rng: Random, event: Event) -> None:
    place, name = _place(rng, event)
    place[name] = rng.choice(("x", "é", "\\", "\x00")) * rng.choice((100, 1_000, 9_000))


def _known_field(rng: Random, event: Event) -> None:
    """A field of some stream with some value: often the wrong one, or said twice."""
    schema = published(rng.choice(("feedback", "inferences", "reviews")), rng.choice((1, 2)))["properties"]
    name = rng.choice(sorted(schema))
    place = rng.choice([event, *(v for k, v in event.items() if k == "feedback" and isinstance(v, dict))])
    place[name] = _anything(rng) if rng.randrange(2) else _value(rng, name, schema[name])


_OF_EVENT = (_swap, _drop, _odd_text, _literal, _odd_time, _odd_key, _deep, _long, _known_field)


# -- mutations of the text ------------------------------------------------------------------------------


def _cut(rng: Random, line: bytes) -> bytes:
    return line[: rng.randrange(max(1, len(line)))]


def _bytes_in(rng: Random, line: bytes) -> bytes:
    at = rng.randrange(len(line) + 1)
    odd = (
        b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x00", b"\x0b", b"\x0c",
        b"\r", b"\n", b"\t", b" ",
        b"\xef\xbb\xbf", b"\xc2\xa0", b",", b"]", b"}", b"\"", b"\\", b"NaN", b"//", b"/* */", b"#", b"\x1a",
    )  # fmt: skip
    return line[:at] + rng.choice(odd) + line[at:]


def _around(rng: Random, line: bytes) -> bytes:
    before, after = rng.choice((
            (b"\xef\xbb\xbf", b""), (b"", b"\r"), (b" \t", b" \t\r"), (b"[", b"]"), (b"", b","), (b"",
            b" // no"), (b"", line),
            (b"", b"\n"), (b"\n\n", b""), (b"", b"\n \t\r\n"), (b"\x00", b""), (b"", b"\x00"),
            (b"\xc2\xa0", b""), (b"\x0c", b""),
            (b"data: ", b""), (b'"', b'"'), (b"\x1e", b""), (b"", b"\x0b"), (b"", b"}"),
        ),
    )  # fmt: skip
    return bytes(before + line + after)


def _twice(rng: Random, line: bytes) -> bytes:
    """One key twice in the object."""
    name, value = rng.choice((
            (b'"rating"', b"1"), (b'"request_id"', b'"req-7"'), (b'"request_id"', b"7"), (b'"timestamp"', b'"never"'),
            (b'"thumbs"', b'"sideways"'), (b'"decision"', b'"accept"'), (b'"x"', b"1"),
            (b'"feedback"', b'{"rating":1}'),
        ),
    )  # fmt: skip
    return line.replace(b"{", b"{" + name + b":" + value + b",", 1)


def _other(rng: Random, line: bytes) -> bytes:
    """Something else altogether."""
    return rng.choice(_NO_EVENTS) if rng.randrange(2) else bytes(rng.randrange(256) for _ in range(rng.randrange(20)))


_NO_EVENTS = (
    b"null", b"42", b'"text"', b"[]", b"{}", b"true", b"-", b"{", b"}", b"[{}]", b"request_id,rating",
    b"NaN", b"-Infinity", b"Infinity",
    b"inf", b"\xef\xbb\xbf", b" ", b"\t\r", b"\x00", b"\x0b", b"\xc2\xa0", b"\xe2\x80\xa8", b"\x1a",
    b"PAR1", b"\x1f\x8b", b"x" * 20_000,
    b'{"request_id":"' + b"x" * 20_000 + b'","thumbs":"up"}',
)  # fmt: skip
_OF_TEXT = (_cut, _bytes_in, _around, _twice, _other)


def line(rng: Random, stream: str) -> bytes:
    """What a producer of the stream may land: one line, or where it mistakes line ends, several."""
    made = event(rng, stream)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        rng.choice(_OF_EVENT)(rng, made)
    separators = rng.choice(((",", ":"), (", ", ": "), (" ,\t", " :\r")))
    text = json.dumps(made, ensure_ascii=rng.randrange(2) == 0, separators=separators)
    landed = _without_marks(text).encode("utf-8", "surrogatepass")
    # More than half of the lines keep their text: a broken one says nothing about its fields.
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        landed = rng.choice(_OF_TEXT)(rng, landed)
    return landed


def _without_marks(text: str) -> str:
    """The text with what stands at the marks as it is, out of its quotes."""
    mark = '"' + (json.dumps(_MARK)[1:-1] if json.dumps(_MARK)[1:-1] in text else _MARK)
    while mark in text:
        start = text.index(mark)
        value, length = json.JSONDecoder().raw_decode(text[start:])
        text = text[:start] + value.removeprefix(_MARK) + text[start + length :]
    return text
