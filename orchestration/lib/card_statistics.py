"""What a card tells of a version's rows in numbers. Counts, lengths, quartiles; never a text that somebody wrote."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

from orchestration.formats.column_types import FLOATS, INTEGERS, element_of, fields_of
from orchestration.lib.card_facts import FACTS, FILES, FILLED, ID, IDS, NUMBER, RANGE, ROWS, VALUE, Wanted
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
_IDS = ("feedback_id", "other_feedback_id", "request_id", "rejected_request_id", "user_id", "session_id")
_KNOWN_DATE = "attributed_date"
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


def facts_wanted(types: Mapping[str, DuckDBPyType], key: Sequence[str]) -> Wanted:
    """What is to be counted in files with such columns, of rows that `key` tells apart."""
    narrow = {name: _kind_of_fact(name, kind) for name, kind in types.items() if not _lengths_of(name, kind)}
    if len(key) == 1 and narrow.get(key[0]) == ID:
        narrow[key[0]] = FILLED  # no value is there twice: the gate has seen to it
    return Wanted(narrow, length_measures(types))


def _kind_of_fact(column: str, kind: DuckDBPyType) -> str:
    if column in (*_CLASSES, *_WORDS, *_TYPED, _KNOWN_DATE) or kind.id == "boolean":
        return VALUE
    if column in _IDS:
        return ID
    if kind.id in INTEGERS | FLOATS:
        return NUMBER
    return RANGE if kind.id == "date" or kind.id.startswith("timestamp") else FILLED


def statistics(
    connection: duckdb.DuckDBPyConnection,
    splits: Iterable[str],
    types: Mapping[str, DuckDBPyType],
    key: Sequence[str],
) -> Statistics:
    """What there is to tell of a version's rows, by the facts that were found of its files."""
    found = Statistics(dict.fromkeys(splits, 0))
    rows = f"select split_, sum(rows)::bigint from {FACTS} join {FILES} using (file) where kind = '{ROWS}' group by all"
    found.rows.update(dict(connection.execute(rows).fetchall()))
    wanted = facts_wanted(types, key)
    counted = f"select name, sum(rows)::bigint from {FACTS} where kind = '{FILLED}' group by all"
    filled = dict(connection.execute(counted).fetchall())
    numbers = _distributions(connection)
    for column, kind in types.items():
        fact = wanted.narrow.get(column)
        if fact is None:
            told_of = [
                _distribution(column, what, numbers.get(measure, ()), found.total)
                for measure, what in _lengths_of(column, kind).items()
            ]
            if told_of[0].missing < found.total:
                found.lengths.extend(told_of)
            else:
                found.empty.append(column)
        elif not filled.get(column):
            found.empty.append(column)
        elif column == _KNOWN_DATE:
            found.ranges[column] = _range(connection, column, kind, missing=found.total - filled[column])
        elif fact == VALUE:
            counts = _counts(connection, column, may_be_typed=column in _TYPED and kind.id == "varchar")
            if column in _CLASSES:
                found.classes[column] = counts
            else:
                found.values[column] = {value: sum(by.values()) for value, by in counts.items()}
        elif fact == ID:
            query = f"select count(distinct id) from {IDS} where name = {quote(column)}"
            found.distinct[column] = _row(connection, query)[0]
        elif column in _IDS:
            found.distinct[column] = filled[column]
        elif fact == NUMBER:
            found.numbers.append(_distribution(column, "value", numbers.get(column, ()), found.total))
        elif fact == RANGE:
            found.ranges[column] = _range(connection, column, kind, missing=found.total - filled[column])
    if _KNOWN_DATE in types:
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


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None  # an aggregate without a group has one row
    return row


def _of(kind: str, name: str) -> str:
    return f"{FACTS} where kind = '{kind}' and name = {quote(name)}"


def _range(
    connection: duckdb.DuckDBPyConnection, column: str, kind: DuckDBPyType, *, missing: int
) -> tuple[str, str, int]:
    value = f"value::{kind}"
    query = f"select min({value})::varchar, max({value})::varchar from {FACTS} where name = {quote(column)}"
    low, high = _row(connection, query)
    return low or "–", high or "–", missing


def _distributions(connection: duckdb.DuckDBPyConnection) -> dict[str, Sequence[Any]]:
    """Name to lowest, quartiles, highest and how many, of all numbers at once. Quartiles are numbers that are there:
    the first that so many are not above.
    """
    place = "greatest(1, all_rows - floor(all_rows - {share} * all_rows))"
    quartiles = ", ".join(
        f"min(number) filter (where upto >= {place.format(share=share)})" for share in (0.25, 0.5, 0.75)
    )
    found = connection.execute(
        f"""
        with counted as (
            select name, number, sum(rows) as rows from {FACTS}
            where kind = '{NUMBER}' and number is not null group by all
        ),
        placed as (
            select *, sum(rows) over (partition by name order by number) as upto,
                sum(rows) over (partition by name) as all_rows
            from counted
        )
        select name, min(number), {quartiles}, max(number), any_value(all_rows)::bigint from placed group by name
        """
    ).fetchall()
    return {name: told for name, *told in found}


def _distribution(column: str, what: str, told: Sequence[Any], rows: int) -> Distribution:
    if not told:
        return Distribution(column, what, None, None, None, rows)
    low, first, middle, third, high, counted = told
    return Distribution(column, what, low, (first, middle, third), high, rows - counted)


def _shown(*, may_be_typed: bool) -> str:
    """SQL for a counted value as it may be shown."""
    text = f"coalesce(value, {quote(NONE)})"
    if not may_be_typed:
        return f"left({text}, {_LONGEST_VALUE})"
    is_rare = f"sum(rows) over (partition by value) < {_LEAST_ROWS_OF_A_CLASS}"
    is_long = f"length(value) > {_LONGEST_VALUE}"
    return f"case when value is not null and ({is_rare} or {is_long}) then {quote(OTHERS)} else {text} end"


def _counts(connection: duckdb.DuckDBPyConnection, column: str, *, may_be_typed: bool) -> dict[str, dict[str, int]]:
    """Value to split to count, the commonest first; what is not among them goes to the others."""
    counts = connection.execute(
        f"""
        with counted as (
            select value, split_, sum(rows) as rows
            from {FACTS} join {FILES} using (file) where kind = '{VALUE}' and name = {quote(column)} group by all
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


def _by_time(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows by day, or by month where there are many days."""
    return dict(
        connection.execute(
            f"""
            with days as (
                select value as day, sum(rows) as rows from {_of(VALUE, _KNOWN_DATE)} and value is not null group by 1
            ),
            shown as (select case when count(*) <= {_DAYS_SHOWN} then 10 else 7 end as characters from days)
            select left(day, characters), sum(rows)::bigint from days cross join shown
            group by 1 order by 1 desc limit {_DAYS_SHOWN}
            """
        ).fetchall()[::-1]
    )
