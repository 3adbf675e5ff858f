"""SQL for an event's fields: where a value may stand, what type it has, how an older event is lifted.

One event is read by the schema version that it states. A name means what that version says, and nothing in a
version that does not know it: there it is an unknown field and stays in `extras`. Then the event is lifted to
the newest version, leniently: what does not fit the newer field stays where it was, since no upgrade may turn
a sound event into a dead letter.
"""

import json
from collections.abc import Callable

from orchestration.contracts.feedback import TYPE_FIELDS
from orchestration.contracts.fields import Field, Kind, Split, Stream

# RFC 3339 with the liberties that it and Parquet's text form take: a space for the T, lower case letters,
# no offset (then UTC), an offset without minutes.
_TIME = r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}(:?\d{2})?)?"

# What DuckDB calls the JSON values that a field may hold.
JSON_TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.STRING: ("VARCHAR",),
    Kind.TIMESTAMP: ("VARCHAR",),
    Kind.SCALAR: ("VARCHAR", "BOOLEAN", "BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
    Kind.NUMBER: ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
    Kind.INTEGER: ("BIGINT", "UBIGINT", "DOUBLE"),
    Kind.BOOLEAN: ("BOOLEAN",),
    Kind.OBJECT: ("OBJECT",),
    Kind.ARRAY: ("ARRAY",),
}


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def in_versions(f: Field) -> str | None:
    """Whether the event's version knows a field's name; None where every version does."""
    if f.until is not None:
        return f"event_version between {f.since} and {f.until}"
    return f"event_version >= {f.since}" if f.since > 1 else None


def only_in_versions(f: Field, expression: str) -> str:
    known = in_versions(f)
    return f"case when {known} then {expression} end" if known else expression


def is_derivable(stream: Stream, f: Field) -> bool:
    """Whether the field is the event's own id, which is made from its content where it is absent."""
    return f.name == f"{stream.event}_id"


def by_version(stream: Stream, make: Callable[[int], str]) -> str:
    """What `make` gives for the event's version; versions that are not known are told by the verdict."""
    if stream.version == 1:
        return make(1)
    branches = " ".join(f"when event_version >= {v} then {make(v)}" for v in range(stream.version, 1, -1))
    return f"case {branches} else {make(1)} end"


