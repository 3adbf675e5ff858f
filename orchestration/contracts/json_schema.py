"""The published JSON Schemas, one file a stream and version, made from the streams' descriptions.

`python -m orchestration.contracts.json_schema` writes them; a test fails when a file differs from what
this module would write. They claim exactly what the platform checks line by line, no more.
"""

import json
from pathlib import Path
from typing import Any

from orchestration.contracts.feedback import FEEDBACK, TYPE_FIELDS
from orchestration.contracts.fields import Field, Kind, Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.review import REVIEWS

STREAMS: tuple[Stream, ...] = (INFERENCES, FEEDBACK, REVIEWS)
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


def json_schema(stream: Stream) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a stream's newest version."""
    properties = {name: _property(f) for f in stream.fields for name in (f.name, *f.aliases)}
    properties["schema_version"]["maximum"] = stream.version
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:feedback-attribution:{stream.event}:{stream.version}",
        "title": stream.event,
        "description": stream.description,
        "type": "object",
        "properties": properties,
        "required": [f.name for f in stream.fields if f.required],
        "additionalProperties": True,
        "examples": [json.loads(example) for example in stream.examples],
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
        references = (("request_id",), ("inference_request_id",), ("session_id",), ("chosen_request_id",))
        carriers = (("feedback_type",), *(group for groups in TYPE_FIELDS.values() for group in groups))
        schema["allOf"] = [
            {"anyOf": [_all_present(group, stream.envelope) for group in groups]} for groups in (references, carriers)
        ]
    return schema


def schema_path(stream: Stream) -> Path:
    return SCHEMA_DIR / f"{stream.event}.v{stream.version}.json"


def schema_text(stream: Stream) -> str:
    return json.dumps(json_schema(stream), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    SCHEMA_DIR.mkdir(exist_ok=True)
    for stream in STREAMS:
        schema_path(stream).write_text(schema_text(stream), encoding="utf-8")
        print(f"wrote {schema_path(stream).relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
