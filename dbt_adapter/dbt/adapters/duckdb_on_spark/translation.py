"""DuckDB's SQL as Spark's: sqlglot, and what it does not know or translates to something else.

Only what means the same on both sides belongs here. What an engine has to do in another way altogether is a macro of
the project, dispatched by adapter.
"""

import copy
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import sqlglot
from dbt.adapters.duckdb_on_spark.aggregates import ordered_aggregate
from dbt.adapters.duckdb_on_spark.files import absolute
from dbt.adapters.duckdb_on_spark.functions import FUNCTIONS
from dbt.adapters.duckdb_on_spark.nodes import call, is_text, spark
from dbt.adapters.duckdb_on_spark.union_by_name import resolve_unions
from sqlglot import exp
from sqlglot.optimizer.simplify import simplify

Rewrite = Callable[[Any], exp.Expr | None]


def to_spark(
    sql: str, *, columns_of: Callable[[str], list[str]], body_of: Callable[[str], str] = lambda function: ""
) -> str:
    """A query for Spark. `columns_of` tells the columns of a relation, `body_of` the query of a table function."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    bodies = {_stand_in(table): body_of(function) for table, function in _handed_on(tree)}
    _write_out_windows(tree)
    for node in tree.find_all(exp.Length):
        # By which of its names it was called: `len` is a list's, `length` a text's.
        node.meta["name"] = sql[node.meta["start"] : node.meta["end"] + 1].lower()
    # Children first: what a rewrite makes of a node is Spark's, and not looked at again.
    for node in reversed(list(tree.walk())):
        rewrite = _REWRITES.get(type(node))
        new = rewrite(node) if rewrite else None
        if new is not None:
            node.replace(new)
    resolve_unions(tree, columns_of=lambda relation: columns_of(relation.sql(dialect="spark")))
    text = spark_sql(tree)
    for name, body in bodies.items():
        text = text.replace(name, f"(\n{body}\n)")
    return text


def _handed_on(tree: exp.Expr) -> list[tuple[exp.Table, str]]:
    """The table functions that are called with a parameter of the function around them, which Spark can not hand on
    into a subquery: their query is put in place of the call. It has the same parameter by the same name.
    """
    return [
        (table, f"{table.db}.{table.this.name}")
        for table in tree.find_all(exp.Table)
        if isinstance(table.this, exp.Anonymous) and all(isinstance(a, exp.Column) for a in table.this.expressions)
    ]


def _stand_in(table: exp.Table) -> str:
    """Puts a name in place of a call, and tells how it is written."""
    table.set("this", exp.to_identifier(f"query of {table.this.name}", quoted=True))
    return f"{table.db}.`{table.name}`"


def _write_out_windows(tree: exp.Expr) -> None:
    """`over (w rows …)`: Spark knows named windows, and nothing that adds to one."""
    for select in tree.find_all(exp.Select):
        named = {window.name: window for window in select.args.get("windows") or []}
        for window in select.find_all(exp.Window):
            base = named.get(window.alias)
            if base is not None and window is not base and window.args.get("spec"):
                for part in ("partition_by", "order"):
                    window.set(part, copy.deepcopy(base.args.get(part)))
                window.set("alias", None)


def spark_sql(tree: exp.Expr) -> str:
    """The text of a query. sqlglot takes CTEs out of subqueries, where names come again: so each of these is a text of
    its own, put into the one around it.
    """
    within: dict[str, str] = {}
    for query in reversed(list(tree.find_all(exp.Select, exp.SetOperation))):
        if query is not tree and query.args.get("with_"):
            name = exp.to_identifier(f"query {len(within)}", quoted=True)
            within[name.sql(dialect="spark")] = _text(query)
            query.replace(name)
    text = _text(tree)
    for name, inner in reversed(within.items()):
        text = text.replace(name, inner)
    return text


def _text(tree: exp.Expr) -> str:
    return tree.sql(
        # sqlglot's `spark` is 3, and knows no QUALIFY.
        dialect="databricks",
        pretty=True,
        comments=False,
        normalize_functions=False,
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )


def type_to_spark(data_type: str) -> str:
    """A column's type as the yml of a model has it."""
    return _data_type(exp.DataType.build(data_type, dialect="duckdb")).sql(dialect="spark")


def _table(node: exp.Table) -> exp.Expr | None:
    """A folder of Parquet. Spark finds the columns of a path, and those that only some files have, by itself."""
    if not isinstance(node.this, exp.ReadParquet):
        return None
    pattern, *options = node.this.expressions
    path = pattern.name
    if any(option.this.name == "hive_partitioning" and option.expression.sql() == "TRUE" for option in options):
        path = "/".join(takewhile(lambda part: "=" not in part, path.split("/")))
    table = exp.Table(this=exp.to_identifier(absolute(path), quoted=True), db=exp.to_identifier("parquet"))
    alias = node.args.get("alias")
    if alias:
        table.set("alias", alias.copy())
    return table


