"""DuckDB's functions in Spark's words, one after the other."""

import re
from collections.abc import Callable
from typing import Any

from dbt.adapters.duckdb_on_spark.json import json_array_length, json_text, json_type, json_value, to_json
from dbt.adapters.duckdb_on_spark.nodes import call, let, spark
from sqlglot import exp

# RE2 and Java spell writing systems differently.
_SCRIPT = re.compile(r"\\p\{(Han|Hiragana|Katakana|Thai|Latin|Cyrillic|Greek|Arabic|Hebrew|Devanagari|Hangul)\}")
# What DuckDB's trim takes for a space: all that Unicode does.
_SPACES = exp.Literal.string(" \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000")


def pattern_of(node: exp.Expr) -> exp.Expr:
    """RE2's pattern as Java's: no vertical tab is a space, and every character but a line feed is a `.`."""
    if isinstance(node, exp.Literal) and node.is_string:
        pattern = _SCRIPT.sub(r"\\p{Is\1}", node.name).replace(r"\s", r"[\t\n\f\r ]")
        return exp.Literal.string(f"(?d){pattern}" if "." in pattern else pattern)
    return node


def function_of(template: str) -> Callable[[exp.Anonymous], exp.Expr]:
    """Spark's SQL with :a, :b, … for the arguments."""

    def rewrite(node: exp.Anonymous) -> exp.Expr:
        return spark(template, **dict(zip("abcdef", node.expressions, strict=False)))

    return rewrite


def _regexp_extract_all(node: exp.Expr) -> exp.Expr:
    group = node.args.get("group") or exp.Literal.number(0)
    return call("regexp_extract_all", node.this, pattern_of(node.expression), group)


def _regexp_extract(node: exp.Expr) -> exp.Expr:
    group = node.args.get("group") or exp.Literal.number(0)
    return call("regexp_extract", node.this, pattern_of(node.expression), group)


def _regexp_replace(node: exp.RegexpReplace) -> exp.Expr:
    modifiers = node.args.get("modifiers")
    if modifiers is None or modifiers.name != "g":
        raise ValueError(f"only the replacement of all matches can be translated: {node.sql()}")
    return call("regexp_replace", node.this, pattern_of(node.expression), node.args["replacement"])


def _regexp_like(node: exp.RegexpLike) -> exp.Expr:
    return exp.RegexpLike(this=node.this.copy(), expression=pattern_of(node.expression).copy())


def _full_match(node: exp.Expr) -> exp.Expr:
    pattern = pattern_of(node.expression)
    return exp.RegexpLike(this=node.this.copy(), expression=exp.Literal.string(rf"\A(?:{pattern.name})\z"))


def _length(node: exp.Length) -> exp.Expr:
    return call("array_size" if node.meta["name"] == "len" else "char_length", node.this)


def _concat_lists(node: exp.ArrayConcat) -> exp.Expr:
    """A list that is null counts as none."""
    return call("concat", *[spark("coalesce(:part, array())", part=part) for part in (node.this, *node.expressions)])


def _trim(node: exp.Trim) -> exp.Expr | None:
    is_of_spaces = node.expression is None and node.args.get("position") is None
    return call("btrim", node.this, _SPACES) if is_of_spaces else None


def _time_as_text(node: exp.TimeToStr) -> exp.Expr:
    """Java's patterns; letters that stand for themselves are quoted."""
    pattern = re.sub("%(.)|([A-Za-z]+)", lambda m: _TIME_PARTS[m[1]] if m[1] else f"'{m[2]}'", node.args["format"].name)
    return call("date_format", node.this, exp.Literal.string(pattern))


_TIME_PARTS = {"Y": "yyyy", "m": "MM", "d": "dd", "H": "HH", "M": "mm", "S": "ss", "f": "SSSSSS"}


def _anonymous(node: exp.Anonymous) -> exp.Expr | None:
    rewrite = _BY_NAME.get(node.name.lower())
    return rewrite(node) if rewrite else None


_BY_NAME: dict[str, Callable[[exp.Anonymous], exp.Expr]] = {
    "epoch_us": function_of("unix_micros(cast(:a as timestamp))"),
    "row": lambda node: call("struct", *node.expressions),
    "error": function_of("raise_error(:a)"),
    "hash": lambda node: call("xxhash64", *node.expressions),
    "isfinite": function_of("abs(:a) < double('infinity')"),
    # Without letters beyond ASCII nothing is composed, and null is no argument for Java. DuckDB's ends at a NUL.
    "nfc_normalize": lambda node: let(
        node.expressions[0],
        lambda a: spark(
            "case when octet_length(:a) > char_length(:a) "
            "then reflect('com.ibm.icu.text.Normalizer', 'compose', substring_index(:a, chr(0), 1), false) else :a end",
            a=a,
        ),
    ),
    "strlen": function_of("octet_length(:a)"),
    "list_intersect": function_of("array_intersect(:a, :b)"),
    "list_reverse": function_of("reverse(:a)"),
    "list_position": function_of("nullif(array_position(:a, :b), 0)"),
    "list_unique": function_of("array_size(array_distinct(array_compact(:a)))"),
    "list_avg": lambda node: let(
        spark("filter(:a, v -> v is not null)", a=node.expressions[0]),
        lambda a: spark("aggregate(:a, 0D, (total, v) -> total + v) / nullif(array_size(:a), 0)", a=a),
    ),
    "generate_subscripts": function_of("explode(transform(:a, (v, i) -> i + 1))"),
    "regexp_split_to_array": function_of("split(:a, :b, -1)"),
    "json_array_length": json_array_length,
    "to_json": to_json,
    "json_quote": function_of("to_json(cast(:a as variant))"),
}


def _greatest_ones(node: exp.Max) -> exp.Expr | None:
    """`max(x, n)`: the n greatest, the greatest first."""
    count = node.args.get("count")
    return count and spark("slice(sort_array(collect_list(:a), false), 1, :n)", a=node.this, n=count)


FUNCTIONS: dict[type, Callable[[Any], exp.Expr | None]] = {
    exp.Anonymous: _anonymous,
    exp.TimeToStr: _time_as_text,
    exp.JSONType: json_type,
    exp.ArrayOverlaps: lambda node: call("arrays_overlap", node.this, node.expression),
    exp.PercentileCont: lambda node: call("percentile", node.this, node.expression),
    exp.RegexpFullMatch: _full_match,
    exp.Length: _length,
    exp.Trim: _trim,
    # Letter by letter: Java writes a last sigma otherwise, and two characters for a dotted I.
    exp.Lower: lambda node: spark("lower(replace(replace(:a, 'Σ', 'σ'), 'İ', 'i'))", a=node.this),
    exp.Max: _greatest_ones,
    exp.ArrayConcat: _concat_lists,
    exp.ArrayDistinct: lambda node: spark("array_distinct(array_compact(:a))", a=node.this),
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpExtractAll: _regexp_extract_all,
    exp.RegexpReplace: _regexp_replace,
    exp.RegexpLike: _regexp_like,
    exp.JSONExtract: json_value,
    exp.JSONExtractScalar: json_text,
}
