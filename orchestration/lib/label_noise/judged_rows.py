"""Which rows of a snapshot are judged: their class, and the fold in which they are held out. SQL on its table."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import Recipe

# Fewer rows tell too little; a class of fewer rows, or of rows that are all held out together, can not be learned.
LEAST_ROWS = 100
LEAST_ROWS_OF_A_CLASS = 10
# Numbers and free texts are no classes.
MOST_CLASSES = 20

# The table of judged rows: `n` in the order of their keys, `row_id` in the snapshot, `class` from 0, `fold`.
JUDGED = "label_noise_rows"


@dataclass(frozen=True)
class Judged:
    """The judged rows: the classes' names in order, and how many rows there are."""

    classes: Sequence[str]
    rows: int


def choose_rows(connection: duckdb.DuckDBPyConnection, recipe: Recipe, *, rows: str) -> Judged | str:
    """Makes the table JUDGED; or says in a sentence why no row can be judged.

    A fold follows from a hash of the group that the splits are made of: never from an order of rows, and no group
    tells of itself.
    """
    noise = recipe.label_noise
    assert noise is not None
    total = _count(connection, rows)
    if total > noise.most_rows:
        return (
            f"There are {total:,} rows, more than the {noise.most_rows:,} up to which labels are doubted (most_rows)."
        )
    group = f"coalesce({recipe.split.by}::varchar, request_id)" if recipe.split else "request_id"
    has_something = " or ".join(f"{column} is not null" for column in noise.given)
    connection.execute(
        f"""
        create or replace temp table {JUDGED} as
        with held_out as (
            select
                rowid as row_id, {", ".join(recipe.row_key)}, {noise.label}::varchar as label,
                ('0x' || left(sha256({quote("label_noise" + chr(31))} || {group}), 8))::ubigint % {noise.folds} as fold
            from {rows}
            where {noise.label} is not null and ({has_something})
        ),
        classes as (
            select label, row_number() over (order by label) - 1 as class
            from held_out
            group by label
            having count(*) >= {LEAST_ROWS_OF_A_CLASS} and count(distinct fold) > 1
        )
        select
            (row_number() over (order by {", ".join(recipe.row_key)}) - 1)::integer as n,
            row_id, label, class::integer as class, fold::integer as fold
        from held_out join classes using (label)
        """
    )
    classes = [
        name for (name,) in connection.execute(f"select label from {JUDGED} group by label order by label").fetchall()
    ]
    judged = _count(connection, JUDGED)
    if len(classes) > MOST_CLASSES:
        return f"The label has {len(classes):,} classes, more than the {MOST_CLASSES} that are looked at."
    if len(classes) < 2 or judged < LEAST_ROWS:
        return (
            f"Too few rows to tell: two classes of {LEAST_ROWS_OF_A_CLASS} rows or more, from several users or "
            f"sessions, and {LEAST_ROWS} rows in all are needed."
        )
    return Judged(classes, judged)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None  # an aggregate without a group has one row
    return int(row[0])
