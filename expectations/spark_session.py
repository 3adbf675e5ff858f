"""The gates of the marts on Spark's tables: the same suites, asked by Great Expectations' Spark engine.

    python -m expectations.spark_session --from 2024-01-15 --to 2024-01-16

asks the days of the warehouse that `dbt build --target spark` has built (docs/scaling.md); exit 1 where a gate fails.
Nothing here starts Spark before a day is asked about, and nothing else imports this.
"""

import argparse
import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.gx_runtime import COUNTS_ONLY, import_gx, new_context, silenced
from expectations.outcomes import outcome_of, report_of
from expectations.report import ExpectationOutcome, GateReport
from expectations.thresholds import Thresholds

if TYPE_CHECKING:
    import great_expectations as gx

ATTRIBUTION_GATE = "attribution_gate"
_PROJECT = Path(__file__).parents[1] / "dbt_project"


class SparkGateSession:
    """Validates any number of queries in one Spark session."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        with silenced():
            import_gx()
            self._context = new_context(data_docs_dir=None)
            self._datasource = self._context.data_sources.add_spark(name="gate")

    def validate(
        self, *, gate: str, asset_name: str, partition: str, query: str, suite: "gx.ExpectationSuite"
    ) -> GateReport:
        """Holds the rows of `query` against `suite`."""
        with silenced():
            asset = self._datasource.add_dataframe_asset(name=asset_name)
            try:
                batch = asset.add_batch_definition_whole_dataframe("rows").get_batch(
                    batch_parameters={"dataframe": self._spark.sql(query)}
                )
                result = batch.validate(suite, result_format=COUNTS_ONLY)
            finally:
                self._datasource.delete_asset(asset_name)
        outcomes = [outcome_of(single, share=None, examples=(), found=None) for single in result.results]
        return report_of(gate, partition, suite, outcomes)


def attribution_gate(
    session: SparkGateSession, spark: Any, day: date, *, thresholds: Thresholds, window_days: int = 30
) -> list[GateReport]:
    """What the attribution gate asks of a day on DuckDB, but for the comparison with the recent past."""
    from expectations import attributed_feedback, partition_quality

    matched = spark.sql(
        f"select count(*) from intermediate.int_feedback_attributions where attributed_date = date '{day}'"
    ).first()[0]
    return [
        session.validate(
            gate=f"{ATTRIBUTION_GATE} on attributed_feedback",
            asset_name="attributed_feedback",
            partition=day.isoformat(),
            query=f"select * from marts.attributed_feedback where attributed_date = date '{day}'",
            suite=attributed_feedback.build_suite(window_days=window_days, expected_rows=matched),
        ),
        session.validate(
            gate=f"{ATTRIBUTION_GATE} on partition_quality",
            asset_name="partition_quality",
            partition=day.isoformat(),
            query=f"select * from marts.partition_quality where partition_date = date '{day}'",
            suite=partition_quality.build_suite(thresholds=thresholds),
        ),
    ]


def _words(outcome: ExpectationOutcome) -> str:
    return f"{outcome.expectation} ({outcome.observed})"


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def session_of_target() -> Any:
    """A session as `--target spark` has one, from profiles.yml and the environment, in the project's folder."""
    import yaml
    from jinja2 import Template
    from pyspark.sql import SparkSession

    text = (_PROJECT / "profiles.yml").read_text(encoding="utf-8")
    outputs = yaml.safe_load(text)["feedback_attribution"]["outputs"]
    builder = SparkSession.builder.enableHiveSupport()
    for name, value in outputs["spark"]["server_side_parameters"].items():
        builder = builder.config(name, Template(value).render(env_var=os.environ.get))
    os.chdir(_PROJECT)
    return builder.getOrCreate()


def main(arguments: list[str] | None = None) -> int:
    from expectations.thresholds import load_thresholds

    parser = argparse.ArgumentParser(prog="python -m expectations.spark_session", description=__doc__)
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True)
    given = parser.parse_args(arguments)
    spark = session_of_target()
    session, thresholds, passed = SparkGateSession(spark), load_thresholds(), True
    for day in _days(given.first, given.last):
        for report in attribution_gate(session, spark, day, thresholds=thresholds):
            passed = passed and report.success
            print(f"{day} {report.gate}: {'passed' if report.success else '; '.join(map(_words, report.failures))}")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
