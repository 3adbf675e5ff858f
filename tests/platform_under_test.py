"""Drives the platform as a user does, by its command line, in this process: imports are paid once."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

from orchestration import cli
from orchestration.lib.settings import REPOSITORY


@cache
def recipes_of(*names: str) -> Path:
    """A folder with some of the shipped recipes, to be read."""
    folder = Path(tempfile.mkdtemp(prefix="recipes-"))
    for name in names:
        shutil.copy(REPOSITORY / "recipes" / f"{name}.yml", folder)
    return folder


@dataclass(frozen=True)
class Platform:
    """One data folder and what can be asked of it. `settings` are variables that commands have besides."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def run(self, first: date, last: date) -> int:
        """`attribution run`; returns the exit code."""
        return self.command("run", "--from", first.isoformat(), "--to", last.isoformat())

    def command(self, *arguments: str) -> int:
        with self.environment():
            return cli.main(arguments)

    @classmethod
    def with_one_dataset(cls, data_dir: Path, settings: Mapping[str, str] | None = None) -> "Platform":
        """For tests that ask for tables: publishing every recipe's dataset is half of a range's cost."""
        return cls(data_dir, {"FEEDBACK_RECIPES": str(recipes_of("feedback")), **(settings or {})})

    @contextmanager
    def environment(self) -> Iterator[None]:
        own = {"FEEDBACK_DATA_DIR": str(self.data_dir), "FEEDBACK_DATA_DOCS": "false", **self.settings}
        with mock.patch.dict("os.environ", own):
            import os

            os.environ.pop("DAGSTER_HOME", None)
            yield

    def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of the warehouse, as an analyst would read them."""
        with duckdb.connect(str(self.data_dir / "warehouse.duckdb"), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            cursor = connection.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def latest_rows(self, dataset: str) -> list[dict[str, Any]]:
        """All rows of a dataset's latest version, as they are in its files."""
        folder = self.data_dir / "datasets" / dataset
        latest = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
        return self.query(f"from read_parquet('{folder}/{latest['version']}/data/*.parquet')")

    def dataset_files(self) -> dict[str, str]:
        """Path to sha256 of every published file."""
        return self._hashes(self.data_dir / "datasets")

    def ledger_files(self) -> dict[str, str]:
        return self._hashes(self.data_dir / "ledger")

    @staticmethod
    def _hashes(folder: Path) -> dict[str, str]:
        files = sorted(f for f in folder.rglob("*") if f.is_file())
        return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Every mart, whole and in a fixed order, for comparing two ways to the same state."""
        names = [
            row["name"]
            for row in self.query(
                "select table_name as name from information_schema.tables where table_schema = 'marts' "
                # When runs were done: no two have the same.
                "and table_name not in ('feedback_stage_times', 'feedback_loop_latency') order by 1"
            )
        ]
        return {name: self.query(f"select * from marts.{name} order by all") for name in names}
