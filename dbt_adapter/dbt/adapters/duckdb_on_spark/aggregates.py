"""Aggregates that depend on an order: Spark has none, so values are collected with what orders them, and sorted."""

from dbt.adapters.duckdb_on_spark.nodes import call, spark
from sqlglot import exp


def ordered_aggregate(node: exp.Expr, where: exp.Expr | None = None) -> exp.Expr | None:
    """`list`, `sum` or `avg` with `order by`; None for any other."""
    if not isinstance(node, (exp.ArrayAgg, exp.Sum, exp.Avg)) or not isinstance(node.this, exp.Order):
        return None
    order = node.this
    values = _sorted(order.this, order.expressions, where)
    if isinstance(node, exp.ArrayAgg):
        # A list of nothing is null.
        return spark("nullif(:items, array())", items=values)
    total = spark(
        "aggregate(filter(:items, v -> v is not null), cast(null as double), (total, v) -> coalesce(total + v, v))",
        items=values,
    )
    if isinstance(node, exp.Sum):
        return total
    return spark(":total / array_size(filter(:items, v -> v is not null))", total=total, items=values)


def _sorted(value: exp.Expr, keys: list[exp.Expr], where: exp.Expr | None) -> exp.Expr:
    is_distinct = isinstance(value, exp.Distinct)
    if is_distinct:
        (value,) = value.expressions
    fields: list[exp.Expr] = []
    for number, key in enumerate(keys):
        fields += [exp.Literal.string(f"k{number}"), key.this]
    collected = call(
        "collect_set" if is_distinct else "collect_list", call("named_struct", *fields, exp.Literal.string("v"), value)
    )
    if where is not None:
        collected = exp.Filter(this=collected, expression=exp.Where(this=where.copy()))
    return spark("transform(:items, r -> r.v)", items=_by_keys(collected, [bool(key.args.get("desc")) for key in keys]))


def _by_keys(rows: exp.Expr, descending: list[bool]) -> exp.Expr:
    """Rows by k0, k1, …; nulls last, as DuckDB has them either way."""
    steps = []
    for number, is_descending in enumerate(descending):
        k = f"k{number}"
        less, more = (1, -1) if is_descending else (-1, 1)
        steps += [
            f"when l.{k} is null and r.{k} is not null then 1 when l.{k} is not null and r.{k} is null then -1 "
            f"when l.{k} < r.{k} then {less} when l.{k} > r.{k} then {more}"
        ]
    return spark(f"array_sort(:items, (l, r) -> case {' '.join(steps)} else 0 end)", items=rows)
