"""How far the live view is behind what has landed, for whoever watches the follower from outside."""

import time
from dataclasses import dataclass
from typing import Any

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.follow.arrivals import landed_at
from orchestration.lib.follow.locks import live_folder
from orchestration.lib.follow.segments import VIEW_FILE
from orchestration.lib.follow.view import following
from orchestration.lib.landing import landed_days, landing_files
from orchestration.lib.partitions import today
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

# Feedback is to be seen within 5 s; a follower that builds its history or works a backlog off needs a minute.
FRESH_SECONDS = 60.0


@dataclass(frozen=True)
class Freshness:
    """`told` is what the follower told of itself; what has landed since, and how long the oldest of it has waited."""

    told: dict[str, Any]
    files_behind: int
    behind_seconds: float

    @property
    def is_fresh(self) -> bool:
        return self.behind_seconds <= FRESH_SECONDS

    def text(self) -> str:
        if not self.files_behind:
            return "all that has landed is in the view"
        behind = f"{self.files_behind:,} landed files are not in the view, the oldest for {self.behind_seconds:.0f} s"
        return behind if self.is_fresh else f"{behind}; is `attribution follow` running?"


def freshness(settings: Settings) -> Freshness | None:
    """None where there is no live view: nobody has followed, or an erasure has taken it."""
    if not (live_folder(settings) / VIEW_FILE).exists():
        return None
    told = following(settings)
    landing = Store(settings.landing_url)
    as_of, now = told["as_of"].timestamp(), time.time()
    waiting = []
    for stream in STREAMS:
        for day in landed_days(landing, stream.name):
            if told["open_from"] <= day <= today():
                times = (landed_at(landing, file.stored.path) for file in landing_files(landing, stream.name, day))
                waiting += [at for time_ in times if time_ and (at := time_.timestamp()) > as_of]
    return Freshness(told, len(waiting), max(0.0, now - min(waiting, default=now)))
