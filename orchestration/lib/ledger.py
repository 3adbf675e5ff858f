"""The ledger: append-only typed Parquet, a stream and received date in one file or one an hour, every line received.

A sound line has its fields in typed columns; a dead letter has its reason, detail and raw text in the same
file, so that the rows of a partition are the lines received, by construction. What was read (names and
sizes of the landing files) rides in the Parquet file's own metadata: data and provenance change in the
same step.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.contracts.erasure import ERASURES
from orchestration.contracts.fields import Stream
from orchestration.lib import parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.erasure.known import known_subjects
from orchestration.lib.erasure.subjects import Subjects, with_subjects
from orchestration.lib.erasure.tombstones import ERASED, Erased, Late, forget
from orchestration.lib.landing import (
    CHUNK_LINES,
    LAST_HOUR,
    LandingFile,
    LineReader,
    expired_files,
    hour_of,
    landing_files,
    no_hours,
)
from orchestration.lib.ledger_parts import (
    ANY_FILE,
    all_parts,
    check_newest_key,
    day_of,
    hour_of_part,
    is_by_hour,
    ledger_path,
    loaded_hours,
    loads_by_hour,
)
from orchestration.lib.ledger_sql import ledger_columns, ledger_query
from orchestration.lib.line_parser import LineParser
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.privacy.guard import Guard, Protected
from orchestration.lib.privacy.kept_days import FOUND, KEYS, brought_forward
from orchestration.lib.privacy.pseudonym_map import note
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store


class LedgerError(RuntimeError):
    """The ledger could not be written as promised; nothing was replaced."""


@dataclass(frozen=True)
class LedgerPartition:
    """What one written partition holds: `lines` are all, `erased` those of them that are tombstones, and `late` what
    was erased only now. `bytes` are the ledger's, `found` counts the personal data that was in it by kind. `hours` are
    those that were loaded now, of a day that is loaded by the hour.
    """

    stream: str
    day: date
    lines: int
    dead_letters: dict[str, int]
    files: int
    bytes: int
    found: Mapping[str, int] = field(default_factory=dict)
    erased: int = 0
    late: tuple[Late, ...] = ()
    hours: tuple[int, ...] = ()

    @property
    def dead_letter_count(self) -> int:
        return sum(self.dead_letters.values())

    @property
    def lines_left(self) -> int:
        """Those that are not erased, of which gates ask."""
        return self.lines - self.erased


def fingerprint(files: list[LandingFile]) -> str:
    """What a partition was loaded from. A landed file never changes, so name and size tell it."""
    return json.dumps([[f.name, f.stored.bytes] for f in files], ensure_ascii=False)


def check_keys(settings: Settings, stream: Stream) -> None:
    """Raises EncryptionError where a file of a stream has another key than the one that is set: none is to be written
    with another, or in clear beside them.
    """
    ledger = Store(settings.ledger_url)
    for path in all_parts(ledger, stream.name):
        parquet_files.check_key(settings, ledger.full(path))


def load_partition(
    settings: Settings,
    stream: Stream,
    day: date,
    *,
    holder: str = "a load",
    tell: Callable[[str], None] = print,
    is_locked: bool = False,
    keep_late: Callable[[Sequence[Late]], None] = lambda late: None,
    again: bool = False,
) -> LedgerPartition:
    """Loads one received date of a stream from landing and replaces its ledger file in one step, or those of its hours.

    The step waits for a run that builds from the ledger, which must not change under it; `holder` names this
    one to who waits for it, `tell` says for whom it waits; who has the lock says `is_locked`. A file that would be the
    same is left as it is. `keep_late` notes the lines of erased people before the ledger has their tombstones. Whoever
    calls has asked `check_keys`, once for all days.

    A day that is loaded by the hour is closed: what was loaded of it from the same files in the same way is not read
    again. With `again` it is not closed, and all that was loaded of it is read.
    Raises LedgerError when the rows written are not the lines read.
    """
    load = _Load(settings, stream, day, holder, tell, is_locked, keep_late)
    if not _loads_by_hour(settings, stream, day):
        return load.part(None)
    hours = loaded_hours(Store(settings.ledger_url), stream.name, day)
    if not again:
        # The last one closes the day, whether or not there is anything in it.
        hours |= {LAST_HOUR, *(hour_of(file.source_file) for file in load.landed)}
    return _together([load.part(hour, only_changed=not again) for hour in sorted(hours)])


def load_hour(
    settings: Settings,
    stream: Stream,
    day: date,
    hour: int,
    *,
    holder: str = "a load",
    tell: Callable[[str], None] = print,
    keep_late: Callable[[Sequence[Late]], None] = lambda late: None,
) -> LedgerPartition:
    """Loads one hour of a received date, as `load_partition` does all. Raises LedgerError where the day is one file."""
    if not _loads_by_hour(settings, stream, day):
        raise LedgerError(
            f"{stream.name} {day} was loaded as a whole, so no hour of it is loaded alone: its lines would be in the "
            f"ledger twice; `attribution run --from {day} --to {day}` takes in what has landed since"
        )
    return _Load(settings, stream, day, holder, tell, False, keep_late).part(hour)


def _loads_by_hour(settings: Settings, stream: Stream, day: date) -> bool:
    """Whether a day is loaded by the hour: as it was before, or as the setting says."""
    before = is_by_hour(Store(settings.ledger_url), stream.name, day)
    return before if before is not None else loads_by_hour(settings, stream)


@dataclass(frozen=True)
class _Load:
    """How a day is loaded, as a whole or hour by hour."""

    settings: Settings
    stream: Stream
    day: date
    holder: str
    tell: Callable[[str], None]
    is_locked: bool
    keep_late: Callable[[Sequence[Late]], None]

    @cached_property
    def guard(self) -> Guard:
        return Guard.of(self.settings, self.stream)

    @cached_property
    def landed(self) -> list[LandingFile]:
        """The day's landing files, looked up once for all its hours. Raises LedgerError where lines would be lost."""
        landing = Store(self.settings.landing_url)
        _refuse_no_hours(landing, self.stream, self.day)
        files = landing_files(landing, self.stream.name, self.day)
        _refuse_a_part(landing, self.stream, self.day, files)
        return files

    def files(self, hour: int | None) -> list[LandingFile]:
        """Those of the day, or of an hour of it."""
        if hour is None:
            return self.landed
        of_hour = (file for file in self.landed if hour_of(file.source_file) == hour)
        return [replace(file, index=index) for index, file in enumerate(of_hour)]

    def part(self, hour: int | None, *, only_changed: bool = False) -> LedgerPartition:
        """Loads the day, or an hour of it, into its file."""
        settings, stream, day = self.settings, self.stream, self.day
        landing, ledger = Store(settings.landing_url), Store(settings.ledger_url)
        target = ledger_path(stream.name, day, hour)
        kept = _loaded_before(settings, ledger, stream, target) if not self.landed else None
        if kept and hour is not None and not kept.lines:
            return kept
        if kept and kept.lines:
            self._bring_forward(target)
            self.tell(
                f"{_named(stream, day, hour)}: its {kept.files} landing files are gone, so its {kept.lines:,} lines "
                "stay in the ledger as they were read; put the files back to have them read again"
            )
            return kept
        files = self.files(hour)
        if only_changed and (same := self._loaded_from(files, target)):
            return same
        reader = LineReader(landing, files, max_line_bytes=settings.max_line_bytes)
        with parquet_files.scratch_file(settings) as beside:
            written = _write(settings, self.guard, files, reader, beside)
            rows = sum(written.reasons.values())
            if rows != reader.lines:
                raise LedgerError(
                    f"{_named(stream, day, hour)}: {reader.lines} lines were read but {rows} rows written"
                )
            size = beside.stat().st_size
            if written.late:
                self.keep_late(written.late)
            if not parquet_files.has_same(settings, ledger, beside, target):
                self._put(beside, target, hour)
        dead_letters, erased = _by_reason(written.reasons)
        found = dict(sorted(written.found.items()))
        late, hours = tuple(written.late), () if hour is None else (hour,)
        return LedgerPartition(stream.name, day, rows, dead_letters, len(files), size, found, erased, late, hours)

    def _loaded_from(self, files: list[LandingFile], target: str) -> LedgerPartition | None:
        """What a file of the ledger has, where it would be loaded from the same files in the same way."""
        ledger = Store(self.settings.ledger_url)
        if not parquet_files.is_there(path := ledger.full(target)):
            return None
        version = parquet_files.metadata_of(self.settings, path)["ledger_version"]
        query = parsing_query(self.stream, [f.source_file for f in files])
        if version != _version(self.settings, self.guard, fingerprint(files), query):
            return None
        return _loaded_before(self.settings, ledger, self.stream, target)

    def _put(self, beside: Path, target: str, hour: int | None) -> None:
        ledger = Store(self.settings.ledger_url)
        with nullcontext() if self.is_locked else warehouse_lock(self.settings, holder=self.holder, tell=self.tell):
            if is_by_hour(ledger, self.stream.name, self.day) is (hour is None):
                how = "by the hour" if hour is None else "as a whole"
                raise LedgerError(
                    f"{self.stream.name} {self.day}: another run has loaded it {how} meanwhile, so nothing was "
                    "replaced; run it again"
                )
            parquet_files.put(self.settings, ledger, beside, target)

    def _bring_forward(self, target: str) -> None:
        """Gives the rows of a file whose landing files are gone today's keys, in one step. Raises KeysChanged."""
        settings = self.settings
        path = Store(settings.ledger_url).full(target)
        stored = pa.concat_tables(parquet_files.stored(settings, path, rows_at_once=CHUNK_LINES))
        kept = brought_forward(stored, parquet_files.metadata_of(settings, path), self.guard)
        if kept is None:
            return
        with parquet_files.scratch_file(settings) as beside:
            parquet_files.write(
                settings,
                beside,
                kept.rows.schema,
                [kept.rows],
                metadata=lambda: kept.metadata,
                row_group_size=CHUNK_LINES,
            )
            self._put(beside, target, hour_of_part(target))
        self.tell(f"{self.stream.name} {self.day}: its rows have the tokens of the keys that are set now")


