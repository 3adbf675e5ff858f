"""Pieces that rewrites are made of."""

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
        node.replace(call("parse_json", node.this))
    return exp.replace_placeholders(tree, **{name: value.copy() for name, value in values.items()})


def is_text(node: exp.Expr) -> bool:
    """Whether an expression is a text for sure."""
    if isinstance(node, exp.Paren):
        return is_text(node.this)
    if isinstance(node, exp.Cast):
        return node.to.is_type(*exp.DataType.TEXT_TYPES)
    return (isinstance(node, exp.Literal) and node.is_string) or isinstance(node, _TEXT_FUNCTIONS)
