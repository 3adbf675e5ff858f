"""JSON as DuckDB reads it, by Spark's `get_json_object` and VARIANT.

The ledger's JSON is DuckDB's own: without spaces, each number in one spelling. What is taken out of it is a text again,
and has to be the same text. Neither of Spark's ways keeps it: a VARIANT sorts keys and drops the zero of 1.0,
`get_json_object` and `from_json` spell numbers as Java does (1.0E-4) and emoji within objects by their escapes, and
take the quotes from a text. So a VARIANT tells what a value is, and these two what it says, with all that put right.
"""

from dbt.adapters.duckdb_on_spark.nodes import call, let, spark
from sqlglot import exp

# A number as Java spells it where it is below 0.001 or from ten million on.
_NUMBER = r"-?[0-9]+\.[0-9]+E-?[0-9]+"
_NO_TEXT = exp.Literal.string(rf"^[{{\[]|^{_NUMBER}$|^null$")
_TO_REPAIR = exp.Literal.string(
    # After a key, or in a list: in a text within an object a quote is escaped, and a bracket has a quote before it.
    rf"(?<=^|[^\\]\":|^\[|[:\[,]\[|,){_NUMBER}(?=[,\]}}]|$)"
    # An emoji's two escapes, but where the first one's backslash is itself escaped.
    r"|(?<=(?<!\\)(?:\\\\){0,9})\\uD[89AB][0-9A-F]{2}\\uD[C-F][0-9A-F]{2}"
)
# Without exponent, the zeros that a decimal has at its end.
_ZEROS = exp.Literal.string(r"(\.[0-9]*?[1-9]|\.0)0+$")


def json_text(node: exp.JSONExtractScalar) -> exp.Expr:
    """`json_extract_string`, with a path that may hold one `[*]`."""
    path = path_of(node.expression)
    if "[*]" not in path:
        return let(node.this, lambda json: _text(json, path))
    array, _, rest = path.partition("[*]")
    if not rest:
        return let(node.this, lambda json: _elements(json, array, is_json=False))
    return let(node.this, lambda json: _of_each(json, array, "$" + rest))


def json_value(node: exp.JSONExtract) -> exp.Expr:
    """`json_extract`: a text has its quotes, and of a `[*]` a list is made."""
    path = path_of(node.expression)
    if "[*]" not in path:
        return let(node.this, lambda json: let(_kind(json, path), lambda kind: _value(json, path, kind)))
    array, _, rest = path.partition("[*]")
    if rest:
        raise ValueError(f"no way to translate a path that goes on after [*]: {node.sql()}")
    return let(node.this, lambda json: _elements(json, array, is_json=True))


def to_json(node: exp.Anonymous) -> exp.Expr:
    """Of a number or a text: Spark's makes JSON of structs only."""
    return let(
        spark("to_json(cast(:value as variant))", value=node.expressions[0]),
        lambda json: spark("if(left(:json, 1) = '\"', :json, :number)", json=json, number=_repaired(json)),
    )


def json_type(node: exp.Expr) -> exp.Expr:
    json, path = _arguments(node)
    return spark("regexp_extract(schema_of_variant(:kind), '^[A-Z]+', 0)", kind=_kind(json, path))


def json_array_length(node: exp.Expr) -> exp.Expr:
    """Of what is there and no list, DuckDB's length is 0."""
    json, path = _arguments(node)
    return let(
        _kind(json, path),
        lambda kind: spark(
            "if(:kind is null, null, coalesce(array_size(try_variant_get(:kind, '$', 'array<variant>')), 0))", kind=kind
        ),
    )


def path_of(node: exp.Expr) -> str:
    return node.sql(dialect="duckdb").strip("'") if not isinstance(node, exp.Literal) else node.name


def _arguments(node: exp.Expr) -> tuple[exp.Expr, str]:
    arguments = node.expressions if isinstance(node, exp.Anonymous) else [node.this, node.args.get("expression")]
    return arguments[0], path_of(arguments[1]) if len(arguments) > 1 and arguments[1] is not None else "$"


