"""Which files a stream's received date is in the ledger: one, or one an hour (docs/decisions/0035).

A day has either or: it stays as it was first loaded, so that no line is ever in two of its files.
"""

from collections.abc import Sequence
from datetime import date

from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.inference import INFERENCES
from orchestration.lib import parquet_files
from orchestration.lib.landing import HOURS, LAST_HOUR, hour_of
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

LEDGER_FILE = "part-00000.parquet"
# All files of a day, and none of what is on its way to be one.
ANY_FILE = "part-*.parquet"
_HOUR_FILES = {f"part-hour-{hour:02}.parquet": hour for hour in HOURS}
# Reviews and erasures are few.
HOURLY_STREAMS = (INFERENCES, FEEDBACK)


def loads_by_hour(settings: Settings, stream: Stream) -> bool:
    """Whether days of a stream that are not loaded yet are loaded by the hour."""
    return settings.loads_by_hour and stream in HOURLY_STREAMS


def ledger_path(stream: str, day: date, hour: int | None = None) -> str:
    """Where a day is, or an hour of one that is loaded by the hour."""
    return f"{day_folder(stream, day)}/{LEDGER_FILE if hour is None else f'part-hour-{hour:02}.parquet'}"


def day_folder(stream: str, day: date) -> str:
    return f"{stream}/received_date={day.isoformat()}"


def day_of(path: str) -> date:
    return date.fromisoformat(path.split("received_date=")[1][:10])


def hour_of_part(path: str) -> int | None:
    """The hour that a file of the ledger has; None where it has the whole day."""
    return _HOUR_FILES.get(path.rsplit("/", 1)[-1])


def parts_of(ledger: Store, stream: str, day: date) -> list[str]:
    """The files that a day has whole, in the order of their hours."""
    paths = (file.path for file in ledger.files(day_folder(stream, day)) if _is_part(file.path))
    return [path for path in paths if parquet_files.is_there(ledger.full(path))]


def all_parts(ledger: Store, stream: str) -> list[str]:
    """The files of all days of a stream, oldest first, also those that were interrupted while they were encrypted."""
    folders = (f"{stream}/{folder}" for folder in ledger.folders(stream))
    return [file.path for folder in folders for file in ledger.files(folder) if _is_part(file.path)]


def is_by_hour(ledger: Store, stream: str, day: date) -> bool | None:
    """Whether a day is loaded by the hour; None where nothing of it is loaded yet."""
    hours = {hour_of_part(file.path) for file in ledger.files(day_folder(stream, day)) if _is_part(file.path)}
    return None not in hours if hours else None


def loaded_hours(ledger: Store, stream: str, day: date) -> set[int]:
    """The hours that a day has files of."""
    return {hour for path in parts_of(ledger, stream, day) if (hour := hour_of_part(path)) is not None}


def check_newest_key(settings: Settings, ledger: Store, stream: str) -> None:
    """Raises EncryptionError where the newest day of a stream is not encrypted as the setting says."""
    for folder in ledger.folders(stream)[-1:]:
        for path in parts_of(ledger, stream, day_of(folder)):
            parquet_files.check_key(settings, ledger.full(path))


def full_paths(ledger: Store, stream: str, days: Sequence[date]) -> list[str]:
    """The files of some days, as they are opened."""
    return [ledger.full(path) for day in days for path in parts_of(ledger, stream, day)]


def _is_part(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return name == LEDGER_FILE or name in _HOUR_FILES


def part_with(parts: Sequence[str], source_file: str) -> str | None:
    """Which of a day's files has the lines of a landing file; None where none has."""
    hours = {hour_of_part(path): path for path in parts}
    return hours.get(None) or hours.get(hour_of(source_file))


def is_whole(parts: Sequence[str]) -> bool:
    """Whether a day's files are all that it will have: hours come one by one, and the last one closes the day."""
    return {hour_of_part(path) for path in parts} & {None, LAST_HOUR} != set()
