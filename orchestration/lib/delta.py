"""What is another in one version of a dataset than in another: rows added, changed and removed, told by their keys."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.lib.row_hash import add_sha256, row_hash
from orchestration.lib.row_hashes import on_days
from orchestration.lib.snapshot import PARQUET, SPLIT, Snapshot, column_types

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
_CHANGES = "changed_rows"


@dataclass(frozen=True)
class Changes:
    """Counts of rows against the parent version."""

    added: int
    changed: int
    removed: int


def changes_query(*, before: str, after: str, key: Sequence[str]) -> str:
    """SQL for the keys of the rows that two versions do not have alike, and their `change`.

    `before` and `after` are queries that have the key, `split_` and `row_sha256`. A row is another in another split,
    and is not for a column that is null in it and that only one version has.
    """
    keys = ", ".join(key)
    return f"""
    select
        {keys},
        case
            when old.row_sha256 is null then '{ADDED}' when new.row_sha256 is null then '{REMOVED}'
            else '{CHANGED}'
        end as change
    from (select {keys}, split_, row_sha256 from ({before})) as old
    full join (select {keys}, split_, row_sha256 from ({after})) as new using ({keys})
    where old.row_sha256 is distinct from new.row_sha256 or old.split_ is distinct from new.split_
    """


def hashed(connection: duckdb.DuckDBPyConnection, rows: str, key: Sequence[str], *, aside: Collection[str] = ()) -> str:
    """A query of whole rows, with their split as SPLIT, as `changes_query` takes it. Columns `aside` are not compared.

    It is slow, since it reads every text.
    """
    add_sha256(connection)
    types = {c: kind for c, kind in column_types(connection, rows).items() if c != SPLIT and c not in aside}
    return f"select {', '.join(key)}, {SPLIT} as split_, {row_hash(types)} as row_sha256 from ({rows})"


def write_delta(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    snapshot: Snapshot,
    *,
    before: str,
    after: str,
    where: str,
    options: str,
) -> Changes:
    """Writes what turns `before` into `after` as `delta/<change>.parquet`, for each change that there is.

    Added and changed rows are whole, with the split that they are in as `split_`; of removed ones there is the key.
    `where` tells which rows of the snapshot are those of `after`, which has their `known_date`, too.
    `options` are further ones of COPY.
    """
    query = changes_query(before=before, after=after, key=snapshot.key)
    connection.execute(f"create or replace temp table {_CHANGES} as {query}")
    counts = dict(connection.execute(f"select change, count(*) from {_CHANGES} group by all").fetchall())
    keys = ", ".join(snapshot.key)
    (folder / "delta").mkdir()
    for change in counts:
        of_change = rows = f"select {keys} from {_CHANGES} where change = '{change}'"
        if change != REMOVED:
            days = connection.execute(
                f"select known_date, count(*), count(is_one) from ({after}) as rows "
                f"left join (select *, true as is_one from ({of_change})) using ({keys}) "
                "group by known_date having count(is_one) > 0"
            ).fetchall()
            of_days = f"({where}) and {on_days('attributed_date', [day for day, *_ in days])}"
            rows = f"select {_columns(snapshot.types)}, {snapshot.split} as split_ from {snapshot.rows} where {of_days}"
            # On most days all that is new of a day is all that there is of it.
            if any(rows_of_day != of_these for _, rows_of_day, of_these in days):
                rows = f"from ({rows}) semi join ({of_change}) using ({keys})"
        connection.execute(
            f"copy (from ({rows}) order by {keys}) to '{folder}/delta/{change}.parquet' ({PARQUET}{options})"
        )
    return Changes(counts.get(ADDED, 0), counts.get(CHANGED, 0), counts.get(REMOVED, 0))


def _columns(names: Collection[str]) -> str:
    return ", ".join(names)
