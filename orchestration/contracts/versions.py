"""Schema versions: each is one file that says what it changes, and may change only what breaks nobody.

`versions/<event>.v<N>.yml` holds the changes of version N against N - 1. From them come the version's JSON
Schema, the ledger's columns, and how an event of an older version is lifted (`lib/ledger_sql.py`):

    add:      fields that are new, or promoted from unknown ones
      - {name: surface, kind: string, description: …, lift: extras.surface}
    rename:   fields that have another name from now on
      - {from: value, to: signal_value}
    split:    fields that are now given in parts
      - {from: client_version, separator: "/", into: [{name: client_name, …}, {name: client_release, …}]}
    change:   fields of which something else changes (which is refused, with the reason)
      - {name: rating, kind: integer}
    examples: events of this version, as JSON

A later version must be readable by who knows the earlier ones and the other way round, as under Confluent's
FULL_TRANSITIVE: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html>.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from orchestration.contracts.fields import Field, Kind, Split, Stream

VERSIONS_DIR = Path(__file__).parent / "versions"

_SECTIONS = {"description", "add", "rename", "split", "change", "examples"}
_FIELD_KEYS = {"name", "kind", "description", "required", "enum", "aliases", "lift", "default", "mart"}
_KINDS = {kind.label: kind for kind in Kind}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What a reader of the one kind understands of the other; every kind understands itself.
_READS: dict[Kind, set[Kind]] = {
    Kind.NUMBER: {Kind.INTEGER},
    Kind.SCALAR: {Kind.STRING, Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN, Kind.TIMESTAMP},
    Kind.STRING: {Kind.TIMESTAMP},
    Kind.ANY: set(Kind),
}
# The lines' own columns and what the platform adds; no field may take their names.
_RESERVED = {"source_file", "source_line", "received_date", "raw", "extras"}


class SchemaVersionError(ValueError):
    """A version's file can not be used; the message names the file, the field, the rule and the cure."""


def with_versions(stream: Stream, folder: Path = VERSIONS_DIR) -> Stream:
    """A stream of version 1 with all its later versions. Raises SchemaVersionError with everything that is wrong."""
    number = 2
    while (path := folder / f"{stream.event}.v{number}.yml").exists():
        stream = _next_version(stream, number, path)
        number += 1
    beyond = sorted(p.name for p in folder.glob(f"{stream.event}.v*.yml") if int(p.stem.rsplit(".v")[-1]) >= number)
    if beyond:
        raise SchemaVersionError(
            f"{beyond[0]}: there is no {stream.event}.v{number}.yml before it; number without gaps"
        )
    return stream


def _next_version(stream: Stream, number: int, path: Path) -> Stream:
    """The stream with one more version."""
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not isinstance(content, dict) or not content.keys() <= _SECTIONS:
        raise SchemaVersionError(f"{path.name}: must be a mapping of {', '.join(sorted(_SECTIONS))}")
    changes = _Changes(stream, number, path.name)
    for section in ("add", "rename", "split", "change"):
        entries = content.get(section) or []
        if not isinstance(entries, list):
            raise SchemaVersionError(f"{path.name}: {section} must be a list")
        for entry in entries:
            getattr(changes, section)(entry)
    if changes.refusals:
        raise SchemaVersionError("\n".join(changes.refusals))
    return replace(
        stream,
        version=number,
        fields=tuple(changes.fields),
        splits=tuple(changes.splits),
        examples={**stream.examples, number: tuple(_example(path, e) for e in content.get("examples") or [])},
    )


def _example(path: Path, text: Any) -> str:
    try:
        json.loads(text)
    except (TypeError, ValueError):
        raise SchemaVersionError(f"{path.name}: examples: {text!r} is no JSON text; quote each event") from None
    return str(text)


