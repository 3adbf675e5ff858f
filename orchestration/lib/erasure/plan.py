"""The plan of an erasure: what is the person's, written down before the first of it goes.

Once the inference of a feedback is gone, nobody could tell that the feedback was on it: so every later step, and every
rerun after a kill, goes by the plan. It has places and ids, no texts, and goes itself at the end.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib.erasure.late import UNDER_WAY
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

ERASE, SCRUB = "erase", "scrub"


@dataclass(frozen=True)
class Line:
    """A line and what becomes of it: it is erased, or another person's that names this one."""

    stream: str
    day: str
    source_file: str
    source_line: int
    what: str


@dataclass(kw_only=True)
class Plan:
    """What is found of one person. `kept` counts lines of theirs from after the erasure's time. `searched` are the
    files that have none of the names of which `searched_for` is the digest, as they were then (search.py).
    """

    erasure_id: str
    day: str
    lines: list[Line] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    feedback_ids: list[str] = field(default_factory=list)
    session_ids: list[str] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    kept: int = 0
    is_applied: bool = False
    searched: dict[str, Sequence[int]] = field(default_factory=dict)
    searched_for: str = ""

    @property
    def days(self) -> dict[str, set[date]]:
        """The days of each stream that have a line of the plan."""
        found: dict[str, set[date]] = {}
        for line in self.lines:
            found.setdefault(line.stream, set()).add(date.fromisoformat(line.day))
        return found

    @property
    def first_day(self) -> date | None:
        return min((day for days in self.days.values() for day in days), default=None)

    def of(self, stream: str, day: date) -> list[Line]:
        return [line for line in self.lines if (line.stream, line.day) == (stream, str(day))]

    def with_more(self, other: "Plan") -> "Plan":
        """Both plans in one: what a run that was killed had found, and what is found now."""
        # What was to be erased stays so, whatever it looks like now.
        erased = {(one.stream, one.source_file, one.source_line) for one in self.lines if one.what == ERASE}
        lines = {*self.lines, *(o for o in other.lines if (o.stream, o.source_file, o.source_line) not in erased)}
        return Plan(
            erasure_id=self.erasure_id,
            day=self.day,
            lines=sorted(lines, key=lambda one: (one.stream, one.day, one.source_file, one.source_line)),
            request_ids=_both(self.request_ids, other.request_ids),
            feedback_ids=_both(self.feedback_ids, other.feedback_ids),
            session_ids=_both(self.session_ids, other.session_ids),
            versions={
                name: _both(self.versions.get(name, []), other.versions.get(name, []))
                for name in sorted({*self.versions, *other.versions})
            },
            unread=_both(self.unread, other.unread),
            kept=other.kept,
            is_applied=self.is_applied and not other.lines,
        )


def _both(one: Iterable[str], other: Iterable[str]) -> list[str]:
    return sorted({*one, *other})


def plan_path(settings: Settings, erasure_id: str) -> Path:
    return settings.data_dir / UNDER_WAY / f"{erasure_id}.json"


def write_plan(settings: Settings, plan: Plan) -> None:
    Store(str(settings.data_dir)).write_json(
        f"{UNDER_WAY}/{plan.erasure_id}.json", asdict(plan), scratch=settings.data_dir / ".scratch"
    )


def read_plan(settings: Settings, erasure_id: str) -> Plan | None:
    path = plan_path(settings, erasure_id)
    return _plan(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def open_plans(settings: Settings) -> list[Plan]:
    """The plans of erasures that are not complete."""
    paths = sorted((settings.data_dir / UNDER_WAY).glob("er_*.json"))
    return [_plan(json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def _plan(told: dict[str, Any]) -> Plan:
    return Plan(**{**told, "lines": [Line(**line) for line in told["lines"]]})


def days_to_publish(settings: Settings, recorded: Iterable[date]) -> set[date]:
    """The partitions of a dataset whose snapshots an erasure that is under way may have changed."""
    firsts = [plan.first_day for plan in open_plans(settings)]
    first = min((day for day in firsts if day), default=None)
    return {day for day in recorded if first and day >= first}
