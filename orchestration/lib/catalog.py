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
# The version that the partition had is gone (lib/erasure/withdrawal.py), and no other has taken its place yet.
WITHDRAWN = "withdrawn"
# SQL for the split that a file of rows is of, which its name tells.
SPLIT_OF_FILE = "regexp_extract(filename, '([^/]+)-[0-9]+-of-[0-9]+[.]parquet$', 1)"
_WITHDRAWN_FILE = "withdrawn.json"
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
            self._write_partitions(partitions)
        self._move_latest(partitions)

    def _move_latest(self, partitions: Mapping[date, PartitionRecord]) -> None:
        path = f"{self.dataset}/latest.json"
        passed = [d for d, r in partitions.items() if r.gate == PASSED and r.version]
        if passed:
            newest = max(passed)
            latest = {"version": partitions[newest].version, "as_of": newest.isoformat()}
            if not self.store.exists(path) or self.store.read_json(path) != latest:
                self.store.write_json(path, latest, scratch=self._scratch)
        elif self.store.exists(path):
            self.store.fs.rm(self.store.full(path))

    def latest(self) -> dict[str, str] | None:
        path = f"{self.dataset}/latest.json"
        return self.store.read_json(path) if self.store.exists(path) else None

    def version_before(self, day: date) -> str | None:
        """The version as of the newest earlier partition that has one."""
        earlier = {d: r for d, r in self.partitions().items() if d < day and r.gate == PASSED and r.version}
        return earlier[max(earlier)].version if earlier else None

    def versions(self) -> list[str]:
        gone = self.withdrawn()
        names = [n for n in self.store.folders(self.dataset) if _VERSION.fullmatch(n) and n not in gone]
        return [n for n in names if self.store.exists(f"{self.dataset}/{n}/manifest.json")]

    def withdrawn(self) -> dict[str, dict[str, Any]]:
        """The versions whose content is gone, each with why (`reason`, perhaps `erasure_id`), the partitions that had
        it (`partitions`), and the version that took its place in the first of them, once there is one (`successor`).
        """
        path = f"{self.dataset}/{_WITHDRAWN_FILE}"
        told = dict(self.store.read_json(path)) if self.store.exists(path) else {}
        # One that comes back was killed between two renames: it is none of these, and not yet one of the others.
        return {name: one for name, one in told.items() if self.store.exists(f"{self.dataset}/{name}/manifest.json")}

    def withdraw(self, versions: Mapping[str, Mapping[str, Any]], *, are_replaced: bool = True) -> None:
        """Notes versions as withdrawn: no partition has them any more, and nobody is led to them.

        Unless they `are_replaced`, no other version is published for their partitions: these have had their time.
        """
        known = self.withdrawn()
        partitions = self.partitions()
        for version, told in versions.items():
            had = [d.isoformat() for d, r in sorted(partitions.items()) if r.version == version]
            known.setdefault(version, {**told, "partitions": had or [version[:10]], "successor": None})
        self._write(_WITHDRAWN_FILE, dict(sorted(known.items())))
        left = {
            day: PartitionRecord(None, WITHDRAWN if are_replaced else record.gate)
            if record.version in known
            else record
            for day, record in partitions.items()
        }
        if left != partitions:
            self._write_partitions(left)
        self._move_latest(left)

    def note_successors(self) -> None:
        """Names the versions that took the place of withdrawn ones, in their manifests, too."""
        known, partitions = self.withdrawn(), self.partitions()
        for version, told in known.items():
            record = partitions.get(date.fromisoformat(told["partitions"][0]))
            if told["successor"] is None and record and record.gate == PASSED and record.version:
                told["successor"] = record.version
                path = f"{version}/manifest.json"
                manifest = dict(self.store.read_json(f"{self.dataset}/{path}"))
                self._write(path, {**manifest, "withdrawn": told})
        if known != self.withdrawn():
            self._write(_WITHDRAWN_FILE, known)

    def _write_partitions(self, partitions: Mapping[date, PartitionRecord]) -> None:
        content = {d.isoformat(): {"version": r.version, "gate": r.gate} for d, r in sorted(partitions.items())}
        self._write("partitions.json", content)

    def _write(self, path: str, content: Any) -> None:
        self.store.write_json(f"{self.dataset}/{path}", content, scratch=self._scratch)

    def manifest(self, version: str) -> Mapping[str, Any]:
        content: Mapping[str, Any] = self.store.read_json(f"{self.dataset}/{version}/manifest.json")
        return content

    def has(self, version: str) -> bool:
        return version not in self.withdrawn() and self.store.exists(f"{self.dataset}/{version}/manifest.json")

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
        if told := self.withdrawn().get(version):
            raise StateError(withdrawn_text(self.dataset, version, told))
        if not self.has(version):
            known = ", ".join(self.versions()) or "none"
            raise StateError(f"dataset {self.dataset} has no version {version}; its versions are {known}")
        return self.manifest(version)

    def add(self, version: str, folder: Path) -> None:
        """Makes a version visible. One of the same rows may have been withdrawn for what its delta told: it is back."""
        known = self.withdrawn()
        if version in known:
            self.store.fs.rm(self.store.full(f"{self.dataset}/{version}"), recursive=True)
            self._write(_WITHDRAWN_FILE, {name: told for name, told in known.items() if name != version})
        self.store.put_folder(folder, f"{self.dataset}/{version}")


def withdrawn_text(dataset: str, version: str, told: Mapping[str, Any]) -> str:
    """Why a version is no more, and what to use in its place."""
    if told["successor"]:
        successor = f"use its successor {told['successor']}"
    else:
        successor = "it has no successor yet" if "erasure_id" in told else "use a later version"
    return f"version {version} of {dataset} was withdrawn ({why_withdrawn(told)}); {successor}"


def why_withdrawn(told: Mapping[str, Any]) -> str:
    return f"{told['reason']}, {told['erasure_id']}" if "erasure_id" in told else str(told["reason"])


def datasets(settings: Settings) -> list[str]:
    """The names of all datasets that have been published to."""
    return [n for n in Store(settings.datasets_url).folders("") if not n.startswith(".")]
