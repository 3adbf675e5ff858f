"""The rows of landed files as the ledger will have them: masked, with tokens for user ids, checked, typed."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.erasure.tombstones import Erased
from orchestration.lib.follow.arrivals import Arrival, dated, with_all_streams
from orchestration.lib.landing import LINES, LandingFile
from orchestration.lib.ledger import landed_rows, parsing_query
from orchestration.lib.privacy.guard import Guard
from orchestration.lib.settings import Settings

# The parsing query is 100 KB of SQL, and planning it takes a second of CPU: nothing for a chunk of the batch, and more
# than the rest of a step. So few lines are parsed by a plan that is kept, and that was made without DuckDB's optimizer:
# it looks for common parts, which takes long and pays only with many lines.
FEW_LINES = 8_192
# Sources of a kept plan have numbers for names.
MOST_FILES = 1_000


class Reader:
    """Reads files as the batch does. `worker` is a connection of its own, without anything in it."""

    def __init__(self, settings: Settings, worker: duckdb.DuckDBPyConnection) -> None:
        self._settings, self._worker = settings, worker
        self._guards = {stream.name: Guard.of(settings, stream) for stream in STREAMS}
        worker.execute("pragma disable_optimizer")
        worker.register("no_lines", LINES.empty_table())
        worker.execute("create table lines as from no_lines")
        for stream in STREAMS:
            query = parsing_query(stream, [str(number) for number in range(MOST_FILES)])
            worker.execute(f"prepare parse_{stream.name} as {query}")
        worker.execute("pragma enable_optimizer")

    def rows(self, arrivals: Sequence[Arrival], known: Mapping[str, Erased]) -> dict[str, pa.Table]:
        """The ledger rows of some files by stream, with their received date."""
        tables: dict[str, list[pa.Table]] = {}
        for stream in STREAMS:
            for day in sorted({one.day for one in arrivals if one.stream is stream}):
                files = [one.file for one in arrivals if (one.stream, one.day) == (stream, day)]
                files = [dataclasses.replace(file, index=i) for i, file in enumerate(files)]
                parse = partial(self._parse, stream, files)
                rows = landed_rows(self._settings, self._guards[stream.name], files, known, parse)
                tables.setdefault(stream.name, []).append(dated(rows, day))
        return with_all_streams(tables)

    def _parse(self, stream: Stream, files: Sequence[LandingFile], lines: pa.Table) -> pa.Table:
        self._worker.register("new_lines", lines)
        if len(lines) > FEW_LINES or len(files) > MOST_FILES:
            query = parsing_query(stream, [file.source_file for file in files])
            return self._worker.execute(f"with lines as (from new_lines) {query}").to_arrow_table()
        self._worker.execute("truncate lines")
        self._worker.execute("insert into lines from new_lines")
        rows = self._worker.execute(f"execute parse_{stream.name}").to_arrow_table()
        names = pa.array([file.source_file for file in files]).take(pc.cast(rows["source_file"], pa.int64()))
        return rows.set_column(rows.schema.get_field_index("source_file"), "source_file", names)
