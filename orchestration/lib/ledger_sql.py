"""The SQL that turns landed lines into ledger rows: parse once, check every field, type, keep the rest.

Made from a stream's description, so that a field added there is checked and stored without a line here.
No I/O; `ledger.py` runs it. The query keeps the order of its input and has no join and no subquery over
rows, so that DuckDB streams it.
"""

import json
from collections.abc import Sequence

from orchestration.contracts.feedback import TYPE_FIELDS
from orchestration.contracts.fields import Field, Kind, Stream

# Columns that every ledger row of every stream has, before the stream's own. The received date is the name
# of the folder (Hive layout), from which readers know it and skip whole files by it.
LINE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("source_file", "VARCHAR"),
    ("source_line", "BIGINT"),
    ("dead_letter_reason", "VARCHAR"),
    ("dead_letter_detail", "VARCHAR"),
    ("raw", "VARCHAR"),
)

# RFC 3339 with the liberties that it and Parquet's text form take: a space for the T, lower case letters,
# no offset (then UTC), an offset without minutes.
_TIME = r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}(:?\d{2})?)?"
_STRINGS = r'"(?:[^"\\]|\\.)*"'
# What DuckDB's parser takes and JSON forbids: trailing commas, NaN, Infinity. Looked for where a value may
# stand, and again without the strings only where that found something: the second look costs ten times more.
_LENIENT = r",\s*[\]}]|[:,\[]\s*-?[NnIi][AaNn][NnFf]"

_CHECKED_TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.STRING: ("VARCHAR",),
    Kind.TIMESTAMP: ("VARCHAR",),
    Kind.SCALAR: ("VARCHAR", "BOOLEAN", "BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
    Kind.NUMBER: ("BIGINT", "UBIGINT", "HUGEINT", "DOUBLE"),
    Kind.INTEGER: ("BIGINT", "UBIGINT", "DOUBLE"),
    Kind.BOOLEAN: ("BOOLEAN",),
    Kind.OBJECT: ("OBJECT",),
    Kind.ARRAY: ("ARRAY",),
}


def ledger_columns(stream: Stream) -> dict[str, str]:
    """Column name to DuckDB type of a stream's ledger, in order."""
    columns = dict(LINE_COLUMNS)
    for f in stream.fields:
        columns[f.ledger_column] = f.kind.ledger_type
        if _is_derivable(stream, f):
            columns["feedback_id_is_derived"] = "BOOLEAN"
    columns["extras"] = "VARCHAR"
    return columns


def _is_derivable(stream: Stream, f: Field) -> bool:
    """Whether the field is the event's own id, which is made from its content where it is absent."""
    return f.name == f"{stream.event}_id"


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def ledger_query(stream: Stream, *, source_files: Sequence[str], lines: str) -> str:
    """The query from the relation `lines` (`landing.LINES`) to ledger rows."""
    paths = ", ".join(quote(path) for path in source_files)
    s = _StreamSql(stream)
    typed = ",\n            ".join(s.typed_columns())
    final = ",\n        ".join(s.final_columns())
    return f"""
    with decoded as (
        select *, try(decode(bytes)) as text from {lines}
    ),
    parsed as (
        select *, case when problem is null and {_is_json("text")} then text end as doc from decoded
    ),
    extracted as (
        select
            file_index, source_line, problem, bytes, text, doc,
            json_type(doc) as doc_type,
            json_type(doc, [{", ".join(quote(p) for p in s.paths)}]) as types,
            from_json(doc, {quote(json.dumps(s.structure))}) as v,
            case when json_type(doc) = 'OBJECT' then {s.unknown_keys()} end as unknown_keys
        from parsed
    ),
    typed as (
        select
            *,
            {typed}
        from extracted
    ),
    judged as (
        select *, {s.dead_letter()} as verdict from typed
    )
    select
        [{paths}][file_index + 1] as source_file,
        source_line,
        verdict.reason as dead_letter_reason,
        verdict.detail as dead_letter_detail,
        case when verdict.reason is not null then {_raw()} end as raw,
        {final}
    from judged
    """