def _kind(json: exp.Expr, path: str, as_type: str = "variant") -> exp.Expr:
    return spark(
        "try_variant_get(try_parse_json(:json), :path, :type)",
        json=json,
        path=exp.Literal.string(path),
        type=exp.Literal.string(as_type),
    )


def _said(json: exp.Expr, path: str) -> exp.Expr:
    return call("get_json_object", json, exp.Literal.string(path))


def _text(json: exp.Expr, path: str) -> exp.Expr:
    """What is said, put right where it is no text. Most of what is asked for is one, and costs no more."""
    return spark(
        "case when :said rlike :no_text and schema_of_variant(:kind) <> 'STRING' then nullif(:value, 'null') "
        "else :said end",
        said=_said(json, path),
        no_text=_NO_TEXT,
        kind=_kind(json, path),
        value=_repaired(_said(json, path)),
    )


def _value(json: exp.Expr, path: str, kind: exp.Expr) -> exp.Expr:
    return spark(
        "case when :kind is null then null when is_variant_null(:kind) then 'null' "
        "when schema_of_variant(:kind) = 'STRING' then to_json(cast(:said as variant)) else :value end",
        kind=kind,
        said=_said(json, path),
        value=_repaired(_said(json, path)),
    )


def _elements(json: exp.Expr, path: str, *, is_json: bool) -> exp.Expr:
    """The elements of a JSON array, v of what kind each is and t what it says: as JSON, or what it says alone."""
    return _or_none(
        json,
        spark(
            "zip_with(:kinds, :texts, (v, t) -> case when t is null then :nothing "
            "when schema_of_variant(v) = 'STRING' then :text else :value end)",
            kinds=_kind(json, path, "array<variant>"),
            texts=_texts(json, path),
            text=spark("to_json(v)") if is_json else exp.column("t"),
            nothing=exp.Literal.string("null") if is_json else exp.null(),
            value=_repaired(exp.column("t")),
        ),
    )


def _of_each(json: exp.Expr, path: str, rest: str) -> exp.Expr:
    """A field of each element: where there is none it is left out, and a JSON null is a null."""
    found = spark(
        "zip_with(:kinds, :texts, (v, t) -> "
        "named_struct('is_there', try_variant_get(v, :rest) is not null, 'text', :text))",
        kinds=_kind(json, path, "array<variant>"),
        texts=_texts(json, path),
        rest=exp.Literal.string(rest),
        text=_text(exp.column("t"), rest),
    )
    return _or_none(json, spark("transform(filter(:found, f -> f.is_there), f -> f.text)", found=found))


def _texts(json: exp.Expr, path: str) -> exp.Expr:
    return spark("from_json(:said, 'array<string>')", said=_said(json, path))


def _or_none(json: exp.Expr, items: exp.Expr) -> exp.Expr:
    """No items where there is JSON, but no array."""
    return spark("if(:json is null, null, coalesce(:items, array()))", json=json, items=items)


def _repaired(value: exp.Expr) -> exp.Expr:
    """JSON that Jackson has written, as DuckDB writes it: what is wrong, m, each after what is right, a."""
    return spark(
        "array_join(zip_with(split(:value, :to_repair, -1), regexp_extract_all(:value, :to_repair, 0), (a, m) -> "
        "case when m is null then a when m like '%u%' "
        "then concat(a, decode(unhex(replace(m, :escape, '')), 'UTF-16BE')) else concat(a, :number) end), '')",
        value=value,
        to_repair=_TO_REPAIR,
        escape=exp.Literal.string("\\u"),
        number=_number(exp.column("m")),
    )


def _number(text: exp.Expr) -> exp.Expr:
    """A number of Java's with an exponent as DuckDB spells it: with one below a millionth, and from 1e21 on."""
    return spark(
        "case when abs(double(:text)) >= double('1e21') or abs(double(:text)) < double('1e-6') "
        "then replace(replace(:text, '.0E', 'e'), 'E', 'e') "
        "else regexp_replace(if(:text like '%E-%', string(cast(:text as decimal(38, 30))), "
        "string(cast(:text as decimal(38, 16)))), :zeros, '$1') end",
        text=text,
        zeros=_ZEROS,
    )
