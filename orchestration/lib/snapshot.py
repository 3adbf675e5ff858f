"""A dataset's rows as of a partition: the query, and where its rows are while they are published."""

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from orchestration.lib import label_noise
from orchestration.lib.clean_rows import clean_rows, is_compared
from orchestration.lib.duck import BESIDE
from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import DEFAULT_SPLIT, SOURCES, Recipe, Split
from orchestration.lib.recipe.source_columns import ROW_HASH
from orchestration.lib.recipe.weights import WEIGHT
from orchestration.lib.retention.text_fields import TEXTS_OF_PAIR
from orchestration.lib.sample_weights import weight_sql
from orchestration.lib.sampling import DRAWS, draw, draws_query, kept, stages

# Written down because the bytes of a version depend on it.
PARQUET = "format parquet, compression zstd, compression_level 3, row_group_size 20480"
# The column of a snapshot that says which split a row is in; its files say it by their names.
SPLIT = "__split"
# The fields of a recipe in which a column's name is only a word.
_PROSE = ("name", "description", "license", "limits")
# The column of a snapshot that has a hash of the source's row, where the source keeps one.
SOURCE_HASH = "__source_hash"


def snapshot_query(
    recipe: Recipe,
    partition: date,
    *,
    draws: str | None = None,
    source_rows: str | None = None,
    with_source_hash: bool = False,
) -> str:
    """The recipe's rows as of the end of a partition and, where it has splits, each row's; on the warehouse.

    `draws` are the draws that were made already (SQL); without, they are part of the query. `source_rows` are those of
    the source that it is to choose among; without, all.
    """
    columns = _columns(recipe)
    if recipe.split:
        columns.append(f"{_split_of_row(recipe.split)} as {SPLIT}")
    if with_source_hash:
        columns.append(f"source.{ROW_HASH} as {SOURCE_HASH}")
    rows = f"({source_rows or _source_rows(recipe, partition)}) as source"
    if stages(recipe):
        drawn = kept(draws or f"({_draws(recipe, partition, source_rows)})")
        rows += f" semi join ({drawn}) as kept on {draw(recipe)} = kept.draw"
    return f"select {', '.join(columns)} from {rows} where ({recipe.where})"


def _columns(recipe: Recipe) -> list[str]:
    """SQL for what is published of a row."""
    return [
        f"{weight_sql(recipe) if column == WEIGHT else recipe.value_of(column)} as {column}"
        for column in recipe.columns
    ]


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
    {"where not coalesce(source.is_text_expired, false)" if _needs_texts(recipe) else ""}
    """


def _needs_texts(recipe: Recipe) -> bool:
    """Whether a row without its texts, since their lifetime is over, would be half empty. Functions leave it out."""
    if recipe.source != "attributed_feedback":
        return False
    told = {field: value for field, value in recipe.to_dict().items() if field not in _PROSE}
    asked = json.dumps({**told, "columns": list(recipe.columns)}, ensure_ascii=False)
    return any(re.search(rf"\b{column}\b", asked) for column in TEXTS_OF_PAIR)


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


def column_types(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {query}").fetchall()}


@dataclass(frozen=True)
class Snapshot:
    """The rows of a partition, as whoever publishes them reads them.

    `rows` is what stands after `from`; `types` are the published columns' types, `key` those that tell rows apart.
    `computed_by` is what makes a row out of the source's, where SOURCE_HASH tells whether that is what it was.
    """

    rows: str
    types: dict[str, str]
    key: tuple[str, ...]
    has_splits: bool
    computed_by: str | None = None

    @property
    def split(self) -> str:
        """SQL for the split of a row."""
        return SPLIT if self.has_splits else quote(DEFAULT_SPLIT)

    @property
    def aside(self) -> list[str]:
        """The columns of a row that are not published."""
        return [*([SPLIT] if self.has_splits else []), *([SOURCE_HASH] if self.computed_by else [])]


def open_snapshot(connection: duckdb.DuckDBPyConnection, recipe: Recipe, partition: date) -> Snapshot:
    """The rows of a partition on a connection to the warehouse.

    What is costly to ask is asked once and kept; the rows of a plain mart are read where they are, so that its texts
    are never held.
    """
    connection.execute(f"attach if not exists ':memory:' as {BESIDE}")
    source_rows = None
    if is_compared(recipe):
        split = _split_of_row(recipe.split) if recipe.split else None
        source_rows = clean_rows(connection, recipe, _source_rows(recipe, partition), split)
    if stages(recipe):
        connection.execute(f"create or replace temp table {DRAWS} as {_draws(recipe, partition, source_rows)}")
    hashed = _is_plain(recipe) and _has_hashes(connection, recipe, partition)
    query = snapshot_query(recipe, partition, draws=DRAWS, source_rows=source_rows, with_source_hash=hashed)
    rows = f"({query}) as snapshot_rows"
    if not _is_plain(recipe):
        connection.execute(f"create or replace table {BESIDE}.snapshot_rows as from {rows}")
        rows = f"{BESIDE}.snapshot_rows"
        label_noise.fill_columns(connection, recipe, rows=rows)
    aside = (SPLIT, SOURCE_HASH)
    types = {column: kind for column, kind in column_types(connection, f"from {rows}").items() if column not in aside}
    computed_by = "\n".join(_columns(recipe)) if hashed else None
    return Snapshot(rows, types, recipe.row_key, bool(recipe.split), computed_by)


def _is_plain(recipe: Recipe) -> bool:
    """Whether rows are a mart's, with a filter at most: each can be had without the others."""
    rests_on_others = is_compared(recipe) or stages(recipe) or recipe.label_noise
    return not (SOURCES[recipe.source].is_function or recipe.parameters or rests_on_others)


def _has_hashes(connection: duckdb.DuckDBPyConnection, recipe: Recipe, partition: date) -> bool:
    """Whether the source has a hash for each of its rows: what an older version of the models built has none.

    What a recipe computes follows from its source's row alone (orchestration/lib/recipe/expressions.py), so that a row
    is what it was where the source's is.
    """
    if recipe.include_unreviewed or ROW_HASH not in column_types(connection, f"from marts.{recipe.source}"):
        return False
    lacking = f"select 1 from marts.{recipe.source} where {ROW_HASH} is null and attributed_date <= date '{partition}'"
    return not connection.execute(f"{lacking} limit 1").fetchall()


def version_name(partition: date, content: str) -> str:
    return f"{partition.isoformat()}-{content[:12]}"


def partition_of(version: str) -> date:
    """The partition that a version was made for, which its name tells."""
    return date.fromisoformat(version[: len("YYYY-MM-DD")])
