"""The erasures of the ledger: which there are, and which of them are complete."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path

from orchestration.contracts.erasure import ERASURES
from orchestration.lib import parquet_files
from orchestration.lib.erasure.subjects import erasure_id
from orchestration.lib.erasure.tombstones import Erased
from orchestration.lib.landing import CHUNK_LINES
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

REPORTS = "erasures"
REPORT = "report.json"


@dataclass(frozen=True)
class Erasure:
    """One sound line of the erasures stream: whom (by subject) to forget, up to when, and why."""

    erasure_id: str
    subject: str
    until: datetime
    reason: str | None
    received_date: date
    source_file: str
    source_line: int


def received_erasures(settings: Settings) -> list[Erasure]:
    """All sound lines of the stream, in the order in which they were received."""
    ledger = Store(settings.ledger_url)
    found = []
    for folder in ledger.folders(ERASURES.name):
        day = date.fromisoformat(folder.removeprefix("received_date="))
        for path in (f.path for f in ledger.files(f"{ERASURES.name}/{folder}") if f.name.endswith(".parquet")):
            for rows in parquet_files.stored(settings, ledger.full(path), rows_at_once=CHUNK_LINES):
                found += [_erasure(row, day) for row in rows.to_pylist() if row["dead_letter_reason"] is None]
    return found


def _erasure(row: dict[str, object], day: date) -> Erasure:
    subject, file, line = str(row["subject"]), str(row["source_file"]), int(str(row["source_line"]))
    until = row["erased_at"] if isinstance(row["erased_at"], datetime) else datetime.combine(day, time.max, UTC)
    reason = row["reason"] if isinstance(row["reason"], str) else None
    return Erasure(erasure_id(subject, file, line), subject, until, reason, day, file, line)


def report_folder(settings: Settings, erasure_id: str) -> Path:
    return settings.data_dir / REPORTS / erasure_id


def is_complete(settings: Settings, erasure: Erasure) -> bool:
    return (report_folder(settings, erasure.erasure_id) / REPORT).exists()


def known_subjects(settings: Settings) -> dict[str, Erased]:
    """The subjects of the completed erasures, as their reports tell: where there are none, a load costs nothing more.

    One that is under way finds its lines by itself, with all that hangs on them, which a tombstone does not tell any
    more. Each load asks, since another run may complete one meanwhile; a report is read once.
    """
    known: dict[str, Erased] = {}
    for path in sorted((settings.data_dir / REPORTS).glob(f"er_*/{REPORT}")):
        subject, one = _reported(path, path.stat().st_mtime_ns)
        if subject not in known or known[subject].until < one.until:
            known[subject] = one
    return known


@cache
def _reported(path: Path, modified: int) -> tuple[str, Erased]:
    told = json.loads(path.read_text(encoding="utf-8"))
    return told["subject"], Erased(told["erasure_id"], datetime.fromisoformat(told["events_until"]))
