"""What is published: the versions of each dataset, which of them each partition has, which is the latest.

`partitions.json` says for each partition which version holds its snapshot and whether its gate let it
pass; `latest.json` is the part of it that training jobs read. A version's folder is never changed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib import parquet_files
from orchestration.lib.settings import Settings, StateError
from orchestration.lib.store import Store

PASSED = "passed"
FAILED = "failed"
# SQL for the split that a file of rows is of, which its name tells.
SPLIT_OF_FILE = "regexp_extract(filename, '([^/]+)-[0-9]+-of-[0-9]+[.]parquet$', 1)"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")


@dataclass(frozen=True)
class PartitionRecord:
    """A partition of a dataset: its version (None: no rows yet, or not published) and its gate's result."""

    version: str | None
    gate: str


class Catalog:
    """The published versions of one dataset."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        self.store = Store(settings.datasets_url)
        self.dataset = dataset
        self._scratch = settings.data_dir / ".scratch"

    def partitions(self) -> dict[date, PartitionRecord]:
        path = f"{self.dataset}/partitions.json"
        if not self.store.exists(path):
            return {}
        return {
            date.fromisoformat(day): PartitionRecord(record["version"], record["gate"])
            for day, record in self.store.read_json(path).items()
        }

    def record(self, day: date, record: PartitionRecord) -> None:
        """Notes a partition's version and moves `latest.json` where this is the newest that passed."""
        before = self.partitions()
        partitions = before | {day: record}
        if before.get(day) != record:
            content = {d.isoformat(): {"version": r.version, "gate": r.gate} for d, r in sorted(partitions.items())}
            self.store.write_json(f"{self.dataset}/partitions.json", content, scratch=self._scratch)
        passed = [d for d, r in partitions.items() if r.gate == PASSED and r.version]
        if passed:
            newest = max(passed)
            latest = {"version": partitions[newest].version, "as_of": newest.isoformat()}
            path = f"{self.dataset}/latest.json"
            if not self.store.exists(path) or self.store.read_json(path) != latest:
                self.store.write_json(path, latest, scratch=self._scratch)

    def latest(self) -> dict[str, str] | None:
        path = f"{self.dataset}/latest.json"
        return self.store.read_json(path) if self.store.exists(path) else None

    def version_before(self, day: date) -> str | None:
        """The version as of the newest earlier partition that has one."""
        earlier = {d: r for d, r in self.partitions().items() if d < day and r.gate == PASSED and r.version}
        return earlier[max(earlier)].version if earlier else None

    def versions(self) -> list[str]:
        names = [n for n in self.store.folders(self.dataset) if _VERSION.fullmatch(n)]
        return [n for n in names if self.store.exists(f"{self.dataset}/{n}/manifest.json")]

    def manifest(self, version: str) -> Mapping[str, Any]:
        content: Mapping[str, Any] = self.store.read_json(f"{self.dataset}/{version}/manifest.json")
        return content

    def has(self, version: str) -> bool:
        return self.store.exists(f"{self.dataset}/{version}/manifest.json")

    def data_urls(self, version: str) -> list[str]:
        """Its Parquet files; card, Croissant and formats are no data."""
        files = self.manifest(version)["files"]
        data = [f["path"] for f in files if f["path"].startswith("data/")]
        return [self.store.url(f"{self.dataset}/{version}/{path}") for path in data]

    def rows_query(self, version: str, *, split_as: str | None = None) -> str:
        """SQL for the rows of a version, all splits together; `split_as` names a column for the split of each."""
        urls = self.data_urls(version)
        if split_as is None:
            return f"select * from {parquet_files.read(urls)}"
        rows = parquet_files.read(urls, options="filename = true")
        return f"select * exclude (filename), {SPLIT_OF_FILE} as {split_as} from {rows}"

    def published(self, version: str) -> Mapping[str, Any]:
        """The manifest of a version that somebody asked for. Raises StateError, naming those that there are."""
        if not self.has(version):
            known = ", ".join(self.versions()) or "none"
            raise StateError(f"dataset {self.dataset} has no version {version}; its versions are {known}")
        return self.manifest(version)

    def add(self, version: str, folder: Path) -> None:
        self.store.put_folder(folder, f"{self.dataset}/{version}")


def datasets(settings: Settings) -> list[str]:
    """The names of all datasets that have been published to."""
    return [n for n in Store(settings.datasets_url).folders("") if not n.startswith(".")]
