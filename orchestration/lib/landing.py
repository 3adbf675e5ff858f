"""Landing files as the producers wrote them: which there are, and their lines as Arrow batches.

A line is never handled alone in Python: blocks of some MiB are cut at their newlines by NumPy and handed
on as Arrow arrays; DuckDB decodes, parses and judges them (`ledger_sql.py`). What this module decides is
only what can be known from bytes: where a line starts, that it is too long, that a file breaks off.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import IO, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from orchestration.lib.store import Store, StoredFile

BLOCK_BYTES = 4 * 2**20
COMPRESSED_BYTES = 16 * 2**10
# More of one line than this is not kept: a file without any newline must not fill the memory. The whole
# of it is still in the landing file.
KEEP_BYTES = 64 * 2**20
# One chunk is parsed by one query and becomes one row group of the ledger: large enough that the query's
# planning (about 30 ms) does not show, small enough that a few of them fit into memory at once.
CHUNK_LINES = 40_960
CHUNK_BYTES = 64 * 2**20
# Beside a day's landing files: which went. Without it, a file that lands late would take the place of all of them.
_EXPIRED = "_expired.json"
# A day's files may be in folders of its 24 hours (UTC).
HOURS = range(24)
LAST_HOUR = HOURS[-1]
HOUR_FOLDERS = {f"hour={hour:02}": hour for hour in HOURS}
# In a Parquet file from which something was erased: the line that stands in place of a row (lib/erasure/landed.py).
TOMBSTONE_COLUMN = "__erased__"

LINES = pa.schema(
    [("file_index", pa.int32()), ("source_line", pa.int64()), ("problem", pa.string()), ("bytes", pa.binary())]
)


@dataclass(frozen=True)
class LandingFile:
    """One file to load: its place in the day's order, its path below the data folder, its size."""

    index: int
    stored: StoredFile
    source_file: str

    @property
    def name(self) -> str:
        """Its name in its day, with the folder of its hour where it has one."""
        return self.stored.path.split("/", 2)[2]


class DamagedFile(Exception):
    """A file's bytes can not be read from here on; the argument is the dead letter's reason."""


def partition_folder(stream: str, day: date) -> str:
    return f"{stream}/dt={day.isoformat()}"


def landing_files(store: Store, stream: str, day: date, hour: int | None = None) -> list[LandingFile]:
    """The files of a stream's received date, or of an hour of it, by name. Names that start with `_` or `.` are not
    events. What lies in the day and in no hour counts to the last one, which closes the day.
    """
    folder = partition_folder(stream, day)
    files, folders = store.entries(folder)
    hours = {HOUR_FOLDERS[name]: name for name in folders if name in HOUR_FOLDERS}
    asked = [of for of in hours if hour in (None, of)]
    found = [
        *(files if hour in (None, LAST_HOUR) else ()),
        *(f for of in asked for f in store.files(f"{folder}/{hours[of]}")),
    ]
    events = sorted((f for f in found if not f.name.startswith(("_", "."))), key=lambda f: f.path)
    return [LandingFile(i, f, f"landing/{f.path}") for i, f in enumerate(events)]


def no_hours(store: Store, stream: str, day: date) -> list[str]:
    """The folders of a day that are meant to be hours and are none: nobody reads what is in them."""
    folders = store.folders(partition_folder(stream, day))
    return [name for name in folders if name.lower().startswith("hour") and name not in HOUR_FOLDERS]


def hour_of(source_file: str) -> int:
    """The hour that a landing file belongs to, by its path."""
    return HOUR_FOLDERS.get(source_file.split("/")[-2], LAST_HOUR)


def note_expired(store: Store, stream: str, day: date, names: Sequence[str]) -> None:
    """Writes down, beside a day's files, which of them go because they have had their time."""
    with store.fs.open(store.full(f"{partition_folder(stream, day)}/{_EXPIRED}"), "w", encoding="utf-8") as file:
        json.dump(sorted(names), file, ensure_ascii=False)


def expired_files(store: Store, stream: str, day: date) -> list[str]:
    """The names of a day's files that went, or were about to; none where nothing did."""
    path = store.full(f"{partition_folder(stream, day)}/{_EXPIRED}")
    if not store.fs.exists(path):
        return []
    with store.fs.open(path, "r", encoding="utf-8") as file:
        return list(json.load(file))


def landed_days(store: Store, stream: str) -> list[date]:
    """The received dates that a stream has a folder for; folders of other names are not ours."""
    days = []
    for folder in store.folders(stream):
        with suppress(ValueError):
            days.append(date.fromisoformat(folder.removeprefix("dt=")))
    return days


