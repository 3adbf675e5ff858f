"""The warehouse written anew: DuckDB leaves what was deleted in its file until something else is written there."""

from collections.abc import Callable

from orchestration.lib import encryption
from orchestration.lib.duck import connect
from orchestration.lib.settings import Settings
from orchestration.lib.store import fsync
from orchestration.lib.warehouse import ALIAS, wait_until_writable


def write_warehouse_anew(settings: Settings, *, tell: Callable[[str], None]) -> None:
    """Copies what the warehouse holds into a new file and puts it in the old one's place, in one step.

    Tables, views, functions and comments come along. Whoever calls holds the warehouse's lock.
    """
    path = settings.warehouse
    if not path.exists():
        return
    # Opened for writing once: a log that a killed run left is worked in.
    wait_until_writable(settings, tell=tell)
    beside = path.with_name(f".{path.name}.anew")
    log = path.with_name(f"{path.name}.wal")
    for left in (beside, beside.with_name(f"{beside.name}.wal")):
        left.unlink(missing_ok=True)
    with connect(settings) as connection:
        encryption.attach(connection, settings, path, ALIAS, read_only=True)
        encryption.attach(connection, settings, beside, "anew", read_only=False)
        connection.execute(f"copy from database {ALIAS} to anew")
        connection.execute("detach anew")
    fsync(beside)
    beside.replace(path)
    log.unlink(missing_ok=True)
    fsync(path.parent)
