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
from orchestration.lib.duck import BESIDE
from orchestration.lib.field_sql import quote
from orchestration.lib.row_hash import add_sha256, as_text, identifier, row_hash
from orchestration.lib.snapshot import SOURCE_HASH, Snapshot

# One row for each row of the days that were read: its key, lengths, split_, known_date, fingerprints and row_sha256.
HASHES = f"{BESIDE}.row_hashes"
# The fingerprints of the days that are another than they were, and whether the version before has the row.
_FOUND = f"{BESIDE}.found_rows"
_FINGERPRINT = "key_hash, fingerprint, split_, known_date"
_SUM = "sum(hash(key_hash, fingerprint))::varchar"


@dataclass(frozen=True)
class Day:
    """The rows of a split that became known on one day: how many, the sha256 of their sorted hashes, and the sum of
    their fingerprints.
    """

    split: str
    known_date: date | None
    rows: int
    digest: str
    fingerprint: str = ""


@dataclass(frozen=True)
class Base:
    """What is kept of an earlier snapshot: a file of its rows' fingerprints, and its days."""

    fingerprints: Path
    days: Sequence[Day]


def hash_all(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, measures: Mapping[str, str]) -> list[Day]:
    """Reads every row; `measures` are names to SQL of what is kept of a row beside its hash."""
    _read(connection, snapshot, measures, where="true")
    return _days_read(connection)


def compare(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, base: Base) -> list[Day]:
    """The days of the snapshot, by fingerprint; the digest of a day is empty where it is not what it was."""
    before = {(day.split, day.known_date): day for day in base.days}
    counted = connection.execute(
        f"select split_, known_date, count(*), {_SUM} from ({_fingerprints(snapshot)}) group by all order by all"
    ).fetchall()
    return [
        old
        if (old := before.get((split, day))) and (old.rows, old.fingerprint) == (rows, fingerprint)
        else Day(split, day, rows, "")
        for split, day, rows, fingerprint in counted
    ]


def hash_days(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    measures: Mapping[str, str],
    days: Collection[date],
    base: Base,
    rows_files: Sequence[Path] = (),
) -> list[Day]:
    """What the rows of some days are, after `compare`. Read are those of days on which a row is new or another.

    What is left of the other days is in `rows_files`, the files of keys and hashes of the version that was compared
    with; without them it is read, too.
    """
    left = _days_left(connection, snapshot, days, base) if rows_files and days else set()
    _read(connection, snapshot, measures, where=on_days("attributed_date", set(days) - left))
    if left and not _take(connection, snapshot, measures, left, rows_files):
        _read(connection, snapshot, measures, where=on_days("attributed_date", days))
    return _days_read(connection)


def _days_left(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, days: Collection[date], base: Base
) -> set[date]:
    """Those of the days of which every row is one that there was."""
    of_days = on_days("known_date", days)
    connection.execute(
        f"""
        create or replace table {_FOUND} as
        select rows.*, old.key_hash is not null as is_old
        from (select * from ({_fingerprints(snapshot)}) where {of_days}) as rows
        left join (select {_FINGERPRINT} from {parquet_files.read([base.fingerprints])} where {of_days}) as old
            using ({_FINGERPRINT})
        """
    )
    left = f"select known_date from {_FOUND} group by known_date having bool_and(is_old)"
    return {day for (day,) in connection.execute(left).fetchall()}


def _take(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    measures: Mapping[str, str],
    days: Collection[date],
    rows_files: Sequence[Path],
) -> bool:
    """Adds what the files have of the rows of some days; False if that are not just these rows."""
    told = "".join(f", {identifier(name)}" for name in measures)
    of_days, rows = on_days("known_date", days), parquet_files.read(rows_files)
    connection.execute(
        f"""
        insert into {HASHES} by name
        select {_FINGERPRINT}, {", ".join(snapshot.key)}{told}, row_sha256
        from (select *, hash({", ".join(snapshot.key)}) as key_hash from {rows} where {of_days})
        join (select {_FINGERPRINT} from {_FOUND} where {of_days}) using (key_hash, known_date)
        """
    )
    counted = connection.execute(
        f"select (select count(*) from {HASHES} where {of_days}), (select count(*) from {_FOUND} where {of_days})"
    ).fetchall()
    return bool(counted[0][0] == counted[0][1])


def on_days(column: str, days: Collection[date | None]) -> str:
    dates = ", ".join(f"date '{day}'" for day in sorted(day for day in days if day))
    of_days = f"{column} in ({dates})" if dates else "false"
    return f"({of_days} or {column} is null)" if None in days else of_days


def _read(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, measures: Mapping[str, str], *, where: str
) -> None:
    add_sha256(connection)
    told = "".join(f", {sql} as {identifier(name)}" for name, sql in measures.items())
    keys = ", ".join(snapshot.key)
    connection.execute(
        f"create or replace table {HASHES} as "
        f"{_fingerprints(snapshot, f', {keys}{told}, {row_hash(snapshot.types)} as row_sha256')} where {where}"
    )


def _days_read(connection: duckdb.DuckDBPyConnection) -> list[Day]:
    found = connection.execute(
        f"""
        select split_, known_date, count(*), sha256(string_agg(hex(row_sha256), '' order by row_sha256)), {_SUM}
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
    if snapshot.computed_by:
        return f"hash({', '.join(snapshot.key)}) as key_hash, {SOURCE_HASH} as fingerprint"
    columns = ", ".join(_exact(column, kind) for column, kind in snapshot.types.items())
    return f"hash({', '.join(snapshot.key)}) as key_hash, hash({columns}) as fingerprint"


def _exact(column: str, kind: str) -> str:
    """What DuckDB hashes apart wherever `row_sha256` does: its hash of 0.0 is that of -0.0."""
    return as_text(column, kind) if "DOUBLE" in kind or "FLOAT" in kind else identifier(column)


def write_fingerprints(
    connection: duckdb.DuckDBPyConnection, target: Path, days: Sequence[Day], base: Base | None, *, options: str
) -> None:
    """Writes those of all rows of the snapshot's days, for the next to compare with: of days that were not read they
    are those of `base`; `options` are further ones of COPY.
    """
    query = f"select {_FINGERPRINT} from {HASHES}"
    read = {day for (day,) in connection.execute(f"select distinct known_date from {HASHES}").fetchall()}
    kept = [f"({quote(day.split)}, '{day.known_date}')" for day in days if day.known_date not in read]
    if base is not None and kept:
        query += f"""
            union all select {_FINGERPRINT} from {parquet_files.read([base.fingerprints])}
            where (split_, coalesce(known_date::varchar, 'None')) in ({", ".join(kept)})
        """
    connection.execute(f"copy ({query}) to '{target}' (format parquet, compression snappy{options})")


def content_hash(columns: Collection[str], days: Sequence[Day]) -> str:
    """The sha256 of a snapshot: its columns, and its rows by split and day, whatever files they are in."""
    lines = [f"{day.split} {day.known_date} {day.rows} {day.digest}" for day in sorted(days, key=_place)]
    return hashlib.sha256("\n".join([*columns, "", *lines]).encode()).hexdigest()


def _place(day: Day) -> tuple[str, str]:
    return day.split, str(day.known_date)