class LineReader:
    """Reads landing files into chunks of `LINES` and counts the lines (blank ones are none).

    Where a chunk ends depends on the lines alone, not on how they were compressed or read, so that the
    same lines always make the same ledger bytes.
    """

    def __init__(self, store: Store, files: list[LandingFile], *, max_line_bytes: int) -> None:
        self._store = store
        self._files = files
        self._max_line_bytes = max_line_bytes
        self.lines = 0

    def chunks(self) -> Iterator[pa.Table]:
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        for batch in self._batches():
            while batch.num_rows:
                fits = _rows_that_fit(batch, rows=CHUNK_LINES - rows, size=CHUNK_BYTES - size)
                if fits == 0 and not waiting:
                    fits = 1  # a line that is larger than a chunk is a chunk
                head, batch = batch.slice(0, fits), batch.slice(fits)
                waiting.append(head)
                rows, size = rows + fits, size + _text_bytes(head)
                if batch.num_rows:
                    yield pa.Table.from_batches(waiting, LINES)
                    waiting, rows, size = [], 0, 0
        if waiting:
            yield pa.Table.from_batches(waiting, LINES)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for file in self._files:
            lines_of_file = _LinesOfFile(file, max_line_bytes=self._max_line_bytes)
            try:
                for batch in lines_of_file.batches(self._store):
                    self.lines += batch.num_rows
                    yield batch
            except DamagedFile as damage:
                self.lines += 1
                yield lines_of_file.broken(reason=str(damage))


def _text_bytes(batch: pa.RecordBatch) -> int:
    return int(pc.sum(pc.binary_length(batch.column("bytes"))).as_py() or 0)


def _rows_that_fit(batch: pa.RecordBatch, *, rows: int, size: int) -> int:
    """How many of the batch's first rows fit into a chunk with so much room."""
    ends = np.cumsum(pc.binary_length(batch.column("bytes")).to_numpy(zero_copy_only=False))
    return min(rows, int(np.searchsorted(ends, size, side="right")))


class _LinesOfFile:
    """The lines of one file, numbered from 1 as an editor would number them."""

    def __init__(self, file: LandingFile, *, max_line_bytes: int) -> None:
        self._file = file
        self._max_line_bytes = max_line_bytes
        self._next_line = 1
        self._unfinished: list[bytes] = []  # parts of the line that goes on over the blocks' ends

    def batches(self, store: Store) -> Iterator[pa.RecordBatch]:
        name = self._file.stored.name.lower()
        try:
            with store.fs.open(store.full(self._file.stored.path), "rb") as raw:
                if name.endswith(".parquet"):
                    yield from self._parquet_batches(raw)
                else:
                    yield from self._text_batches(decompressed(raw, name))
        except OSError as error:
            raise DamagedFile("unreadable_file") from error

    def broken(self, *, reason: str) -> pa.RecordBatch:
        """The one line that stands for what could not be read, with the bytes that were."""
        return self._batch([self._next_line], [reason], pa.array([b"".join(self._unfinished)], pa.binary()))

    def _text_batches(self, blocks: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
        first = True
        kept = 0
        for block in blocks:
            if first:
                block, first = block.removeprefix(b"\xef\xbb\xbf"), False
            cut = block.rfind(b"\n") + 1
            if cut:
                # A view, since a slice of bytes is a copy.
                whole = b"".join([*self._unfinished, memoryview(block)[:cut]])
                self._unfinished, kept = [], 0
                yield from self._split(whole)
            rest = block[cut : cut + KEEP_BYTES - kept]
            if rest:
                self._unfinished.append(rest)
                kept += len(rest)
        if self._unfinished:  # the last line has no newline
            whole = b"".join([*self._unfinished, b"\n"])
            self._unfinished = []
            yield from self._split(whole)

    def _split(self, block: bytes) -> Iterator[pa.RecordBatch]:
        """Cuts a block that ends in a newline into one batch of its lines, without the blank ones."""
        data = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(data == 10)
        starts = np.concatenate(([0], ends[:-1] + 1))
        numbers = np.arange(self._next_line, self._next_line + len(ends), dtype=np.int64)
        self._next_line += len(ends)
        offsets = np.concatenate((starts, [len(block)])).astype(np.int32)
        lines = pa.BinaryArray.from_buffers(
            pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(block)]
        )
        lengths = ends - starts
        keep = lengths > 0
        for i in np.flatnonzero(keep & (data[starts] <= 32)):  # starts with white space: is that all?
            keep[i] = bool(lines[int(i)].as_py().strip())
        problems = np.full(len(lengths), None, dtype=object)
        problems[lengths > self._max_line_bytes] = "line_too_long"
        if keep.all():
            yield self._batch(numbers, problems, lines)
        elif keep.any():
            yield self._batch(numbers[keep], problems[keep], lines.filter(pa.array(keep)))

    def _batch(self, numbers: Any, problems: Any, lines: pa.Array) -> pa.RecordBatch:
        index = pa.array(np.full(len(lines), self._file.index, dtype=np.int32))
        columns = [index, pa.array(numbers, pa.int64()), pa.array(problems, pa.string(), from_pandas=True), lines]
        return pa.record_batch(columns, schema=LINES)

    def _parquet_batches(self, raw: IO[bytes]) -> Iterator[pa.RecordBatch]:
        """Each row of a Parquet file as the JSON line that would say the same."""
        try:
            file = pq.ParquetFile(raw)
            for batch in file.iter_batches(batch_size=20_000):
                text = _rows_as_json(batch)
                numbers = np.arange(self._next_line, self._next_line + len(text), dtype=np.int64)
                self._next_line += len(text)
                yield self._batch(numbers, np.full(len(text), None), text)
        except (pa.ArrowException, duckdb.Error) as error:
            raise DamagedFile("unreadable_file" if self._next_line == 1 else "truncated_file") from error


