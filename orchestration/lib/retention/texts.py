"""Texts that have had their time: they go from ledger and warehouse, and what was found of them stays.

In this order, so that a kill at any moment leaves what the next run of retention, or of anything, goes on from:
findings are written, the ledger's files are written anew, the warehouse follows in one transaction, and its file is
written anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from orchestration.contracts.inference import INFERENCES
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.build_window import stale_days
from orchestration.lib.erasure import ledgered
from orchestration.lib.erasure.apply import person_ids
from orchestration.lib.erasure.compact import write_warehouse_anew
from orchestration.lib.erasure.names import Names
from orchestration.lib.landing import landing_files
from orchestration.lib.ledger import rows_of_files
from orchestration.lib.ledger_metadata import ledger_metadata_by_key, ledger_versions
from orchestration.lib.ledger_parts import full_paths
from orchestration.lib.retention import findings, text_store
from orchestration.lib.retention.due import Due, due_texts
from orchestration.lib.retention.ledger_texts import BEFORE, NO_TEXTS, TEXTS, Going, write_without_texts
from orchestration.lib.retention.policy import RetentionPolicy
from orchestration.lib.retention.warehouse_texts import clear_texts
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store
from orchestration.lib.warehouse import built_versions, read_warehouse

Tell = Callable[[str], None]
# There while the warehouse's file may still have what the ledger has no more.
_UNDER_WAY = ".retaining"
STEPS = ("findings kept", "ledger written anew", "warehouse cleared", "warehouse written anew")


@dataclass
class ExpiredTexts:
    """What a stream's days came to: how many lost their texts, and how many are over their time and wait, by why."""

    days: int = 0
    held: int = 0
    waiting: int = 0


def expire_texts(settings: Settings, policy: RetentionPolicy, today: date, *, tell: Tell) -> dict[str, ExpiredTexts]:
    """Takes the texts that are over their time out of ledger and warehouse. Whoever calls holds the warehouse's lock.

    A day goes as a whole, once its landing files are gone, or a load would bring the texts back, and once the warehouse
    is built: what dbt found of a text can not be found any more.
    """
    due = list(due_texts(settings, policy, today))
    _finish(settings, tell=tell)
    told = {name: ExpiredTexts() for name in (*policy.texts, *(one.stream.name for one in due))}
    built = _built_days(settings) if due else set()
    users = held_users(settings, policy)
    going = []
    for one in due:
        of_stream = told[one.stream.name]
        if _is_held(settings, policy, one, users):
            of_stream.held += 1
        elif one.day not in built or landing_files(Store(settings.landing_url), one.stream.name, one.day):
            of_stream.waiting += 1
        else:
            of_stream.days += 1
            going.append(one)
    if going:
        _take_out(settings, going, tell=tell)
    for name, of_stream in told.items():
        tell(
            f"{name}: texts of {of_stream.days:,} days went, {of_stream.held:,} days are held, {of_stream.waiting:,} "
            "wait for their landing files to go or for the warehouse to be built"
        )
    return told


def _built_days(settings: Settings) -> set[date]:
    """The days of the warehouse; none where it is not what the ledger as it is makes."""
    built = built_versions(settings)
    is_stale = any(day in built for day in stale_days(ledger=ledger_versions(settings), built=built))
    return set() if is_stale else set(built)


def held_users(settings: Settings, policy: RetentionPolicy) -> Names:
    # An id of any length: what is held for a court is better held too often.
    ids = {one for user in policy.hold.users for one in person_ids(settings, user)}
    return Names(tuple(sorted(ids)))


def _is_held(settings: Settings, policy: RetentionPolicy, due: Due, users: Names) -> bool:
    hold = policy.hold
    if due.stream.name in hold.streams or due.day in hold.days:
        return True
    if not users.ids:
        return False
    return bool(ledgered.lines_that_name(settings, due.stream, due.day, _files(settings, due), users))


def _files(settings: Settings, due: Due) -> list[str]:
    return full_paths(Store(settings.ledger_url), due.stream.name, [due.day])


def _take_out(settings: Settings, due: Sequence[Due], *, tell: Tell) -> None:
    (settings.data_dir / _UNDER_WAY).touch()
    going = []
    with read_warehouse(settings) as connection:
        for one in due:
            going.append(one.going(connection))
            _note_lines(settings, connection, one, going[-1])
            findings.keep_findings(settings, connection, one.stream.name, one.day)
            if one.only_input:
                text_store.keep_inputs(settings, one.day, going[-1])
    _reached("findings kept", tell)
    for one, lines in zip(due, going, strict=True):
        write_without_texts(settings, one.stream, one.day, lines, left=one.left)
    _reached("ledger written anew", tell)
    _finish(settings, tell=tell)


def _note_lines(settings: Settings, connection: duckdb.DuckDBPyConnection, due: Due, going: Going) -> None:
    """Makes the table `going` of the lines whose texts go."""
    for name, table in going.tables.items():
        connection.register(name, table)
    request_id = "request_id" if due.stream is INFERENCES else "null::varchar as request_id"
    connection.execute(
        f"create or replace temp table going as select date '{due.day}' as received_date, source_file, source_line, "
        f"{request_id} from {rows_of_files(settings, _files(settings, due), options='hive_partitioning = false')} "
        f"where dead_letter_reason is null and ({going.lines})"
    )


def _finish(settings: Settings, *, tell: Tell) -> None:
    """Brings the warehouse to where the ledger is, also after a run that was killed."""
    if not (settings.data_dir / _UNDER_WAY).exists():
        return
    if settings.warehouse.exists():
        clear_texts(settings, list(_ahead(settings)))
        _reached("warehouse cleared", tell)
        write_warehouse_anew(settings, tell=tell)
        _reached("warehouse written anew", tell)
    _forget_orphans(settings)
    left = ledger_metadata_by_key(settings, INFERENCES, (TEXTS,))[TEXTS]
    for day in text_store.stored_days(settings):
        if left.get(day) in (None, NO_TEXTS):
            text_store.remove_inputs(settings, day)
    (settings.data_dir / _UNDER_WAY).unlink()


def _ahead(settings: Settings) -> Iterable[tuple[str, date, str, str]]:
    """The days that are built from the ledger as it was before their texts went, with both versions.

    Of a day in hours some may have been cleared before a kill, and the others not.
    """
    built = built_versions(settings)
    for place, stream in enumerate(STREAMS):
        told = ledger_metadata_by_key(settings, stream, ("ledger_version", BEFORE))
        for day, before in sorted(told[BEFORE].items()):
            was, now = built.get(day, ("",) * len(STREAMS))[place], told["ledger_version"][day]
            of_files = [versions.split("+") for versions in (was, before, now)]
            is_known = len({len(versions) for versions in of_files}) == 1 and all(
                one in either for one, *either in zip(*of_files, strict=True)
            )
            if was != now and is_known:
                yield stream.name, day, was, now


def _forget_orphans(settings: Settings) -> None:
    """Removes findings of texts that stayed, since a run was killed before they went: they may be found otherwise."""
    gone: Mapping[str, set[date]] = {
        stream.name: set(ledger_metadata_by_key(settings, stream, (TEXTS,))[TEXTS]) for stream in STREAMS
    }
    for path in findings.stored_paths(settings):
        of = findings.day_of(path)
        if of and of[1] not in gone[of[0]]:
            findings.remove_findings(settings, *of)


def _reached(step: str, tell: Tell) -> None:
    """Tells that a step is done; a test ends the process at one of them."""
    assert step in STEPS
    tell(f"texts: {step}")