def _bracket(node: exp.Bracket) -> exp.Expr | None:
    """DuckDB counts from 1, and from the end where negative; what is not there is null."""
    (index,) = node.expressions
    if isinstance(index, exp.Slice):
        return _slice(node.this, index)
    # The parser has taken 1 from what it knew to be a number (sqlglot's index offset), which left it without a type; a
    # bracket around it has it typed again.
    if index.type is None or index.is_type(*exp.DataType.INTEGER_TYPES):
        index = simplify(exp.Add(this=index.copy(), expression=exp.Literal.number(1)))
    return call("try_element_at", node.this, exp.cast(index.copy(), "int"))


def _slice(values: exp.Expr, bounds: exp.Slice) -> exp.Expr:
    first = bounds.this.copy() if bounds.this is not None else exp.Literal.number(1)
    if bounds.expression is None:
        return call("slice", values, first, call("greatest", call("array_size", values), exp.Literal.number(0)))
    length = exp.Add(
        this=exp.Sub(this=exp.Paren(this=bounds.expression.copy()), expression=exp.Paren(this=first.copy())),
        expression=exp.Literal.number(1),
    )
    return call("slice", values, first, length)


def _literal(node: exp.Literal) -> exp.Expr | None:
    """In DuckDB a fraction that meets a double becomes one, and so does every quotient."""
    if node.is_string or not ("." in node.name or "e" in node.name.lower()):
        return None
    if isinstance(node.parent, (exp.DataTypeParam, exp.Interval)):
        return None
    return exp.cast(node.copy(), "double")


def _data_type(node: exp.DataType) -> exp.DataType:
    """An instant is Spark's TIMESTAMP; a number without a sign has to be wider."""
    types = {
        exp.DType.TIMESTAMPTZ: "TIMESTAMP",
        exp.DType.UBIGINT: "DECIMAL(20, 0)",
        exp.DType.INT128: "DECIMAL(38, 0)",
        exp.DType.JSON: "STRING",
        exp.DType.UINT: "BIGINT",
    }
    for part in list(node.find_all(exp.DataType)):
        if part.this in types:
            new = exp.DataType.build(types[part.this], dialect="spark")
            if part is node:
                return new
            part.replace(new)
    return node


def _cast(node: exp.Cast) -> exp.Expr | None:
    new = node.copy()
    new.set("to", _data_type(new.args["to"]))
    if isinstance(node, exp.TryCast) and node.to.is_type(exp.DType.ARRAY, exp.DType.LIST):
        # One value that is none is null, and not the list.
        to = new.to.expressions[0].sql(dialect="spark")
        return spark(f"transform(:items, v -> try_cast(v as {to}))", items=node.this)
    return new


def _division(node: exp.Div) -> exp.Expr:
    """Of whole numbers, too, a double; by nothing it is no failure."""
    return call("try_divide", exp.cast(node.this.copy(), "double"), node.expression)


def _at_time_zone(node: exp.AtTimeZone) -> exp.Expr:
    """A time of day as an instant: sessions are in UTC (profiles.yml), and it is the only zone that models name."""
    if node.args["zone"].name != "UTC":
        raise ValueError(f"only UTC can be translated: {node.sql()}")
    return exp.cast(node.this.copy(), exp.DataType.build("TIMESTAMP", dialect="spark"))


def _in_subquery(node: exp.In) -> exp.Expr | None:
    """Several columns are several columns, and not one that is a row."""
    query = node.args.get("query")
    select = query.this if isinstance(query, exp.Subquery) else query
    if isinstance(select, exp.Select) and len(select.expressions) == 1 and isinstance(select.expressions[0], exp.Tuple):
        new = node.copy()
        inner = new.args["query"]
        inner = inner.this if isinstance(inner, exp.Subquery) else inner
        inner.set("expressions", [column.copy() for column in select.expressions[0].expressions])
        return new
    return None


def _filter(node: exp.Filter) -> exp.Expr | None:
    return ordered_aggregate(node.this, where=node.args["expression"].this)


def _aggregate(node: exp.AggFunc) -> exp.Expr | None:
    # With a filter around it, it is rewritten with the filter.
    return None if isinstance(node.parent, exp.Filter) else ordered_aggregate(node)


def _round(node: exp.Round) -> exp.Expr | None:
    """As DuckDB does it: Spark rounds the shortest text of a number, and only to a constant number of places."""
    places = node.args.get("decimals")
    if places is None:
        return None
    scale = call("power", exp.cast(exp.Literal.number(10), "double"), places)
    return exp.Paren(
        this=exp.Div(
            this=call("round", exp.Mul(this=exp.Paren(this=node.this.copy()), expression=scale)),
            expression=scale.copy(),
        )
    )


def _string_concat(node: exp.DPipe) -> exp.Expr | None:
    """A number may be put to a text."""
    sides = [side if is_text(side) else exp.cast(side.copy(), "string") for side in (node.this, node.expression)]
    return exp.DPipe(this=sides[0].copy(), expression=sides[1].copy())


_REWRITES: dict[type, Rewrite] = {
    exp.Table: _table,
    exp.Bracket: _bracket,
    exp.Literal: _literal,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Div: _division,
    exp.AtTimeZone: _at_time_zone,
    exp.In: _in_subquery,
    exp.Filter: _filter,
    exp.ArrayAgg: _aggregate,
    exp.Sum: _aggregate,
    exp.Avg: _aggregate,
    exp.Round: _round,
    exp.DPipe: _string_concat,
    **FUNCTIONS,
}