def _named(stream: Stream, day: date, hour: int | None) -> str:
    return f"{stream.name} {day}" if hour is None else f"{stream.name} {day} {hour:02}:00"


def _together(hours: Sequence[LedgerPartition]) -> LedgerPartition:
    """A day of its hours."""

    def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
        return dict(sorted(sum(map(Counter, counts), Counter()).items()))

    return LedgerPartition(
        hours[0].stream,
        hours[0].day,
        sum(of.lines for of in hours),
        added(of.dead_letters for of in hours),
        sum(of.files for of in hours),
        sum(of.bytes for of in hours),
        added(of.found for of in hours),
        sum(of.erased for of in hours),
        tuple(one for of in hours for one in of.late),
        tuple(one for of in hours for one in of.hours),
    )


def _refuse_no_hours(landing: Store, stream: Stream, day: date) -> None:
    """Raises LedgerError where a folder of the day looks like an hour and is none: its lines would be lost unseen."""
    if others := no_hours(landing, stream.name, day):
        raise LedgerError(
            f"landing/{stream.name}/dt={day}/{others[0]} is no hour, so nothing was loaded: name it hour=00 to hour=23 "
            "(UTC), or move its files into the day"
        )


def _refuse_a_part(landing: Store, stream: Stream, day: date, files: Sequence[LandingFile]) -> None:
    """Raises LedgerError where files of a day went with retention: of the others alone the day would lose lines."""
    there = {file.name for file in files}
    gone = [name for name in expired_files(landing, stream.name, day) if name not in there]
    if there and gone:
        raise LedgerError(
            f"{stream.name} {day}: {min(there)} is in landing, and {len(gone)} other files of the day had their time "
            f"and are gone ({gone[0]}). Loading it would take their {stream.name} out of the ledger, so nothing was "
            f"loaded: move what is new to landing/{stream.name}/dt= of a day that still has its files, e.g. today, or "
            "put the others back"
        )


