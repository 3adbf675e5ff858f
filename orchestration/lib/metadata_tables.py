"""Rows of the warehouse as Dagster shows them: markdown tables, a partition's each."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import dagster as dg
import duckdb

Row = tuple[Any, ...]
# Asset to day to the names and values that the UI shows of that partition.
Metadata = dict[str, dict[date, dict[str, dg.MetadataValue]]]


def rows_by_day(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object]
) -> dict[date, list[Row]]:
    """A query's rows by their first column, a day, and without it."""
    rows: dict[date, list[Row]] = {}
    for day, *row in connection.execute(query, parameters).fetchall():
        rows.setdefault(day, []).append(tuple(row))
    return rows


def table(header: str, rows: Iterable[Row]) -> dg.MetadataValue:
    """A markdown table; `header` has the columns' names with | between them."""
    columns = header.count("|") + 1
    lines = [f"| {header} |", "|" + "---|" * columns]
    lines += ["| " + " | ".join("–" if cell is None else _cell(cell) for cell in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    """Names are the producers': what would break the table is taken out of them, and they are cut."""
    return str(value).replace("|", "/").replace("\n", " ")[:60]
