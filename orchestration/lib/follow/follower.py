"""The follower: looks for landed files, takes them in step by step, and shows what has come of it.

Each step is one transaction of the store and then one replaced view, so that a kill at any moment leaves what was
before the step or after it; the next start goes on from there. What can not be gone on from (the batch has built days
since, a file has changed, a setting is another, an erasure has taken the folder) is built anew.
"""

import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import duckdb
import pyarrow as pa

from orchestration.lib.erasure.plan import open_plans
from orchestration.lib.follow import arrivals, closing, segments, state
from orchestration.lib.follow.arrivals import Arrival, Outdated
from orchestration.lib.follow.base import Base, current_base
from orchestration.lib.follow.beside import Beside
from orchestration.lib.follow.intake import Intake
from orchestration.lib.follow.locks import between_steps, live_folder
from orchestration.lib.follow.measures import Measures
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.opened import OpenedStore, Tell
from orchestration.lib.follow.progress import Progress
from orchestration.lib.follow.rules import Rules
from orchestration.lib.locks import WarehouseBusy
from orchestration.lib.settings import Settings

LOOK_AGAIN_SECONDS = 30.0
# The rules are asked again after so long at least, and after so many times what they took of a core: they share them.
RULES_SECONDS = 10.0
RULES_REST = 9.0