def _raw() -> str:
    """The line as it was; bytes that are no UTF-8 are shown as \\xNN."""
    shown = r"regexp_replace(replace(bytes::varchar, '\x22', '\"'), '(\\x0D|\\x0A)+$', '')"
    return f"coalesce(rtrim(text, chr(13) || chr(10)), {shown})"


def _spoken(json_type: str) -> str:
    """DuckDB's name of a JSON type as a person would say it."""
    return (
        f"case {json_type} when 'VARCHAR' then 'a string' when 'OBJECT' then 'an object' "
        f"when 'ARRAY' then 'an array' when 'BOOLEAN' then 'a boolean' when 'NULL' then 'null' else 'a number' end"
    )


def _is_json(text: str) -> str:
    return (
        f"json_valid({text}) and not (regexp_matches({text}, {quote(_LENIENT)}) "
        f"and regexp_matches(regexp_replace({text}, {quote(_STRINGS)}, '\"\"', 'g'), {quote(_LENIENT)}))"
    )


class _StreamSql:
    """The pieces of one stream's query."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.paths: list[str] = []
        self.structure: dict[str, object] = {}
        self._checks: list[tuple[str, Field]] = []
        nested: dict[str, object] = {}
        for f in stream.fields:
            for name in (f.name, *f.aliases):
                self._add(f, name, prefix=(), structure=self.structure)
                if stream.envelope and f.name != "schema_version":
                    self._add(f, name, prefix=(stream.envelope,), structure=nested)
        if stream.envelope:
            envelope = Field(name=stream.envelope, kind=Kind.OBJECT, description="")
            self._path((stream.envelope,), envelope)
            self.structure[stream.envelope] = nested

    def _path(self, keys: tuple[str, ...], f: Field) -> None:
        self.paths.append("$." + ".".join(keys))
        self._checks.append((".".join(keys), f))

    def _add(self, f: Field, name: str, *, prefix: tuple[str, ...], structure: dict[str, object]) -> None:
        if f.kind is not Kind.ANY:
            self._path((*prefix, name), f)
        for p in f.properties:
            if p.kind is not Kind.ANY:
                self._path((*prefix, name, p.name), p)
        structure[name] = (
            "JSON"
            if f.kind.is_json
            else "DOUBLE"
            if f.kind is Kind.INTEGER
            else ("VARCHAR" if f.kind is Kind.TIMESTAMP else f.kind.ledger_type)
        )

    # -- unknown fields ---------------------------------------------------------------------------------

    def unknown_keys(self) -> str:
        known = ", ".join(quote(name) for name in self.stream.field_names())
        keys = f"list_filter(json_keys(doc), lambda k: k not in ({known}))"
        if not self.stream.envelope:
            return keys
        return f"list_concat({keys}, {self._unknown_in_envelope()})"

    def _unknown_in_envelope(self) -> str:
        envelope = self.stream.envelope
        inner = ", ".join(quote(n) for n in self._envelope_names())
        return (
            f"case when json_type(doc, '$.{envelope}') = 'OBJECT' then list_transform(list_filter("
            f"json_keys(doc, '$.{envelope}'), lambda k: k not in ({inner})), lambda k: '{envelope}.' || k) end"
        )

    def _envelope_names(self) -> list[str]:
        outer = (self.stream.envelope, "schema_version")
        return [n for n in self.stream.field_names() if n not in outer]

    def extras(self) -> str:
        """The object without the fields that have a column: RFC 7396 takes out what is patched with null."""
        known = {name: None for name in self.stream.field_names()}
        plain = f"json_merge_patch(doc, {quote(json.dumps(known))})"
        if self.stream.envelope:
            nested = {**known, self.stream.envelope: {n: None for n in self._envelope_names()}}
            plain = (
                f"case when len(list_filter(unknown_keys, lambda k: starts_with(k, '{self.stream.envelope}.'))) > 0 "
                f"then json_merge_patch(doc, {quote(json.dumps(nested))}) else {plain} end"
            )
        return f"case when len(unknown_keys) > 0 then ({plain})::varchar end"

    # -- typed columns ----------------------------------------------------------------------------------

    def _spellings(self, f: Field) -> list[str]:
        """The places in which a field may stand, the plainest first."""
        places = [f'v."{name}"' for name in (f.name, *f.aliases)]
        if self.stream.envelope and f.name != "schema_version":
            places += [f'v."{self.stream.envelope}"."{name}"' for name in (f.name, *f.aliases)]
        if f.kind.is_json:
            return [f"nullif({p}::varchar, 'null')" for p in places]
        if f.kind is Kind.STRING:
            return [f"nullif({p}, '')" for p in places] if f.name.endswith("_id") else places
        return places

    def typed_columns(self) -> list[str]:
        """Every field as `c_<column>`, and for times also the text that was given."""
        columns = []
        for f in self.stream.fields:
            value = (
                f"coalesce({', '.join(self._spellings(f))})" if len(self._spellings(f)) > 1 else (self._spellings(f)[0])
            )
            if f.kind is Kind.TIMESTAMP:
                columns.append(f"{value} as g_{f.ledger_column}")
                columns.append(f"{_timestamp(value)} as c_{f.ledger_column}")
            elif f.kind is Kind.INTEGER:
                columns.append(f"{value} as g_{f.ledger_column}")
                columns.append(f"try_cast({value} as bigint) as c_{f.ledger_column}")
            else:
                columns.append(f"{value} as c_{f.ledger_column}")
        if self.stream.name == "feedback":
            columns.append(f"coalesce(c_feedback_type, {_inferred_type()}) as feedback_type_or_inferred")
        columns.append(f"{self.extras()} as c_extras")
        return columns

    def final_columns(self) -> list[str]:
        columns = []
        for f in self.stream.fields:
            name, value = f.ledger_column, f"c_{f.ledger_column}"
            if _is_derivable(self.stream, f):
                columns.append(
                    f"case when verdict.reason is null then coalesce({value}, {self._derived_id()}) "
                    f"else {value} end as feedback_id"
                )
                columns.append(f"verdict.reason is null and {value} is null as feedback_id_is_derived")
                continue
            if self.stream.name == "feedback":
                value = {
                    "request_id": "coalesce(c_request_id, c_chosen_request_id)",
                    "feedback_type": "feedback_type_or_inferred",
                }.get(name, value)
            # A dead letter keeps its keys, so that it can be found; its other fields are in `raw`.
            keep = name.endswith("_id") or name == "schema_version"
            columns.append(
                f"{value} as {name}" if keep else f"case when verdict.reason is null then {value} end as {name}"
            )
        columns.append("case when verdict.reason is null then c_extras end as extras")
        return columns

    def _derived_id(self) -> str:
        """Content to id: the same words and values give the same id, however they were spelled."""
        parts = []
        for f in self.stream.fields:
            if f.name in ("feedback_id", "schema_version"):
                continue
            value = "feedback_type_or_inferred" if f.name == "feedback_type" else f"c_{f.ledger_column}"
            if f.kind.is_json:
                value = canonical_json(value)
            elif f.kind is Kind.TIMESTAMP:
                value = f"epoch_us({value})"
            parts.append(f"coalesce({quote(f.ledger_column + '=')} || {value}::varchar || chr(31), '')")
        parts.append(f"coalesce('extras=' || {canonical_json('c_extras')}, '')")
        return f"'fb_' || left(sha256({' || '.join(parts)}), 32)"

    # -- verdict ----------------------------------------------------------------------------------------

    def dead_letter(self) -> str:
        """STRUCT(reason, detail), both null for a sound line. The first that applies counts."""
        s = self.stream
        cases = [
            (
                "problem is not null",
                "problem",
                "case problem when 'line_too_long' then 'the line has ' || octet_length(bytes) || ' bytes' end",
            ),
            ("text is null", "'not_utf8'", "null"),
            ("doc is null", "'not_json'", "null"),
            ("doc_type <> 'OBJECT'", "'not_an_object'", f"'found ' || {_spoken('doc_type')}"),
            (f"{self._wrong_type()} is not null", "'wrong_type'", self._wrong_type()),
            (
                f"c_schema_version not between 1 and {s.version}",
                "'unknown_schema_version'",
                "'schema_version ' || c_schema_version",
            ),
        ]
        conflict = self._conflict()
        if conflict:
            cases.append((f"{conflict} is not null", "'conflicting_field'", conflict))
        if s.name == "feedback":
            cases.append(
                (
                    "coalesce(c_request_id, c_session_id, c_chosen_request_id) is null",
                    "'no_reference'",
                    "'send request_id or session_id'",
                )
            )
        missing = self._missing()
        cases.append((f"{missing} is not null", "'missing_required_field'", missing))
        enum = self._not_in_enumeration()
        if enum:
            cases.append((f"{enum} is not null", "'not_in_enumeration'", enum))
        for f in s.fields:
            if f.kind is Kind.TIMESTAMP:
                cases.append(
                    (
                        f"g_{f.ledger_column} is not null and c_{f.ledger_column} is null",
                        "'unparsable_timestamp'",
                        quote(f"field {f.name} is not RFC 3339"),
                    )
                )
        branches = "\n            ".join(
            f"when {condition} then {{'reason': {reason}, 'detail': {detail}}}" for condition, reason, detail in cases
        )
        return f"case {branches} end"

    def _wrong_type(self) -> str:
        parts = []
        for i, (path, f) in enumerate(self._checks, start=1):
            allowed = ", ".join(quote(t) for t in (*_CHECKED_TYPES[f.kind], "NULL"))
            parts.append(
                f"case when types[{i}] not in ({allowed}) then 'field {path} must be {f.kind.spoken}, found ' "
                f"|| {_spoken(f'types[{i}]')} end"
            )
        parts += [
            f"case when g_{f.ledger_column} <> floor(g_{f.ledger_column}) or "
            f"(g_{f.ledger_column} is not null and c_{f.ledger_column} is null) "
            f"then 'field {f.name} must be a whole number' end"
            for f in self.stream.fields
            if f.kind is Kind.INTEGER
        ]
        return f"coalesce({', '.join(parts)})"

    def _conflict(self) -> str | None:
        parts = [
            f"case when len(list_distinct([{', '.join(self._spellings(f))}])) > 1 "
            f"then 'field {f.name} is given twice with different values' end"
            for f in self.stream.fields
            if len(self._spellings(f)) > 1
        ]
        return f"coalesce({', '.join(parts)})" if parts else None

    def _missing(self) -> str:
        parts = [
            f"case when coalesce({'g_' if f.kind is Kind.TIMESTAMP else 'c_'}{f.ledger_column}, '') = '' "
            f"then 'field {f.name} is missing' end"
            for f in self.stream.fields
            if f.required
        ]
        if self.stream.name == "feedback":
            carried = " ".join(f"when {quote(t)} then not {_carries(t)}" for t in TYPE_FIELDS)
            parts.append("case when feedback_type_or_inferred is null then 'no field tells what the feedback is' end")
            parts.append(
                f"case when case c_feedback_type {carried} end then "
                "'the field of feedback_type ' || c_feedback_type || ' is missing' end"
            )
        return f"coalesce({', '.join(parts)})"

    def _not_in_enumeration(self) -> str | None:
        parts = []
        for f in self.stream.fields:
            if f.enum:
                words = ", ".join(quote(w) for w in f.enum)
                parts.append(
                    f"case when c_{f.ledger_column} not in ({words}) "
                    f"then 'field {f.name} must be one of: {', '.join(f.enum)}' end"
                )
            for p in f.properties:
                if p.enum:
                    words = ", ".join(quote(w) for w in p.enum)
                    parts.append(
                        f"case when (c_{f.ledger_column}->>'$.{p.name}') not in ({words}) "
                        f"then 'field {f.name}.{p.name} must be one of: {', '.join(p.enum)}' end"
                    )
        return f"coalesce({', '.join(parts)})" if parts else None


def _timestamp(value: str) -> str:
    return f"case when regexp_full_match({value}, {quote(_TIME)}) then try_cast(upper({value}) as timestamptz) end"


def _inferred_type() -> str:
    branches = " ".join(f"when {_carries(t)} then {quote(t)}" for t in TYPE_FIELDS)
    return f"case {branches} end"


def _carries(feedback_type: str) -> str:
    """Whether the fields of a feedback type are there."""
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
