"""The SQL that turns landed lines into ledger rows: parse once, check every field, type, lift, keep the rest.

Made from a stream's description, so that a field added there is checked and stored without a line here. The
pieces are in `field_sql.py` (values) and `verdict_sql.py` (checks). No I/O; `ledger.py` runs it. The query
keeps the order of its input and has no join and no subquery over rows, so that DuckDB streams it.
"""

import json
from collections.abc import Sequence

from orchestration.contracts.fields import Field, Kind, Stream
from orchestration.lib.erasure.tombstones import ERASURE_OF_TEXT
from orchestration.lib.field_sql import FieldSql, is_derivable, quote
from orchestration.lib.verdict_sql import VerdictSql

# Columns that every ledger row of every stream has, before the stream's own. The received date is the name
# of the folder (Hive layout), from which readers know it and skip whole files by it.
LINE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("source_file", "VARCHAR"),
    ("source_line", "BIGINT"),
    ("dead_letter_reason", "VARCHAR"),
    ("dead_letter_detail", "VARCHAR"),
    ("raw", "VARCHAR"),
)

_STRINGS = r'"(?:[^"\\]|\\.)*"'
# What DuckDB's parser takes and JSON forbids: trailing commas, NaN, Infinity. Looked for where a value may stand, and
# again without the strings only where that found something: the second look costs ten times more. Each pattern begins
# with a character of its own, since RE2 skips to that one many times faster than it looks for one of several.
_NO_NUMBER = r"-?(?i:nan|inf(?:inity)?)\s*[,\]}]"
_LENIENT = (rf",\s*(?:[\]}}]|{_NO_NUMBER})", rf":\s*{_NO_NUMBER}", rf"\[\s*{_NO_NUMBER}")
# A line that is nothing but such a number.
_LENIENT_LINE = r"^\s*-?(?i:nan|inf(?:inity)?)\s*$"
# What `json_type(doc)` would say, for which it reads the whole of it again; any number is a BIGINT here.
_TYPE_OF_DOCUMENT = (
    "case left(ltrim(doc, ' ' || chr(9) || chr(10) || chr(13)), 1) when '{' then 'OBJECT' when '[' then 'ARRAY' "
    "when '\"' then 'VARCHAR' when 't' then 'BOOLEAN' when 'f' then 'BOOLEAN' when 'n' then 'NULL' "
    "else case when doc is not null then 'BIGINT' end end"
)


def ledger_columns(stream: Stream, version: int | None = None) -> dict[str, str]:
    """Column name to DuckDB type of a stream's ledger as a schema version writes it (default: the newest)."""
    columns = dict(LINE_COLUMNS)
    for f in stream.fields:
        if f.since <= (version or stream.version):
            columns[f.ledger_column] = f.kind.ledger_type
            if is_derivable(stream, f):
                columns["feedback_id_is_derived"] = "BOOLEAN"
    columns["extras"] = "VARCHAR"
    return columns


def ledger_query(stream: Stream, *, source_files: Sequence[str], lines: str) -> str:
    """The query from the relation `lines` (`landing.LINES`) to ledger rows."""
    paths = ", ".join(quote(path) for path in source_files)
    fields = FieldSql(stream)
    document = _Document(stream)
    verdict = VerdictSql(fields, document.checks).verdict()
    typed = ",\n            ".join(fields.typed_columns())
    final = ",\n        ".join(_final_columns(fields))
    return f"""
    with decoded as (
        select *, try(decode(bytes)) as text from {lines}
    ),
    parsed as (
        select *, {ERASURE_OF_TEXT} as erasure_id, case when problem is null and {_is_json("text")} then text end as doc
        from decoded
    ),
    extracted as (
        select
            file_index, source_line, problem, bytes, text, erasure_id, doc,
            {_TYPE_OF_DOCUMENT} as doc_type,
            json_type(doc, [{", ".join(quote("$." + path) for path, _, _ in document.checks)}]) as types,
            from_json(doc, {quote(json.dumps(document.structure))}) as v
        from parsed
    ),
    versioned as (
        select *, coalesce(try_cast(v.schema_version as bigint), 1) as event_version from extracted
    ),
    sorted_out as (
        select *, case when doc_type = 'OBJECT' then {fields.unknown_keys()} end as unknown_keys from versioned
    ),
    typed as (
        select
            *,
            {typed}
        from sorted_out
    ),
    judged as (
        select *, {verdict} as verdict from typed
    )
    select
        [{paths}][file_index + 1] as source_file,
        source_line,
        verdict.reason as dead_letter_reason,
        verdict.detail as dead_letter_detail,
        case when verdict.reason is not null and erasure_id is null then {_raw()} end as raw,
        {final}
    from judged
    """


