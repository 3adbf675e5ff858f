"""Publishing a dataset's version for one partition: stage, gate, then make visible in one step."""

import shutil
import uuid
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from expectations.report import GateReport
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib.card import dataset_card
from orchestration.lib.catalog import PASSED, Catalog
from orchestration.lib.ledger import LEDGER_FILE, ledger_metadata
from orchestration.lib.recipe import Recipe
from orchestration.lib.settings import Settings
from orchestration.lib.snapshot import (
    Changes,
    column_types,
    content_hash,
    count_changes,
    file_sha256,
    snapshot_query,
    version_name,
)
from orchestration.lib.store import Store, json_text

SPLIT = "train"
ROWS_PER_FILE = 1_000_000
# Written down because the bytes of a version depend on it.
_PARQUET = "format parquet, compression zstd, compression_level 3, row_group_size 122880"


@dataclass(frozen=True)
class Candidate:
    """The snapshot of a partition, not yet published. `is_new` is false where no row has changed."""

    day: date
    version: str | None
    content: str
    rows: int
    parent: str | None
    is_new: bool


def candidate(connection: duckdb.DuckDBPyConnection, recipe: Recipe, catalog: Catalog, day: date) -> Candidate:
    """Names the version that a partition's rows make, and whether it is there already.

    The parent of a new version is the one that it replaces, if the partition had one, else the newest
    before it.
    """
    content, rows = content_hash(connection, snapshot_query(recipe, day))
    before = catalog.version_before(day)
    own = catalog.partitions().get(day)
    if before and before.endswith(f"-{content[:12]}"):
        return Candidate(day, before, content, rows, None, is_new=False)
    if rows == 0 and before is None:
        return Candidate(day, None, content, 0, None, is_new=False)
    version = version_name(day, content)
    parent = own.version if own and own.version and own.version != version else before
    return Candidate(day, version, content, rows, parent, is_new=not catalog.has(version))


class Staging:
    """A version being made, in a scratch folder that goes away unless it is published."""

    def __init__(self, settings: Settings, recipe: Recipe, catalog: Catalog, made: Candidate) -> None:
        self._settings, self._recipe, self._catalog, self._made = settings, recipe, catalog, made
        # Beside the datasets where they are local: a rename is one step only within a file system.
        root = Path(catalog.store.root) / ".staging" if catalog.store.is_local else settings.data_dir / ".scratch"
        self.folder = root / f"{recipe.name}-{made.day}-{uuid.uuid4().hex}"

    def __enter__(self) -> "Staging":
        (self.folder / "data").mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Writes the rows, sorted, as `data/<split>-00000-of-0000N.parquet`."""
        query = snapshot_query(self._recipe, self._made.day)
        keys = ", ".join(self._recipe.row_key)
        files = max(1, -(-self._made.rows // ROWS_PER_FILE))
        for n in range(files):
            target = self.folder / "data" / f"{SPLIT}-{n:05d}-of-{files:05d}.parquet"
            part = f"limit {ROWS_PER_FILE} offset {n * ROWS_PER_FILE}" if files > 1 else ""
            connection.execute(f"copy (select * from ({query}) order by {keys} {part}) to '{target}' ({_PARQUET})")

    @property
    def rows_query(self) -> str:
        return f"select * from read_parquet('{self.folder}/data/*.parquet')"

    @property
    def _parent_query(self) -> str | None:
        if self._made.parent is None:
            return None
        urls = ", ".join(f"'{u}'" for u in self._catalog.data_urls(self._made.parent))
        return f"select * from read_parquet([{urls}])"

    def changes(self, connection: duckdb.DuckDBPyConnection) -> Changes:
        return count_changes(connection, parent=self._parent_query, child=self.rows_query, key=self._recipe.row_key)

    def _schema_changes(self, connection: duckdb.DuckDBPyConnection, child: dict[str, str]) -> dict[str, Any]:
        """What is another than in the parent: schema versions, columns, columns' types. `child` is this version's."""
        if self._made.parent is None or self._parent_query is None:
            return {"columns_added": [], "columns_removed": [], "columns_retyped": [], "schema_version_of_parent": None}
        parent = column_types(connection, self._parent_query)
        return {
            "columns_added": [c for c in child if c not in parent],
            "columns_removed": [c for c in parent if c not in child],
            "columns_retyped": [c for c in child if c in parent and child[c] != parent[c]],
            "schema_version_of_parent": self._catalog.manifest(self._made.parent).get("schema_version"),
        }

    def publish(self, connection: duckdb.DuckDBPyConnection, *, gates: list[GateReport]) -> dict[str, Any]:
        """Adds card and manifest, and makes the version visible in one step; returns the manifest."""
        made = self._made
        changes = self.changes(connection)
        types = column_types(connection, self.rows_query)
        manifest = {
            "name": self._recipe.name,
            "version": made.version,
            "partition": made.day.isoformat(),
            "parent_version": made.parent,
            "content_sha256": made.content,
            "rows": {SPLIT: made.rows},
            "changes": {"added": changes.added, "changed": changes.changed, "removed": changes.removed},
            "files": [
                {"path": f"data/{f.name}", "bytes": f.stat().st_size, "sha256": file_sha256(str(f))}
                for f in sorted((self.folder / "data").iterdir())
            ],
            "recipe": self._recipe.to_dict(),
            "schema_version": {stream.event: stream.version for stream in STREAMS},
            "schema_changes": self._schema_changes(connection, types),
            "ledger_files": _ledger_files(self._settings, made.day),
            "gate": {"result": PASSED, "reports": [gate.to_dict() for gate in gates]},
        }
        kind = "feedback_type" if "feedback_type" in types else "'(any)'"
        by_type = connection.execute(
            f"select {kind}, count(*) from ({self.rows_query}) group by all order by all"
        ).fetchall()
        card = dataset_card(self._recipe, manifest, types, dict(by_type))
        (self.folder / "README.md").write_text(card, encoding="utf-8")
        (self.folder / "manifest.json").write_text(json_text(manifest), encoding="utf-8")
        assert made.version is not None
        self._catalog.add(made.version, self.folder)
        return manifest


def _ledger_files(settings: Settings, day: date) -> list[dict[str, Any]]:
    """The ledger files that a snapshot as of a day rests on; empty days have files, too."""
    ledger = Store(settings.ledger_url)
    files = []
    for stream in STREAMS:
        versions = {str(d): int(v) for d, v in ledger_metadata(settings, stream, "schema_version").items()}
        for folder in ledger.folders(stream.name):
            if folder.removeprefix("received_date=") <= day.isoformat():
                files += [
                    {
                        "path": f"ledger/{f.path}",
                        "bytes": f.bytes,
                        "schema_version": versions[folder.removeprefix("received_date=")],
                    }
                    for f in ledger.files(f"{stream.name}/{folder}")
                    if f.name == LEDGER_FILE
                ]
    return files
