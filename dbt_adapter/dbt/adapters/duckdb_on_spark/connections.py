"""How dbt reaches Spark: dbt-spark's session, in this process or as `spark-submit` has set it up."""

from dataclasses import dataclass

from dbt.adapters.spark.connections import SparkConnectionManager, SparkCredentials


@dataclass
class DuckDBOnSparkCredentials(SparkCredentials):
    def __post_init__(self) -> None:
        super().__post_init__()
        # dbt-spark turns it off for Spark 3. DuckDB, too, fails where a cast or a sum goes wrong, and hides nothing.
        self.server_side_parameters["spark.sql.ansi.enabled"] = "true"

    @property
    def type(self) -> str:
        return "duckdb_on_spark"


class DuckDBOnSparkConnectionManager(SparkConnectionManager):
    TYPE = "duckdb_on_spark"
