"""The ledger: append-only typed Parquet, one file a stream and received date, every line received in it.

A sound line has its fields in typed columns; a dead letter has its reason, detail and raw text in the same
file, so that the rows of a partition are the lines received, by construction. What was read (names and
sizes of the landing files) rides in the Parquet file's own metadata: data and provenance change in the
same step.
"""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.contracts.erasure import ERASURES
from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import parquet_files
from orchestration.lib.build_window import Versions
from orchestration.lib.duck import connect
from orchestration.lib.erasure.known import known_subjects
from orchestration.lib.erasure.subjects import Subjects, with_subjects
from orchestration.lib.erasure.tombstones import ERASED, Erased, Late, forget
from orchestration.lib.landing import CHUNK_LINES, LandingFile, LineReader, expired_files, landing_files
from orchestration.lib.ledger_sql import ledger_columns, ledger_query
from orchestration.lib.line_parser import LineParser
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.privacy.guard import Guard, Protected
from orchestration.lib.privacy.kept_days import FOUND, KEYS, brought_forward
from orchestration.lib.privacy.pseudonym_map import note
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

LEDGER_FILE = "part-00000.parquet"


class LedgerError(RuntimeError):
    """The ledger could not be written as promised; nothing was replaced."""


@dataclass(frozen=True)
class LedgerPartition:
    """What one written partition holds: `lines` are all, `erased` those of them that are tombstones, and `late` what
    was erased only now. `bytes` are the ledger file's, `found` counts the personal data that was in it by kind.
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

    @property
    def dead_letter_count(self) -> int:
        return sum(self.dead_letters.values())

    @property
    def lines_left(self) -> int:
        """Those that are not erased, of which gates ask."""
        return self.lines - self.erased


def ledger_path(stream: str, day: date) -> str:
    return f"{stream}/received_date={day.isoformat()}/{LEDGER_FILE}"


def fingerprint(files: list[LandingFile]) -> str:
    """What a partition was loaded from. A landed file never changes, so name and size tell it."""
    return json.dumps([[f.stored.name, f.stored.bytes] for f in files], ensure_ascii=False)


def check_keys(settings: Settings, stream: Stream) -> None:
    """Raises EncryptionError where a file of a stream has another key than the one that is set: none is to be written
    with another, or in clear beside them.
    """
    ledger = Store(settings.ledger_url)
    for folder in ledger.folders(stream.name):
        parquet_files.check_key(settings, ledger.full(f"{stream.name}/{folder}/{LEDGER_FILE}"))


def load_partition(
    settings: Settings,
    stream: Stream,
    day: date,
    *,
    holder: str = "a load",
    tell: Callable[[str], None] = print,
    is_locked: bool = False,
    keep_late: Callable[[Sequence[Late]], None] = lambda late: None,
) -> LedgerPartition:
    """Loads one received date of a stream from landing and replaces its ledger file in one step.

    The step waits for a run that builds from the ledger, which must not change under it; `holder` names this
    one to who waits for it, `tell` says for whom it waits; who has the lock says `is_locked`. A file that would be the
    same is left as it is. `keep_late` notes the lines of erased people before the ledger has their tombstones. Whoever
    calls has asked `check_keys`, once for all days.
    Raises LedgerError when the rows written are not the lines read.
    """
    landing, ledger = Store(settings.landing_url), Store(settings.ledger_url)
    files = landing_files(landing, stream.name, day)
    guard = Guard.of(settings, stream)
    if not files and (kept := _loaded_before(settings, ledger, stream, day)) and kept.lines:
        _bring_forward(settings, guard, day, holder=holder, is_locked=is_locked, tell=tell)
        tell(
            f"{stream.name} {day}: its {kept.files} landing files are gone, so its {kept.lines:,} lines stay in the "
            "ledger as they were read; put the files back to have them read again"
        )
        return kept
    _refuse_a_part(landing, stream, day, files)
    reader = LineReader(landing, files, max_line_bytes=settings.max_line_bytes)
    with parquet_files.scratch_file(settings) as beside:
        written = _write(settings, guard, files, reader, beside)
        rows = sum(written.reasons.values())
        if rows != reader.lines:
            raise LedgerError(f"{stream.name} {day}: {reader.lines} lines were read but {rows} rows written")
        size = beside.stat().st_size
        target = ledger_path(stream.name, day)
        if written.late:
            keep_late(written.late)
        if not parquet_files.has_same(settings, ledger, beside, target):
            with nullcontext() if is_locked else warehouse_lock(settings, holder=holder, tell=tell):
                parquet_files.put(settings, ledger, beside, target)
    dead_letters, erased = _by_reason(written.reasons)
    found = dict(sorted(written.found.items()))
    return LedgerPartition(stream.name, day, rows, dead_letters, len(files), size, found, erased, tuple(written.late))


def _refuse_a_part(landing: Store, stream: Stream, day: date, files: Sequence[LandingFile]) -> None:
    """Raises LedgerError where files of a day went with retention: of the others alone the day would lose lines."""
    there = {file.stored.name for file in files}
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


def _loaded_before(settings: Settings, ledger: Store, stream: Stream, day: date) -> LedgerPartition | None:
    """What the ledger has of a day; None if it was never loaded."""
    path = Path(ledger.full(ledger_path(stream.name, day)))
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
    return LedgerPartition(stream.name, day, lines, dead_letters, files, path.stat().st_size, found, erased)


def _bring_forward(
    settings: Settings, guard: Guard, day: date, *, holder: str, is_locked: bool, tell: Callable[[str], None]
) -> None:
    """Gives the rows of a day whose landing files are gone today's keys, in one step. Raises KeysChanged."""
    ledger, target = Store(settings.ledger_url), ledger_path(guard.stream.name, day)
    path = ledger.full(target)
    stored = pa.concat_tables(parquet_files.stored(settings, path, rows_at_once=CHUNK_LINES))
    kept = brought_forward(stored, parquet_files.metadata_of(settings, path), guard)
    if kept is None:
        return
    with parquet_files.scratch_file(settings) as beside:
        parquet_files.write(
            settings, beside, kept.rows.schema, [kept.rows], metadata=lambda: kept.metadata, row_group_size=CHUNK_LINES
        )
        with nullcontext() if is_locked else warehouse_lock(settings, holder=holder, tell=tell):
            parquet_files.put(settings, ledger, beside, target)
    tell(f"{guard.stream.name} {day}: its rows have the tokens of the keys that are set now")


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
        version = f"{landed}\n{query}\n{settings.max_line_bytes}\n{guard.fingerprint}"
        version = hashlib.sha256(version.encode()).hexdigest()[:16]
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


