"""`union all by name`, which Spark's SQL has not: the columns of both sides are written out, in one order."""

from collections.abc import Callable, Mapping

from sqlglot import exp

ColumnsOf = Callable[[exp.Table], list[str]]
Scope = Mapping[str, list[str]]


def resolve_unions(tree: exp.Expr, *, columns_of: ColumnsOf) -> None:
    if any(union.args.get("by_name") for union in tree.find_all(exp.Union)):
        _resolve(tree, {}, columns_of)


def _resolve(query: exp.Expr, above: Scope, columns_of: ColumnsOf) -> list[str]:
    """Resolves what is in a query, and tells its columns."""
    scope = dict(above)
    with_ = query.args.get("with_") or query.args.get("with")
    for cte in with_.expressions if with_ else []:
        names = _resolve(cte.this, scope, columns_of)
        columns = cte.args["alias"].args.get("columns")
        scope[cte.alias] = [column.name for column in columns] if columns else names
    if isinstance(query, (exp.Subquery, exp.Paren)):
        return _resolve(query.this, scope, columns_of)
    if isinstance(query, exp.Union):
        left = _resolve(query.this, scope, columns_of)
        right = _resolve(query.expression, scope, columns_of)
        return _by_name(query, left, right) if query.args.get("by_name") else left
    if isinstance(query, exp.Select):
        return _columns(query, scope, columns_of)
    raise ValueError(f"no columns known of: {query.sql()}")


def _by_name(union: exp.Union, left: list[str], right: list[str]) -> list[str]:
    columns = left + [name for name in right if name not in left]
    for side, names in (("this", left), ("expression", right)):
        inner = union.args[side]
        with_ = inner.args.pop("with_", None) if side == "this" else None
        chosen = exp.select(
            *[exp.column(name) if name in names else exp.alias_(exp.null(), name) for name in columns]
        ).from_(exp.Subquery(this=inner.copy(), alias=exp.TableAlias(this=exp.to_identifier(f"by_name_{side}"))))
        if with_:
            union.set("with_", with_)
        union.set(side, chosen)
    union.set("by_name", False)
    return columns


def _columns(select: exp.Select, scope: Scope, columns_of: ColumnsOf) -> list[str]:
    for subquery in select.find_all(exp.Subquery):
        if subquery.find_ancestor(exp.Select) is select and not isinstance(subquery.parent, (exp.From, exp.Join)):
            _resolve(subquery.this, scope, columns_of)
    sources = _sources(select, scope, columns_of)
    names: list[str] = []
    for projection in select.expressions:
        if isinstance(projection, exp.Star):
            names += _but(projection, _all(select, sources))
        elif isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star):
            names += _but(projection.this, sources[projection.table])
        else:
            names.append(projection.alias_or_name)
    return names


def _sources(select: exp.Select, scope: Scope, columns_of: ColumnsOf) -> dict[str, list[str]]:
    from_ = select.args.get("from_") or select.args.get("from")
    relations = [from_.this] if from_ else []
    relations += [join.this for join in select.args.get("joins") or []]
    return {relation.alias_or_name: _relation(relation, scope, columns_of) for relation in relations}


def _relation(relation: exp.Expr, scope: Scope, columns_of: ColumnsOf) -> list[str]:
    if isinstance(relation, exp.Table) and not relation.db and relation.name in scope:
        return list(scope[relation.name])
    if isinstance(relation, exp.Values):
        return [column.name for column in relation.args["alias"].args["columns"]]
    if isinstance(relation, exp.Table):
        return columns_of(relation)
    return _resolve(relation, scope, columns_of)


def _all(select: exp.Select, sources: Mapping[str, list[str]]) -> list[str]:
    joins = {join.alias_or_name: join for join in select.args.get("joins") or []}
    names: list[str] = []
    for source, columns in sources.items():
        join = joins.get(source)
        if join is not None and join.kind in ("SEMI", "ANTI"):
            continue
        shared = [column.name for column in join.args.get("using") or []] if join is not None else []
        names += [name for name in columns if name not in shared]
    return names


def _but(star: exp.Star, names: list[str]) -> list[str]:
    left_out = {column.name for column in star.args.get("except_") or star.args.get("except") or []}
    return [name for name in names if name not in left_out]
