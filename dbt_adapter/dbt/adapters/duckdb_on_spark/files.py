"""Files of the ledger as Hadoop sees them: a local folder, HDFS or a bucket, whatever Spark itself reads."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pyspark.sql import SparkSession


def absolute(url: str) -> str:
    """Spark's workers are in other folders than dbt."""
    return url if re.match("[a-z][a-z0-9+.-]*:", url) else str(Path(url).resolve())


def found(session: SparkSession, pattern: str) -> list[str]:
    """The paths that a glob pattern meets, in order; none where its folder is not there."""
    return sorted(path.toString() for path in _paths(session, pattern))


def parquet_metadata(session: SparkSession, pattern: str, key: str) -> list[tuple[str, str]]:
    """Of each Parquet file that a glob pattern meets its path and what its footer says under a key."""
    jvm = _jvm(session)
    configuration = _configuration(session)
    values = []
    for path in _paths(session, pattern):
        file = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, configuration)
        reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(file)
        try:
            value = reader.getFooter().getFileMetaData().getKeyValueMetaData().get(key)
        finally:
            reader.close()
        if value is not None:
            values.append((path.toString(), value))
    return sorted(values)


def partition_of(path: str, column: str) -> str | None:
    """The value of a partition column in a path with `column=value`."""
    values = [part.removeprefix(f"{column}=") for part in path.split("/") if part.startswith(f"{column}=")]
    return unquote(values[-1]) if values else None


def _paths(session: SparkSession, pattern: str) -> Iterator[Any]:
    path = _jvm(session).org.apache.hadoop.fs.Path(absolute(pattern))
    for status in path.getFileSystem(_configuration(session)).globStatus(path) or []:
        yield status.getPath()


def _jvm(session: SparkSession) -> Any:
    return session.sparkContext._jvm


def _configuration(session: SparkSession) -> Any:
    return session._jsparkSession.sessionState().newHadoopConf()
