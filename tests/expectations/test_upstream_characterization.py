"""What Great Expectations 1.24 and DuckDB do that this package is built around.

A test that fails here after an upgrade tells which workaround can go, or no longer works.
"""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.gx_runtime import import_gx, new_context, silenced
from expectations.session import GateSession

COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}


def validate_plainly(database: Path, *expectations: Any) -> Any:
    """As one would without this package: duckdb-engine's own dialect on a file."""
    with silenced():
        datasource = new_context(data_docs_dir=None).data_sources.add_sql(
            name="plain", connection_string=f"duckdb:///{database}"
        )
        asset = datasource.add_table_asset(name="t", table_name="t")
        suite = import_gx().ExpectationSuite(name="s", expectations=list(expectations))
        return asset.get_batch(asset.build_batch_request()).validate(suite, result_format=COUNTS_ONLY)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "t.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select i as a, i as b from range(3) as r(i)")
    return path


def test_duckdb_engines_own_dialect_ends_in_an_index_error(database: Path) -> None:
    """Hence `duckdb_dialect`: GX closes its connection before it fetches, and DuckDB drops the result."""
    expectations = import_gx().expectations
    result = validate_plainly(database, expectations.ExpectTableRowCountToEqual(value=3))
    assert not result.success
    assert "IndexError" in str(result.results[0].exception_info)


@pytest.mark.parametrize(("other", "evaluated"), [("elsewhere", True), ("at", False)])
def test_compound_uniqueness_breaks_on_a_column_that_has_nothing_to_do_with_it(
    gate: GateSession, other: str, evaluated: bool
) -> None:
    """Hence `RowRules.unique_together` in SQL: GX names every column of the table, and not all of them quoted."""
    gx = import_gx()
    compound = gx.expectations.ExpectCompoundColumnsToBeUnique(column_list=["a", "b"], meta={"sentence": "unique"})
    suite = gx.ExpectationSuite(name="s", expectations=[compound])
    query = f'select i as a, i as b, i as "{other}" from range(3) as r(i)'
    report = gate.validate(gate="g", asset_name="a", partition="p", query=query, suite=suite)
    assert report.success is evaluated
    assert report.outcomes[0].observed.startswith("not evaluated") is not evaluated


def test_an_empty_batch_passes_every_column_expectation(gate: GateSession) -> None:
    """Hence a row count in the suites."""
    gx = import_gx()
    suite = gx.ExpectationSuite(
        name="s",
        expectations=[
            gx.expectations.ExpectColumnValuesToNotBeNull(column="a", meta={"sentence": "a"}),
            gx.expectations.ExpectColumnValuesToBeUnique(column="a", meta={"sentence": "b"}),
            gx.expectations.ExpectColumnValuesToBeBetween(column="a", min_value=1, meta={"sentence": "c"}),
            gx.expectations.ExpectColumnValuesToBeInSet(column="a", value_set=[1], meta={"sentence": "d"}),
        ],
    )
    assert gate.validate(
        gate="g", asset_name="a", partition="p", query="select 1 as a where false", suite=suite
    ).success
