"""The Dagster instance: where it lives, its shipped configuration, and runs whose process has died."""

import fcntl
import os
import shutil
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dagster as dg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestration.lib.settings import REPOSITORY, Settings

SHIPPED_CONFIGURATION = REPOSITORY / "dagster.yaml"
PROCESS_TAG = "attribution/process"
# Of a run that has a place: Dagster's queue starts none while they have all.
UNFINISHED = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def ensure_dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME as the user set it, or a folder beside the data, with the shipped dagster.yaml in it."""
    given = os.environ.get("DAGSTER_HOME")
    home = Path(given) if given else settings.data_dir / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(SHIPPED_CONFIGURATION, home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    return home


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, its storages made: two processes that make them at once break each other."""
    quicken_sqlite()
    with ExitStack() as stack:
        with open(Path(os.environ["DAGSTER_HOME"]) / ".opening", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            instance = stack.enter_context(dg.DagsterInstance.get())
            for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
                assert storage is not None  # made when first asked for
        yield instance


def quicken_sqlite() -> None:
    """Lets Dagster's SQLite files take the thousands of small writes of a run, in this process and from now on.

    Dagster opens and closes a connection for each. With the last connection to a file SQLite moves its log into the
    file, and waits for the disk twice: so one is kept open. And a commit does not wait for the disk: with the log, a
    killed process loses nothing of it, and a power cut the last events at most (docs/decisions/0013).
    """
    if not event.contains(Engine, "connect", _quicken):
        event.listen(Engine, "connect", _quicken)


_keeping = threading.Lock()
_kept: dict[str, sqlite3.Connection] = {}
# A run writes to four: of runs, of schedules, of all events and of its own.
_MOST_KEPT = 8


def _quicken(connection: object, _: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.execute("pragma synchronous = normal")
    path = connection.execute("pragma database_list").fetchone()[2]
    if not path:
        return  # in memory
    # What only saves time fails nothing, where a file is locked for the moment.
    with _keeping, suppress(sqlite3.OperationalError):
        if path not in _kept:
            _kept[path] = sqlite3.connect(path, check_same_thread=False)
            if len(_kept) > _MOST_KEPT:
                _kept.pop(next(iter(_kept))).close()
        # Opens the file, and its log once there is one: when the first connection comes, the file may be empty.
        _kept[path].execute("pragma schema_version").fetchall()


def this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{_start_of(os.getpid())}"


def note_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Notes in a run which process it is in, whoever has started it."""
    if run.tags.get(PROCESS_TAG) != this_process():
        instance.add_run_tags(run.run_id, {PROCESS_TAG: this_process()})


def fail_dead_runs(instance: dg.DagsterInstance, *, tell: Callable[[str], None]) -> None:
    """Marks runs as failed whose process is gone (`kill -9`), so that none looks alive, nor keeps others waiting."""
    unfinished = dg.RunsFilter(statuses=list(UNFINISHED))
    for run in instance.get_runs(filters=unfinished):
        process = run.tags.get(PROCESS_TAG)
        if process and process != _inherited(instance, run) and not _is_alive(process):
            tell(f"run {run.run_id} died without an end; it is marked as failed")
            instance.report_run_failed(run, "The process of this run is gone.")


def _inherited(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The process that a run has from the one that it does again: the UI copies tags."""
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return parent.tags.get(PROCESS_TAG) if parent else None


def _is_alive(process: str) -> bool:
    host, pid, start = process.split(":")
    return host != socket.gethostname() or _start_of(int(pid)) == start


def _start_of(pid: int) -> str:
    """When a process started, so that another one with its number is not taken for it; "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()[19]
    except OSError:
        return "" if not _signals(pid) else "alive"


def _signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
