"""The opened store: resumed where a process before left it, or built anew from what the batch has."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta

import duckdb

from orchestration.lib import encryption
from orchestration.lib.duck import connect, memory_settings
from orchestration.lib.follow import history, state
from orchestration.lib.follow.base import Base, at_once
from orchestration.lib.follow.locks import live_folder
from orchestration.lib.follow.lookups import look_up_by_index
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.reader import Reader
from orchestration.lib.follow.segments import FOLDER, Segments
from orchestration.lib.follow.statements import Statements, plan_for_any_rows
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.settings import Settings
from orchestration.lib.warehouse import ALIAS as WAREHOUSE

Tell = Callable[[str], None]

# Of the memory limit; the rest is for what works beside it on texts, and for what is no page of DuckDB's.
_OF_MEMORY = 0.5


class OpenedStore:
    """One process's store of one data folder, once `resume` or `build` has opened it.

    `known` are the files that were taken in, by stream and day, with their bytes; `sequence` counts the steps.
    """

    connection: duckdb.DuckDBPyConnection
    statements: Statements
    reader: Reader
    base: Base
    segments: Segments
    columns: tuple[str, ...]
    known: dict[tuple[str, date], dict[str, int]]
    sequence: int

    def __init__(self, settings: Settings, models: Models, *, tell: Tell) -> None:
        self._settings, self._models, self._tell = settings, models, tell
        self._folder = live_folder(settings)
        self._opened = ExitStack()

    def _connect(self) -> None:
        (self._folder / FOLDER).mkdir(parents=True, exist_ok=True)
        self._opened = ExitStack()
        self.connection = self._opened.enter_context(connect(self._settings))
        for statement in memory_settings(self._settings, share=_OF_MEMORY):
            self.connection.execute(statement)
        state.attach(self.connection, self._settings)
        plan_for_any_rows(self.connection)
        look_up_by_index(self.connection)
        self.statements = Statements(self.connection)
        self._inode = (self._folder / state.FILE).stat().st_ino
        self.reader = Reader(self._settings, self._opened.enter_context(connect(self._settings, threads=1)))

    def one_thread_each(self) -> None:
        """From now on who has a connection works on its own thread: what is beside the steps takes none of theirs."""
        self.connection.execute("set threads = 1")

    def close(self) -> None:
        """Lets go of the store; it can be resumed."""
        self._opened.close()

    def resume(self, base: Base | None) -> bool:
        """Opens the store that is there, if it rests on what holds; while a run writes, on what held before it."""
        if not all((self._folder / name).exists() for name in (state.FILE, state.BASE_FILE)):
            return False
        try:
            self._connect()
            meta = dict(self.connection.execute("select key, value from meta where key <> 'parts'").fetchall())
        except (duckdb.Error, encryption.EncryptionError):
            # Half built, or of another key; nothing in it is not elsewhere.
            self._opened.close()
            return False
        is_whole = "base" in meta and meta["models"] == self._models.digest
        if not is_whole or (base and meta["base"] != base.fingerprint):
            self._opened.close()
            return False
        until = date.fromisoformat(meta["until"]) if meta["until"] else None
        self._remember(Base(until, meta["base"]), meta["epoch"])
        self._tell(f"going on from {self.file_count:,} files that were taken in before")
        return True

    def _remember(self, base: Base, epoch: str) -> None:
        self.base = base
        self.segments = Segments(self._settings, epoch)
        self.columns = state.view_columns(self.connection)
        self.known = {}
        known = self.connection.execute("select stream, day, name, bytes from files").fetchall()
        for stream, day, name, size in known:
            self.known.setdefault((stream, day), {})[name] = size
        ((self.sequence,),) = self.connection.execute(
            "select coalesce(max(value::bigint), 0) from meta where key = 'sequence'"
        ).fetchall()

    def build(self, base: Base) -> None:
        """Makes the store anew from what the batch has built up to a day."""
        started = time.monotonic()
        for name in (state.FILE, state.BASE_FILE):
            for path in self._folder.glob(f"{name}*"):
                path.unlink()
        self._connect()
        state.create(self.connection, self._models)
        with self.history(base):
            history.load_base(self.connection, self._settings, self._models, base.until)
            if base.until:
                history.load_waiting(self.connection, self._settings, self._models, base.until)
        ((lines,),) = self.connection.execute("select count(*) from base.int_inference_receipts").fetchall()
        self._tell(f"{lines:,} inferences of history up to {base.until} in {time.monotonic() - started:.1f} s")
        if base.until:
            recent = base.until - timedelta(days=self._settings.attribution_window_days)
            self._load_parts([day for day in self._days_of_base() if day >= recent], into=state.BASE)
            self._tell(f"the parts that feedback may name, after {time.monotonic() - started:.1f} s")
        history.complete_base(self.connection)
        epoch = uuid.uuid4().hex[:8]
        meta = {"epoch": epoch, "until": str(base.until or ""), "models": self._models.digest, "base": base.fingerprint}
        self.connection.executemany("insert into meta values (?, ?)", list(meta.items()))
        self.connection.execute("checkpoint")
        self._remember(base, epoch)

    @contextmanager
    def history(self, base: Base) -> Iterator[None]:
        """The warehouse attached, for as short as possible; nobody writes it meanwhile. Raises WarehouseBusy."""
        if base.until is None:
            yield
            return
        with warehouse_lock(at_once(self._settings), holder="attribution follow", tell=self._tell):
            encryption.attach(self.connection, self._settings, self._settings.warehouse, WAREHOUSE, read_only=True)
            try:
                yield
            finally:
                self.connection.execute(f"detach {WAREHOUSE}")

    def _days_of_base(self) -> list[date]:
        days = self.connection.execute("select distinct received_date from base.int_inference_receipts order by 1")
        return [day for (day,) in days.fetchall()]

    def load_parts(self, days: list[date]) -> None:
        """Adds what feedback may name of the inferences of closed days, where it is missing."""
        if days:
            self._load_parts(days, into="fresh")

    def _load_parts(self, days: list[date], *, into: str) -> None:
        loaded = {day for (day,) in self.connection.execute("select value from meta where key = 'parts'").fetchall()}
        missing = [day for day in days if str(day) not in loaded]
        history.load_parts(self.connection, self._settings, self._models, missing, into=into)

    @property
    def is_there(self) -> bool:
        """Whether the opened store is still the one in the folder."""
        path = self._folder / state.FILE
        return path.exists() and path.stat().st_ino == self._inode

    @property
    def file_count(self) -> int:
        return sum(len(names) for names in self.known.values())

    @property
    def window(self) -> tuple[date, date]:
        """The days that are not closed, both included."""
        first = self.base.until + timedelta(days=1) if self.base.until else self._settings.first_day
        return first, max([first, *(day for _, day in self.known)])