def schema_version_of(settings: Settings, stream: Stream, day: date) -> int:
    """The schema version that a loaded day's file was written with."""
    path = Store(settings.ledger_url).full(ledger_path(stream.name, day))
    return int(parquet_files.metadata_of(settings, path)["schema_version"])


def ledger_rows(settings: Settings, stream: str, *, options: str = "hive_partitioning = true") -> str:
    """SQL for the rows of a stream, whatever schema version each day's file has; None of its days may be missing."""
    ledger = Store(settings.ledger_url)
    if settings.encryption_key is None:
        for folder in ledger.folders(stream)[-1:]:
            parquet_files.check_key(settings, ledger.full(f"{stream}/{folder}/{LEDGER_FILE}"))
        return f"read_parquet('{ledger.url(stream)}/received_date=*/{LEDGER_FILE}', {options}, union_by_name = true)"
    paths = [ledger.full(f"{stream}/{folder}/{LEDGER_FILE}") for folder in ledger.folders(stream)]
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


def ledger_metadata(settings: Settings, stream: Stream, key: str) -> dict[date, str]:
    """One metadatum of each loaded day's file: `landing_files` (the fingerprint) or `ledger_version`.

    The ledger version changes with what was read and how: files, schema, parsing, limits.
    """
    return ledger_metadata_by_key(settings, stream, (key,))[key]


def ledger_versions(settings: Settings) -> Versions:
    """The ledger version of each stream by received date. A day of which one stream is loaded yet counts, too: its
    lines are in the ledger and need their accounts.
    """
    loaded = [ledger_metadata(settings, stream, "ledger_version") for stream in STREAMS]
    return {day: tuple(of.get(day, "") for of in loaded) for day in set().union(*loaded)}


def ledger_metadata_by_key(settings: Settings, stream: Stream, keys: Sequence[str]) -> dict[str, dict[date, str]]:
    """Several metadata of each loaded day's file, read at once: key to day to value."""
    told: dict[str, dict[date, str]] = {key: {} for key in keys}
    ledger = Store(settings.ledger_url)
    if not ledger.folders(stream.name):
        return told
    if settings.encryption_key:
        for folder in ledger.folders(stream.name):
            day = date.fromisoformat(folder.removeprefix("received_date="))
            path = ledger.full(ledger_path(stream.name, day))
            of_file = parquet_files.metadata_of(settings, path) if parquet_files.is_there(path) else {}
            for key in keys & of_file.keys():
                told[key][day] = of_file[key]
        return told
    for folder in ledger.folders(stream.name)[-1:]:
        parquet_files.check_key(settings, ledger.full(f"{stream.name}/{folder}/{LEDGER_FILE}"))
    with connect(settings, stores=(ledger,)) as connection:
        rows = connection.execute(
            "select decode(key), regexp_extract(file_name, 'received_date=([0-9-]+)', 1)::date, decode(value) "
            f"from parquet_kv_metadata('{ledger.url(stream.name)}/received_date=*/{LEDGER_FILE}') "
            "where decode(key) in (select unnest(?)) order by all",
            [list(keys)],
        ).fetchall()
    for key, day, value in rows:
        told[key][day] = value
    return told
