"""The live view as readers open it: Parquet segments, and a small database with one view that names them.

A segment is written before the transaction that counts it, so that a kill leaves at most a file that nobody names. The
database is replaced in one step after it; whoever has it open keeps the segments that it names for a while.
"""

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from orchestration.lib import encryption, parquet_files
from orchestration.lib.field_sql import quote
from orchestration.lib.follow.locks import live_folder
from orchestration.lib.follow.state import LINE
from orchestration.lib.follow.statements import Statements
from orchestration.lib.settings import Settings

VIEW_FILE = "live.duckdb"
FOLDER = "segments"
# A reader that opened the view before it was replaced may still be reading what it names.
GRACE_SECONDS = 300.0
# So many segments of one size become one of the next.
FAN = 16
FEEDBACK, INFERENCES, GONE = "feedback", "inferences", "gone"
# So often rows are written anew at most: what is merged is held in memory, and inferences have their texts.
MOST_LEVELS = {FEEDBACK: 2, INFERENCES: 1}


@dataclass(frozen=True)
class Merge:
    """Segments that become one, and what was known to be gone when they were read."""

    kind: str
    names: tuple[str, ...]
    level: int
    first_sequence: int
    last_sequence: int


@dataclass
class Segments:
    """The files of one store. `epoch` is in their names: no two stores have the same."""

    settings: Settings
    epoch: str
    _leaving: dict[Path, float] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return live_folder(self.settings) / FOLDER

    def write(self, kind: str, sequence: int, rows: pa.Table, *, level: int = 0) -> str:
        """Writes a segment; returns its name."""
        # The folder is not made here: when it is gone, an erasure has taken it, and nothing may come back.
        name = f"{self.epoch}-{kind}-{sequence:08d}-{level}.parquet"
        beside = self.folder / f".{uuid.uuid4().hex}.parquet"
        parquet_files.write(self.settings, beside, rows.schema, [rows], metadata=dict)
        metadata = parquet_files.beside(beside)
        if metadata.exists():
            metadata.replace(parquet_files.beside(self.folder / name))
        beside.replace(self.folder / name)
        return name

    def paths(self, names: Sequence[str]) -> list[Path]:
        return [self.folder / name for name in names]

    def forget(self, names: Sequence[str]) -> None:
        """Removes files once nobody can be reading them."""
        now = time.monotonic()
        for path in self.paths(names):
            self._leaving.setdefault(path, now + GRACE_SECONDS)
        for path in [path for path, at in self._leaving.items() if at <= now]:
            del self._leaving[path]
            remove(path)

    def forget_strangers(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Those of an earlier store, and what a kill left: by the names that this one counts."""
        counted = {name for (name,) in connection.execute("select name from segments").fetchall()}
        self.forget([path.name for path in self.folder.glob("*.parquet") if path.name not in counted])


def remove(path: Path) -> None:
    for one in (path, parquet_files.beside(path)):
        with suppress(FileNotFoundError):
            one.unlink()


def publish(statements: Statements, segments: Segments, sequence: int) -> None:
    """Notes what `view_rows` changes of the view, and writes what is new in it.

    In the caller's transaction; `touched` has the lines that the rows are of.
    """
    statements.table("told", "select *, hash(view_rows) as digest from view_rows")
    statements.table("shown_before", f"from shown semi join touched using ({LINE})")
    statements.table("coming", f"select * from told anti join shown_before using ({LINE}, digest)")
    statements.table("going", f"select {LINE}, sequence from shown_before anti join told using ({LINE}, digest)")
    if statements.count("going"):
        statements.run(f"delete from shown where ({LINE}, sequence) in (select ({LINE}, sequence) from going)")
        statements.run("insert into gone from going")
        _write_gone(statements.connection, segments, sequence)
    rows = statements.run(f"select * exclude (digest) from coming order by {LINE}").to_arrow_table()
    if rows.num_rows:
        statements.connection.execute(f"insert into shown select {LINE}, {sequence}, digest from coming")
        rows = rows.append_column("sequence", pa.array([sequence] * rows.num_rows, pa.int64()))
        add(statements.connection, FEEDBACK, segments.write(FEEDBACK, sequence, rows), 0, sequence, sequence)


def add(
    connection: duckdb.DuckDBPyConnection, kind: str, name: str, level: int, first_sequence: int, last_sequence: int
) -> None:
    counted = [kind, name, level, first_sequence, last_sequence]
    connection.execute("insert into segments values (?, ?, ?, ?, ?)", counted)


def _write_gone(connection: duckdb.DuckDBPyConnection, segments: Segments, sequence: int) -> None:
    rows = connection.execute("from gone order by all").to_arrow_table()
    connection.execute("delete from segments where kind = ?", [GONE])
    if rows.num_rows:
        add(connection, GONE, segments.write(GONE, sequence, rows), 0, sequence, sequence)


def next_merge(statements: Statements) -> Merge | None:
    """The oldest segments of which there are enough of one size."""
    mergeable = " or ".join(f"(kind = {quote(kind)} and level < {most})" for kind, most in MOST_LEVELS.items())
    row = statements.run(
        f"""
        select kind, level, list(name order by first_sequence), min(first_sequence), max(last_sequence)
        from (
            from segments where {mergeable}
            qualify row_number() over (partition by kind, level order by first_sequence) <= {FAN}
        )
        group by kind, level having count(*) = {FAN} order by level, kind limit 1
        """
    ).fetchone()
    return Merge(row[0], tuple(row[2]), row[1] + 1, row[3], row[4]) if row else None


def merged(connection: duckdb.DuckDBPyConnection, segments: Segments, merge: Merge) -> str:
    """Writes the one segment; on a connection of its own, beside the steps. Its name."""
    rows = f"from {parquet_files.read(segments.paths(merge.names))}"
    if merge.kind == FEEDBACK:
        rows += f" anti join gone using ({LINE}, sequence) order by sequence, {LINE}"
    return segments.write(
        merge.kind, merge.first_sequence, connection.execute(rows).to_arrow_table(), level=merge.level
    )


def take_merged(connection: duckdb.DuckDBPyConnection, segments: Segments, merge: Merge, name: str) -> None:
    """Counts the one segment in place of those that it was made of, in the caller's transaction."""
    old = ", ".join(quote(one) for one in merge.names)
    connection.execute(f"delete from segments where name in ({old})")
    add(connection, merge.kind, name, merge.level, merge.first_sequence, merge.last_sequence)
    connection.execute(f"update files set segment = {quote(name)} where segment in ({old})")


def show(connection: duckdb.DuckDBPyConnection, segments: Segments, following: str) -> None:
    """Replaces the database that readers open: the view over what counts now, and `following`, a query of one row."""
    listed: dict[str, list[str]] = {}
    for kind, name in connection.execute("select kind, name from segments order by first_sequence, name").fetchall():
        listed.setdefault(kind, []).append(name)
    shape = ", ".join(f'null::{row[1]} as "{row[0]}"' for row in connection.execute("describe view_shape").fetchall())
    view = f"select {shape} where false"
    if FEEDBACK in listed:
        view = f"select rows.* exclude (sequence) from {parquet_files.read(segments.paths(listed[FEEDBACK]))} as rows"
        if GONE in listed:
            gone = parquet_files.read(segments.paths(listed[GONE]))
            view += f" anti join {gone} as gone using ({LINE}, sequence)"
    told = connection.execute(following).to_arrow_table()
    beside = live_folder(segments.settings) / f".{uuid.uuid4().hex}.duckdb"
    with duckdb.connect(str(beside)) as made:
        encryption.prepare(made, segments.settings)
        made.register("told", told)
        made.execute("set TimeZone = 'UTC'")
        made.execute("create table following as from told")
        made.execute(f"create view attributed_feedback as {view}")
    beside.replace(live_folder(segments.settings) / VIEW_FILE)
