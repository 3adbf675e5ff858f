"""Says of one landed line whether it can be an event, by the published JSON Schema and the contract alone.

Nothing of the product is imported: Python's json reads the line, the schema file under
`orchestration/contracts/schemas/` says the types, CONTRACT sections 2 and 3 (and the README's table of
reasons) the rest. Where a line has several faults any of them is a true reason; where the contract leaves a
spelling open, both answers are.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parents[1] / "orchestration" / "contracts" / "schemas"
EVENTS = {"inferences": "inference", "feedback": "feedback", "reviews": "review"}

REFERENCES = (("request_id",), ("inference_request_id",), ("session_id",), ("chosen_request_id",))
CARRIERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "rating": (("rating",),),
    "thumbs": (("thumbs",),),
    "explicit_correction": (("corrected_output",),),
    "preference": (("preferred_output_idx",), ("chosen_request_id", "rejected_request_id")),
    "label": (("label",),),
    "comment": (("comment",),),
    "implicit_signal": (("signal",),),
    "retraction": (("retracts",),),
}
ALIASES = {"inference_request_id": "request_id"}

# RFC 3339's own grammar. With a real date, a time in it is sound beyond doubt.
_STRICT_TIME = re.compile(
    r"([0-9]{4})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:([0-9]{2})(\.[0-9]+)?(Z|[+-]([0-9]{2}):[0-9]{2})"
)
# What a reader may be generous about: no offset (the contract says UTC), a space or t, z, short offsets, a
# date alone, leap seconds, 24:00, years at the ends of the calendar. Either answer is right.
_LOOSE_TIME = re.compile(r"[+-]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.,]+ ?([Zz]|[+-][0-9:]+)?)?")


@dataclass
class Verdict:
    """`must` are faults that make the line a dead letter, `may` are such that it may be one for."""

    must: set[str] = field(default_factory=set)
    may: set[str] = field(default_factory=set)

    def allows(self, reason: str | None) -> bool:
        """Whether a line may be a dead letter for this reason, or where it is None, be sound."""
        return not self.must if reason is None else reason in self.must | self.may


class _Pairs(dict[str, Any]):
    """An object that knows whether a key was given twice."""

    repeated = False
    first: dict[str, Any]


def _pairs(members: list[tuple[str, Any]]) -> _Pairs:
    pairs = _Pairs(members)
    pairs.first = dict(reversed(members))
    pairs.repeated = len(pairs) < len(members)
    return pairs


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def lines_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbered lines of a text file, without the blank ones; a mark at its start belongs to no line."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line


DEEP = 500


@contextmanager
def deep_stack() -> Iterator[None]:
    """Python limits the depth of JSON by that of its own stack, and Hypothesis sets that limit for each test."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@deep_stack()
def parsed(line: bytes) -> Any:
    """The line's JSON value; ValueError where it is none."""
    return json.loads(line.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_no_constant)


@deep_stack()
def verdict(stream: str, line: bytes, *, max_line_bytes: int) -> Verdict:
    if len(line) > max_line_bytes:
        return Verdict(must={"line_too_long"})
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Verdict(must={"not_utf8"})
    found = Verdict()
    if text.startswith("\ufeff"):  # a parser may ignore a mark (RFC 8259 section 8.1)
        text = text.removeprefix("\ufeff")
        found.may.add("not_json")
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_constant)
    except ValueError:
        return Verdict(must={"not_json"})
    found.may |= _parser_limits(text)
    if not isinstance(value, dict):
        return Verdict(must={"not_an_object"}, may=found.may)
    for reading in _readings(value):
        judged = _Judge(stream).judge(reading)
        found.may |= judged.may | (judged.must if _repeats(value) else set())
        found.must |= judged.must if not _repeats(value) else set()
    return found


_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def _parser_limits(text: str) -> set[str]:
    """What is JSON by its grammar, and RFC 8259 lets a reader refuse: deep nesting, huge numbers, half pairs."""
    signs = re.sub(r"[^][{}]", "", _STRING.sub("", text))
    if max(accumulate(1 if sign in "[{" else -1 for sign in signs), default=0) > DEEP:
        return {"not_json"}
    if any(abs(float(n.group())) == float("inf") for n in _NUMBER.finditer(_STRING.sub('""', text)) if n.group()):
        return {"not_json"}
    if _SURROGATE.search(text) and re.search("[\ud800-\udfff]", json.dumps(json.loads(text), ensure_ascii=False)):
        return {"not_json"}
    return set()


def _repeats(value: Any) -> bool:
    if isinstance(value, _Pairs):
        return value.repeated or any(_repeats(v) for v in value.values())
    return isinstance(value, list) and any(_repeats(v) for v in value)


def _readings(value: _Pairs) -> Iterator[dict[str, Any]]:
    """Of a key given twice the first or the last may count (RFC 8259 section 4)."""
    yield value
    if _repeats(value):
        yield _first(value)


