"""SQL for the verdict on a line: a dead letter with its reason and detail, or null for a sound one."""

from orchestration.contracts.feedback import TYPE_FIELDS
from orchestration.contracts.fields import Field, Kind
from orchestration.lib.erasure.tombstones import ERASED
from orchestration.lib.field_sql import (
    JSON_TYPES,
    FieldSql,
    canonical_json,
    carries,
    in_versions,
    only_in_versions,
    quote,
)


class VerdictSql:
    """The checks of one stream. `checks` are the paths of the query's `types`, in its order, with their fields."""

    def __init__(self, fields: FieldSql, checks: list[tuple[str, Field, Field]]) -> None:
        self.fields, self.stream, self.checks = fields, fields.stream, checks

    def verdict(self) -> str:
        """STRUCT(reason, detail), both null for a sound line. The first that applies counts."""
        s = self.stream
        cases = [
            ("erasure_id is not null", quote(ERASED), "erasure_id"),
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
        if conflict := self._conflict():
            cases.append((f"{conflict} is not null", "'conflicting_field'", conflict))
        if s.name == "feedback":
            cases.append(
                (
                    "coalesce(c_request_id, c_session_id, c_chosen_request_id) is null",
                    "'no_reference'",
                    "'send request_id or session_id'",
                )
            )
        if missing := self._missing():
            cases.append((f"{missing} is not null", "'missing_required_field'", missing))
        if enum := self._not_in_enumeration():
            cases.append((f"{enum} is not null", "'not_in_enumeration'", enum))
        for f in s.fields:
            if f.kind is Kind.TIMESTAMP:
                unread = f"g_{f.ledger_column} is not null and c_{f.ledger_column} is null"
                detail = quote(f"field {f.name} is not RFC 3339")
                cases.append((_and(in_versions(f), unread), "'unparsable_timestamp'", detail))
        branches = "\n            ".join(
            f"when {condition} then {{'reason': {reason}, 'detail': {detail}}}" for condition, reason, detail in cases
        )
        return f"case {branches} end"

    def _wrong_type(self) -> str:
        parts = []
        for i, (path, f, top) in enumerate(self.checks, start=1):
            allowed = ", ".join(quote(t) for t in (*JSON_TYPES[f.kind], "NULL"))
            wrong = _and(in_versions(top), f"types[{i}] not in ({allowed})")
            parts.append(
                f"case when {wrong} then 'field {path} must be {f.kind.spoken}, found ' || {_spoken(f'types[{i}]')} end"
            )
        for f in self.stream.fields:
            if f.kind is Kind.INTEGER:
                given, whole = f"g_{f.ledger_column}", f"c_{f.ledger_column}"
                # Beyond 2^53 a JSON number is no longer the one that was meant.
                broken = f"({given} % 1 <> 0 or abs({given}) > {2**53} or ({given} is not null and {whole} is null))"
                detail = quote(f"field {f.name} must be a whole number of at most 2^53")
                parts.append(f"case when {_and(in_versions(f), broken)} then {detail} end")
            elif f.kind is Kind.NUMBER:
                beyond = _and(in_versions(f), f"isinf(c_{f.ledger_column})")
                parts.append(f"case when {beyond} then 'field {f.name} is beyond the range of a number' end")
        for i, (path, p, top) in enumerate(self.checks, start=1):
            if p.kind is Kind.INTEGER and p is not top:
                number = f"try_cast(json_extract_string(doc, {quote('$.' + path)}) as double)"
                broken = _and(in_versions(top), f"types[{i}] = 'DOUBLE' and {number} % 1 <> 0")
                parts.append(f"case when {broken} then 'field {path} must be a whole number' end")
        return f"coalesce({', '.join(parts)})"

    def _conflict(self) -> str | None:
        parts = []
        for f in self.stream.fields:
            spellings = self.fields.spellings(f)
            if len(spellings) > 1:
                compared = ", ".join(canonical_json(s) if f.kind.is_json else s for s in spellings)
                differs = _and(in_versions(f), f"len(list_distinct([{compared}])) > 1")
                # Most events have one spelling, and writing JSON in one form costs.
                several = f"len(list_filter([{', '.join(spellings)}], lambda s: s is not null)) > 1"
                parts.append(
                    f"case when {several} and {differs} then 'field {f.name} is given twice with different values' end"
                )
        return f"coalesce({', '.join(parts)})" if parts else None

    def _missing(self) -> str | None:
        parts = []
        for f in self.stream.fields:
            if f.required:
                given = f"{'g_' if f.kind is Kind.TIMESTAMP else 'c_'}{f.ledger_column}"
                absent = f"coalesce({given}, '') = ''"
                parts.append(f"case when {_and(in_versions(f), absent)} then 'field {f.name} is missing' end")
        if self.stream.name == "feedback":
            carried = " ".join(f"when {quote(t)} then not {carries(t)}" for t in TYPE_FIELDS)
            parts.append("case when feedback_type_or_inferred is null then 'no field tells what the feedback is' end")
            parts.append(
                f"case when case c_feedback_type {carried} end then "
                "'the field of feedback_type ' || c_feedback_type || ' is missing' end"
            )
        return f"coalesce({', '.join(parts)})" if parts else None

    def _not_in_enumeration(self) -> str | None:
        parts = []
        for f in self.stream.fields:
            column = f"c_{f.ledger_column}"
            for words, value, name in [
                (f.enum, column, f.name),
                *((p.enum, f"({column}->>'$.{p.name}')", f"{f.name}.{p.name}") for p in f.properties),
            ]:
                if words:
                    listed = ", ".join(quote(w) for w in words)
                    detail = f"'field {name} must be one of: {', '.join(words)}'"
                    parts.append(only_in_versions(f, f"case when {value} not in ({listed}) then {detail} end"))
        return f"coalesce({', '.join(parts)})" if parts else None


def _and(condition: str | None, other: str) -> str:
    return f"{condition} and {other}" if condition else other


def _spoken(json_type: str) -> str:
    """DuckDB's name of a JSON type as a person would say it."""
    return (
        f"case {json_type} when 'VARCHAR' then 'a string' when 'OBJECT' then 'an object' "
        f"when 'ARRAY' then 'an array' when 'BOOLEAN' then 'a boolean' when 'NULL' then 'null' else 'a number' end"
    )
