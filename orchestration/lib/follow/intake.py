"""A step's transaction: what has landed, or what rules have told, into the store and its segments."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa

from orchestration.lib.erasure.known import known_subjects
from orchestration.lib.follow import arrivals, segments
from orchestration.lib.follow.arrivals import OF_LEDGER, Arrival
from orchestration.lib.follow.models import Models
from orchestration.lib.follow.opened import OpenedStore
from orchestration.lib.follow.settle import Settling
from orchestration.lib.follow.step import Step
from orchestration.lib.settings import Settings


class Intake:
    """Takes rows into an opened store; each call is one transaction."""

    def __init__(self, settings: Settings, models: Models, store: OpenedStore) -> None:
        self._settings, self._models, self._store = settings, models, store

    def files(self, taken: list[Arrival]) -> None:
        """Landed files."""
        rows = self._store.reader.rows(taken, known_subjects(self._settings))
        self._rows(rows, arrivals.files_table(self._settings, taken))

    def ledger(self) -> None:
        """Days whose landing files have expired, and that are not closed: the ledger has their lines."""
        for stream, day in arrivals.days_of_ledger_only(self._settings, self._store.window[0]):
            if (stream.name, day) not in self._store.known:
                row = {"stream": stream.name, "day": day, "name": OF_LEDGER, "bytes": 0, "source_file": None}
                files = pa.Table.from_pylist([{**row, "landed_at": datetime.now(UTC)}], arrivals.FILES)
                self._rows(arrivals.rows_of_ledger(self._settings, stream, day), files)

    def flags(self, flags: pa.Table) -> None:
        """What the rules have told of the window's days."""
        self._store.connection.execute("begin")
        settling = self._settling()
        if not settling.apply_flags(flags):
            self._store.connection.execute("commit")
            return
        self._store.sequence += 1
        self._settle(settling)

    def _rows(self, rows: Mapping[str, pa.Table], files: pa.Table) -> None:
        for row in files.to_pylist():
            self._store.known.setdefault((row["stream"], row["day"]), {})[row["name"]] = row["bytes"]
        self._store.connection.execute("begin")
        self._store.sequence += 1
        self._step().take_in(rows)
        self._count_files(files, self._write_inferences())
        self._settle(self._settling())

    def _write_inferences(self) -> str | None:
        """The segment that has the new inferences with their texts."""
        texts = self._store.connection.execute("from new_inferences").to_arrow_table()
        if not texts.num_rows:
            return None
        sequence = self._store.sequence
        name = self._store.segments.write(segments.INFERENCES, sequence, texts)
        segments.add(self._store.connection, segments.INFERENCES, name, 0, sequence, sequence)
        return name

    def _count_files(self, files: pa.Table, segment: str | None) -> None:
        names = pa.array([segment] * files.num_rows, pa.string())
        self._store.statements.table_of("taken", files.append_column("segment", names))
        self._store.statements.run(
            """
            insert into files
            with lines as (
                select source_file, dead_letter_reason from landed_inferences
                union all select source_file, dead_letter_reason from landed_feedback
                union all select source_file, dead_letter_reason from landed_reviews
            )
            select taken.stream, taken.day, taken.name, taken.bytes, taken.source_file, taken.landed_at,
                count(lines.source_file), count(lines.dead_letter_reason),
                case when taken.stream = 'inferences' then taken.segment end
            from taken left join lines using (source_file) group by all
            """
        )

    def _settle(self, settling: Settling) -> None:
        settling.settle()
        segments.publish(self._store.statements, self._store.segments, self._store.sequence)
        self._store.connection.execute("delete from meta where key = 'sequence'")
        self._store.connection.execute("insert into meta values ('sequence', ?)", [str(self._store.sequence)])
        self._store.connection.execute("commit")

    def _step(self) -> Step:
        days = self._settings.attribution_window_days
        return Step(self._store.statements, self._models, self._store.window, days, self._store.load_parts)

    def _settling(self) -> Settling:
        return Settling(self._store.statements, self._models, self._store.window, self._store.columns)
