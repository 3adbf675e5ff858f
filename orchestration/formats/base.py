"""What a format is: a way to write a version's rows that some trainer reads, beside its Parquet files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

# Split to its Parquet files, in order.
DataFiles = Mapping[str, list[Path]]


class FormatError(ValueError):
    """A format can not be written; the message names format, column and cure."""


@dataclass(frozen=True)
class Written:
    """What a format made of a version: its files, how many rows they hold, and how many it left out and why."""

    files: list[Path]
    rows: int
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A format: the columns that it needs, what writes it, and what is to be installed for it, if that is not there.

    `write` gets a connection, the Parquet files, the columns' DuckDB types and the version's folder. The same rows
    make the same bytes, in the Parquet files' order.
    """

    needs: tuple[str, ...]
    write: Callable[[duckdb.DuckDBPyConnection, DataFiles, Mapping[str, str], Path], Written]
    not_installed: Callable[[], str | None] = lambda: None
