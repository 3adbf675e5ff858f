"""Days whose landing folder holds other files than the ledger was loaded from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from orchestration.contracts.fields import Stream
from orchestration.lib.landing import landing_files
from orchestration.lib.ledger import fingerprint
from orchestration.lib.ledger_metadata import ledger_metadata, whole_days
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store


@dataclass(frozen=True)
class LateLandings:
    """The range to run again, and what the changed days' folders hold now."""

    first: date
    last: date
    changed: tuple[date, ...]
    fingerprints: str


def late_landings(settings: Settings, *, streams: Sequence[Stream]) -> LateLandings | None:
    """The first loaded day with other files to the newest loaded day; None if there is none.

    A day that is loaded by the hour is asked about once it is closed: of an open one, hours are still to come.
    """
    landing = Store(settings.landing_url)
    loaded: set[date] = set()
    changed: dict[date, str] = {}
    for stream in streams:
        whole = whole_days(settings, stream)
        for day, before in ledger_metadata(settings, stream, "landing_files").items():
            if day not in whole:
                continue
            loaded.add(day)
            files = landing_files(landing, stream.name, day)
            now = fingerprint(files)
            # A day whose files are all gone keeps its ledger (retention): there is nothing to read again.
            if files and now != before:
                changed[day] = changed.get(day, "") + now
    if not changed:
        return None
    return LateLandings(min(changed), max(loaded), tuple(sorted(changed)), repr(sorted(changed.items())))
