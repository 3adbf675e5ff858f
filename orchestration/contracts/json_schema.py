"""The JSON Schemas, one a stream and version, made from the streams' descriptions.

They claim exactly what the platform checks line by line, no more. `published.py` writes them.
"""

import json
from pathlib import Path
from typing import Any

from orchestration.contracts.erasure import ERASURES
from orchestration.contracts.feedback import FEEDBACK, TYPE_FIELDS
from orchestration.contracts.fields import Field, Kind, Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.review import REVIEWS

# What tables and datasets are made of.
STREAMS: tuple[Stream, ...] = (INFERENCES, FEEDBACK, REVIEWS)
# What lands. An erasure makes no row: it takes others away.
LANDED_STREAMS: tuple[Stream, ...] = (*STREAMS, ERASURES)
SCHEMA_DIR = Path(__file__).parent / "schemas"

_JSON_TYPES: dict[Kind, list[str]] = {
    Kind.STRING: ["string", "null"],
    Kind.TIMESTAMP: ["string", "null"],
    Kind.SCALAR: ["string", "number", "boolean", "null"],
    Kind.NUMBER: ["number", "null"],
    Kind.INTEGER: ["integer", "null"],
    Kind.BOOLEAN: ["boolean", "null"],
    Kind.OBJECT: ["object", "null"],
    Kind.ARRAY: ["array", "null"],
}


def _property(field: Field) -> dict[str, Any]:
    """One field as a JSON Schema property; null counts as absent, so every optional field allows it."""
    schema: dict[str, Any] = {"description": field.description}
    if field.kind is not Kind.ANY:
        types = _JSON_TYPES[field.kind]
        schema["type"] = [t for t in types if not (field.required and t == "null")]
    if field.kind is Kind.TIMESTAMP:
        schema["format"] = "date-time"
    if field.required and field.kind is Kind.STRING:
        schema["minLength"] = 1
    if field.enum:
        schema["enum"] = [*field.enum, None]
    if field.name == "schema_version":
        schema["minimum"] = 1
    if field.default is not None:
        schema["default"] = field.default
    if field.properties:
        schema["properties"] = {p.name: _property(p) for p in field.properties}
        schema["additionalProperties"] = True
    return schema


def _present(name: str, envelope: str) -> list[dict[str, Any]]:
    """The ways in which a field with content can be there: at the top, or in the envelope."""
    here: dict[str, Any] = {"required": [name], "properties": {name: {"not": {"enum": [None, ""]}}}}
    return [here, {"required": [envelope], "properties": {envelope: {"type": "object", **here}}}]


def _all_present(names: tuple[str, ...], envelope: str) -> dict[str, Any]:
    return {"allOf": [{"anyOf": _present(name, envelope)} for name in names]}


def json_schema(stream: Stream, version: int) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a stream's version."""
    fields = stream.fields_of(version)
    properties = {name: _property(f) for f in fields for name in (f.name, *f.aliases)}
    # An event may leave its version out only if it is of the first.
    stated: dict[str, Any] = {"maximum": 1} if version == 1 else {"type": ["integer"], "const": version}
    properties["schema_version"] |= stated
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:feedback-attribution:{stream.event}:{version}",
        "title": stream.event,
        "description": stream.description,
        "type": "object",
        "properties": properties,
        "required": [f.name for f in fields if f.required] + ["schema_version"] * (version > 1),
        "additionalProperties": True,
        "examples": [json.loads(example) for example in stream.examples.get(version, ())],
    }
    if stream.envelope:
        inner = {name: value for name, value in properties.items() if name != "schema_version"}
        schema["properties"] = {
            **properties,
            stream.envelope: {
                "type": ["object", "null"],
                "description": "The same fields, nested.",
                "properties": inner,
                "additionalProperties": True,
            },
        }
        # What carries a feedback is told by its column: a later version may call the field otherwise.
        names = {f.ledger_column: f.name for f in fields} | {"inference_request_id": "inference_request_id"}
        references = (("request_id",), ("inference_request_id",), ("session_id",), ("chosen_request_id",))
        carriers = (("feedback_type",), *(group for groups in TYPE_FIELDS.values() for group in groups))
        schema["allOf"] = [
            {"anyOf": [_all_present(tuple(names[n] for n in group), stream.envelope) for group in groups]}
            for groups in (references, carriers)
        ]
    return schema


def schema_path(stream: Stream, version: int) -> Path:
    return SCHEMA_DIR / f"{stream.event}.v{version}.json"


def schema_text(stream: Stream, version: int) -> str:
    return json.dumps(json_schema(stream, version), indent=2, ensure_ascii=False) + "\n"