def _first(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {k: _first(v) for k, v in value.first.items()}
    return [_first(v) for v in value] if isinstance(value, list) else value


class _Judge:
    """One event against its stream's published schema."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._found = Verdict()

    def judge(self, event: dict[str, Any]) -> Verdict:
        version = event.get("schema_version")
        self._schema = published(self._stream, version)
        if _is(version, "number") and version not in versions(self._stream):
            self._found.must.add("unknown_schema_version")
        self._types(event, self._schema["properties"])
        for name in self._schema["required"]:
            if event.get(name) in (None, ""):
                self._found.must.add("missing_required_field")
        if self._stream == "feedback":
            self._feedback(event)
        return self._found

    # -- values -----------------------------------------------------------------------------------------

    def _types(self, event: dict[str, Any], properties: dict[str, Any]) -> None:
        for name, value in event.items():
            schema = properties.get(name)
            if schema is None or value is None:  # unknown fields are welcome; null means absent
                continue
            types = schema.get("type")
            if types and not any(_is(value, t) for t in types):
                self._found.must.add("wrong_type")
                continue
            self._value(name, value, schema)

    def _value(self, name: str, value: Any, schema: dict[str, Any]) -> None:
        found = self._found
        if "enum" in schema and value not in schema["enum"]:
            found.must.add("not_in_enumeration")
            if value == "":
                found.may.add("missing_required_field")
        if schema.get("format") == "date-time":
            sound = _is_time(value)
            if sound is not True:
                (found.may if sound is None else found.must).add("unparsable_timestamp")
            if value == "":
                found.may.add("missing_required_field")
        if "integer" in schema.get("type", ()) and abs(value) > 2**53:
            found.may.add("wrong_type")  # an integer to JSON Schema, and JSON readers need not hold it (RFC 8259)
        if "properties" in schema:
            self._types(value, schema["properties"])

    # -- feedback ---------------------------------------------------------------------------------------

    def _feedback(self, event: dict[str, Any]) -> None:
        found = self._found
        envelope = event.get("feedback")
        places = [event, envelope] if isinstance(envelope, dict) else [event]
        given: dict[str, list[Any]] = {}
        for place in places:
            for name, value in place.items():
                if name in self._schema["properties"] and name not in ("feedback", "schema_version"):
                    given.setdefault(ALIASES.get(name, name), []).append(value)
        present = {name: [v for v in values if v is not None] for name, values in given.items()}
        present = {name: values for name, values in present.items() if values}
        filled = {name for name, values in present.items() if any(v != "" for v in values)}
        for values in present.values():
            if any(_differ(values[0], v) for v in values[1:]):
                # Which of two spellings holds an empty text, or which spelling of one time, is left open.
                certain = len({json.dumps(v, sort_keys=True) for v in values if v != ""}) > 1 and not any(
                    isinstance(v, str) and _LOOSE_TIME.fullmatch(v) for v in values
                )
                (found.must if certain else found.may).add("conflicting_field")
            elif len({json.dumps(v, sort_keys=False) for v in values}) > 1:
                found.may.add("conflicting_field")
        if not any(all(ALIASES.get(n, n) in filled for n in group) for group in REFERENCES):
            found.must.add("no_reference")
        types = [v for v in present.get("feedback_type", []) if isinstance(v, str)]
        carried = {t for t, groups in CARRIERS.items() if any(all(n in filled for n in g) for g in groups)}
        # An empty text is no content to the schema; the contract does not say whether it may be sent.
        carried_empty = {t for t, groups in CARRIERS.items() if any(all(n in present for n in g) for g in groups)}
        wanted = set(types) & CARRIERS.keys() or CARRIERS.keys()
        if not wanted & carried:
            (found.may if wanted & carried_empty else found.must).add("missing_required_field")
        elif len(wanted - carried) and len(wanted) < len(CARRIERS):
            found.may.add("missing_required_field")


def _differ(one: Any, other: Any) -> bool:
    return bool(one != other or isinstance(one, bool) != isinstance(other, bool))


def _is(value: Any, json_type: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    checks = {
        "string": isinstance(value, str),
        "number": number,
        # A whole number that is too large for a double is one all the same: 1e400.
        "integer": number and (abs(value) == float("inf") or value == int(value)),
        "boolean": isinstance(value, bool),
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "null": value is None,
    }
    return checks[json_type]


def _is_time(text: str) -> bool | None:
    """True: RFC 3339 beyond doubt; False: no time; None: a spelling that a reader may or may not take."""
    strict = _STRICT_TIME.fullmatch(text)
    if strict and "0001" < strict[1] < "9999" and strict[2] != "60":
        if int(strict[5] or 0) > 14 or "T24:00:00" in text:
            return None  # no such offset is in use; ISO 8601 ends a day at 24:00, RFC 3339 does not
        try:
            datetime.fromisoformat(re.sub(r"\.[0-9]+", "", text))
        except ValueError:
            return False
        return True
    if not _LOOSE_TIME.fullmatch(text):
        return False
    year, month, day = (int(part) for part in re.findall("[0-9]+", text)[:3])
    return None if 1 <= month <= 12 and 1 <= day <= 31 and year < 300_000 else False


@cache
def versions(stream: str) -> dict[int, dict[str, Any]]:
    """The published schemas of a stream by version."""
    paths = SCHEMAS.glob(f"{EVENTS[stream]}.v*.json")
    return {int(path.stem.rsplit(".v")[-1]): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def published(stream: str, version: Any = None) -> dict[str, Any]:
    """The schema that an event with this `schema_version` says it follows; without one the oldest."""
    known = versions(stream)
    return known[int(version)] if _is(version, "number") and version in known else known[min(known)]
