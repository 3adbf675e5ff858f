"""The hashes of a snapshot's rows, which name a version and tell what is another in it than in the one before.

Two kinds. `row_sha256` is what versions are named by. The fingerprint is DuckDB's own hash, 64 bits of a row and 64 of
its key: it takes less than a tenth of what writing the rows takes, and tells which are what they were when the
version before was made. Only days that have others are read again, hashed and written; see
docs/decisions/0018-an-unchanged-day-is-known-by-its-fingerprints.md.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from orchestration.lib import parquet_files
from orchestration.lib.row_hash import add_sha256, as_text, identifier, row_hash
from orchestration.lib.snapshot import BESIDE, Snapshot

# One row for each row of the days that were read: its key, lengths, split_, known_date, fingerprints and row_sha256.
HASHES = f"{BESIDE}.row_hashes"
# The fingerprints of all rows, with the row_sha256 of those that are what they were.
_FOUND = f"{BESIDE}.found_rows"
_FINGERPRINT = "key_hash, fingerprint, split_, known_date"


@dataclass(frozen=True)
class Day:
    """The rows of a split that became known on one day: how many, and the sha256 of their sorted hashes."""

    split: str
    known_date: date | None
    rows: int
    digest: str


@dataclass(frozen=True)
class Base:
    """What is kept of an earlier snapshot: a file of its rows' fingerprints and hashes, and its days."""

    fingerprints: Path
    days: Sequence[Day]


def hash_all(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, measures: Mapping[str, str]) -> list[Day]:
    """Reads every row; `measures` are names to SQL of what is kept of a row beside its hash."""
    connection.execute(f"create or replace table {_FOUND} as {_fingerprints(snapshot)} limit 0")
    connection.execute(f"alter table {_FOUND} add column row_sha256 blob")
    return _hash(connection, snapshot, measures, where="true")


def compare(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, base: Base) -> list[Day]:
    """The days of the snapshot, by fingerprint; the digest of a day is empty where it is not what it was."""
    connection.execute(
        f"""
        create or replace table {_FOUND} as
        select rows.*, old.row_sha256
        from ({_fingerprints(snapshot)}) as rows
        left join {parquet_files.read([base.fingerprints])} as old
            on rows.key_hash = old.key_hash and rows.fingerprint = old.fingerprint
            and rows.split_ = old.split_ and rows.known_date is not distinct from old.known_date
        """
    )
    before = {(day.split, day.known_date): day for day in base.days}
    counted = connection.execute(
        f"select split_, known_date, count(*), count(row_sha256) from {_FOUND} group by all order by all"
    ).fetchall()
    return [
        old if (old := before.get((split, day))) and old.rows == rows == as_they_were else Day(split, day, rows, "")
        for split, day, rows, as_they_were in counted
    ]


def hash_days(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, measures: Mapping[str, str], days: Collection[date]
) -> list[Day]:
    """Reads the rows of some days, after `compare`, and returns what they are."""
    return _hash(connection, snapshot, measures, where=on_days("attributed_date", days))


def on_days(column: str, days: Collection[date]) -> str:
    dates = ", ".join(f"date '{day}'" for day in sorted(days))
    return f"{column} in ({dates})" if days else "false"


def _hash(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, measures: Mapping[str, str], *, where: str
) -> list[Day]:
    add_sha256(connection)
    told = "".join(f", {sql} as {identifier(name)}" for name, sql in measures.items())
    keys = ", ".join(snapshot.key)
    connection.execute(
        f"create or replace table {HASHES} as "
        f"{_fingerprints(snapshot, f', {keys}{told}, {row_hash(snapshot.types)} as row_sha256')} where {where}"
    )
    connection.execute(f"delete from {_FOUND} where known_date in (select known_date from {HASHES})")
    found = connection.execute(
        f"""
        select split_, known_date, count(*), sha256(string_agg(hex(row_sha256), '' order by row_sha256))
        from {HASHES} group by all order by all
        """
    ).fetchall()
    return [Day(*row) for row in found]


def _fingerprints(snapshot: Snapshot, more: str = "") -> str:
    return f"""
    select {fingerprint_columns(snapshot)}, {snapshot.split} as split_, attributed_date as known_date{more}
    from {snapshot.rows}
    """


def fingerprint_columns(snapshot: Snapshot) -> str:
    """SQL for the fingerprints of a row and of its key."""
    columns = ", ".join(_exact(column, kind) for column, kind in snapshot.types.items())
    return f"hash({', '.join(snapshot.key)}) as key_hash, hash({columns}) as fingerprint"


def _exact(column: str, kind: str) -> str:
    """What DuckDB hashes apart wherever `row_sha256` does: its hash of 0.0 is that of -0.0."""
    return as_text(column, kind) if "DOUBLE" in kind or "FLOAT" in kind else identifier(column)


def write_fingerprints(connection: duckdb.DuckDBPyConnection, target: Path, *, options: str) -> None:
    """Writes those of all rows of the snapshot, for the next to compare with; `options` are further ones of COPY."""
    of_rows = f"select {_FINGERPRINT}, row_sha256 from"
    connection.execute(
        f"copy ({of_rows} {_FOUND} union all {of_rows} {HASHES}) to '{target}' "
        f"(format parquet, compression snappy{options})"
    )


def content_hash(columns: Collection[str], days: Sequence[Day]) -> str:
    """The sha256 of a snapshot: its columns, and its rows by split and day, whatever files they are in."""
    lines = [f"{day.split} {day.known_date} {day.rows} {day.digest}" for day in sorted(days, key=_place)]
    return hashlib.sha256("\n".join([*columns, "", *lines]).encode()).hexdigest()


def _place(day: Day) -> tuple[str, str]:
    return day.split, str(day.known_date)
