"""What is another in one version of a dataset than in another: rows added, changed and removed, told by their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.lib.field_sql import quote
from orchestration.lib.snapshot import as_text, column_types, row_hash

ADDED, CHANGED, REMOVED = "added", "changed", "removed"


@dataclass(frozen=True)
class Changes:
    """Counts of rows against the parent version."""

    added: int
    changed: int
    removed: int


def changes_query(
    connection: duckdb.DuckDBPyConnection, *, before: str, after: str, key: Sequence[str], aside: Sequence[str] = ()
) -> str:
    """SQL for the keys of the rows that two queries do not have alike, and their `change`.

    A column that only one side has counts where it holds something: a row is not another for a new column that is
    null in it. The columns `aside` are not compared.
    """
    old, new = (
        {column: kind for column, kind in column_types(connection, query).items() if column not in aside}
        for query in (before, after)
    )
    keys = ", ".join(key)
    return f"""
    select
        {keys},
        case when old.h is null then '{ADDED}' when new.h is null then '{REMOVED}' else '{CHANGED}' end as change
    from (select {keys}, {_comparable(old, new)} as h from ({before})) as old
    full join (select {keys}, {_comparable(new, old)} as h from ({after})) as new using ({keys})
    where old.h is distinct from new.h
    """


def _comparable(own: dict[str, str], other: dict[str, str]) -> str:
    """The hash of a row's columns that both sides have, and of what it holds in those that only it has."""
    both = {column: own[column] for column in sorted(own) if column in other}
    alone = " || ".join(
        f"coalesce({quote(c + '=')} || {as_text(c, own[c])}, '')" for c in sorted(own) if c not in other
    )
    return row_hash(both) + (f" || {alone}" if alone else "")


def write_delta(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    before: str,
    after: str,
    key: Sequence[str],
    split: str,
    parquet: str,
) -> Changes:
    """Writes what turns `before` into `after` as `delta/<change>.parquet`, for each change that there is.

    Added and changed rows are whole, with the split that they are in as `split_`; of removed ones there is the key.
    `split` is the column of both that has it: a row that moves has changed. `parquet` is how the files are written.
    """
    query = changes_query(connection, before=before, after=after, key=key)
    connection.execute(f"create or replace temp table changed_rows as {query}")
    counts = dict(connection.execute("select change, count(*) from changed_rows group by all").fetchall())
    keys = ", ".join(key)
    rows = f"* exclude ({split}), {split} as split_"
    (folder / "delta").mkdir()
    for change in counts:
        of_change = f"select {keys} from changed_rows where change = '{change}'"
        whole = (
            of_change if change == REMOVED else f"select {rows} from ({after}) semi join ({of_change}) using ({keys})"
        )
        connection.execute(f"copy (from ({whole}) order by {keys}) to '{folder}/delta/{change}.parquet' ({parquet})")
    return Changes(counts.get(ADDED, 0), counts.get(CHANGED, 0), counts.get(REMOVED, 0))
