"""The adapter: dbt-spark's, which macros can ask to translate."""

import re
from collections.abc import Mapping

from dbt.adapters.__about__ import version as base_version
from dbt.adapters.base.meta import available
from dbt.adapters.base.relation import AdapterTrackingRelationInfo
from dbt.adapters.contracts.relation import RelationConfig
from dbt.adapters.duckdb_on_spark import files
from dbt.adapters.duckdb_on_spark.__version__ import version
from dbt.adapters.duckdb_on_spark.connections import DuckDBOnSparkConnectionManager
from dbt.adapters.duckdb_on_spark.relation import DuckDBOnSparkRelation
from dbt.adapters.duckdb_on_spark.translation import to_spark, type_to_spark
from dbt.adapters.spark import SparkAdapter
from pyspark.sql import SparkSession


class DuckDBOnSparkAdapter(SparkAdapter):
    Relation = DuckDBOnSparkRelation
    ConnectionManager = DuckDBOnSparkConnectionManager

    @classmethod
    def type(cls) -> str:
        return "duckdb_on_spark"

    @classmethod
    def get_adapter_run_info(cls, config: RelationConfig) -> AdapterTrackingRelationInfo:
        # dbt makes the name of the adapter's module from the name of its class.
        return AdapterTrackingRelationInfo(
            adapter_name=cls.type(),
            base_adapter_version=base_version,
            adapter_version=version,
            model_adapter_details={},
        )

    @available.parse(lambda *a, **k: "")
    def translated(self, sql: str) -> str:
        """A query of a model in Spark's SQL."""
        return to_spark(sql, columns_of=self._columns_of, body_of=self._body_of)

    @available
    def spark_type(self, data_type: str) -> str:
        """A type of the yml in Spark's words."""
        return type_to_spark(data_type)

    @available.parse(lambda *a, **k: [])
    def partitions_found(self, pattern: str, column: str) -> list[str]:
        """The values of a partition column among the files that a pattern meets."""
        return [value for path in files.found(self._session(), pattern) if (value := files.partition_of(path, column))]

    @available.parse(lambda *a, **k: [])
    def parquet_metadata_found(self, pattern: str, column: str, key: str) -> list[tuple[str, str]]:
        """The same, each with what its file's footer says under a key."""
        found = files.parquet_metadata(self._session(), pattern, key)
        return [(day, value) for path, value in found if (day := files.partition_of(path, column))]

    @available.parse(lambda *a, **k: [])
    def columns_of_query(self, sql: str) -> list[tuple[str, str]]:
        """Name and type of each column of a query that is Spark's."""
        return list(self._session().sql(sql).dtypes)

    @available.parse(lambda *a, **k: {})
    def partition_files(self, relation: DuckDBOnSparkRelation, column: str) -> Mapping[str, list[str]]:
        """The files of each partition of a table, which are other ones once it has been written anew."""
        rows = self._session().sql(f"describe formatted {relation}").collect()
        location = next(row["data_type"] for row in rows if row["col_name"] == "Location")
        by_day: dict[str, list[str]] = {}
        for path in files.found(self._session(), f"{location}/{column}=*/*"):
            by_day.setdefault(files.partition_of(path, column) or "", []).append(path)
        return by_day

    def _body_of(self, function: str) -> str:
        """The query of a table function, as it was created."""
        lines = [row[0] for row in self._session().sql(f"describe function extended {function}").collect()]
        text = "\n".join(lines)
        return text[text.index("Body:") + len("Body:") :].strip()

    def _columns_of(self, relation: str) -> list[str]:
        relation = re.sub("`query of (\\w+)`", r"\1(cast(null as date))", relation)
        return list(self._session().sql(f"select * from {relation} limit 0").columns)

    def _session(self) -> SparkSession:
        """The one that dbt-spark's cursors have, made as they make it."""
        builder = SparkSession.builder.enableHiveSupport()
        for name, value in self.config.credentials.server_side_parameters.items():
            builder = builder.config(name, value)
        return builder.getOrCreate()