def _by_reason(rows: Mapping[str | None, int]) -> tuple[dict[str, int], int]:
    """How many dead letters there are for which reason, and how many tombstones."""
    dead_letters = {reason: n for reason, n in sorted(rows.items(), key=str) if reason not in (None, ERASED)}
    return {str(reason): n for reason, n in dead_letters.items()}, rows.get(ERASED, 0)


def _loaded_before(settings: Settings, ledger: Store, stream: Stream, target: str) -> LedgerPartition | None:
    """What a file of the ledger has; None if it was never loaded."""
    path = Path(ledger.full(target))
    if not parquet_files.is_there(path):
        return None
    metadata = parquet_files.metadata_of(settings, path)
    with connect(settings) as connection:
        reasons = connection.execute(
            f"select dead_letter_reason, count(*) from {parquet_files.read([path])} group by all"
        ).fetchall()
    dead_letters, erased = _by_reason(dict(reasons))
    lines, files = sum(n for _, n in reasons), len(json.loads(metadata["landing_files"]))
    found = json.loads(metadata.get(FOUND, "{}"))
    return LedgerPartition(stream.name, day_of(target), lines, dead_letters, files, path.stat().st_size, found, erased)


@dataclass
class _Written:
    """What is noted of the rows while they are written."""

    reasons: Counter[str | None] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, str] = field(default_factory=dict)
    late: list[Late] = field(default_factory=list)


