"""A dataset's rows as of a partition: the query and the content hash that names a version.

The hash is over canonical rows, not over files: another machine, another Parquet writer, the same name.
"""

from datetime import date
from typing import Any

import duckdb

from orchestration.lib import label_noise
from orchestration.lib.clean_rows import clean_rows, is_compared
from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import DEFAULT_SPLIT, SOURCES, Recipe, Split
from orchestration.lib.recipe.weights import WEIGHT
from orchestration.lib.sample_weights import weight_sql
from orchestration.lib.sampling import DRAWS, draw, draws_query, kept, stages

# Rows are hashed in buckets, so that no aggregate holds more than a 4096th of the dataset at once.
_BUCKET_DIGITS = 3


# The snapshot that is being published, on the connection: what it rests on is read once.
ROWS = "snapshot_rows"
HASHES = "snapshot_hashes"
# Written down because the bytes of a version depend on it.
PARQUET = "format parquet, compression zstd, compression_level 3, row_group_size 122880"
# The column of a snapshot that says which split a row is in; its files say it by their names.
SPLIT = "__split"


def snapshot_query(recipe: Recipe, partition: date, *, draws: str | None = None, source_rows: str | None = None) -> str:
    """The recipe's rows as of the end of a partition and, where it has splits, each row's; on the warehouse.

    `draws` are the draws that were made already (SQL); without, they are part of the query. `source_rows` are those of
    the source that it is to choose among; without, all.
    """
    columns = [
        f"{weight_sql(recipe) if column == WEIGHT else recipe.value_of(column)} as {column}"
        for column in recipe.columns
    ]
    if recipe.split:
        columns.append(f"{_split_of_row(recipe.split)} as {SPLIT}")
    rows = f"({source_rows or _source_rows(recipe, partition)}) as source"
    if stages(recipe):
        drawn = kept(draws or f"({_draws(recipe, partition, source_rows)})")
        rows += f" semi join ({drawn}) as kept on {draw(recipe)} = kept.draw"
    return f"select {', '.join(columns)} from {rows} where ({recipe.where})"


def _draws(recipe: Recipe, partition: date, source_rows: str | None) -> str:
    rows = source_rows or _source_rows(recipe, partition)
    return draws_query(recipe, partition, f"({rows}) as source where ({recipe.where})")


def _source_rows(recipe: Recipe, partition: date) -> str:
    """The rows of the recipe's source that held at the end of a partition."""
    source = SOURCES[recipe.source]
    parameters = "".join(f", {name} := {_literal(value)}" for name, value in recipe.parameters.items())
    if source.is_function:
        return f"select * from marts.{source.asset(recipe.source)}(date '{partition}'{parameters})"
    ended = f"select feedback_id from marts.feedback_ended_as_of(date '{partition}')"
    table = f"{recipe.source}_as_of(date '{partition}'{parameters})" if parameters else recipe.source
    rows = f"select * from marts.{table} where attributed_date <= date '{partition}'"
    if recipe.include_unreviewed:
        ended += " where cause <> 'contested'"
        rows += f" union all by name {_unreviewed(partition)}"
    return f"""
    select source.*
    from ({rows}) as source
    anti join ({ended}) as ended on source.feedback_id = ended.feedback_id
    """


def _literal(value: Any) -> str:
    return quote(value) if isinstance(value, str) else str(value)


def _split_of_row(split: Split) -> str:
    """The split whose part of the numbers from 0 to 1 the hash of the row's group falls into."""
    group = f"coalesce(source.{split.by}::varchar, source.request_id)"
    place = f"('0x' || left(sha256({quote(split.seed + chr(31))} || {group}), 13))::ubigint / {16**13}.0"
    names = list(split.shares)
    bounds = [sum(list(split.shares.values())[: n + 1]) for n in range(len(names) - 1)]
    cases = " ".join(f"when {place} < {bound!r} then {quote(name)}" for name, bound in zip(names, bounds, strict=False))
    return f"case {cases} else {quote(names[-1])} end" if cases else quote(names[-1])


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


def row_hash(types: dict[str, str]) -> str:
    """The hash of one row: each column as its name, a length and a text that every engine writes alike."""
    parts = []
    for column, kind in types.items():
        text = as_text(column, kind)
        parts.append(f"coalesce({quote(column + '=')} || strlen({text}) || ':' || {text}, {quote(column)})")
    return f"sha256({' || chr(31) || '.join(parts)})"


def as_text(column: str, kind: str) -> str:
    """A column as a text that every engine writes alike."""
    if kind.startswith("TIMESTAMP"):
        return f"epoch_us({column})::varchar"
    # What a list or a struct looks like as text is the engine's; JSON is everybody's.
    is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return f"to_json({column})::varchar" if is_nested else f"{column}::varchar"


def column_types(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {query}").fetchall()}


def make_snapshot(connection: duckdb.DuckDBPyConnection, recipe: Recipe, partition: date) -> dict[str, str]:
    """Reads the rows once, into the connection's tables ROWS and HASHES (row_hash, split_, known_date).

    Returns the types of the columns of ROWS.
    """
    source_rows = None
    if is_compared(recipe):
        split = _split_of_row(recipe.split) if recipe.split else None
        source_rows = clean_rows(connection, recipe, _source_rows(recipe, partition), split)
    if stages(recipe):
        connection.execute(f"create or replace temp table {DRAWS} as {_draws(recipe, partition, source_rows)}")
    query = snapshot_query(recipe, partition, draws=DRAWS, source_rows=source_rows)
    connection.execute(f"create or replace temp table {ROWS} as {query}")
    label_noise.fill_columns(connection, recipe, rows=ROWS)
    types = column_types(connection, f"from {ROWS}")
    in_split = SPLIT if recipe.split else quote(DEFAULT_SPLIT)
    connection.execute(
        f"create or replace temp table {HASHES} as "
        f"select {row_hash(types)} as row_hash, {in_split} as split_, attributed_date as known_date from {ROWS}"
    )
    return types


def content_hash(connection: duckdb.DuckDBPyConnection) -> tuple[str, int]:
    """The sha256 of the snapshot's rows, whatever their order, and how many there are."""
    row = connection.execute(
        f"""
        with buckets as (
            select left(row_hash, {_BUCKET_DIGITS}) as bucket, count(*) as rows,
                sha256(string_agg(row_hash, '' order by row_hash)) as bucket_hash
            from {HASHES} group by bucket
        )
        select sha256(coalesce(string_agg(bucket_hash, '' order by bucket), '')), coalesce(sum(rows), 0)
        from buckets
        """
    ).fetchone()
    assert row is not None  # an aggregate without a group has one row
    return str(row[0]), int(row[1])


def version_name(partition: date, content: str) -> str:
    return f"{partition.isoformat()}-{content[:12]}"
