"""Who may touch the live folder: one follower at a time, and who lets it go between two of its steps."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.lib.names import LIVE
from orchestration.lib.settings import Settings, StateError

# Beside the folder and not in it: the folder may go while somebody waits.
FOLLOWER, STEP = "live.follower.lock", "live.step.lock"


def live_folder(settings: Settings) -> Path:
    return settings.data_dir / LIVE


@contextmanager
def only_follower(settings: Settings) -> Iterator[None]:
    """Raises StateError where another process follows this data folder."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with open(settings.data_dir / FOLLOWER, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StateError(f"{settings.data_dir} is followed already, by process {file.read().strip()}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def between_steps(settings: Settings) -> Iterator[None]:
    """Waits for a step that is under way, and keeps the next one from beginning."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with open(settings.data_dir / STEP, "a", encoding="utf-8") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield


def let_go(settings: Settings) -> None:
    """Removes all that the follower has; one that runs notices with its next step, and builds it anew."""
    with between_steps(settings):
        shutil.rmtree(live_folder(settings), ignore_errors=True)
