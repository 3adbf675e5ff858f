"""dbt on Apache Spark for models that are written in DuckDB's SQL: `type: duckdb_on_spark` in profiles.yml.

dbt-spark's adapter, with the models' text translated before Spark is given it (docs/decisions/0034). What is written
for Spark from the start goes through as it is: materializations and macros named `spark__`.
"""

from dbt.adapters.base import AdapterPlugin
from dbt.adapters.duckdb_on_spark.connections import DuckDBOnSparkCredentials
from dbt.adapters.duckdb_on_spark.impl import DuckDBOnSparkAdapter
from dbt.include import duckdb_on_spark

Plugin = AdapterPlugin(
    adapter=DuckDBOnSparkAdapter,
    credentials=DuckDBOnSparkCredentials,
    include_path=duckdb_on_spark.PACKAGE_PATH,
    dependencies=["spark"],
)
