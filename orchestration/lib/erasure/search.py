"""Whether an id stands anywhere in a file: in its bytes, in what they unpack to, in the rows that they hold."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from orchestration.lib import encryption, parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.erasure.names import Names
from orchestration.lib.landing import BLOCK_BYTES
from orchestration.lib.row_hash import identifier
from orchestration.lib.settings import Settings

_WAREHOUSE = ".duckdb"


class Search:
    """Looks through files for some names; a file that has several links is read once."""

    def __init__(self, settings: Settings, names: Names) -> None:
        self._settings, self._names = settings, names
        self._overlap = max((len(one.encode()) for one in names.spellings), default=0) + 1
        self._seen: dict[tuple[int, int], bool] = {}
        self.files = 0
        self.bytes = 0

    def is_in(self, path: Path) -> bool:
        stat = path.stat()
        key = (stat.st_dev, stat.st_ino)
        if key not in self._seen:
            self.files += 1
            self._seen[key] = bool(self._names.ids) and self._look(path)
        return self._seen[key]

    def _look(self, path: Path) -> bool:
        if path.suffix == _WAREHOUSE:
            try:
                return self._in_warehouse(path)
            except duckdb.Error:
                # None of DuckDB's, or one that needs a key: its bytes are all that can be read.
                return self._in_bytes(path)
        return self._in_bytes(path) or (path.suffix == ".parquet" and self._in_rows(path))

    def _in_bytes(self, path: Path) -> bool:
        return any(
            self._is_candidate(block) and self._names.are_in(block, is_first=is_first, is_last=is_last)
            for block, is_first, is_last in self._blocks(path)
        )

    def _is_candidate(self, block: bytes) -> bool:
        text = pa.array([block], pa.binary())
        return any(pc.match_substring_regex(text, pattern=one)[0].as_py() for one in self._names.patterns)

    def _blocks(self, path: Path) -> Iterator[tuple[bytes, bool, bool]]:
        """The file's text by blocks that overlap by more than an id, and whether each is the first and the last."""
        with path.open("rb") as raw:
            source, waiting, is_first = _unpacked(raw, path.name), b"", True
            while block := _read(source):
                self.bytes += len(block)
                if waiting:
                    yield waiting, is_first, False
                    waiting, is_first = waiting[-self._overlap :], False
                waiting += block
            yield waiting, is_first, True

    def _in_rows(self, path: Path) -> bool:
        try:
            rows = parquet_files.read([path])
            if not parquet_files.is_encrypted(path):
                pq.read_metadata(path)
        except (pa.ArrowException, OSError):
            return False
        with connect(self._settings) as connection:
            return self._in_relation(connection, rows)[0]

    def _in_relation(self, connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[bool, list[str]]:
        """Whether a name stands in a row as text, and which rows have one within a longer word."""
        found = []
        for pattern in self._names.patterns:
            rows = connection.execute(
                f"select text from (select r::varchar as text from (select * from {relation}) as r) "
                "where regexp_matches(text, ?)",
                [pattern],
            ).fetchall()
            found += [text for (text,) in rows]
        return any(self._names.are_in(text.encode()) for text in found), found

    def _in_warehouse(self, path: Path) -> bool:
        """DuckDB writes texts one after the other: bytes that look like an id are none if they are part of another
        that is there.
        """
        within: list[str] = []
        use = encryption.ANALYTICS if path == self._settings.published_dir / path.name else encryption.WAREHOUSE
        with connect(self._settings) as connection:
            encryption.attach(connection, self._settings, path, "searched", read_only=True, use=use)
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() "
                "where not internal and database_name = 'searched' order by all"
            ).fetchall()
            for schema, name in tables:
                is_in, found = self._in_relation(connection, f"searched.{identifier(schema)}.{identifier(name)}")
                if is_in:
                    return True
                within += found
        explained = {one for one in self._names.spellings if any(one in text for text in within)}
        left = Names(tuple(one for one in self._names.ids if one not in explained))
        return any(any(one.encode() in block for one in left.ids) for block, _, _ in self._blocks(path))


def _read(source: Any) -> bytes:
    """The next part of a file; a damaged one is read as far as it goes."""
    try:
        return bytes(source.read(BLOCK_BYTES))
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        return b""


def _unpacked(raw: IO[bytes], name: str) -> Any:
    if name.endswith(".gz"):
        return gzip.GzipFile(fileobj=raw)
    if name.endswith(".zst"):
        return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return raw
