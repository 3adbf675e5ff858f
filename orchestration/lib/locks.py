"""One writer of the warehouse at a time, for runs of the UI, of the daemon and of the command line alike.

A file lock, because the kernel frees it when its holder dies, however it dies. Dagster's pool keeps the
daemon from starting runs that could only wait; this lock is what makes it safe.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestration.lib.settings import Settings

# The pool of every asset and check that takes the lock.
WAREHOUSE_POOL = "warehouse"
POLL_SECONDS = 0.5
TELL_SECONDS = 30.0


class WarehouseBusy(RuntimeError):
    """Another run has held the warehouse for longer than this one may wait; the message names it."""


@contextmanager
def warehouse_lock(settings: Settings, *, holder: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Waits for the warehouse, telling now and then for whom, and holds it.

    Raises WarehouseBusy after FEEDBACK_LOCK_TIMEOUT_SECONDS.
    """
    path = settings.warehouse.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    told = -TELL_SECONDS
    with open(path, "a+", encoding="utf-8") as file:
        while not _try(file.fileno()):
            waited = time.monotonic() - started
            file.seek(0)
            other = file.read().strip() or "another process"
            if waited >= settings.lock_timeout_seconds:
                raise WarehouseBusy(
                    f"the warehouse has been held by {other} for {waited:.0f} s; wait for that run to end, "
                    "stop it, or raise FEEDBACK_LOCK_TIMEOUT_SECONDS"
                )
            if waited - told >= TELL_SECONDS:
                tell(f"waiting for the warehouse, held by {other}")
                told = waited
            time.sleep(POLL_SECONDS)
        try:
            file.seek(0)
            file.truncate()
            file.write(json.dumps({"run": holder, "pid": os.getpid()}))
            file.flush()
            yield
        finally:
            file.seek(0)
            file.truncate()
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
