"""Held-out scores from features: boosted trees over numbers and categories, one thread, a fixed order of rows."""

from collections.abc import Mapping

import duckdb
import numpy as np
import numpy.typing as npt

from orchestration.formats.column_types import FLOATS, INTEGERS, parse
from orchestration.lib.field_sql import quote
from orchestration.lib.label_noise.judged_rows import JUDGED, LEAST_ROWS_OF_A_CLASS, Judged
from orchestration.lib.recipe.label_noise import LabelNoise

# The commonest; each is a number for each row in memory.
_MOST_FEATURES = 200
# The commonest values of a category; all others are one.
_MOST_VALUES = 60
_LEAST_PROBABILITY = 1e-6


def are_features(
    connection: duckdb.DuckDBPyConnection, noise: LabelNoise, *, rows: str, types: Mapping[str, str]
) -> bool:
    """Whether the columns are numbers, booleans and JSON objects, and no text."""
    return all(_is_number(connection, types[c]) or _holds_objects(connection, c, types[c], rows) for c in noise.given)


def _is_number(connection: duckdb.DuckDBPyConnection, kind: str) -> bool:
    return parse(connection, kind).id in INTEGERS | FLOATS | {"boolean"}


def _holds_objects(connection: duckdb.DuckDBPyConnection, column: str, kind: str, rows: str) -> bool:
    if kind not in ("VARCHAR", "JSON"):
        return False
    row = connection.execute(
        f"select bool_and(json_valid({column}) and try(json_type({column})) = 'OBJECT') from {rows}"
    ).fetchone()
    return bool(row and row[0])


def held_out_scores(
    connection: duckdb.DuckDBPyConnection, noise: LabelNoise, judged: Judged, *, rows: str, types: Mapping[str, str]
) -> npt.NDArray[np.float64]:
    """The log probability of each class for each judged row, as the other folds have it: (rows, classes)."""
    # Optional, and slow to import.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    matrix, is_category = _matrix(connection, noise, judged, rows=rows, types=types)
    told = connection.execute(f"select class, fold from {JUDGED} order by n").fetchnumpy()
    probabilities = np.zeros((judged.rows, len(judged.classes)))
    if not matrix.size:
        return probabilities
    with threadpool_limits(1):
        for fold in np.unique(told["fold"]):
            held_out = told["fold"] == fold
            model = HistGradientBoostingClassifier(
                categorical_features=is_category, max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0
            )
            model.fit(matrix[~held_out], told["class"][~held_out])
            probabilities[np.ix_(held_out, model.classes_)] = model.predict_proba(matrix[held_out])
    scores: npt.NDArray[np.float64] = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    return scores


def _matrix(
    connection: duckdb.DuckDBPyConnection, noise: LabelNoise, judged: Judged, *, rows: str, types: Mapping[str, str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """A column a feature, in order of their names, and which of them are categories. What is missing is NaN."""
    logged = " union all ".join(_logged(connection, column, types[column], rows) for column in noise.given)
    found = connection.execute(
        f"""
        with logged as ({logged}),
        counted as (
            select name, number is null as is_category, count(*) as rows
            from logged join {JUDGED} using (n)
            group by all
            -- What only one fold has can not be learned from the others.
            having count(*) >= {LEAST_ROWS_OF_A_CLASS} and count(distinct fold) > 1
            order by rows desc, name, is_category limit {_MOST_FEATURES}
        ),
        features as (
            select name, is_category, (row_number() over (order by name, is_category) - 1)::integer as feature
            from counted
        ),
        categories as (
            select name, category, row_number() over (partition by name order by count(*) desc, category) as place
            from logged where number is null group by name, category
        )
        select
            n, feature, is_category,
            case when is_category then least(place, {_MOST_VALUES})::double else number end as value
        from logged
        join features on logged.name = features.name and (logged.number is null) = features.is_category
        left join categories on logged.name = categories.name and logged.category = categories.category
        """
    ).fetchnumpy()
    feature = np.asarray(found["feature"], np.int32)
    width = int(feature.max(initial=-1)) + 1
    matrix = np.full((judged.rows, width), np.nan)
    matrix[found["n"], feature] = found["value"]
    is_category = np.zeros(width, np.bool_)
    is_category[feature] = found["is_category"]
    return matrix, is_category


def _logged(connection: duckdb.DuckDBPyConnection, column: str, kind: str, rows: str) -> str:
    """SQL for n, name and number or category of each value that a column has."""
    source = f"{JUDGED} as judged join {rows} as source on judged.row_id = source.rowid"
    if _is_number(connection, kind):
        value = f"source.{column}::double"
        return (
            f"select judged.n, {quote(column)} as name, {value} as number, null::varchar as category "
            f"from {source} where isfinite({value})"
        )
    number = "coalesce(try_cast(leaf.atom::varchar as double), try_cast(leaf.atom::varchar as boolean)::integer)"
    return (
        f"select judged.n, {quote(column)} || leaf.fullkey as name, "
        f"case when leaf.type <> 'VARCHAR' then {number} end as number, "
        f"case when leaf.type = 'VARCHAR' then json_extract_string(leaf.atom, '$') end as category "
        f"from {source}, json_tree(source.{column}) as leaf where leaf.atom is not null and leaf.type <> 'NULL'"
    )
