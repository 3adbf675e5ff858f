"""The same models on Apache Spark: equal rows on both engines for planted traffic. `make test-spark` runs it.

The failure that this prevents: a model that is changed for one engine and means something else on the other.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import duckdb
import pytest

pytest.importorskip("pyspark", reason="Spark is not installed here: `make test-spark` makes a .venv-spark that has it")

from dbt.adapters.duckdb_on_spark.translation import to_spark
from dbt.cli.main import dbtRunner

from expectations.report import GateReport
from expectations.spark_session import SparkGateSession, attribution_gate, session_of_target
from expectations.thresholds import load_thresholds
from orchestration.lib.dbt import PROJECT_DIR, RULES_DIR
from tests.planted import scenario
from tests.planted.awkward import documents, land_awkward, texts
from tests.platform_under_test import Platform
from tests.spark_rows import differences
from tests.test_planted_traffic import RANGES

FIRST, LAST = scenario.DAYS[0], scenario.DAYS[-1]
# Run times are a run's own; engines count hashes differently, which says nothing of the row.
NOT_COMPARED = {"feedback_stage_times"}
# Listed with the reason in docs/scaling.md, and left out by dbt_project.yml.
NOT_ON_SPARK = {"sft_examples_as_of", "label_candidates_as_of"}
OWN_COLUMNS = {"row_hash"}
# Of a document, of a text: what models ask of them, and what engines do in their own ways.
OF_JSON = (
    "json_extract_string(d, '$.text')", "json_extract_string(d, '$.label')", "json_extract_string(d, '$.features')",
    "json_extract_string(d, '$.logprobs[*]')", "json_extract_string(d, '$.alternatives[*].text')",
    "json_extract(d, '$.text')", "json_extract(d, '$.alternatives[*]')", "json_extract(d, '$.messages[*]')",
    "json_array_length(d, '$.alternatives')", "json_type(d, '$.text') = 'OBJECT'",
)  # fmt: skip
OF_TEXTS = (
    "lower(d)", "trim(d)", "regexp_replace(d, '\\s+', ' ', 'g')", "regexp_matches(d, 'a.b')",
    "lower(nfc_normalize(d || 'É'))", "length(d)", "to_json(d)", "to_json(length(d) * 1e-5)",
)  # fmt: skip
MARTS = PROJECT_DIR / "models" / "marts"


class Spark:
    """`dbt … --target spark` on a platform's ledger, and what can be asked of its tables."""

    def __init__(self, platform: Platform) -> None:
        folder = platform.data_dir / "spark"
        folder.mkdir()
        self._target = folder / "target"
        os.environ |= {
            "DBT_LEDGER_URL": str(platform.data_dir / "ledger"),
            "DBT_ENRICHMENT_URL": str(platform.data_dir / "enrichment"),
            "DBT_OPERATIONS_URL": str(platform.data_dir / "operations"),
            "DBT_SPARK_WAREHOUSE": str(folder / "warehouse"),
            "DBT_SPARK_METASTORE": f"jdbc:derby:;databaseName={folder}/metastore;create=true",
            "DBT_SPARK_MASTER": "local[2]",
            "DBT_SPARK_SHUFFLE_PARTITIONS": "2",
            # The session lives for minutes: no time to compile well what soon runs no more.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "DBT_RULE_MODELS": " ".join(sorted(path.stem for path in RULES_DIR.glob("*.sql"))),
        }
        self.session = session_of_target()
        self.session.sparkContext.setLogLevel("ERROR")

    def dbt(self, command: str, *, first: date = FIRST, last: date = LAST, exclude: str = "") -> list[str]:
        """Runs dbt and tells what went wrong."""
        variables = f"{{window_from: {first}, window_to: {last}, status_from: 2023-12-01, as_of: {LAST}}}"
        arguments = [command, "--target", "spark", "--vars", variables, "--quiet"]
        arguments += ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
        arguments += ["--target-path", str(self._target), "--log-path", str(self._target)]
        arguments += ["--exclude", *exclude.split()] if exclude else []
        done = dbtRunner().invoke(arguments)
        assert done.result is not None, done.exception
        bad = [result for result in done.result.results if result.status not in ("success", "pass", "no-op")]
        return [f"{result.node.name}: {result.message}" for result in bad]

    def rows(self, relation: str) -> list[dict[str, Any]]:
        return _without_own(row.asDict() for row in self.session.sql(f"select * from {relation}").collect())


def _without_own(rows: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in OWN_COLUMNS} for row in rows]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The planted days, run by the platform on DuckDB."""
    platform = Platform.with_one_dataset(tmp_path_factory.mktemp("spark"))
    scenario.write_landing(platform.data_dir)
    land_awkward(platform.data_dir)
    for first, last in RANGES:
        assert platform.run(first, last) == 0
    return platform


@pytest.fixture(scope="module")
def spark(platform: Platform) -> Iterator[Spark]:
    """The same ledger's days, built by dbt on Spark in one range."""
    spark = Spark(platform)
    assert spark.dbt("run") == []
    yield spark
    spark.session.stop()