def _final_columns(fields: FieldSql) -> list[str]:
    columns = []
    for name, (f, *_) in fields.columns.items():
        value = fields.final_value(name)
        if is_derivable(fields.stream, f):
            columns.append(
                f"case when verdict.reason is null then coalesce({value}, {fields.derived_id()}) "
                f"else {value} end as feedback_id"
            )
            columns.append(f"verdict.reason is null and {value} is null as feedback_id_is_derived")
            continue
        if fields.stream.name == "feedback":
            value = {
                "request_id": "coalesce(c_request_id, c_chosen_request_id)",
                "feedback_type": "feedback_type_or_inferred",
            }.get(name, value)
        # A dead letter keeps its keys, so that it can be found; its other fields are in `raw`.
        keep = name.endswith("_id") or name == "schema_version"
        columns.append(f"{value} as {name}" if keep else f"case when verdict.reason is null then {value} end as {name}")
    columns.append(f"case when verdict.reason is null then {fields.final_extras()} end as extras")
    return columns


def _raw() -> str:
    """The line as it was; bytes that are no UTF-8 are shown as \\xNN."""
    shown = r"regexp_replace(replace(bytes::varchar, '\x22', '\"'), '(\\x0D|\\x0A)+$', '')"
    return f"coalesce(rtrim(text, chr(13) || chr(10)), {shown})"


def _is_json(text: str) -> str:
    without_strings = f"regexp_replace({text}, {quote(_STRINGS)}, '\"\"', 'g')"
    # `case`, since DuckDB looks at both sides of an `and` for every row.
    return (
        f"case when not json_valid({text}) then false "
        f"when left({text}, 1) <> '{{' and regexp_matches({text}, {quote(_LENIENT_LINE)}) then false "
        f"when {_is_lenient(text)} then not ({_is_lenient(without_strings)}) else true end"
    )


def _is_lenient(text: str) -> str:
    return " or ".join(f"regexp_matches({text}, {quote(pattern)})" for pattern in _LENIENT)


class _Document:
    """What is read out of a line: the structure of its known fields, and the paths whose types are checked."""

    def __init__(self, stream: Stream) -> None:
        self.checks: list[tuple[str, Field, Field]] = []  # path, what stands there, the field that it belongs to
        self.structure: dict[str, object] = {}
        nested: dict[str, object] = {}
        for f in stream.fields:
            for name in (f.name, *f.aliases):
                self._add(f, name, prefix=(), structure=self.structure)
                if stream.envelope and f.name != "schema_version":
                    self._add(f, name, prefix=(stream.envelope,), structure=nested)
        if stream.envelope:
            envelope = Field(name=stream.envelope, kind=Kind.OBJECT, description="")
            self.checks.append((stream.envelope, envelope, envelope))
            self.structure[stream.envelope] = nested

    def _add(self, f: Field, name: str, *, prefix: tuple[str, ...], structure: dict[str, object]) -> None:
        if f.kind is not Kind.ANY:
            self.checks.append((".".join((*prefix, name)), f, f))
        for p in f.properties:
            if p.kind is not Kind.ANY:
                self.checks.append((".".join((*prefix, name, p.name)), p, f))
        if f.kind.is_json:
            structure[name] = "JSON"
        elif f.kind is Kind.INTEGER:
            structure[name] = "DOUBLE"
        else:
            structure[name] = "VARCHAR" if f.kind is Kind.TIMESTAMP else f.kind.ledger_type
