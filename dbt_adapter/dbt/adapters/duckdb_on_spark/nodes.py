"""Pieces that rewrites are made of."""

from collections.abc import Callable

import sqlglot
from sqlglot import exp

_TEXT_FUNCTIONS = (exp.Concat, exp.DPipe, exp.Lower, exp.Upper, exp.MD5, exp.RegexpReplace, exp.Substring)


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def spark(template: str, **values: exp.Expr) -> exp.Expr:
    """Spark's SQL with `:name` where a value goes."""
    tree = sqlglot.parse_one(f"[{template}]", read="spark").expressions[0]
    # sqlglot leaves it out for Spark, which had no VARIANT before 4.
    for node in list(tree.find_all(exp.ParseJSON)):
        node.replace(call("try_parse_json", node.this))
    return exp.replace_placeholders(tree, **{name: value.copy() for name, value in values.items()})


def let(value: exp.Expr, body: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """What `body` makes of a value that it names more than once, and that is written and worked out once."""
    if isinstance(value, exp.Column):
        return body(value)
    name = f"let_{sum(1 for node in value.walk() if isinstance(node, exp.Identifier) and node.name.startswith('let_'))}"
    return spark(
        f"transform(array(:value), {name} -> :body)[0]", value=value, body=body(exp.column(exp.to_identifier(name)))
    )


def is_text(node: exp.Expr) -> bool:
    """Whether an expression is a text for sure."""
    if isinstance(node, exp.Paren):
        return is_text(node.this)
    if isinstance(node, exp.Cast):
        return node.to.is_type(*exp.DataType.TEXT_TYPES)
    return (isinstance(node, exp.Literal) and node.is_string) or isinstance(node, _TEXT_FUNCTIONS)
