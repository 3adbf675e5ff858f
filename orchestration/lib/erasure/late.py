"""Lines of erased people that were loaded after their erasure: noted when loaded, taken out of their landing files."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from orchestration.contracts.fields import Stream
from orchestration.lib.erasure.tombstones import Late
from orchestration.lib.landing import hour_of
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

# What is under way: plans of erasures, and notes of late lines.
UNDER_WAY = ".erasing"


def keep_late(settings: Settings, stream: Stream, day: date, late: Sequence[Late]) -> None:
    """Notes the lines whose tombstones the ledger is about to get, and whose landing file still has them.

    Hours are loaded one by one, and no note may take the place of another's.
    """
    hour = min(hour_of(one.source_file) for one in late)
    Store(str(settings.data_dir)).write_json(
        f"{UNDER_WAY}/late-{stream.name}-{day}-{hour:02}.json",
        {"stream": stream.name, "day": str(day), "lines": [asdict(one) for one in late]},
        scratch=settings.data_dir / ".scratch",
    )


def noted_late(settings: Settings) -> dict[Path, tuple[str, date, list[Late]]]:
    """Each note with its stream, day and lines."""
    found = {}
    for path in sorted((settings.data_dir / UNDER_WAY).glob("late-*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        found[path] = (told["stream"], date.fromisoformat(told["day"]), [Late(**one) for one in told["lines"]])
    return found
