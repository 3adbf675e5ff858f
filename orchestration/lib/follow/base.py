"""Up to which day the batch has the last word, and so from which on the follower has to look for itself."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.build_window import stale_days
from orchestration.lib.follow.models import Models
from orchestration.lib.landing import landed_days
from orchestration.lib.late_landings import late_landings
from orchestration.lib.ledger_metadata import ledger_versions
from orchestration.lib.locks import WarehouseBusy, warehouse_lock
from orchestration.lib.partitions import today
from orchestration.lib.privacy.guard import Guard
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from orchestration.lib.warehouse import built_versions


@dataclass(frozen=True)
class Base:
    """The last day that is taken from the warehouse, and what tells this state of it from another."""

    until: date | None
    fingerprint: str

    def open_days(self, settings: Settings) -> list[date]:
        """The landed days that are not closed, oldest first; none is in the future, which has no partition yet."""
        landing = Store(settings.landing_url)
        first = self.until + timedelta(days=1) if self.until else settings.first_day
        landed = {day for stream in STREAMS for day in landed_days(landing, stream.name)}
        return sorted(day for day in landed if first <= day <= today())


def current_base(settings: Settings, models: Models) -> Base | None:
    """What holds now; None while a run writes the warehouse, of which nobody can say yet what it comes to.

    A day is closed when it and all days before it are built from the ledger as it is, and no file has landed in them
    since.
    """
    try:
        with warehouse_lock(at_once(settings), holder="attribution follow", tell=lambda _: None):
            built = built_versions(settings)
    except WarehouseBusy:
        return None
    stale = stale_days(ledger=ledger_versions(settings), built=built)
    late = late_landings(settings, streams=STREAMS)
    changed = [*stale, *(late.changed if late else ())]
    closed = [day for day in built if not changed or day < min(changed)]
    until = max(closed, default=None)
    told = [str(until), sorted((str(day), version) for day, version in built.items() if day in closed)]
    # The store has hashes of ids, which another version of DuckDB may make otherwise.
    read = [
        duckdb.__version__,
        models.digest,
        settings.max_line_bytes,
        *(Guard.of(settings, stream).fingerprint for stream in STREAMS),
    ]
    return Base(until, hashlib.sha256(json.dumps([told, read]).encode()).hexdigest()[:16])


def at_once(settings: Settings) -> Settings:
    """Who holds the lock of the steps must not wait for the warehouse's: an erasure has that one and waits for this."""
    return dataclasses.replace(settings, lock_timeout_seconds=0)
