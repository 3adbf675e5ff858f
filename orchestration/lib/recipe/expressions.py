"""SQL that a recipe holds: read by DuckDB's parser and bound to the source's columns, before any run.

An expression follows from its row alone. What reads a table or a clock would make other rows each time, and a version
could not be made again.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

from orchestration.formats import column_types
from orchestration.lib.field_sql import quote
from orchestration.lib.recipe.errors import RecipeError
from orchestration.lib.recipe.source_columns import no_column, source_columns
from orchestration.lib.recipe.sources import SOURCES

# What makes rows out of a value that a row has.
_ROWS_OF_A_VALUE = {"unnest", "range", "generate_series", "json_each", "json_tree"}
_CLOCKS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
# How DuckDB says that there is no such column; the last where the source has a column called `source`.
_NOT_FOUND = re.compile(
    r"""Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"|"""
    r"""Cannot extract field '([^']+)' from expression "source\""""
)


@dataclass(frozen=True)
class Expression:
    """What an expression comes to: its type, and the columns of the source that its value is made from."""

    kind: DuckDBPyType
    columns: frozenset[str]


def read_expression(file: str, field: str, sql: str, *, source: str) -> Expression:
    """An expression over a source's row. Raises RecipeError for what can not be parsed, bound or made again."""
    tree = _parsed(file, field, sql)
    columns = source_columns(source)
    _check_follows_from_row(file, field, tree, columns)
    return Expression(_bound(file, field, f"({sql})", source=source), frozenset(_named(tree, columns)))


@cache
def column_kinds(source: str) -> Mapping[str, DuckDBPyType]:
    """The types of a source's columns."""
    cursor = _database().cursor()
    return {name: column_types.parse(cursor, kind) for name, kind in source_columns(source).items()}


def check_select(file: str, field: str, select: str, *, source: str) -> None:
    """Whether DuckDB takes a query over the source's rows, which are called `source` in it."""
    try:
        _database().cursor().execute(select).fetchall()
    except duckdb.Error as error:
        raise _refused(file, field, error, source=source) from None


def _parsed(file: str, field: str, sql: str) -> Mapping[str, Any]:
    """DuckDB's tree of one expression."""
    query = f"select ({sql}) as value"
    (text,) = _database().cursor().execute(f"select json_serialize_sql({quote(query)})").fetchone() or ("",)
    told = json.loads(text)
    if told["error"]:
        raise RecipeError(f"{file}: {field} is no SQL expression: {told['error_message']} in {' '.join(sql.split())!r}")
    nodes = [statement["node"] for statement in told["statements"]]
    if len(nodes) != 1 or nodes[0]["type"] != "SELECT_NODE" or len(nodes[0]["select_list"]) != 1:
        raise RecipeError(f"{file}: {field} must be one SQL expression, not {' '.join(sql.split())!r}")
    return dict(nodes[0]["select_list"][0])


def _bound(file: str, field: str, sql: str, *, source: str) -> DuckDBPyType:
    """The type of an expression over the source."""
    check_select(file, field, f"select {sql} as value from {source} as source", source=source)
    cursor = _database().cursor()
    described = cursor.execute(f"describe select {sql} as value from {source} as source").fetchall()
    return column_types.parse(cursor, described[0][1])


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """A table for each source, with a row of nulls: a constant that can not be converted is only found out on a row.

    No query here has parameters: with the first that has, DuckDB imports pandas, for 2 s.
    """
    database = duckdb.connect(config={"threads": 1})
    database.execute("set TimeZone = 'UTC'")
    for source in SOURCES:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in source_columns(source).items())
        database.execute(f"create table {source} ({columns})")
        database.execute(f"insert into {source} default values")
    return database


@cache
def _changing_functions() -> frozenset[str]:
    """Functions that may give something else for the same row."""
    query = "select function_name from duckdb_functions() where stability in ('VOLATILE', 'CONSISTENT_WITHIN_QUERY')"
    return frozenset(name for (name,) in _database().cursor().execute(query).fetchall())


def _refused(file: str, field: str, error: duckdb.Error, *, source: str) -> RecipeError:
    said = str(error)
    if missing := _NOT_FOUND.search(said):
        name = next(group for group in missing.groups() if group)
        return no_column(file, field, name, of=source, columns=source_columns(source))
    return RecipeError(f"{file}: {field} can not be computed: {said.splitlines()[0].split('Error: ', 1)[-1]}")


def _check_follows_from_row(file: str, field: str, tree: Mapping[str, Any], columns: Mapping[str, str]) -> None:
    nodes = list(_nodes(tree))
    own = {entry["key"] for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    for node in nodes:
        kind, name = node.get("type"), ""
        if kind == "BASE_TABLE" and node["table_name"] not in own:
            name = f"table {node['table_name']}"
        elif kind == "TABLE_FUNCTION" and node["function"]["function_name"] not in _ROWS_OF_A_VALUE:
            name = f"{node['function']['function_name']}()"
        if name:
            raise RecipeError(f"{file}: {field} reads {name}; a row follows from its source alone: use its columns")
        if node.get("class") == "FUNCTION" and node["function_name"] in _changing_functions():
            name = f"{node['function_name']}()"
        elif kind == "COLUMN_REF" and node["column_names"][-1].lower() in _CLOCKS - columns.keys():
            name = node["column_names"][-1]
        if name:
            raise RecipeError(
                f"{file}: {field} asks for {name}, which is another each time, so that a version could not be made "
                "again; use what the row has, e.g. attributed_date"
            )


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for below in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(below)


def _named(tree: Any, columns: Mapping[str, str]) -> Iterator[str]:
    """The columns whose content may be in the expression's value; a condition of a CASE only chooses."""
    if isinstance(tree, list):
        for below in tree:
            yield from _named(below, columns)
    if not isinstance(tree, dict):
        return
    if tree.get("type") == "STAR":
        yield from columns
    if tree.get("type") == "COLUMN_REF":
        names = [name.lower() for name in tree["column_names"]]
        # `source` is the whole row, unless the source has a column of that name.
        yield from columns if names == ["source"] and "source" not in columns else (n for n in names if n in columns)
    for part, below in tree.items():
        if part != "when_expr":
            yield from _named(below, columns)
