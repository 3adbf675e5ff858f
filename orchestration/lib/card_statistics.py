"""What a card tells of a version's rows in numbers. Counts, lengths, quartiles; never a text that somebody wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

from orchestration.formats import DataFiles
from orchestration.formats.column_types import FLOATS, INTEGERS, element_of, fields_of
from orchestration.lib.field_sql import quote

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
    connection: duckdb.DuckDBPyConnection, data_files: DataFiles, types: Mapping[str, DuckDBPyType]
) -> Statistics:
    """A query a column, so that no more than one column is in memory at once."""
    rows = " union all ".join(
        f"select *, {quote(split)} as split_ from read_parquet([{', '.join(quote(str(p)) for p in paths)}])"
        for split, paths in data_files.items()
    )
    found = Statistics({split: 0 for split in data_files})
    query = f"select split_, count(*) from ({rows}) group by all"
    found.rows.update(dict(connection.execute(query).fetchall()))
    names = {column: '"' + column.replace('"', '""') + '"' for column in types}
    filled = _row(connection, f"select {', '.join(f'count({name})' for name in names.values())} from ({rows})")
    for (column, kind), has_values in zip(types.items(), filled, strict=True):
        name, element = names[column], element_of(kind)
        may_be_typed = column in _TYPED and kind.id == "varchar"
        if not has_values:
            found.empty.append(column)
        elif column in _CLASSES:
            found.classes[column] = _counts(connection, rows, name, may_be_typed=may_be_typed)
        elif column in _WORDS or column in _TYPED or kind.id == "boolean":
            found.values[column] = _top(connection, rows, name, may_be_typed=may_be_typed)
        elif column in _IDS:
            found.distinct[column] = _row(connection, f"select count(distinct {name}) from ({rows})")[0]
        elif kind.id in INTEGERS | FLOATS:
            found.numbers.append(_distribution(connection, rows, column, "value", name))
        elif kind.id == "date" or kind.id.startswith("timestamp"):
            query = f"select min({name})::varchar, max({name})::varchar, count(*) - count({name}) from ({rows})"
            low, high, missing = _row(connection, query)
            found.ranges[column] = (low or "–", high or "–", missing)
        elif element:
            found.lengths.append(_distribution(connection, rows, column, "elements", f"len({name})"))
            if "content" in fields_of(element):
                characters = f"list_sum(list_transform({name}, lambda m: length(m.content)))"
                found.lengths.append(_distribution(connection, rows, column, "characters of content", characters))
        elif kind.id == "varchar":
            found.lengths.append(_distribution(connection, rows, column, "characters", f"length({name})"))
    if "attributed_date" in types:
        found.rows_by_time.update(_by_time(connection, rows))
    return found


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None  # an aggregate without a group has one row
    return row


def _distribution(connection: duckdb.DuckDBPyConnection, rows: str, column: str, what: str, value: str) -> Distribution:
    low, quartiles, high, missing = _row(
        connection,
        f"""
        select min(x), quantile_disc(x, [0.25, 0.5, 0.75]), max(x), count(*) - count(x)
        from (select case when isfinite(x) then x end as x from (select {value}::double as x from ({rows})))
        """,
    )
    return Distribution(column, what, low, tuple(quartiles) if quartiles else None, high, missing)


def _shown(name: str, *, may_be_typed: bool) -> str:
    """SQL for a value as it may be shown."""
    text = f"coalesce({name}::varchar, {quote(NONE)})"
    if not may_be_typed:
        return f"left({text}, {_LONGEST_VALUE})"
    is_rare = f"count(*) over (partition by {name}) < {_LEAST_ROWS_OF_A_CLASS}"
    is_long = f"length({name}::varchar) > {_LONGEST_VALUE}"
    return f"case when {name} is not null and ({is_rare} or {is_long}) then {quote(OTHERS)} else {text} end"


def _counts(
    connection: duckdb.DuckDBPyConnection, rows: str, name: str, *, may_be_typed: bool
) -> dict[str, dict[str, int]]:
    """Value to split to count, the commonest first; what is not among them goes to the others."""
    counts = connection.execute(
        f"""
        with shown as (select {_shown(name, may_be_typed=may_be_typed)} as value, split_ from ({rows})),
        ranked as (
            select value, split_, count(*) as rows, sum(count(*)) over (partition by value) as of_value
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


def _top(connection: duckdb.DuckDBPyConnection, rows: str, name: str, *, may_be_typed: bool) -> dict[str, int]:
    return {value: sum(by.values()) for value, by in _counts(connection, rows, name, may_be_typed=may_be_typed).items()}


def _by_time(connection: duckdb.DuckDBPyConnection, rows: str) -> dict[str, int]:
    """Rows by day, or by month where there are many days."""
    return dict(
        connection.execute(
            f"""
            with days as (
                select attributed_date as day, count(*) as rows from ({rows}) where day is not null group by 1
            ),
            shown as (select case when count(*) <= {_DAYS_SHOWN} then 10 else 7 end as characters from days)
            select left(day::varchar, characters), sum(rows)::bigint from days cross join shown
            group by 1 order by 1 desc limit {_DAYS_SHOWN}
            """
        ).fetchall()[::-1]
    )
