"""Partitions are received dates, in UTC: the keys, and what a run was asked for."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

FORMAT = "%Y-%m-%d"


def days(first: date, last: date) -> list[date]:
    """Every day from first to last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def from_keys(keys: Iterable[str]) -> list[date]:
    return sorted(date.fromisoformat(key) for key in keys)


def today() -> date:
    return datetime.now(UTC).date()
