"""Landing files: which of their lines name a person, and the same files with tombstones in place of lines.

A file is written anew beside, in its own format and compression, and renamed: every other line keeps its number.
"""

import gzip
import json
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from orchestration.contracts.fields import Stream
from orchestration.lib import parquet_files
from orchestration.lib.erasure.names import Names
from orchestration.lib.erasure.plan import SCRUB, Line
from orchestration.lib.landing import (
    TOMBSTONE_COLUMN,
    DamagedFile,
    LandingFile,
    LineReader,
    decompressed,
    landing_files,
)
from orchestration.lib.ledger_metadata import ledger_metadata
from orchestration.lib.settings import Settings
from orchestration.lib.store import Store

_NEWLINE = b"\n"
_ROWS = 20_000
_LEVEL = 3
# The number of a line to what stands in its place, or to None where it only names the person.
Changes = Mapping[int, bytes | None]


def loaded_files(settings: Settings, stream: Stream) -> dict[date, list[LandingFile] | None]:
    """The landing files that each day of the ledger was loaded from; None where any of them is gone or another."""
    landing = Store(settings.landing_url)
    found: dict[date, list[LandingFile] | None] = {}
    for day, told in ledger_metadata(settings, stream, "landing_files").items():
        here = {(f.name, f.stored.bytes): f for f in landing_files(landing, stream.name, day)}
        loaded = [(name, size) for name, size in json.loads(told)]
        found[day] = [here[one] for one in loaded] if all(one in here for one in loaded) else None
    return found


def names_in(landing_files: str) -> set[str]:
    """The names of the files that a ledger file tells that it was loaded from."""
    return {name for name, _ in json.loads(landing_files)}


def lines_that_name(settings: Settings, stream: str, day: date, files: list[LandingFile], names: Names) -> list[Line]:
    """The lines of a day's files in which an id stands."""
    reader = LineReader(Store(settings.landing_url), files, max_line_bytes=settings.max_line_bytes)
    source_files = {f.index: f.source_file for f in files}
    found = []
    for chunk in reader.chunks():
        for pattern in names.patterns:
            # One automaton for all ids, over the bytes as they are; only what it finds is looked at alone.
            hits = chunk.filter(pc.match_substring_regex(chunk["bytes"], pattern=pattern))
            found += [
                Line(stream, str(day), source_files[row["file_index"]], row["source_line"], SCRUB)
                for row in hits.to_pylist()
                if names.are_in(row["bytes"])
            ]
    return list(dict.fromkeys(found))


def rewrite(settings: Settings, source_file: str, changes: Changes, names: Names) -> bool:
    """Replaces a landing file by one in which some lines are tombstones, or name nobody any more.

    False where the file is gone. It may be done again: a tombstone stays one.
    """
    store = Store(settings.landing_url)
    path = source_file.removeprefix("landing/")
    if not store.exists(path):
        return False
    with parquet_files.scratch_file(settings) as beside:
        with store.fs.open(store.full(path), "rb") as raw:
            if path.lower().endswith(".parquet"):
                _rewrite_parquet(raw, beside, changes, names)
            else:
                _rewrite_text(raw, path.lower(), beside, changes, names)
        if not store.has_same(beside, path):
            store.put(beside, path)
    return True


def _rewrite_text(raw: IO[bytes], name: str, beside: Path, changes: Changes, names: Names) -> None:
    number, rest = 0, b""
    wanted = sorted(changes)
    with ExitStack() as stack:
        target = _open_for(beside, name, stack)
        try:
            for block in decompressed(raw, name):
                cut = block.rfind(_NEWLINE) + 1
                whole, rest = (rest + block[:cut], block[cut:]) if cut else (b"", rest + block)
                count = whole.count(_NEWLINE)
                if bisect_right(wanted, number) < bisect_right(wanted, number + count):
                    lines = whole.split(_NEWLINE)[:-1]
                    numbered = enumerate(lines, start=number + 1)
                    whole = b"".join(_changed(line, n, changes, names) + _NEWLINE for n, line in numbered)
                target.write(whole)
                number += count
            target.write(_changed(rest, number + 1, changes, names))
        except DamagedFile:
            # The unreadable rest, which is one line of the ledger, goes, too: nobody can tell what it holds.
            target.write(next((one for one in changes.values() if one), rest))


def _changed(line: bytes, number: int, changes: Changes, names: Names) -> bytes:
    return line if number not in changes else changes[number] or names.scrubbed(line)


def _open_for(path: Path, name: str, stack: ExitStack) -> Any:
    file = stack.enter_context(path.open("wb"))
    if name.endswith(".gz"):
        # No name and no time in it: the same lines are the same bytes.
        return stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0))
    if name.endswith(".zst"):
        return stack.enter_context(zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file, closefd=False))
    return file


def _rewrite_parquet(raw: IO[bytes], beside: Path, changes: Changes, names: Names) -> None:
    """A row has, in place of what it had, the line that stands there in a column of that purpose."""
    file = pq.ParquetFile(raw)
    schema = pa.schema(
        [field.with_nullable(True) for field in file.schema_arrow if field.name != TOMBSTONE_COLUMN]
        + [pa.field(TOMBSTONE_COLUMN, pa.string())]
    )
    compression = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "SNAPPY"
    compression = "none" if compression == "UNCOMPRESSED" else compression.lower()
    with pq.ParquetWriter(beside, schema, compression=compression) as writer:
        first = 1
        for batch in file.iter_batches(batch_size=_ROWS):
            writer.write_table(_changed_rows(pa.Table.from_batches([batch]), first, changes, names, schema))
            first += batch.num_rows


def _changed_rows(rows: pa.Table, first: int, changes: Changes, names: Names, schema: pa.Schema) -> pa.Table:
    numbers = range(first, first + rows.num_rows)
    before = rows[TOMBSTONE_COLUMN].to_pylist() if TOMBSTONE_COLUMN in rows.schema.names else [None] * rows.num_rows
    now = [(changes.get(n) or b"").decode() or old for n, old in zip(numbers, before, strict=True)]
    erased = pa.array(now, pa.string())
    is_scrubbed = [n in changes and not changes[n] for n in numbers]
    # Of no row every column is null, whatever its type.
    left = pa.array([None if gone else n for n, gone in enumerate(erased.is_valid().to_pylist())], pa.int64())
    columns = []
    for field in schema:
        if field.name == TOMBSTONE_COLUMN:
            columns.append(pa.chunked_array([erased]))
            continue
        column = rows[field.name].take(left)
        if any(is_scrubbed) and _has_text(field.type):
            values = zip(column.to_pylist(), is_scrubbed, strict=True)
            scrubbed = [_scrubbed_value(value, names) if hit else value for value, hit in values]
            column = pa.chunked_array([pa.array(scrubbed, field.type)])
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_has_text(kind.field(n).type) for n in range(kind.num_fields))
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _scrubbed_value(value: object, names: Names) -> object:
    """A value of any nesting without the names in its texts."""
    if isinstance(value, str):
        return names.scrubbed_text(value)
    if isinstance(value, bytes):
        return names.scrubbed(value)
    if isinstance(value, dict):
        return {key: _scrubbed_value(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_scrubbed_value(one, names) for one in value]
    return value
