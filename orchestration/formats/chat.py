"""What the two OpenAI formats share: SQL about lists of messages, and writing the rows that fit as JSON lines."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from orchestration.formats.base import DataFiles, FormatError, Written
from orchestration.formats.column_types import element_of, fields_of, parse
from orchestration.lib import parquet_files
from orchestration.lib.field_sql import quote

MESSAGES = "STRUCT(role VARCHAR, content VARCHAR)[]"
# A tool's message is none of them: the API wants the id of the call that it answers, which such a column does not hold.
ROLES = ("system", "developer", "user", "assistant")
# A regular expression takes a sixth of what trim takes.
_SAYS_SOMETHING = quote(r"[^ \t\r\n]")


def check_messages(connection: duckdb.DuckDBPyConnection, name: str, column: str, types: Mapping[str, str]) -> None:
    """Raises FormatError unless a column holds messages."""
    element = element_of(parse(connection, types[column]))
    fields = {field: kind.id for field, kind in fields_of(element).items()} if element else {}
    if fields.get("role") != "varchar" or fields.get("content") != "varchar":
        raise FormatError(
            f"format {name}: column {column!r} is {types[column]}, but must be {MESSAGES}; "
            f"take it from a mart that has it so, or leave {name} out of the recipe's formats"
        )


def plain(column: str) -> str:
    """The messages with role and content only, whatever else the column holds."""
    return f"list_transform({column}, lambda m: {{'role': m.role, 'content': m.content}})"


def is_empty(column: str) -> str:
    return f"coalesce(len({column}), 0) = 0"


def has_tool(column: str) -> str:
    return f"list_contains(list_transform({column}, lambda m: m.role), 'tool')"


def has_unknown_role(column: str) -> str:
    roles = ", ".join(quote(role) for role in ROLES)
    return f"len(list_filter({column}, lambda m: not coalesce(m.role in ({roles}), false))) > 0"


def has_blank(column: str) -> str:
    return (
        f"len(list_filter({column}, lambda m: not coalesce(regexp_matches(m.content, {_SAYS_SOMETHING}), false))) > 0"
    )


def last_is_assistant(column: str) -> str:
    return f"coalesce({column}[-1].role = 'assistant', false)"


def write_lines(
    connection: duckdb.DuckDBPyConnection,
    data_files: DataFiles,
    *,
    line: Mapping[str, str],
    reasons: Mapping[str, str],
    target: str,
    folder: Path,
) -> Written:
    """Writes `target` for each split: `line` (field to SQL) of the rows for which none of `reasons` (SQL) is true.

    A row that is left out counts for the first reason. A split without a row that fits has no file: the API refuses
    an empty one.
    """
    cases = " ".join(f"when {condition} then {quote(reason)}" for reason, condition in reasons.items())
    fields = ", ".join(f"{value} as {name}" for name, value in line.items())
    counts: dict[str | None, int] = {}
    files = []
    for split, parquet in data_files.items():
        checked = f"(select *, case {cases} end as left_out_for from {parquet_files.read(parquet)})"
        found = dict(connection.execute(f"select left_out_for, count(*) from {checked} group by all").fetchall())
        for reason, rows in found.items():
            counts[reason] = counts.get(reason, 0) + rows
        if found.get(None):
            path = folder / target.format(split=split)
            path.parent.mkdir(exist_ok=True)
            connection.execute(
                f"copy (select {fields} from {checked} where left_out_for is null) to {quote(str(path))} "
                "(format json, array false)"
            )
            files.append(path)
    return Written(files, counts.pop(None, 0), {reason: counts[reason] for reason in reasons if reason in counts})
