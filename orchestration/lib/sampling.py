"""Which rows of a recipe are drawn: window, sample and caps as SQL stages, and how many rows each let through.

A row's places in all draws are pieces of one hash of its key. So a draw needs no state, comes out the same on every
machine, and who is in stays in as rows come, as far as a stage's meaning allows (docs/decisions/0020). Drawn are keys
with what the stages look at, not the rows themselves: their texts are read for those that are kept alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from orchestration.lib.field_sql import quote
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.most import Most
from orchestration.lib.recipe.sample import OTHERS, Balance

# The drawn keys of the snapshot that is being published, on the connection.
DRAWS = "snapshot_draws"
# A row's place in each draw is read from its hash's hex digits, from here on: the draws know nothing of each other.
_CAPS, _RATES, _RECENCY, _REHEARSAL, _BALANCE = 1, 14, 27, 40, 52
_DIGITS = 13  # 52 bits: as many as a double holds exactly
# What keeps a product such as 0.2 / 0.8 * 20, which is a hair below 5, from losing a row.
_ROUNDING = "1e-9"


@dataclass(frozen=True)
class Stage:
    """A stage by the recipe's field that asks for it. `keeps` is SQL for whether a row that is still in stays in.

    It may use the columns of `looks_at`. Windows go over `left_at`, so that those who have left count no more.
    """

    field: str
    keeps: str
    looks_at: tuple[str, ...] = ()


def stages(recipe: Recipe) -> list[Stage]:
    """In the order in which rows go through them. Caps and balance are promises on the whole, so they come last."""
    sample, window = recipe.sample, recipe.window_days
    found = []
    if window and not (sample and sample.rehearsal_share):
        found.append(Stage("window_days", f"age < {window}"))
    if sample and sample.rates:
        found.append(Stage("sample.rates", f"{_place(_RATES)} < rate"))
    if sample and sample.half_life_days:
        found.append(Stage("sample.recency", f"{_place(_RECENCY)} < pow(0.5, age / {_double(sample.half_life_days)})"))
    if sample and sample.rehearsal_share and window:
        found.append(_rehearsal(window, sample.rehearsal_share))
    if recipe.most_per:
        found.append(_caps(recipe.most_per, recipe.most))
    if sample and sample.balance:
        found.append(_balance(sample.balance))
    if recipe.most:
        place = f"row_number() over (partition by left_at order by {_most_first(recipe.most)})"
        found.append(Stage("most", f"{place} <= {recipe.most.rows}"))
    return found


def _rehearsal(window: int, share: float) -> Stage:
    """Of the rows before the window as many as make up their share of the whole, or all that there are."""
    times = _double(share / (1 - share))
    return Stage(
        "sample.rehearsal",
        f"is_recent or older_place <= floor({times} * recent_rows + {_ROUNDING})",
        (
            f"age < {window} as is_recent",
            f"count(*) filter (where age < {window}) over (partition by left_at) as recent_rows",
            f"row_number() over (partition by left_at, age < {window} order by {_order(_REHEARSAL)}) as older_place",
        ),
    )


def _caps(most_per: Mapping[str, int], most: Most | None) -> Stage:
    """A row without a value is not one of a crowd. The first of a value are those that are the first of all."""
    order = _most_first(most)
    kept = [
        f"(cap_{n} is null or row_number() over (partition by left_at, cap_{n} order by {order}) <= {rows})"
        for n, rows in enumerate(most_per.values())
    ]
    return Stage("most_per", " and ".join(kept))


def _most_first(most: Most | None) -> str:
    """Those with the most of what `most.by` says come first, then those whose hash does."""
    return f"most_by desc nulls last, {_order(_CAPS)}" if most and most.by else _order(_CAPS)


def _balance(balance: Balance) -> Stage:
    """A row without a class is in none: it stays, and is not counted."""
    counts = f"class is not null and class_rows >= {balance.least_rows}"
    smallest = f"min(class_rows / class_weight) filter (where {counts}) over (partition by left_at)"
    most = f"greatest(1, floor({_double(balance.most_times)} * class_weight * {smallest} + {_ROUNDING}))"
    return Stage(
        "sample.balance",
        f"not ({counts}) or class_place <= {most}",
        (
            "count(*) over (partition by left_at, class) as class_rows",
            f"row_number() over (partition by left_at, class order by {_order(_BALANCE)}) as class_place",
        ),
    )


def draw(recipe: Recipe) -> str:
    """SQL for the hash of a row's key; without a seed, caps draw as they did before there were seeds."""
    seed = f"{quote(recipe.sample.seed + chr(31))} || " if recipe.sample and recipe.sample.seed else ""
    keys = " || chr(31) || ".join(f"coalesce(source.{key}::varchar, '')" for key in recipe.row_key)
    return f"sha256({seed}{keys})"


