"""What gates told this process of each day, asked again only where what it rests on has changed.

A day is asked about when it is loaded, by the attribution's check, by the datasets and by those with feature
attributions.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import date
from pathlib import Path

from expectations.report import GateReport
from orchestration.lib.settings import Settings

Reports = dict[date, list[GateReport]]
_TOLD: dict[tuple[Settings, str, date], tuple[Hashable, list[GateReport]]] = {}


def answers(
    settings: Settings,
    gate: str,
    days: Sequence[date],
    rests_on: Callable[[date], Hashable],
    ask: Callable[[Sequence[date]], Reports],
) -> Reports:
    """The reports of a gate on some days; `ask` is asked for those that are not known, or rest on something else."""
    keys = {day: (settings, gate, day) for day in days}
    states = {day: rests_on(day) for day in days}
    new = [day for day in days if keys[day] not in _TOLD or _TOLD[keys[day]][0] != states[day]]
    if new:
        _TOLD.update({keys[day]: (states[day], reports) for day, reports in ask(new).items()})
    return {day: _TOLD[keys[day]][1] for day in days}


def answers_of_now(
    gate: str, days: Sequence[date], rests_on: Callable[[date], Hashable], ask: Callable[[Sequence[date]], Reports]
) -> Reports:
    """The same without anything that was told before."""
    return ask(days)


def state_of(path: Path) -> tuple[int, ...]:
    """What changes when a file is written; nothing where there is none, as in a store that is no folder."""
    if not path.exists():
        return ()
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
