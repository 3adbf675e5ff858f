"""What a card tells of a version's rows in numbers. Counts, lengths, quartiles; never a text that somebody wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

from orchestration.formats import DataFiles
from orchestration.formats.column_types import FLOATS, INTEGERS, element_of, fields_of
from orchestration.lib import parquet_files
from orchestration.lib.field_sql import quote
from orchestration.lib.row_hash import identifier

# Words of this platform and names that producers gave; their values may be shown.
_WORDS = (
    *("thumbs", "source", "surface", "locale", "signal", "client_name", "client_release", "model_name"),
    *("model_version", "provider_name", "request_model", "reasoning_effort", "inference_source", "variant", "endpoint"),
)
# What a row is an example of: counted by split.
_CLASSES = ("feedback_type", "kind", "label", "reason")
# Values that a user may have typed. One that few rows have is no class, but may be what somebody wrote.
_TYPED = ("label", "prediction", "action")
_LEAST_ROWS_OF_A_CLASS = 5
_LONGEST_VALUE = 64
_TOP_VALUES = 10
OTHERS, NONE = "(others)", "(none)"
# What is read of a version: the columns whose values are told, and the lengths of the others.
_NARROW, _LENGTHS = "narrow_columns", "lengths"
_IDS = ("feedback_id", "other_feedback_id", "request_id", "rejected_request_id", "user_id", "session_id")
# Days up to which the rows are shown by day, then by month.
_DAYS_SHOWN = 31


@dataclass(frozen=True)
class Distribution:
    """A column of numbers, or of the lengths of something (`what`)."""

    column: str
    what: str
    low: float | None
    quartiles: tuple[float, float, float] | None
    high: float | None
    missing: int


@dataclass(frozen=True)
class Statistics:
    """Of all rows of a version. `classes` and `values` are column to value to count; `classes` are by split, too.

    `empty` are the columns that have no value in any row; they are in nothing else.
    """

    rows: dict[str, int]
    classes: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    numbers: list[Distribution] = field(default_factory=list)
    lengths: list[Distribution] = field(default_factory=list)
    distinct: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    rows_by_time: dict[str, int] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def statistics(
    connection: duckdb.DuckDBPyConnection,
    data_files: DataFiles,
    types: Mapping[str, DuckDBPyType],
    rows_files: Sequence[Path] = (),
) -> Statistics:
    """What there is to tell of the rows in `data_files`; `rows_files` have the lengths, so that no text is read.

    The columns that are told one by one are read once; then it is a query a column, so that no more than one is
    counted at once.
    """
    measures = length_measures(types)
    wide = {name for name, kind in types.items() if _lengths_of(name, kind)}
    narrow = [name for name in types if name not in wide]
    columns = ", ".join(identifier(name) for name in narrow)
    rows = " union all ".join(
        f"select {columns}, {quote(split)} as split_ from {_read(paths)}" for split, paths in data_files.items()
    )
    connection.execute(f"create or replace temp table {_NARROW} as {rows}")
    if rows_files:
        told, source = ", ".join(identifier(name) for name in measures), _read(rows_files)
    else:
        told = ", ".join(f"{sql} as {identifier(name)}" for name, sql in measures.items())
        source = _read([path for paths in data_files.values() for path in paths])
    connection.execute(f"create or replace temp table {_LENGTHS} as select {told or 'null'} from {source}")
    found = Statistics({split: 0 for split in data_files})
    found.rows.update(dict(connection.execute(f"select split_, count(*) from {_NARROW} group by all").fetchall()))
    counts = ", ".join(f"count({identifier(name)})" for name in narrow)
    filled = dict(zip(narrow, _row(connection, f"select {counts} from {_NARROW}"), strict=True))
    for column, kind in types.items():
        name = identifier(column)
        may_be_typed = column in _TYPED and kind.id == "varchar"
        if column in wide:
            told_of = [
                _distribution(connection, _LENGTHS, column, what, identifier(measure))
                for measure, what in _lengths_of(column, kind).items()
            ]
            if told_of[0].missing < found.total:
                found.lengths.extend(told_of)
            else:
                found.empty.append(column)
        elif not filled[column]:
            found.empty.append(column)
        elif column in _CLASSES:
            found.classes[column] = _counts(connection, name, may_be_typed=may_be_typed)
        elif column in _WORDS or column in _TYPED or kind.id == "boolean":
            found.values[column] = _top(connection, name, may_be_typed=may_be_typed)
        elif column in _IDS:
            found.distinct[column] = _row(connection, f"select count(distinct {name}) from {_NARROW}")[0]
        elif kind.id in INTEGERS | FLOATS:
            found.numbers.append(_distribution(connection, _NARROW, column, "value", name))
        elif kind.id == "date" or kind.id.startswith("timestamp"):
            query = f"select min({name})::varchar, max({name})::varchar, count(*) - count({name}) from {_NARROW}"
            low, high, missing = _row(connection, query)
            found.ranges[column] = (low or "–", high or "–", missing)
    if "attributed_date" in types:
        found.rows_by_time.update(_by_time(connection))
    return found


def length_measures(types: Mapping[str, DuckDBPyType]) -> dict[str, str]:
    """Name to SQL of the lengths that are told of rows with such columns."""
    measures: dict[str, str] = {}
    for column, kind in types.items():
        name = identifier(column)
        sql = {
            "elements": f"len({name})",
            "characters of content": f"list_sum(list_transform({name}, lambda m: length(m.content)))",
            "characters": f"length({name})",
        }
        measures |= {measure: sql[what] for measure, what in _lengths_of(column, kind).items()}
    return measures


def _lengths_of(column: str, kind: DuckDBPyType) -> dict[str, str]:
    """Name to meaning of the lengths that are told of a column; none of one whose values are told."""
    told: list[str] = []
    if column not in (*_CLASSES, *_WORDS, *_TYPED, *_IDS):
        if element := element_of(kind):
            told = ["elements", *(["characters of content"] if "content" in fields_of(element) else [])]
        elif kind.id == "varchar":
            told = ["characters"]
    return {f"{what} of {column}": what for what in told}


def _read(paths: Sequence[Path]) -> str:
    return parquet_files.read(paths)


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None  # an aggregate without a group has one row
    return row


def _distribution(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, what: str, value: str
) -> Distribution:
    low, quartiles, high, missing = _row(
        connection,
        f"""
        select min(x), quantile_disc(x, [0.25, 0.5, 0.75]), max(x), count(*) - count(x)
        from (select case when isfinite(x) then x end as x from (select {value}::double as x from {table}))
        """,
    )
    return Distribution(column, what, low, tuple(quartiles) if quartiles else None, high, missing)


def _shown(*, may_be_typed: bool) -> str:
    """SQL for a counted value as it may be shown."""
    text = f"coalesce(value, {quote(NONE)})"
    if not may_be_typed:
        return f"left({text}, {_LONGEST_VALUE})"
    is_rare = f"sum(rows) over (partition by value) < {_LEAST_ROWS_OF_A_CLASS}"
    is_long = f"length(value) > {_LONGEST_VALUE}"
    return f"case when value is not null and ({is_rare} or {is_long}) then {quote(OTHERS)} else {text} end"


def _counts(connection: duckdb.DuckDBPyConnection, name: str, *, may_be_typed: bool) -> dict[str, dict[str, int]]:
    """Value to split to count, the commonest first; what is not among them goes to the others."""
    counts = connection.execute(
        f"""
        with counted as (
            select {name}::varchar as value, split_, count(*) as rows from {_NARROW} group by all
        ),
        shown as (select {_shown(may_be_typed=may_be_typed)} as value, split_, rows from counted),
        ranked as (
            select value, split_, sum(rows)::bigint as rows, sum(sum(rows)) over (partition by value) as of_value
            from shown group by value, split_
        )
        select value, split_, rows from ranked order by value = {quote(OTHERS)}, of_value desc, value, split_
        """
    ).fetchall()
    told: dict[str, dict[str, int]] = {}
    for value, split, number in counts:
        shown = value if value in told or len(told) < _TOP_VALUES else OTHERS
        by_split = told.setdefault(shown, {})
        by_split[split] = by_split.get(split, 0) + number
    return told


def _top(connection: duckdb.DuckDBPyConnection, name: str, *, may_be_typed: bool) -> dict[str, int]:
    return {value: sum(by.values()) for value, by in _counts(connection, name, may_be_typed=may_be_typed).items()}


def _by_time(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows by day, or by month where there are many days."""
    return dict(
        connection.execute(
            f"""
            with days as (
                select attributed_date as day, count(*) as rows from {_NARROW} where day is not null group by 1
            ),
            shown as (select case when count(*) <= {_DAYS_SHOWN} then 10 else 7 end as characters from days)
            select left(day::varchar, characters), sum(rows)::bigint from days cross join shown
            group by 1 order by 1 desc limit {_DAYS_SHOWN}
            """
        ).fetchall()[::-1]
    )