class Follower:
    """One process's view of one data folder; `with` it, and call `step` again and again."""

    def __init__(self, settings: Settings, models: Models, *, tell: Tell) -> None:
        self._settings, self._models, self._tell = settings, models, tell
        self._store = OpenedStore(settings, models, tell=tell)
        self._intake = Intake(settings, models, self._store)
        self._beside = Beside()
        self.progress = Progress()

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._beside.shutdown()

    def open(self) -> None:
        """Goes on from the store that is there, or builds one; waits for an erasure and for who writes the history."""
        told: set[str] = set()
        while waits_for := self._open():
            if waits_for not in told:
                self._tell(waits_for)
                told.add(waits_for)
            time.sleep(0.5)
        self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS
        self._ask_at = 0.0
        self._as_of = datetime.now(UTC)
        self._are_rules_asked = self._caught_up = self._is_shown = False

    def close(self) -> None:
        """Lets go of the store; `open` goes on from it."""
        self._beside.forget()
        self._store.close()

    def _open(self) -> str | None:
        """What has to be waited for; None once the store is open."""
        base = current_base(self._settings, self._models)
        with between_steps(self._settings):
            if open_plans(self._settings):
                return "waiting for an erasure that is under way; complete it with `attribution erase --resume`"
            if self._store.resume(base):
                return None
            try:
                if base is not None:
                    self._store.build(base)
                    return None
            except WarehouseBusy:
                self._store.close()
        return "waiting for a run that writes the warehouse, whose days are the history"

    def step(self) -> bool:
        """Takes in what has landed since, or what the rules have told; whether there was anything."""
        with between_steps(self._settings):
            is_ours = self._is_ours()
            if is_ours:
                try:
                    return self._step()
                except Outdated as outdated:
                    self._rollback()
                    self._tell(f"{outdated}: the store is built anew")
        self._start_anew(keep=is_ours)
        return True

    def _rollback(self) -> None:
        with suppress(duckdb.TransactionException):
            self._store.connection.execute("rollback")

    def _is_ours(self) -> bool:
        return self._store.is_there and not open_plans(self._settings)

    def _start_anew(self, *, keep: bool) -> None:
        """Builds the store again. Readers see the old view until then, unless an erasure has taken it."""
        self.close()
        folder = live_folder(self._settings)
        if not keep:
            self._tell("the store was taken away, by an erasure or for a key; it is built anew")
            shutil.rmtree(folder, ignore_errors=True)
        else:
            (folder / state.FILE).unlink(missing_ok=True)
        self.open()

    def _step(self) -> bool:
        days = self._store.base.open_days(self._settings)
        if not self._caught_up:
            self._intake.ledger()
            self._are_rules_asked = False
        looked_at = datetime.now(UTC)
        found = arrivals.new_files(self._settings, days, self._store.known)
        backlog = list(arrivals.steps_of(found))
        for taken in backlog[:1]:
            self._take_in(taken, is_backlog=not self._caught_up or len(backlog) > 1)
        has_news = bool(backlog) | self._apply_rules()
        if len(backlog) <= 1:
            self._as_of = looked_at
        if len(backlog) <= 1 and not self._caught_up:
            self._caught_up = True
            self._store.one_thread_each()
            self._tell(f"caught up: {self._store.file_count:,} files were taken in")
        if self._caught_up and (has_news or not self._is_shown or self.progress.is_stale):
            self._show()
        self._keep_house(is_behind=len(backlog) > 1)
        return has_news

    def _take_in(self, taken: list[Arrival], *, is_backlog: bool) -> None:
        self._intake.files(taken)
        self.progress.took_in(self._store.statements, is_backlog=is_backlog)
        self._are_rules_asked = False

    def _apply_rules(self) -> bool:
        """Asks the rules when something has changed since, and takes what they have told; whether they have."""
        flags = self._beside.done("rules")
        if flags is None:
            if (
                not self._are_rules_asked
                and not self._beside.is_under_way("rules")
                and time.monotonic() >= self._ask_at
            ):
                self._ask_rules()
            return False
        self._intake.flags(flags)
        return True

    def _ask_rules(self) -> None:
        self._are_rules_asked = True
        rules = self._rules()
        cursor = self._store.connection.cursor()

        def ask() -> pa.Table:
            started = time.thread_time()
            with cursor:
                told = rules.ask(cursor)
            self._ask_at = time.monotonic() + max(RULES_SECONDS, RULES_REST * (time.thread_time() - started))
            return told

        self._beside.start("rules", ask)

    def _rules(self) -> Rules:
        return Rules(Measures(self._settings, self._models, self._store.segments, self._store.window))

    @property
    def is_busy_beside(self) -> bool:
        """Whether something beside the steps is under way that the next ones may take up."""
        return self._beside.is_busy

    def settle_rules(self) -> None:
        """Waits until the rules have been asked of all that was taken in."""
        while not self._are_rules_asked or self._beside.is_under_way("rules"):
            self._ask_at = 0.0
            if not self.step():
                time.sleep(0.02)

    def _keep_house(self, *, is_behind: bool) -> None:
        self._merge()
        if is_behind:
            return
        if time.monotonic() >= self._look_at and not self._beside.is_under_way("base"):
            self._beside.start("base", partial(current_base, self._settings, self._models))
            self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS
        base = self._beside.done("base")
        if base is not None and base != self._store.base:
            with suppress(WarehouseBusy):  # then with the next look
                self._follow_on(base)

    def _merge(self) -> None:
        done = self._beside.done("merge")
        if done is not None:
            merge, name = done
            self._store.connection.execute("begin")
            segments.take_merged(self._store.connection, self._store.segments, merge, name)
            self._store.connection.execute("commit")
            self._show()
        if not self._beside.is_under_way("merge") and (merge := segments.next_merge(self._store.statements)):
            cursor = self._store.connection.cursor()

            def write() -> tuple[segments.Merge, str]:
                with cursor:
                    cursor.execute(f"use {state.ALIAS}")
                    return merge, segments.merged(cursor, self._store.segments, merge)

            self._beside.start("merge", write)

    def _follow_on(self, base: Base) -> None:
        """The batch has closed a day, or opened one again: history is what it says now."""
        if base.until and (self._store.base.until is None or base.until > self._store.base.until):
            with self._store.connection.cursor() as cursor:
                flags = self._rules().ask(cursor)
            self._intake.flags(flags)
            with self._store.history(base):
                for line in closing.compare(
                    self._store.connection, live_folder(self._settings), self._store.window[0], base.until
                ):
                    self._tell(line)
        raise Outdated(f"the batch has closed the days up to {base.until}")

    def _show(self) -> None:
        is_settled = self._are_rules_asked and not self._beside.is_under_way("rules")
        told = self.progress.following(
            self._store.connection,
            self._store.base.until,
            self._store.window,
            as_of=self._as_of,
            is_settled=is_settled,
        )
        segments.show(self._store.connection, self._store.segments, told)
        self.progress.shown()
        self._store.segments.forget_strangers(self._store.connection)
        self._is_shown = True