def draws_query(recipe: Recipe, partition: date, rows: str) -> str:
    """For each of `rows` (SQL, called `source` and with the recipe's filter behind it) its `draw`, its `age` in
    partitions and at which stage it `left_at`: null for what is kept."""
    sample = recipe.sample
    columns = [f"{draw(recipe)} as draw", f"date_diff('day', source.attributed_date, date '{partition}') as age"]
    if sample and sample.rates:
        columns.append(f"{' * '.join(_by_value(recipe, c, rates) for c, rates in sample.rates.items())} as rate")
    if sample and sample.balance:
        weights = {OTHERS: 1.0, **sample.balance.weights}
        columns.append(f"{recipe.value_of(sample.balance.by)} as class")
        columns.append(f"{_by_value(recipe, sample.balance.by, weights)} as class_weight")
    columns += [f"source.{column} as cap_{n}" for n, column in enumerate(recipe.most_per)]
    if recipe.most and recipe.most.by:
        columns.append(f"({recipe.most.by}) as most_by")
    query = f"select {', '.join(columns)}, null::varchar as left_at from {rows}"
    for stage in stages(recipe):
        seen = "".join(f", {column}" for column in stage.looks_at)
        left = f"coalesce(left_at, case when ({stage.keeps}) is not true then {quote(stage.field)} end)"
        query = f"select * replace ({left} as left_at) from (select *{seen} from ({query}))"
    return f"select draw, age, left_at from ({query})"


def kept(draws: str) -> str:
    """SQL for the hashes of the rows that went through all stages."""
    return f"select draw from {draws} where left_at is null"


def stage_counts(connection: duckdb.DuckDBPyConnection, recipe: Recipe) -> list[dict[str, Any]]:
    """How many rows went into each stage and how many came out, of the draws on the connection."""
    found = stages(recipe)
    if not found:
        return []
    left = dict(connection.execute(f"select left_at, count(*) from {DRAWS} group by left_at").fetchall())
    told, rows = [], sum(left.values())
    for stage in found:
        out = rows - left.get(stage.field, 0)
        told.append({"stage": stage.field, "rows_in": rows, "rows_out": out})
        rows = out
    return told


def _place(start: int) -> str:
    """A row's place in a draw, from 0 to 1."""
    return f"('0x' || substr(draw, {start}, {_DIGITS}))::ubigint / {16**_DIGITS}.0"


def _order(start: int) -> str:
    return f"substr(draw, {start}), draw"


def _by_value(recipe: Recipe, column: str, values: Mapping[str, float]) -> str:
    """What a value of a column has; what is not named, and null, has what is said of others, or else 1."""
    cases = "".join(
        f" when {recipe.value_of(column)} = {quote(value)} then {_double(number)}"
        for value, number in values.items()
        if value != OTHERS
    )
    others = _double(values.get(OTHERS, 1.0))
    return f"case{cases} else {others} end" if cases else others


def _double(number: float) -> str:
    return f"{float(number)!r}::double"