def _relations(platform: Platform) -> list[str]:
    found = platform.query(
        "select table_schema || '.' || table_name as relation, table_name as name from information_schema.tables "
        "where table_schema in ('staging', 'intermediate', 'marts') order by all"
    )
    return [row["relation"] for row in found if row["name"] not in NOT_COMPARED]


def _unequal(platform: Platform, spark: Spark) -> dict[str, list[str]]:
    """Of each relation, what Spark has otherwise."""
    unequal = {}
    for relation in _relations(platform):
        ours, theirs = _without_own(platform.query(f"select * from {relation}")), spark.rows(relation)
        found = differences(ours, theirs, key=_key(ours))
        if found:
            unequal[relation] = found
    return unequal


def _key(rows: list[dict[str, Any]]) -> list[str]:
    """The columns that are equal to the letter or not at all; fractions are compared one by one."""
    inexact = {name for row in rows for name, value in row.items() if isinstance(value, (float, list, dict))}
    return [name for name in rows[0] if name not in inexact] if rows else []


def test_every_relation_has_equal_rows_on_both_engines(platform: Platform, spark: Spark) -> None:
    assert len(_relations(platform)) > 40
    assert _unequal(platform, spark) == {}


def test_functions_of_a_day_give_equal_rows_on_both_engines(platform: Platform, spark: Spark) -> None:
    unequal = {}
    for path in [*(MARTS / "as_of").glob("*.sql"), *(MARTS / "examples").glob("*.sql")]:
        if path.stem in NOT_ON_SPARK:
            continue
        call = f"marts.{path.stem}(date '{LAST}')"
        ours, theirs = _without_own(platform.query(f"from {call}")), spark.rows(call)
        if found := differences(ours, theirs, key=_key(ours)):
            unequal[path.stem] = found
    assert unequal == {}


@pytest.mark.parametrize(("asked", "given"), [(OF_JSON, documents()), (OF_TEXTS, texts())], ids=["json", "texts"])
def test_expressions_mean_the_same_on_both_engines(spark: Spark, asked: tuple[str, ...], given: Sequence[str]) -> None:
    """Where a relation differs, this tells by which word."""
    spark.session.createDataFrame(list(enumerate(given)), "i int, d string").createOrReplaceTempView("given")
    unequal = {}
    with duckdb.connect() as connection:
        connection.execute("create table given (i int, d varchar)")
        connection.executemany("insert into given values (?, ?)", list(enumerate(given)))
        for expression in asked:
            query = f"select i, {expression} as x from given order by i"
            ours = connection.execute(query).fetchall()
            theirs = [
                tuple(row) for row in spark.session.sql(to_spark(query, columns_of=lambda relation: [])).collect()
            ]
            if found := [
                (given[n], one, other) for (n, one), (_, other) in zip(ours, theirs, strict=True) if one != other
            ]:
                unequal[expression] = found
    assert unequal == {}


def test_the_projects_own_tests_pass_on_spark(spark: Spark) -> None:
    assert spark.dbt("test", exclude="test_type:unit") == []


def test_late_files_and_days_built_again_come_to_the_same_rows(platform: Platform, spark: Spark) -> None:
    """A partition is replaced by itself, alone as in a range; what came out empty is empty again."""
    scenario.write_late_landing(platform.data_dir)
    assert platform.run(scenario.LATE_DAY, scenario.LATE_DAY) == 0
    for first, last in ((scenario.LATE_DAY, scenario.DAYS[-2]), (LAST, LAST)):
        assert spark.dbt("run", first=first, last=last) == []
    assert _unequal(platform, spark) == {}


def _verdicts(reports: list[GateReport]) -> list[tuple[str, str, bool]]:
    return [(report.gate, outcome.expectation, outcome.success) for report in reports for outcome in report.outcomes]


def test_gates_have_the_same_verdicts_on_spark(platform: Platform, spark: Spark) -> None:
    from orchestration.lib.gates import open_gates

    session = SparkGateSession(spark.session)
    with platform.environment():
        from orchestration.lib.settings import Settings

        settings = Settings.from_env()
        thresholds = load_thresholds(settings.thresholds)
        with open_gates(settings, with_warehouse=True) as (gates, _):
            for day in scenario.DAYS:
                theirs = _verdicts(attribution_gate(session, spark.session, day, thresholds=thresholds))
                ours = _verdicts(gates.attribution_of([day])[day])
                assert theirs == [verdict for verdict in ours if "partition_profile" not in verdict[0]]


def test_a_gate_fails_on_spark_where_a_row_is_broken(spark: Spark) -> None:
    """The suites see Spark's rows, and not nothing."""
    from expectations import attributed_feedback

    session = SparkGateSession(spark.session)
    report = session.validate(
        gate="attribution_gate on attributed_feedback",
        asset_name="attributed_feedback",
        partition=str(LAST),
        query="select * except (reward), 7.0D as reward from marts.attributed_feedback",
        suite=attributed_feedback.build_suite(window_days=30),
    )
    assert [outcome.expectation for outcome in report.failures] == ["reward is between -1 and 1"]
