"""Partitions are received dates, in UTC: the keys, and what a run was asked for."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

FORMAT = "%Y-%m-%d"
HOUR_FORMAT = "%Y-%m-%d-%H:%M"


def days(first: date, last: date) -> list[date]:
    """Every day from first to last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def from_keys(keys: Iterable[str]) -> list[date]:
    return sorted(date.fromisoformat(key) for key in keys)


def hour_key(day: date, hour: int) -> str:
    return datetime(day.year, day.month, day.day, hour).strftime(HOUR_FORMAT)


def hours_from_keys(keys: Iterable[str]) -> list[tuple[date, int]]:
    hours = sorted(datetime.strptime(key, HOUR_FORMAT) for key in keys)
    return [(one.date(), one.hour) for one in hours]


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)


def today() -> date:
    return datetime.now(UTC).date()
