"""Which partitions a run has to build, so that the warehouse is a pure function of the ledger. No I/O.

A partition depends on its own day and on all days before. So a day whose ledger has changed since it was
built takes every later built day with it, and a day that an earlier run left unbuilt is caught up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

Versions = Mapping[date, tuple[str, ...]]  # received date to the ledger version of each stream, in STREAMS' order


@dataclass(frozen=True)
class BuildWindow:
    """The partitions to build, both included, and as of when states are told."""

    window_from: date
    window_to: date
    status_from: date
    as_of: date

    def dbt_vars(self) -> dict[str, str]:
        return {name: getattr(self, name).isoformat() for name in self.__dataclass_fields__}


def stale_days(*, ledger: Versions, built: Versions) -> list[date]:
    """The days whose ledger is not the one that was built, oldest first."""
    return sorted(day for day, version in ledger.items() if built.get(day) != version)


def build_window(
    *,
    first: date,
    last: date,
    ledger: Versions,
    built: Versions,
    waiting_days: int,
    reviewed: Callable[[date, date], date | None] = lambda first, last: None,
) -> BuildWindow:
    """The window for a run that was asked for `first` to `last`.

    `waiting_days` is how long after it was received a line's state may change by itself; `reviewed` tells the
    oldest received date of the feedback that was reviewed in a range of days, whose state changes too.
    """
    newest_built = max(built, default=last)
    reach = max(last, newest_built)
    stale = [day for day in stale_days(ledger=ledger, built=built) if day <= reach]
    window_from = min([first, *stale])
    changed_below = [day for day in stale if day < newest_built]
    window_to = reach if changed_below else last
    # Lines that were pending when the newest partition was built may expire now; none older can.
    status_from = min(window_from, newest_built) - timedelta(days=waiting_days + 1)
    oldest_reviewed = reviewed(window_from, window_to)
    return BuildWindow(window_from, window_to, min(status_from, oldest_reviewed or status_from), reach)
