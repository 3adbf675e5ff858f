"""What the files of the ledger tell of themselves, by file and by day: what they were loaded from, and how."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import parquet_files
from orchestration.lib.build_window import Versions
from orchestration.lib.duck import connect
from orchestration.lib.ledger_parts import ANY_FILE, all_parts, check_newest_key, day_of, is_whole
from orchestration.lib.retention.ledger_texts import BEFORE, LOADED
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

LEDGER_VERSION = "ledger_version"


def ledger_metadata(settings: Settings, stream: Stream, key: str) -> dict[date, str]:
    """One metadatum of each loaded day: `landing_files` (the fingerprint) or `ledger_version`.

    The ledger version changes with what was read and how: files, schema, parsing, limits.
    """
    return ledger_metadata_by_key(settings, stream, (key,))[key]


def ledger_versions(settings: Settings) -> Versions:
    """The ledger version of each stream by received date. A day of which one stream is loaded yet counts, too: its
    lines are in the ledger and need their accounts.
    """
    loaded = [ledger_metadata(settings, stream, LEDGER_VERSION) for stream in STREAMS]
    return {day: tuple(of.get(day, "") for of in loaded) for day in set().union(*loaded)}


def whole_days(settings: Settings, stream: Stream) -> set[date]:
    """The loaded days that are not open: of which no hours are still to come."""
    parts: dict[date, list[str]] = {}
    for path in all_parts(Store(settings.ledger_url), stream.name):
        parts.setdefault(day_of(path), []).append(path)
    return {day for day, of_day in parts.items() if is_whole(of_day)}


def ledger_metadata_by_key(settings: Settings, stream: Stream, keys: Sequence[str]) -> dict[str, dict[date, str]]:
    """Several metadata of each loaded day, read at once: key to day to value."""
    told: dict[str, dict[date, str]] = {key: {} for key in keys}
    of_days: dict[date, list[Mapping[str, str]]] = {}
    for path, of_file in file_metadata(settings, stream, {*keys, LEDGER_VERSION}).items():
        of_days.setdefault(day_of(path), []).append(of_file)
    for day, of_files in of_days.items():
        for key in keys:
            if any(key in of_file for of_file in of_files):
                told[key][day] = _of_day(key, of_files)
    return told


def _of_day(key: str, of_files: Sequence[Mapping[str, str]]) -> str:
    """A metadatum of a day from those of its files, in their order."""
    if key == "landing_files":
        return json.dumps(sorted(one for of_file in of_files for one in json.loads(of_file[key])), ensure_ascii=False)
    if key in (LEDGER_VERSION, BEFORE, LOADED):  # dbt_project/macros/ledger.sql puts them together as here
        return "+".join(of_file.get(key, of_file[LEDGER_VERSION]) for of_file in of_files)
    return "+".join(dict.fromkeys(of_file.get(key, "") for of_file in of_files))


def file_metadata(settings: Settings, stream: Stream, keys: Collection[str]) -> dict[str, dict[str, str]]:
    """Metadata of each of the ledger's files, by their paths in their order: one a day, or one an hour."""
    ledger = Store(settings.ledger_url)
    if not ledger.folders(stream.name):
        return {}
    if settings.encryption_key:
        paths = [path for path in all_parts(ledger, stream.name) if parquet_files.is_there(ledger.full(path))]
        told = {path: parquet_files.metadata_of(settings, ledger.full(path)) for path in paths}
        return {path: {key: of_file[key] for key in of_file.keys() & keys} for path, of_file in told.items()}
    check_newest_key(settings, ledger, stream.name)
    with connect(settings, stores=(ledger,)) as connection:
        rows = connection.execute(
            "select file_name, decode(key), decode(value) "
            f"from parquet_kv_metadata('{ledger.url(stream.name)}/received_date=*/{ANY_FILE}') "
            "where decode(key) in (select unnest(?)) order by all",
            [list(keys)],
        ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for name, key, value in rows:
        found.setdefault(name.removeprefix(f"{ledger.root}/"), {})[key] = value
    return found