class FieldSql:
    """The columns of one stream: `c_<column>` as the event's own version has it, `l_<column>` where it was lifted."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.columns: dict[str, list[Field]] = {}
        for f in stream.fields:
            self.columns.setdefault(f.ledger_column, []).append(f)
        self._splits = {split.whole: split for split in stream.splits}
        self._parts = {part: split for split in stream.splits for part in split.parts}

    # -- where a value stands ---------------------------------------------------------------------------

    def spellings(self, f: Field) -> list[str]:
        """The places in which a field may stand, the plainest first."""
        places = [f'v."{name}"' for name in (f.name, *f.aliases)]
        if self.stream.envelope and f.name != "schema_version":
            places += [f'v."{self.stream.envelope}"."{name}"' for name in (f.name, *f.aliases)]
        if f.kind.is_json:
            places = [f"nullif({p}::varchar, 'null')" for p in places]
        elif f.kind is Kind.STRING and f.name.endswith("_id"):
            places = [f"nullif({p}, '')" for p in places]
        return places

    def _given(self, column: str) -> str:
        """A column's value as the event's own version spells it."""
        values = [only_in_versions(f, _first(self.spellings(f))) for f in self.columns[column]]
        if split := self._splits.get(column):
            parts = ", ".join(f"nullif(c_{part}, '')" for part in split.parts)
            values.append(
                f"case when event_version >= {split.since} "
                f"then nullif(concat_ws({quote(split.separator)}, {parts}), '') end"
            )
        return _first(values)

    def typed_columns(self) -> list[str]:
        """Every column as `c_<column>`; for times and whole numbers the value as given, too, as `g_<column>`."""
        typed = []
        # Parts first: the whole that they were split from is made of them.
        for column in sorted(self.columns, key=lambda c: c not in self._parts):
            value, kind = self._given(column), self.columns[column][0].kind
            if kind is Kind.TIMESTAMP:
                typed += [f"{value} as g_{column}", f"{timestamp(value)} as c_{column}"]
            elif kind is Kind.INTEGER:
                typed += [f"{value} as g_{column}", f"try_cast({value} as bigint) as c_{column}"]
            else:
                typed.append(f"{value} as c_{column}")
        if self.stream.name == "feedback":
            typed.append(f"coalesce(c_feedback_type, {_inferred_type()}) as feedback_type_or_inferred")
        typed.append(f"{self._own_extras()} as c_extras")
        return [*typed, *self._lifted()]

    # -- unknown fields ---------------------------------------------------------------------------------

    def unknown_keys(self) -> str:
        return by_version(self.stream, self._unknown_keys)

    def _unknown_keys(self, version: int) -> str:
        envelope = self.stream.envelope
        known = ", ".join(quote(name) for name in self.stream.field_names(version))
        keys = f"list_filter(json_keys(doc), lambda k: k not in ({known}))"
        if not envelope:
            return keys
        inner = ", ".join(quote(n) for n in self._envelope_names(version))
        nested = (
            f"case when json_type(doc, '$.{envelope}') = 'OBJECT' then list_transform(list_filter("
            f"json_keys(doc, '$.{envelope}'), lambda k: k not in ({inner})), lambda k: '{envelope}.' || k) end"
        )
        return f"list_concat({keys}, {nested})"

    def _envelope_names(self, version: int) -> list[str]:
        outer = (self.stream.envelope, "schema_version")
        return [n for n in self.stream.field_names(version) if n not in outer]

    def _own_extras(self) -> str:
        """The object without the fields that have a column: RFC 7396 takes out what is patched with null."""
        return f"case when len(unknown_keys) > 0 then ({by_version(self.stream, self._without_known)})::varchar end"

    def _without_known(self, version: int) -> str:
        known: dict[str, object] = {name: None for name in self.stream.field_names(version)}
        plain = f"json_merge_patch(doc, {quote(json.dumps(known))})"
        if not self.stream.envelope:
            return plain
        nested = {**known, self.stream.envelope: {n: None for n in self._envelope_names(version)}}
        return (
            f"case when len(list_filter(unknown_keys, lambda k: starts_with(k, '{self.stream.envelope}.'))) > 0 "
            f"then json_merge_patch(doc, {quote(json.dumps(nested))}) else {plain} end"
        )

    # -- lifting ----------------------------------------------------------------------------------------

    def _lifts(self) -> list[tuple[Field, list[tuple[str, list[str]]]]]:
        """The promoted fields with the columns and keys that older events may carry them in."""
        lifts = []
        for f in self.stream.fields:
            if f.lift:
                head, *keys = f.lift.split(".")
                places = [("c_extras" if head == "extras" else f"c_{head}", keys)]
                if head == "extras" and self.stream.envelope:
                    places.append(("c_extras", [self.stream.envelope, *keys]))
                lifts.append((f, places))
        return lifts

    def _lifted(self) -> list[str]:
        """`l_<column>` for each column that older events are lifted to, and `l_extras`."""
        lifted, patches = [], []
        for f, places in self._lifts():
            values = [_value_of(column, path, f) for column, path in places]
            lifted.append(f"case when event_version < {f.since} then {_first(values)} end as l_{f.ledger_column}")
            for n, (column, path) in enumerate(places):
                if column == "c_extras":
                    # What stands in a second place, too, was not lifted and stays.
                    here = [f"{value} is null" for value in values[:n]] + [f"{values[n]} is not null"]
                    patch = quote(json.dumps(_nested(path, None)))
                    patches.append(
                        f"case when event_version < {f.since} and {' and '.join(here)} then {patch} else '{{}}' end"
                    )
        for split in self.stream.splits:
            for n, part in enumerate(split.parts):
                taken = _part(f"c_{split.whole}", split, n)
                lifted.append(f"case when event_version < {split.since} then {taken} end as l_{part}")
        if patches:
            # One call with all patches: nested calls would double the query with each field.
            extras = f"json_merge_patch(c_extras, {', '.join(patches)})::varchar"
            empty = quote(json.dumps({self.stream.envelope: {}}, separators=(",", ":")))
            lifted.append(f"case when {extras} not in ('{{}}', {empty}) then {extras} end as l_extras")
        return lifted

    def final_value(self, column: str) -> str:
        """A column's value after the event was lifted to the newest version."""
        f = self.columns[column][0]
        values = [f"c_{column}"]
        if f.lift or column in self._parts:
            values.append(f"l_{column}")
        if f.default is not None:
            values.append(f"cast({quote(str(f.default))} as {f.kind.ledger_type})")
        return _first(values)

    def final_extras(self) -> str:
        return "l_extras" if any(f.lift.startswith("extras.") for f in self.stream.fields) else "c_extras"

    # -- identity ---------------------------------------------------------------------------------------

    def derived_id(self) -> str:
        """Content to id: the same words and values give the same id, however they were spelled.

        Made from what the event's own version says, so that lifting it does not change its id; what a later
        version renamed or took apart counts as before.
        """
        parts = []
        for column, (f, *_) in self.columns.items():
            if f.name in ("feedback_id", "schema_version") or column in self._parts:
                continue
            value = "feedback_type_or_inferred" if f.name == "feedback_type" else f"c_{column}"
            if f.kind.is_json:
                value = canonical_json(value)
            elif f.kind is Kind.TIMESTAMP:
                value = f"epoch_us({value})"
            parts.append(f"coalesce({quote(column + '=')} || {value}::varchar || chr(31), '')")
        parts.append(f"coalesce('extras=' || {canonical_json('c_extras')}, '')")
        return f"'fb_' || left(sha256({' || '.join(parts)}), 32)"


