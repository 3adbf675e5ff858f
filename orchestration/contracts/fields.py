"""The vocabulary in which event schemas are written: kinds of values, fields and streams.

This is a plain description without I/O. The published JSON Schema (`json_schema.py`), the ledger's
column types and the SQL that checks and types a line (`lib/ledger_sql.py`) are all derived from it, so
that the three can not drift apart.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a JSON value may be, what the ledger stores it as, and how a person calls it."""

    STRING = ("string", "VARCHAR", "a string")
    SCALAR = ("scalar", "VARCHAR", "a string, a number or a boolean")
    NUMBER = ("number", "DOUBLE", "a number")
    INTEGER = ("integer", "BIGINT", "a whole number")
    BOOLEAN = ("boolean", "BOOLEAN", "true or false")
    TIMESTAMP = ("timestamp", "TIMESTAMPTZ", "an RFC 3339 time as a string")
    OBJECT = ("object", "VARCHAR", "an object")
    ARRAY = ("array", "VARCHAR", "an array")
    ANY = ("any", "VARCHAR", "any JSON value")

    def __init__(self, label: str, ledger_type: str, spoken: str) -> None:
        self.label = label
        self.ledger_type = ledger_type
        self.spoken = spoken

    @property
    def is_json(self) -> bool:
        """Whether the ledger keeps the value as JSON text."""
        return self in (Kind.OBJECT, Kind.ARRAY, Kind.ANY)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an event.

    `column` is the ledger column (default: the field's name). `aliases` are other names for the same
    field. `properties` are the fields inside an OBJECT whose types are checked; unknown ones beside
    them are welcome and stay in the object.

    `since` and `until` are the first and the last schema version that know the name. An event of an older
    version is lifted: `lift` says where such an event may carry the value, as `extras.<key>` or
    `<object field>.<key>`; `default` is what an event without the field means. `mart` is the column of
    `marts.attributed_feedback` (default: the ledger column) of a field that came with a later version.
    """

    name: str
    kind: Kind
    description: str
    required: bool = False
    enum: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    properties: tuple["Field", ...] = ()
    column: str = ""
    since: int = 1
    until: int | None = None
    lift: str = ""
    default: Any = None
    mart: str = ""

    def is_in(self, version: int) -> bool:
        """Whether a schema version knows the field."""
        return self.since <= version and (self.until is None or version <= self.until)

    @property
    def ledger_column(self) -> str:
        return self.column or self.name


@dataclass(frozen=True, kw_only=True)
class Split:
    """A field that a version replaced by its parts: `whole` and `parts` are ledger columns.

    An older event's value is taken apart at the first separators; one without them is the last part. A newer
    event's parts are put together again, so that the old column keeps its meaning.
    """

    since: int
    whole: str
    parts: tuple[str, ...]
    separator: str


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One kind of event: where it lands, what version its schema has, and its fields.

    `envelope` names an object in which the same fields may be nested (`feedback{}`).
    `version` is the newest schema version that a producer may state; events without one are of version 1.
    `fields` are those of all versions (`fields_of` gives one version's), `examples` by version.
    """

    name: str
    event: str
    version: int
    description: str
    fields: tuple[Field, ...]
    envelope: str | None = None
    splits: tuple[Split, ...] = ()
    examples: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def asset_name(self) -> str:
        return f"raw_{self.name}"

    def fields_of(self, version: int) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.is_in(version))

    def field_names(self, version: int) -> tuple[str, ...]:
        """Every top-level key that has a meaning in a version, aliases and envelope included."""
        names = [name for f in self.fields_of(version) for name in (f.name, *f.aliases)]
        return (*names, *((self.envelope,) if self.envelope else ()))
