"""What is done beside the steps: it takes what they leave of the cores, and they take up what it has come to."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Not the lowest priority: such a thread may hold a lock of the interpreter or of DuckDB that a step waits for.
_NICENESS = 10


class Beside:
    """Jobs by their names, each at most once at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=3, initializer=_give_way)
        self._jobs: dict[str, Future[Any]] = {}

    def start(self, name: str, job: Callable[[], Any]) -> None:
        self._jobs[name] = self._pool.submit(job)

    def done(self, name: str) -> Any:
        """What a job has come to, once; None while it is under way, and where there is none."""
        if name in self._jobs and self._jobs[name].done():
            return self._jobs.pop(name).result()
        return None

    def is_under_way(self, name: str) -> bool:
        """Until what it has come to is taken up."""
        return name in self._jobs

    @property
    def is_busy(self) -> bool:
        return bool(self._jobs)

    def forget(self) -> None:
        """Waits for all, and takes nothing up."""
        for job in self._jobs.values():
            job.exception()
        self._jobs = {}

    def shutdown(self) -> None:
        self._pool.shutdown()


def _give_way() -> None:
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