def _rows_as_json(batch: pa.RecordBatch) -> pa.Array:
    """Rows to JSON text by DuckDB; NaN means absent, as data frames write it, and JSON in text is JSON."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("batch", batch)
        members = []
        erased = TOMBSTONE_COLUMN in batch.schema.names
        for field in (field for field in batch.schema if field.name != TOMBSTONE_COLUMN):
            name = field.name.replace('"', '""')
            value = f'"{name}"'
            if pa.types.is_floating(field.type):
                value = f"case when not isnan({value}) then {value} end"
            elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                # Tables have no nested open-ended type, so writers put objects into text columns.
                value = (
                    f"case when left({value}, 1) in ('{{', '[') and json_valid({value}) "
                    f"and {_is_structured(field.name)} then {value}::json else to_json({value}) end"
                )
            members.append(f"'{field.name.replace(chr(39), chr(39) * 2)}', {value}")
        line = f"json_object({', '.join(members)})"
        if erased:
            line = f"case when {TOMBSTONE_COLUMN} is not null then {TOMBSTONE_COLUMN}::varchar else {line}::varchar end"
        query = f"select {line}::varchar::blob as line from batch"
        return connection.execute(query).arrow().read_all().column("line").combine_chunks().cast(pa.binary())


def _is_structured(name: str) -> str:
    from orchestration.contracts.fields import Kind
    from orchestration.contracts.json_schema import STREAMS

    kinds = {f.name: f.kind for stream in STREAMS for f in stream.fields} | {"feedback": Kind.OBJECT}
    return "true" if kinds.get(name) in (Kind.OBJECT, Kind.ARRAY) else "false"


def decompressed(raw: IO[bytes], name: str) -> Iterator[bytes]:
    """The text of a JSONL file by blocks, as its name in lower case says that it is packed. Raises DamagedFile."""
    if name.endswith((".jsonl", ".ndjson")):
        yield from plain(raw)
    elif name.endswith((".jsonl.gz", ".ndjson.gz")):
        yield from gunzip(raw)
    elif name.endswith((".jsonl.zst", ".ndjson.zst")):
        yield from unzstd(raw)
    else:
        raise DamagedFile("unreadable_file")


def plain(raw: IO[bytes]) -> Iterator[bytes]:
    while block := raw.read(BLOCK_BYTES):
        yield block


def gunzip(raw: IO[bytes]) -> Iterator[bytes]:
    return _decompress(raw, lambda: zlib.decompressobj(wbits=31), zlib.error)


def unzstd(raw: IO[bytes]) -> Iterator[bytes]:
    return _decompress(raw, lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError)


def _decompress(raw: IO[bytes], start: Callable[[], Any], error_type: type[Exception]) -> Iterator[bytes]:
    """All members (gzip) or frames (zstd) of a file; what was readable comes out before damage is told.

    The input is read in small pieces because one call returns all that a piece expands to, and a hostile
    piece of zstd expands 30,000 times.
    """
    member, fresh, readable = start(), True, False
    gathered: list[bytes] = []
    try:
        while data := raw.read(COMPRESSED_BYTES):
            while data:
                gathered.append(member.decompress(data))
                readable = True
                fresh, data = member.eof, member.unused_data if member.eof else b""
                if member.eof:
                    member = start()
                    data = data.lstrip(b"\0")  # tape blocks are padded with zeros
                if sum(map(len, gathered)) >= BLOCK_BYTES:
                    yield b"".join(gathered)
                    gathered = []
    except error_type:
        fresh = False
    if gathered:
        yield b"".join(gathered)
    if not fresh:
        raise DamagedFile("truncated_file" if readable else "unreadable_file")