def _first(values: list[str]) -> str:
    return f"coalesce({', '.join(values)})" if len(values) > 1 else values[0]


def _nested(path: list[str], value: object) -> object:
    return {path[0]: _nested(path[1:], value)} if path else value


def _value_of(column: str, path: list[str], f: Field) -> str:
    """The value at a path of a JSON column as a field's type; null where it is of another."""
    place = quote("$" + "".join(f'."{key}"' for key in path))
    text = f"json_extract_string({column}, {place})"
    value = {
        Kind.NUMBER: f"try_cast({text} as double)",
        Kind.INTEGER: f"case when try_cast({text} as double) % 1 = 0 then try_cast({text} as bigint) end",
        Kind.BOOLEAN: f"try_cast({text} as boolean)",
        Kind.TIMESTAMP: timestamp(text),
    }.get(f.kind, f"json_extract({column}, {place})::varchar" if f.kind.is_json else text)
    conditions = []
    if f.kind is not Kind.ANY:
        conditions.append(f"json_type({column}, {place}) in ({', '.join(map(quote, JSON_TYPES[f.kind]))})")
    if f.enum:
        conditions.append(f"{text} in ({', '.join(map(quote, f.enum))})")
    return f"case when {' and '.join(conditions)} then {value} end" if conditions else value


def _part(whole: str, split: Split, n: int) -> str:
    """The n-th part of a value; where separators are missing, all of it is the last part."""
    separator, last = quote(split.separator), len(split.parts) - 1
    enough = f"len(string_split({whole}, {separator})) > {last}"
    if n < last:
        return f"case when {enough} then split_part({whole}, {separator}, {n + 1}) end"
    rest = f"array_to_string(string_split({whole}, {separator})[{last + 1}:], {separator})"
    return f"case when {enough} then {rest} else {whole} end"


def timestamp(value: str) -> str:
    """The instant of a text; null where it is none of the years 1 to 9999 in UTC, which Python could not read back."""
    instant = f"try_cast(upper({value}) as timestamptz)"
    return (
        f"case when regexp_full_match({value}, {quote(_TIME)}) and {instant} >= '0001-01-01T00:00:00Z'::timestamptz "
        f"and {instant} < '9999-12-31T23:59:59Z'::timestamptz + interval 1 second then {instant} end"
    )


def _inferred_type() -> str:
    branches = " ".join(f"when {carries(t)} then {quote(t)}" for t in TYPE_FIELDS)
    return f"case {branches} end"


def carries(feedback_type: str) -> str:
    """Whether the fields of a feedback type are there; they are named by their columns."""
    groups = (" and ".join(f"c_{n} is not null" for n in group) for group in TYPE_FIELDS[feedback_type])
    return f"({' or '.join(groups)})"


def canonical_json(value: str, *, depth: int = 3) -> str:
    """JSON text with sorted keys down to `depth` levels of objects; deeper ones keep the given order."""
    k = f"k{depth}"
    member = f"json_extract({value}, '/' || replace(replace({k}, '~', '~0'), '/', '~1'))::varchar"
    inner = canonical_json(member, depth=depth - 1) if depth > 1 else member
    return (
        f"case when left({value}, 1) = '{{' then '{{' || array_to_string(list_transform("
        f"list_sort(json_keys({value})), lambda {k}: to_json({k})::varchar || ':' || coalesce({inner}, 'null')), ',') "
        f"|| '}}' else {value} end"
    )
