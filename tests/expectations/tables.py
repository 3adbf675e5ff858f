"""Rows in plain values as a query, and a suite's verdict on them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from expectations.report import GateReport
from expectations.session import GateSession

Row = Mapping[str, Any]


def query_of(rows: Sequence[Row], types: Mapping[str, str]) -> str:
    """A query that gives `rows`; what a row leaves out is null."""
    columns = ", ".join(types)
    if not rows:
        return "select " + ", ".join(f"null::{kind} as {name}" for name, kind in types.items()) + " where false"
    values = ", ".join(
        "(" + ", ".join(f"{_literal(row.get(name))}::{kind}" for name, kind in types.items()) + ")" for row in rows
    )
    return f"select * from (values {values}) as planted({columns})"


def judge(gate: GateSession, suite: Any, rows: Sequence[Row], types: Mapping[str, str]) -> GateReport:
    return gate.validate(
        gate="test", asset_name="planted", partition="2024-01-15", query=query_of(rows, types), suite=suite
    )


def broken(report: GateReport) -> list[str]:
    """What did not hold, in the words of the suite."""
    return [outcome.expectation for outcome in report.failures]


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str | date | datetime):
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)