def _write(settings: Settings, guard: Guard, files: list[LandingFile], reader: LineReader, target: Path) -> _Written:
    """Masks and parses chunks side by side, writes them in the order of their lines.

    One DuckDB instance a worker, each with one thread: DuckDB's own parallel scan of an Arrow stream hands
    chunks on out of order, and then no two runs write the same bytes.
    """
    stream = guard.stream
    query = parsing_query(stream, [f.source_file for f in files])
    written = _Written()
    with ExitStack() as stack:
        workers = [
            LineParser(stack.enter_context(connect(settings, threads=1)), query)
            for _ in range(os.cpu_count() or 1 if files else 0)
        ]
        landed = fingerprint(files)
        version = _version(settings, guard, landed, query)
        pool = stack.enter_context(ThreadPoolExecutor(max(1, len(workers))))
        parsed = _in_order(pool, workers, guard, reader.chunks())
        known = known_subjects(settings) if stream is not ERASURES else {}
        parquet_files.write(
            settings,
            target,
            arrow_schema(stream),
            _noted(parsed, guard, known, written),
            metadata=lambda: {
                "landing_files": landed,
                "schema_version": str(stream.version),
                "ledger_version": version,
                FOUND: json.dumps(dict(sorted(written.found.items()))),
                KEYS: json.dumps(list(guard.pseudonyms.fingerprints)),
            },
            row_group_size=CHUNK_LINES,
        )
    if settings.pseudonym_map:
        note(settings.pseudonym_map, written.tokens)
    return written


def _version(settings: Settings, guard: Guard, landed: str, query: str) -> str:
    """What tells a file of the ledger from others: what it was loaded from, and how."""
    version = f"{landed}\n{query}\n{settings.max_line_bytes}\n{guard.fingerprint}"
    return hashlib.sha256(version.encode()).hexdigest()[:16]


def parsing_query(stream: Stream, source_files: Sequence[str]) -> str:
    """SQL from the relation `lines` (`landing.LINES`) to ledger rows, of the ledger's types."""
    columns = ", ".join(f"{name}::{kind} as {name}" for name, kind in ledger_columns(stream).items())
    lines_query = ledger_query(stream, source_files=source_files, lines="lines")
    return f"select {columns} from ({lines_query})"


def landed_rows(
    settings: Settings,
    guard: Guard,
    files: list[LandingFile],
    known: Mapping[str, Erased],
    parse: Callable[[pa.Table], pa.Table],
) -> pa.Table:
    """The rows that the ledger will have of some files, for who can not wait for it. Nothing is written.

    `parse` runs `parsing_query` on a chunk of lines.
    """
    reader = LineReader(Store(settings.landing_url), files, max_line_bytes=settings.max_line_bytes)
    chunks = (guard.protect(chunk) for chunk in reader.chunks())
    tables = list(_noted(((parse(protected.lines), protected) for protected in chunks), guard, known, _Written()))
    return pa.concat_tables(tables) if tables else arrow_schema(guard.stream).empty_table()


Parsed = tuple[pa.Table, Protected]


