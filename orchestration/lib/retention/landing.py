"""Landing files that have had their time: they go once the ledger has their lines, unless they are held."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from orchestration.contracts.json_schema import LANDED_STREAMS
from orchestration.lib.erasure.known import is_complete, received_erasures
from orchestration.lib.erasure.landed import lines_that_name, loaded_files
from orchestration.lib.erasure.names import Names
from orchestration.lib.landing import expired_files, landed_days, landing_files, note_expired
from orchestration.lib.ledger import fingerprint
from orchestration.lib.ledger_metadata import ledger_metadata
from orchestration.lib.retention.policy import RetentionPolicy
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store


@dataclass
class Expired:
    """What a stream's files came to: how many went, and how many are over their time and stay, by why."""

    files: int = 0
    bytes: int = 0
    held: int = 0
    not_loaded: int = 0


def expire_landing_files(
    settings: Settings, policy: RetentionPolicy, today: date, *, tell: Callable[[str], None]
) -> dict[str, Expired]:
    """Removes the landing files of each stream that are over their time. Whoever calls holds the warehouse's lock.

    A day goes as a whole: of a part of its files a later load would make a part of its lines.
    """
    landing = Store(settings.landing_url)
    # An id of any length: what is held for a court is better held too often.
    held_users = Names(tuple(sorted(policy.hold.users)))
    waits_for_erasure = {e.received_date for e in received_erasures(settings) if not is_complete(settings, e)}
    told = {}
    for stream in (s for s in LANDED_STREAMS if s.name in policy.landing):
        told[stream.name] = of_stream = Expired()
        oldest = today - timedelta(days=policy.landing[stream.name])
        loaded = ledger_metadata(settings, stream, "landing_files")
        whole = loaded_files(settings, stream)
        for day in (one for one in landed_days(landing, stream.name) if one < oldest):
            files = landing_files(landing, stream.name, day)
            # A kill may have left some of those that were to go.
            was_under_way = {file.name for file in files} < set(expired_files(landing, stream.name, day))
            if not (was_under_way or loaded.get(day) == fingerprint(files)) or (
                stream.name == "erasures" and day in waits_for_erasure
            ):
                of_stream.not_loaded += len(files)
            elif (
                stream.name in policy.hold.streams
                or day in policy.hold.days
                or lines_that_name(settings, stream.name, day, whole[day] or [], held_users)
            ):
                of_stream.held += len(files)
            else:
                if files and not was_under_way:
                    note_expired(landing, stream.name, day, [file.name for file in files])
                for file in files:
                    landing.fs.rm(landing.full(file.stored.path))
                of_stream.files += len(files)
                of_stream.bytes += sum(file.stored.bytes for file in files)
        tell(
            f"{stream.name}: {of_stream.files:,} landing files from before {oldest} went, {of_stream.held:,} are held, "
            f"{of_stream.not_loaded:,} wait to be loaded"
        )
    return told
