"""What the follower tells of itself: how much it has taken in, what waits, and how soon feedback was to be seen."""

import time
from collections import deque
from datetime import date, datetime

import duckdb
import numpy as np

from orchestration.lib.follow.statements import Statements

# Of so many seconds latencies are told.
RECENT_SECONDS = 600.0
# Counting what waits reads the open feedback of the whole window.
COUNT_SECONDS = 5.0


class Progress:
    """Counts of one process; latencies are from when the later of both sides had landed to when the pair was shown."""

    def __init__(self) -> None:
        self._landed: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        self._recent: deque[tuple[float, np.ndarray[tuple[int], np.dtype[np.float64]]]] = deque()
        self._counted_at = 0.0
        self._is_counted = True
        self._counts: dict[str, int] = dict.fromkeys(("files", "lines", "dead_letters", "attributed", "waiting"), 0)

    @property
    def counts(self) -> dict[str, int]:
        return self._counts

    def took_in(self, statements: Statements, *, is_backlog: bool) -> None:
        """Notes when what a step brings to the view had landed; a backlog tells nothing of how soon things are seen."""
        self._is_counted = False
        if is_backlog:
            return
        landed = statements.run(
            """
            select epoch_us(greatest(feedback.landed_at, inference.landed_at)) / 1e6
            from coming
            left join files as feedback on coming.feedback_source_file = feedback.source_file
            left join files as inference on coming.inference_source_file = inference.source_file
            where feedback.landed_at is not null or inference.landed_at is not null
            """
        ).fetchnumpy()
        self._landed.append(np.asarray(next(iter(landed.values())), dtype=np.float64))

    def shown(self) -> None:
        """What was taken in can be seen from now on."""
        now = time.time()
        self._recent += [(now, now - landed) for landed in self._landed if len(landed)]
        self._landed = []
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()

    @property
    def is_stale(self) -> bool:
        """Whether what was told last is not so any more, and it is time to count again."""
        return not self._is_counted and time.monotonic() - self._counted_at >= COUNT_SECONDS

    def percentile(self, percent: float) -> float | None:
        """Seconds; None where nothing was shown lately."""
        if not self._recent:
            return None
        return float(np.percentile(np.concatenate([seconds for _, seconds in self._recent]), percent))

    def following(
        self,
        connection: duckdb.DuckDBPyConnection,
        until: date | None,
        window: tuple[date, date],
        *,
        as_of: datetime,
        is_settled: bool,
    ) -> str:
        """A query of one row for the readers' file: what had landed by `as_of` is in it, and where `is_settled` the
        rules have seen all of it.
        """
        if is_settled or time.monotonic() - self._counted_at >= COUNT_SECONDS:
            self._count(connection, window)
            self._counted_at, self._is_counted = time.monotonic(), True
        ((self._counts["attributed"],),) = connection.execute("select count(*) from shown").fetchall()
        closed = f"date '{until}'" if until else "null::date"
        numbers = ", ".join(f"{number}::bigint as {name}" for name, number in self._counts.items())
        seconds = {"p50_seconds": self.percentile(50), "p99_seconds": self.percentile(99)}
        latencies = ", ".join(f"{'null' if s is None else s}::double as {name}" for name, s in seconds.items())
        return (
            f"select timestamptz '{as_of.isoformat()}' as as_of, {closed} as closed_until, "
            f"date '{window[0]}' as open_from, date '{window[1]}' as open_to, {numbers}, "
            f"{is_settled} as is_settled, {latencies}"
        )

    def _count(self, connection: duckdb.DuckDBPyConnection, window: tuple[date, date]) -> None:
        row = connection.execute(
            """
            select
                (select count(*) from files) as files,
                (select coalesce(sum(lines), 0) from files) as lines,
                (select coalesce(sum(dead_letters), 0) from files) as dead_letters,
                (
                    select count(*) from fresh.int_feedback_receipts as receipts
                    where state = 'open' and not exists (
                        from fresh.int_feedback_matches as matches
                        where matches.feedback_source_file = receipts.source_file
                            and matches.feedback_source_line = receipts.source_line
                    )
                ) + (
                    select count(*) from base.stg_feedback as waiting
                    where not exists (
                        from complete.int_feedback_matches as matches
                        where matches.feedback_source_file = waiting.source_file
                            and matches.feedback_source_line = waiting.source_line
                    )
                ) as waiting
            """
        ).fetchone()
        self._counts |= dict(zip(("files", "lines", "dead_letters", "waiting"), row or (), strict=False))

    def text(self) -> str:
        counts = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in self._counts.items())
        if (p50 := self.percentile(50)) is None:
            return counts
        return f"{counts}; shown after {p50:.1f} s, 99 of 100 within {self.percentile(99):.1f} s"