class _Changes:
    """Applies the changes of one version, and gathers what is refused."""

    def __init__(self, stream: Stream, number: int, file: str) -> None:
        self.stream, self.number, self.file = stream, number, file
        self.fields: list[Field] = list(stream.fields)
        self.splits: list[Split] = list(stream.splits)
        self.refusals: list[str] = []

    def refuse(self, field: str, reason: str, cure: str) -> None:
        self.refusals.append(f"{self.file}: field {field!r} {reason}. {cure}")

    def malformed(self, section: str, entry: Any, wanted: str) -> SchemaVersionError:
        return SchemaVersionError(f"{self.file}: {section}: {entry!r} must be {wanted}")

    def add(self, entry: Any) -> None:
        f = self._new_field(entry, "add")
        if entry.get("required") and f.default is None:
            self.refuse(
                f.name,
                "is required and has no default: events of earlier versions do not have it (backward)",
                "Give it a default, or leave out `required`.",
            )
        if f.lift:
            head, _, key = f.lift.partition(".")
            objects = {o.name for o in self.stream.fields_of(self.number - 1) if o.kind is Kind.OBJECT} | {"extras"}
            if head not in objects or not key:
                self.refuse(
                    f.name,
                    f"is lifted from {f.lift!r}, which earlier events do not have",
                    f"Write extras.<key>, or <field>.<key> with a field of {', '.join(sorted(objects - {'extras'}))}.",
                )
        self._take(f)

    def rename(self, entry: Any) -> None:
        if not isinstance(entry, dict) or entry.keys() - {"description"} != {"from", "to"}:
            raise self.malformed("rename", entry, "{from: old_name, to: new_name}")
        old = self._retire(entry["from"])
        if old:
            self._take(
                replace(
                    old,
                    name=entry["to"],
                    description=entry.get("description", old.description),
                    aliases=(),
                    column=old.ledger_column,
                    since=self.number,
                )
            )

    def split(self, entry: Any) -> None:
        if not isinstance(entry, dict) or entry.keys() != {"from", "separator", "into"} or len(entry["into"]) < 2:
            raise self.malformed("split", entry, "{from: name, separator: '/', into: [two or more fields]}")
        parts = [self._new_field({"kind": "string", **part}, "split") for part in entry["into"]]
        old = self._retire(entry["from"])
        if old and old.kind is not Kind.STRING:
            self.refuse(old.name, f"is {old.kind.spoken} and can not be taken apart", "Split strings only.")
        if old:
            whole, columns = old.ledger_column, tuple(part.ledger_column for part in parts)
            self.splits.append(Split(since=self.number, whole=whole, parts=columns, separator=str(entry["separator"])))
        for part in parts:
            self._take(part)

    def change(self, entry: Any) -> None:
        """No change of a field breaks nobody, but for words about it: who reads either version has to go on."""
        if (
            not isinstance(entry, dict)
            or "name" not in entry
            or not entry.keys() <= {"name", "kind", "enum", "required"}
        ):
            raise self.malformed("change", entry, "{name: …} with kind, enum or required")
        old = self._known(entry["name"])
        if old is None:
            return
        cure = "Add a field of another name instead, and let this one be."
        if entry.get("required") and not old.required:
            self.refuse(old.name, "becomes required: earlier events need not have it (backward)", cure)
        kind = _KINDS.get(entry.get("kind", old.kind.label))
        if kind is None:
            raise self.malformed("change", entry, f"of kind {', '.join(_KINDS)}")
        if kind is not old.kind:
            widened = old.kind in _READS.get(kind, set())
            why = (
                "who knows earlier versions can not read it (forward)"
                if widened
                else "earlier events may hold what it can not (backward)"
            )
            how = "widened" if widened else "narrowed"
            self.refuse(old.name, f"is {how} from {old.kind.label} to {kind.label}: {why}", cure)
        words = tuple(entry.get("enum", old.enum))
        if lost := sorted(set(old.enum) - set(words) if words else ()):
            self.refuse(old.name, f"is narrowed: earlier events may say {', '.join(lost)} (backward)", cure)
        if old.enum and (not words or set(words) - set(old.enum)):
            self.refuse(old.name, "is widened: who knows earlier versions can not read the new words (forward)", cure)
        if words and not old.enum:
            self.refuse(old.name, "is narrowed to a list of words: earlier events may say others (backward)", cure)

    def _new_field(self, entry: Any, section: str) -> Field:
        if not isinstance(entry, dict) or not {"name", "kind", "description"} <= entry.keys() <= _FIELD_KEYS:
            raise self.malformed(
                section,
                entry,
                f"a field with name, kind and description, and of the rest {', '.join(sorted(_FIELD_KEYS))}",
            )
        if entry["kind"] not in _KINDS:
            raise self.malformed(section, entry, f"of kind {', '.join(_KINDS)}")
        if not isinstance(entry["name"], str) or not _NAME.fullmatch(entry["name"]):
            raise self.malformed(section, entry, "named in snake_case")
        return Field(
            name=entry["name"],
            kind=_KINDS[entry["kind"]],
            description=entry["description"],
            enum=tuple(entry.get("enum", ())),
            aliases=tuple(entry.get("aliases", ())),
            lift=entry.get("lift", ""),
            default=entry.get("default"),
            mart=entry.get("mart", ""),
            since=self.number,
        )

    def _take(self, f: Field) -> None:
        """Adds a field, unless one of its names ever had a meaning."""
        taken = _RESERVED | {self.stream.envelope or ""}
        taken |= {name for g in self.fields for name in (g.name, *g.aliases, g.ledger_column)}
        for name in (f.name, *f.aliases):
            if name in taken and name != f.column:
                self.refuse(
                    name,
                    "had a meaning in an earlier version, or has one for the platform: events would be misread",
                    "Take a name that was never used.",
                )
        self.fields.append(f)

    def _retire(self, name: Any) -> Field | None:
        old = self._known(name)
        if old:
            self.fields[self.fields.index(old)] = replace(old, until=self.number - 1)
        return old

    def _known(self, name: Any) -> Field | None:
        for f in self.fields:
            if f.name == name and f.is_in(self.number - 1) and f.until is None:
                return f
        known = ", ".join(f.name for f in self.stream.fields_of(self.number - 1))
        self.refuse(str(name), f"is no field of version {self.number - 1}", f"Its fields are {known}.")
        return None
