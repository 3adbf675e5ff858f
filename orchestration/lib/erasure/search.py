"""Whether an id stands anywhere in a file: in its bytes, in what they unpack to, in the rows that they hold."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.lib import encryption, parquet_files
from orchestration.lib.duck import connect
from orchestration.lib.erasure.names import Names
from orchestration.lib.landing import DamagedFile, gunzip, plain, unzstd
from orchestration.lib.row_hash import identifier
from orchestration.lib.settings import Settings

_WAREHOUSE = ".duckdb"
# Types by how DuckDB names them; a list of one is none of these.
_NO_TEXT = re.compile(r"(?:BOOLEAN|DATE|TIME\b.*|TIMESTAMP\b.*|INTERVAL|FLOAT|DOUBLE)$")
_WHOLE_NUMBER = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DECIMAL\(.*\))$")


# A file as it was when it was read: inode, size, nanoseconds of its last change, and how many bytes it has unpacked.
Stamp = Sequence[int]


class Search:
    """Looks through files for some names; a file that has several links is read once.

    So is one of which it is told that it had none of them and that has not changed since. `clean` are those that have
    none, `files` and `bytes` count all.
    """

    def __init__(self, settings: Settings, names: Names, clean: Mapping[str, Stamp] | None = None) -> None:
        self._settings, self.names, self._known = settings, names, clean or {}
        self._overlap = max((len(one.encode()) for one in names.spellings), default=0) + 1
        self._seen: dict[tuple[int, int], bool] = {}
        self._open = ExitStack()
        self.clean: dict[str, Stamp] = {}
        self.files = 0
        self.bytes = 0

    def is_in(self, path: Path) -> bool:
        stat = path.stat()
        key = (stat.st_dev, stat.st_ino)
        stamp = [stat.st_ino, stat.st_size, stat.st_mtime_ns]
        before = self.bytes
        if key not in self._seen:
            self.files += 1
            *known, size = self._known.get(str(path), (0,))
            if known == stamp:
                self.bytes += size
            self._seen[key] = known != stamp and bool(self.names.ids) and self._look(path)
        if not self._seen[key]:
            self.clean[str(path)] = [*stamp, self.bytes - before]
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
            self._is_candidate(block) and self.names.are_in(block, is_first=is_first, is_last=is_last)
            for block, is_first, is_last in self._blocks(path)
        )

    def _is_candidate(self, block: bytes) -> bool:
        text = pa.array([block], pa.binary())
        return any(pc.match_substring_regex(text, pattern=one)[0].as_py() for one in self.names.patterns)

    def _blocks(self, path: Path) -> Iterator[tuple[bytes, bool, bool]]:
        """The file's text by blocks that overlap by more than an id, and whether each is the first and the last."""
        with path.open("rb") as raw:
            waiting, is_first = b"", True
            for block in _unpacked(raw, path.name.lower()):
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
        return self._in_relation(self._of_files, rows)[0]

    @cached_property
    def _of_files(self) -> duckdb.DuckDBPyConnection:
        """One connection for all files of rows, closed with the search: making one takes as long as a small file."""
        return self._open.enter_context(connect(self._settings))

    def _in_relation(self, connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[bool, list[str]]:
        """Whether a name stands in a row as text, and which rows have one within a longer word."""
        columns = connection.execute(f"describe select * from {relation}").fetchall()
        texts = [identifier(name) for name, kind, *_ in columns if self._may_have_text(kind)]
        if not texts:
            return False, []
        # A row is read once for all patterns.
        patterns = self.names.patterns
        matches = " or ".join(f"regexp_matches(text, ${n + 1})" for n in range(len(patterns)))
        rows = connection.execute(
            f"select text from (select concat_ws(chr(10), {', '.join(texts)}) as text from {relation}) where {matches}",
            patterns,
        ).fetchall()
        found = [text for (text,) in rows]
        return any(self.names.are_in(text.encode()) for text in found), found

    def _may_have_text(self, kind: str) -> bool:
        """Whether a column of a type may hold one of the ids: a number only where one of them is a number."""
        return not (_NO_TEXT.match(kind) or (_WHOLE_NUMBER.match(kind) and not self._has_number))

    @cached_property
    def _has_number(self) -> bool:
        return any(re.fullmatch(r"-?\d+", one) for one in self.names.ids)

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
        explained = {one for one in self.names.spellings if any(one in text for text in within)}
        left = Names(tuple(one for one in self.names.ids if one not in explained))
        return any(any(one.encode() in block for one in left.ids) for block, _, _ in self._blocks(path))


def _unpacked(raw: IO[bytes], name: str) -> Iterator[bytes]:
    """A file's text by parts; what can not be unpacked is read as far as it goes, and then as it is."""
    try:
        if name.endswith(".gz"):
            yield from gunzip(raw)
            return
        if name.endswith(".zst"):
            yield from unzstd(raw)
            return
    except DamagedFile:
        raw.seek(0)
    yield from plain(raw)