def _noted(
    parsed: Iterator[Parsed], guard: Guard, known: Mapping[str, Erased], written: _Written
) -> Iterator[pa.Table]:
    """The rows of each chunk, with tombstones in place of erased people's; what they hold is noted."""
    subjects = Subjects(guard.pseudonyms)
    for rows, protected in parsed:
        # Subjects are made of raw ids: a token is another one once a key is added.
        raw_ids = {token: raw for raw, token in protected.tokens.items()}
        table, late = forget(rows, known, subjects, raw_ids)
        if guard.stream is ERASURES:
            table = with_subjects(table, subjects)
        written.late += late
        written.found.update(protected.found)
        written.tokens |= _tokens_left(protected.tokens, rows, table) if late else protected.tokens
        written.reasons.update(
            {r["values"]: r["counts"] for r in pc.value_counts(table["dead_letter_reason"]).to_pylist()}
        )
        yield table


def _tokens_left(tokens: Mapping[str, str], before: pa.Table, after: pa.Table) -> dict[str, str]:
    """The tokens without those of people of whom nothing is left."""
    gone = set(pc.unique(before["user_id"]).to_pylist()) - set(pc.unique(after["user_id"]).to_pylist())
    return {raw: token for raw, token in tokens.items() if token not in gone}


def _in_order(
    pool: ThreadPoolExecutor,
    workers: list[LineParser],
    guard: Guard,
    chunks: Iterator[pa.Table],
) -> Iterator[Parsed]:
    """The parsed chunks in the order of the chunks, with as many under way as there are workers."""
    under_way: deque[tuple[Future[Parsed], LineParser]] = deque()
    idle = list(workers)
    for chunk in chunks:
        if not idle:
            future, worker = under_way.popleft()
            table = future.result()
            under_way.append((pool.submit(_parse, worker, guard, chunk), worker))
            yield table
        else:
            worker = idle.pop()
            under_way.append((pool.submit(_parse, worker, guard, chunk), worker))
    for future, _ in under_way:
        yield future.result()


_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}


def arrow_schema(stream: Stream) -> pa.Schema:
    return pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in ledger_columns(stream).items()])


def _parse(worker: LineParser, guard: Guard, chunk: pa.Table) -> Parsed:
    """A chunk's rows; DuckDB sees it without personal data, so that nothing that it writes has any."""
    # Who is to be forgotten is never stored (lib/erasure/subjects.py), and has to be known to be found.
    protected = Protected(chunk, Counter(), {}) if guard.stream is ERASURES else guard.protect(chunk)
    return worker.rows(protected.lines), protected


def schema_version_of(settings: Settings, paths: Iterable[str]) -> int:
    """The newest schema version that a loaded day's files were written with."""
    return max(int(parquet_files.metadata_of(settings, path)["schema_version"]) for path in paths)


def ledger_rows(settings: Settings, stream: str, *, options: str = "hive_partitioning = true") -> str:
    """SQL for the rows of a stream, whatever schema version each day's file has; None of its days may be missing."""
    ledger = Store(settings.ledger_url)
    if settings.encryption_key is None:
        check_newest_key(settings, ledger, stream)
        return f"read_parquet('{ledger.url(stream)}/received_date=*/{ANY_FILE}', {options}, union_by_name = true)"
    paths = [ledger.full(path) for path in all_parts(ledger, stream)]
    return rows_of_files(settings, [path for path in paths if parquet_files.is_there(path)], options=options)


def rows_of_files(settings: Settings, paths: Sequence[str], *, options: str = "hive_partitioning = true") -> str:
    """SQL for the rows of ledger files of one stream.

    Encrypted ones are put together by their schema versions: DuckDB breaks when it is to read them by their columns'
    names (duckdb/duckdb#21508).
    """
    if settings.encryption_key is None:
        return parquet_files.read(paths, options=f"{options}, union_by_name = true")
    versions: dict[str, list[str]] = {}
    for path in paths:
        versions.setdefault(parquet_files.metadata_of(settings, path)["schema_version"], []).append(path)
    of_versions = [f"select * from {parquet_files.read(of, options=options)}" for of in versions.values()]
    return f"({' union all by name '.join(of_versions)})"
