"""Landed files that have not been taken in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.duck import connect
from orchestration.lib.follow.state import rows_of_days
from orchestration.lib.landing import LandingFile, landing_files
from orchestration.lib.ledger import arrow_schema
from orchestration.lib.ledger_metadata import ledger_metadata
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

# What is taken in at once: a backlog goes in by parts, so that memory stays small and a kill loses little.
STEP_BYTES = 48 * 2**20
# Stands for the files of a day of which the ledger has the lines only (retention took the files).
OF_LEDGER = "(ledger)"

FILES = pa.schema(
    [
        ("stream", pa.string()),
        ("day", pa.date32()),
        ("name", pa.string()),
        ("bytes", pa.int64()),
        ("source_file", pa.string()),
        ("landed_at", pa.timestamp("us", tz="UTC")),
    ]
)

# Stream and day to the names of what was taken in, with their bytes.
Known = Mapping[tuple[str, date], Mapping[str, int]]


class Outdated(Exception):
    """What the store was made from is not so any more; the message says what."""


@dataclass(frozen=True)
class Arrival:
    """One landed file that is new."""

    stream: Stream
    day: date
    file: LandingFile


def new_files(settings: Settings, days: Sequence[date], known: Known) -> list[Arrival]:
    """What has landed in some days and is not known, by day and name. Raises Outdated."""
    landing = Store(settings.landing_url)
    found = []
    for day in days:
        for stream in STREAMS:
            files = landing_files(landing, stream.name, day)
            here = {file.name: file.stored.bytes for file in files}
            before = known.get((stream.name, day), {})
            changed = [n for n, size in before.items() if n != OF_LEDGER and here.get(n) != size]
            if changed or (OF_LEDGER in before and files):
                name = (changed or list(here))[0]
                raise Outdated(f"landing/{stream.name}/dt={day}/{name} is not what was taken in before")
            found += [Arrival(stream, day, file) for file in files if file.name not in before]
    return found


def steps_of(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Arrivals by as many as are taken in at once."""
    taken: list[Arrival] = []
    for arrival in arrivals:
        if taken and sum(one.file.stored.bytes for one in taken) + arrival.file.stored.bytes > STEP_BYTES:
            yield taken
            taken = []
        taken.append(arrival)
    if taken:
        yield taken


def with_all_streams(tables: Mapping[str, list[pa.Table]]) -> dict[str, pa.Table]:
    empty = {stream.name: dated(arrow_schema(stream).empty_table(), date.min) for stream in STREAMS}
    return {name: pa.concat_tables([empty[name], *tables.get(name, [])]) for name in empty}


def dated(rows: pa.Table, day: date) -> pa.Table:
    return rows.append_column("received_date", pa.array([day] * rows.num_rows, pa.date32()))


def files_table(settings: Settings, arrivals: Sequence[Arrival]) -> pa.Table:
    """Arrivals as rows of the store's `files`."""
    landing = Store(settings.landing_url)
    now = datetime.now(UTC)
    return pa.Table.from_pylist(
        [
            {
                "stream": one.stream.name,
                "day": one.day,
                "name": one.file.name,
                "bytes": one.file.stored.bytes,
                "source_file": one.file.source_file,
                "landed_at": landed_at(landing, one.file.stored.path) or now,
            }
            for one in arrivals
        ],
        FILES,
    )


def landed_at(landing: Store, path: str) -> datetime | None:
    """When a file came under its name: a rename leaves the time at which it was written as it is."""
    if not landing.is_local:
        return landing.modified(path)
    return datetime.fromtimestamp(Path(landing.full(path)).stat().st_ctime, UTC)


def days_of_ledger_only(settings: Settings, days_from: date) -> list[tuple[Stream, date]]:
    """Days of which the ledger has the lines and landing no file any more, as a load would leave them."""
    landing = Store(settings.landing_url)
    return [
        (stream, day)
        for stream in STREAMS
        for day in sorted(ledger_metadata(settings, stream, "landing_files"))
        if day >= days_from and not landing_files(landing, stream.name, day)
    ]


def rows_of_ledger(settings: Settings, stream: Stream, day: date) -> dict[str, pa.Table]:
    """A day's rows from the ledger, by stream as `reader.Reader` gives them."""
    names = ", ".join([*arrow_schema(stream).names, "received_date"])
    with connect(settings) as connection:
        rows = connection.execute(f"select {names} from {rows_of_days(settings, stream, [day])}").to_arrow_table()
    return with_all_streams({stream.name: [rows.cast(dated(arrow_schema(stream).empty_table(), day).schema)]})
