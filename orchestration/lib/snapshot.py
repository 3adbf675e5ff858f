"""A dataset's rows as of a partition: the query, the content hash that names a version, what changed.

The hash is over canonical rows, not over files: another machine, another Parquet writer, the same name.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import Recipe

# Rows are hashed in buckets, so that no aggregate holds more than a 4096th of the dataset at once.
_BUCKET_DIGITS = 3


@dataclass(frozen=True)
class Changes:
    """Counts of rows against the parent version."""

    added: int
    changed: int
    removed: int


def snapshot_query(recipe: Recipe, partition: date) -> str:
    """The recipe's rows as of the end of a partition, on the warehouse."""
    columns = ", ".join(f"source.{c}" for c in recipe.columns)
    ended = f"select feedback_id from marts.feedback_ended_as_of(date '{partition}')"
    source = recipe.source
    if recipe.credit_method:
        source += f"_as_of(date '{partition}', method := '{recipe.credit_method}')"
    rows = f"select * from marts.{source} where attributed_date <= date '{partition}'"
    if recipe.include_unreviewed:
        ended += " where cause <> 'contested'"
        rows += f" union all by name {_unreviewed(partition)}"
    return f"""
    select {columns}
    from ({rows}) as source
    anti join ({ended}) as ended on source.feedback_id = ended.feedback_id
    where ({recipe.where})
    """


def _unreviewed(partition: date) -> str:
    """The pairs that no reviewer had decided on by the end of a partition, with the day that they waited from."""
    return f"""
    select waiting.* exclude (paired_date), waiting.paired_date as attributed_date
    from marts.feedback_under_review as waiting
    anti join (
        select feedback_id from intermediate.int_feedback_attributions where attributed_date <= date '{partition}'
    ) as attributed on waiting.feedback_id = attributed.feedback_id
    anti join (
        select feedback_id
        from intermediate.int_review_decisions
        where received_date <= date '{partition}'
        group by feedback_id
        having max_by(decision, received_date) = 'reject'
    ) as rejected on waiting.feedback_id = rejected.feedback_id
    where waiting.paired_date <= date '{partition}'
    """


def _row_hash(types: dict[str, str]) -> str:
    """The hash of one row: each column as its name, a length and a text that every engine writes alike."""
    parts = []
    for column, kind in types.items():
        text = f"epoch_us({column})::varchar" if kind.startswith("TIMESTAMP") else f"{column}::varchar"
        parts.append(f"coalesce({quote(column + '=')} || strlen({text}) || ':' || {text}, {quote(column)})")
    return f"sha256({' || chr(31) || '.join(parts)})"


def _comparable(own: dict[str, str], other: dict[str, str]) -> str:
    """The hash of a row's columns that both sides have, and of what it holds in those that only it has."""
    both = {column: own[column] for column in sorted(own) if column in other}
    alone = " || ".join(f"coalesce({quote(c + '=')} || {c}::varchar, '')" for c in sorted(own) if c not in other)
    return _row_hash(both) + (f" || {alone}" if alone else "")


def column_types(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {query}").fetchall()}


def content_hash(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[str, int]:
    """The sha256 of a query's rows, whatever their order, and how many there are."""
    row_hash = _row_hash(column_types(connection, query))
    row = connection.execute(
        f"""
        with rows as (select {row_hash} as row_hash from ({query})),
        buckets as (
            select left(row_hash, {_BUCKET_DIGITS}) as bucket, count(*) as rows,
                sha256(string_agg(row_hash, '' order by row_hash)) as bucket_hash
            from rows group by bucket
        )
        select sha256(coalesce(string_agg(bucket_hash, '' order by bucket), '')), coalesce(sum(rows), 0)
        from buckets
        """
    ).fetchone()
    assert row is not None  # an aggregate without a group has one row
    return str(row[0]), int(row[1])


def count_changes(
    connection: duckdb.DuckDBPyConnection, *, parent: str | None, child: str, key: Sequence[str] = ("feedback_id",)
) -> Changes:
    """Compares two queries' rows by their key. Without a parent every row is added.

    A column that only one side has counts where it holds something: a row is not another for a new column that is
    null in it.
    """
    if parent is None:
        return Changes(content_hash(connection, child)[1], 0, 0)
    before, after = column_types(connection, parent), column_types(connection, child)
    keys = ", ".join(key)
    row = connection.execute(
        f"""
        with old as (select {keys}, {_comparable(before, after)} as h from ({parent})),
        new as (select {keys}, {_comparable(after, before)} as h from ({child}))
        select
            count(*) filter (where old.h is null),
            count(*) filter (where old.h <> new.h),
            count(*) filter (where new.h is null)
        from old full join new using ({keys})
        """
    ).fetchone()
    assert row is not None
    return Changes(*row)


def version_name(partition: date, content: str) -> str:
    return f"{partition.isoformat()}-{content[:12]}"


def file_sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
