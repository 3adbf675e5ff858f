"""DuckDB's functions in Spark's words, one after the other."""

import re
from collections.abc import Callable
from typing import Any

from dbt.adapters.duckdb_on_spark.nodes import call, spark
from sqlglot import exp

# RE2 and Java spell writing systems differently.
_SCRIPT = re.compile(r"\\p\{(Han|Hiragana|Katakana|Thai|Latin|Cyrillic|Greek|Arabic|Hebrew|Devanagari|Hangul)\}")


def pattern_of(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Literal) and node.is_string:
        return exp.Literal.string(_SCRIPT.sub(r"\\p{Is\1}", node.name))
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
    """A list that is null counts as none, unless all are."""
    lists = [node.this, *node.expressions]
    parts = [spark("coalesce(:part, array())", part=part) for part in lists]
    return spark("if(:known is null, null, :joined)", known=call("coalesce", *lists), joined=call("concat", *parts))


def _json_text(node: exp.JSONExtractScalar) -> exp.Expr:
    path = _path(node.expression)
    if "[*]" not in path:
        return call("get_json_object", node.this, exp.Literal.string(path))
    array, _, rest = path.partition("[*]")
    values = _json_array(node.this, array)
    if not rest:
        return spark("transform(:items, v -> cast(v as string))", items=values)
    # What has no such field is left out; a JSON null in it is a null.
    return spark(
        "transform(filter(:items, v -> try_variant_get(v, :path) is not null), "
        "v -> try_variant_get(v, :path, 'string'))",
        items=values,
        path=exp.Literal.string("$" + rest),
    )


def _json(node: exp.JSONExtract) -> exp.Expr:
    path = _path(node.expression)
    if "[*]" in path:
        array, _, rest = path.partition("[*]")
        if rest:
            raise ValueError(f"no way to translate a path that goes on after [*]: {node.sql()}")
        return spark("transform(:items, v -> to_json(v))", items=_json_array(node.this, array))
    return spark("to_json(try_variant_get(parse_json(:json), :path))", json=node.this, path=exp.Literal.string(path))


def _json_array(json: exp.Expr, path: str) -> exp.Expr:
    """The values of a JSON array; none where it is none."""
    return spark(
        "if(:json is null, null, coalesce(try_variant_get(parse_json(:json), :path, 'array<variant>'), array()))",
        json=json,
        path=exp.Literal.string(path),
    )


def _json_type(node: exp.Expr) -> exp.Expr:
    arguments = node.expressions if isinstance(node, exp.Anonymous) else [node.this, node.args.get("expression")]
    path = _path(arguments[1]) if len(arguments) > 1 and arguments[1] is not None else "$"
    return spark(
        "regexp_extract(schema_of_variant(try_variant_get(parse_json(:json), :path)), '^[A-Z]+', 0)",
        json=arguments[0],
        path=exp.Literal.string(path),
    )


def _json_array_length(node: exp.Expr) -> exp.Expr:
    arguments = node.expressions if isinstance(node, exp.Anonymous) else [node.this, node.args.get("expression")]
    path = _path(arguments[1]) if len(arguments) > 1 and arguments[1] is not None else "$"
    # Of what is there and no list, DuckDB's length is 0.
    return spark(
        "if(get_json_object(:json, :path) is null, null, coalesce(array_size(try_variant_get(parse_json(:json), :path, "
        "'array<variant>')), 0))",
        json=arguments[0],
        path=exp.Literal.string(path),
    )


def _path(node: exp.Expr) -> str:
    return node.sql(dialect="duckdb").strip("'") if not isinstance(node, exp.Literal) else node.name


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
    "nfc_normalize": function_of(
        # Without letters beyond ASCII there is nothing to compose, and null is no argument for Java.
        "case when octet_length(:a) > char_length(:a) "
        "then reflect('com.ibm.icu.text.Normalizer', 'compose', :a, false) else :a end"
    ),
    "strlen": function_of("octet_length(:a)"),
    "list_intersect": function_of("array_intersect(:a, :b)"),
    "list_reverse": function_of("reverse(:a)"),
    "list_position": function_of("nullif(array_position(:a, :b), 0)"),
    "list_unique": function_of("array_size(array_distinct(array_compact(:a)))"),
    "list_avg": function_of(
        "aggregate(filter(:a, v -> v is not null), 0D, (total, v) -> total + v) / "
        "nullif(array_size(filter(:a, v -> v is not null)), 0)"
    ),
    "generate_subscripts": function_of("explode(transform(:a, (v, i) -> i + 1))"),
    "regexp_split_to_array": function_of("split(:a, :b, -1)"),
    "json_array_length": _json_array_length,
}


def _greatest_ones(node: exp.Max) -> exp.Expr | None:
    """`max(x, n)`: the n greatest, the greatest first."""
    count = node.args.get("count")
    return count and spark("slice(sort_array(collect_list(:a), false), 1, :n)", a=node.this, n=count)


FUNCTIONS: dict[type, Callable[[Any], exp.Expr | None]] = {
    exp.Anonymous: _anonymous,
    exp.TimeToStr: _time_as_text,
    exp.JSONType: _json_type,
    exp.ArrayOverlaps: lambda node: call("arrays_overlap", node.this, node.expression),
    exp.PercentileCont: lambda node: call("percentile", node.this, node.expression),
    exp.RegexpFullMatch: _full_match,
    exp.Length: _length,
    exp.Max: _greatest_ones,
    exp.ArrayConcat: _concat_lists,
    exp.ArrayDistinct: lambda node: spark("array_distinct(array_compact(:a))", a=node.this),
    exp.RegexpExtract: _regexp_extract,
    exp.RegexpExtractAll: _regexp_extract_all,
    exp.RegexpReplace: _regexp_replace,
    exp.RegexpLike: _regexp_like,
    exp.JSONExtract: _json,
    exp.JSONExtractScalar: _json_text,
}
