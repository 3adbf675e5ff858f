"""Publishing a dataset's version for one partition: stage, gate, then make visible in one step."""

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from expectations.report import GateReport
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import label_noise
from orchestration.lib.catalog import PASSED, Catalog
from orchestration.lib.clean_rows import held_out_files, left_out
from orchestration.lib.companions import write_companions
from orchestration.lib.delta import CHANGED, Changes, changes_query, write_delta
from orchestration.lib.field_sql import quote
from orchestration.lib.ledger import LEDGER_FILE, ledger_metadata_by_key
from orchestration.lib.made_with import made_with
from orchestration.lib.recipe import DEFAULT_SPLIT, SOURCES, Recipe
from orchestration.lib.recipe.every import snapshot_day
from orchestration.lib.recipe.label_noise import ISSUE, QUALITY
from orchestration.lib.sample_weights import weight_facts
from orchestration.lib.sampling import stage_counts
from orchestration.lib.settings import Settings
from orchestration.lib.shards import shards, write_shards
from orchestration.lib.snapshot import PARQUET, ROWS, SPLIT, column_types, content_hash, make_snapshot, version_name
from orchestration.lib.store import Store, file_sha256, json_text


@dataclass(frozen=True)
class Candidate:
    """The snapshot of a partition, not yet published, as of `day`. `is_new` is false where no row has changed."""

    day: date
    version: str | None
    content: str
    rows: int
    parent: str | None
    is_new: bool
    types: Mapping[str, str]


def candidate(connection: duckdb.DuckDBPyConnection, recipe: Recipe, catalog: Catalog, day: date) -> Candidate:
    """Makes the rows of a partition, for the connection to keep, and tells which version they are, new or not.

    The parent of a new version is the one that it replaces, if the partition had one, else the newest
    before it.
    """
    as_of = snapshot_day(recipe.every, day)
    types = make_snapshot(connection, recipe, as_of)
    content, rows = content_hash(connection)
    before = catalog.version_before(day)
    own = catalog.partitions().get(day)
    if before and before.endswith(f"-{content[:12]}"):
        return Candidate(as_of, before, content, rows, None, is_new=False, types=types)
    if rows == 0 and before is None:
        return Candidate(as_of, None, content, 0, None, is_new=False, types=types)
    version = version_name(as_of, content)
    parent = own.version if own and own.version and own.version != version else before
    return Candidate(as_of, version, content, rows, parent, is_new=not catalog.has(version), types=types)


class Staging:
    """A version being made, in a scratch folder that goes away unless it is published."""

    def __init__(self, settings: Settings, recipe: Recipe, catalog: Catalog, made: Candidate) -> None:
        self._settings, self._recipe, self._catalog, self._made = settings, recipe, catalog, made
        # Beside the datasets where they are local: a rename is one step only within a file system.
        root = Path(catalog.store.root) / ".staging" if catalog.store.is_local else settings.data_dir / ".scratch"
        self.splits: dict[str, int] = {}
        self._data_files: list[dict[str, Any]] = []
        self.folder = root / f"{recipe.name}-{made.day}-{uuid.uuid4().hex}"

    def __enter__(self) -> "Staging":
        (self.folder / "data").mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Writes the rows of each split as `data/<split>-00000-of-0000N.parquet`; a split of nothing is none."""
        found = shards(connection, self._recipe, self._made.day, rows=self._made.rows)
        self._data_files = write_shards(
            connection, self.folder, self._recipe, found=found, parent=self._parent_shards()
        )
        for shard in found:
            self.splits[shard.split] = self.splits.get(shard.split, 0) + shard.rows

    def _parent_shards(self) -> dict[str, tuple[Path, Mapping[str, Any]]]:
        """What is in the parent's files to where they are and what is told of them, as far as they can be shared."""
        if self._made.parent is None or not self._catalog.store.is_local:
            return {}
        folder = Path(self._catalog.store.full(f"{self._recipe.name}/{self._made.parent}"))
        files = self._catalog.manifest(self._made.parent)["files"]
        return {file["content_sha256"]: (folder / file["path"], file) for file in files if "content_sha256" in file}

    @property
    def rows_query(self) -> str:
        return f"select * from read_parquet('{self.folder}/data/*.parquet')"

    @property
    def _parent_query(self) -> str | None:
        if self._made.parent is None:
            return None
        return self._catalog.rows_query(self._made.parent)

    @property
    def _rows_with_splits(self) -> str:
        return f"from {ROWS}" if self._recipe.split else f"select *, {quote(DEFAULT_SPLIT)} as {SPLIT} from {ROWS}"

    def _write_delta(self, connection: duckdb.DuckDBPyConnection) -> Changes:
        """What turns the parent into this version. Without a parent every row is new, and the snapshot has them."""
        if self._made.parent is None:
            return Changes(self._made.rows, 0, 0)
        changes = write_delta(
            connection,
            self.folder,
            before=self._catalog.rows_query(self._made.parent, split_as=SPLIT),
            after=self._rows_with_splits,
            key=self._recipe.row_key,
            split=SPLIT,
            parquet=PARQUET,
        )
        parent_rows = sum(self._catalog.manifest(str(self._made.parent))["rows"].values())
        assert parent_rows + changes.added - changes.removed == self._made.rows, (
            "a snapshot is its parent and its delta"
        )
        return changes

    def _label_noise(self, connection: duckdb.DuckDBPyConnection, changes: Changes) -> dict[str, Any]:
        """What is told of label noise, if the recipe asks for it, and how many rows changed by nothing else."""
        told = label_noise.told(connection, self._recipe)
        if told and self._made.parent is not None:
            otherwise = changes_query(
                connection,
                before=self._catalog.rows_query(self._made.parent, split_as=SPLIT),
                after=self._rows_with_splits,
                key=self._recipe.row_key,
                aside=(QUALITY, ISSUE),
            )
            row = connection.execute(f"select count(*) from ({otherwise}) where change = '{CHANGED}'").fetchone()
            told["label_noise"]["rows_changed"] = changes.changed - (row[0] if row else 0)
        return told

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
        changes = self._write_delta(connection)
        types = column_types(connection, self.rows_query)
        manifest = {
            "name": self._recipe.name,
            "version": made.version,
            "partition": made.day.isoformat(),
            "parent_version": made.parent,
            "content_sha256": made.content,
            "rows": self.splits,
            "changes": {"added": changes.added, "changed": changes.changed, "removed": changes.removed},
            **left_out(connection, self._recipe),
            "sampling": stage_counts(connection, self._recipe),
            "weights": weight_facts(connection, self._recipe, types, ROWS),
            "privacy": self._recipe.privacy,
            "recipe": self._recipe.to_dict(),
            "schema_version": {stream.event: stream.version for stream in STREAMS},
            "schema_changes": self._schema_changes(connection, types),
            "settings": decisive_settings(self._settings, self._recipe),
            **held_out_files(self._recipe),
            "made_with": made_with(),
            "ledger_files": _ledger_files(self._settings, made.day),
            **self._label_noise(connection, changes),
            "gate": {"result": PASSED, "reports": [gate.to_dict() for gate in gates]},
        }
        manifest = write_companions(connection, self.folder, self._recipe, manifest, types, known=self._data_files)
        (self.folder / "manifest.json").write_text(json_text(manifest), encoding="utf-8")
        assert made.version is not None
        self._catalog.add(made.version, self.folder)
        return manifest


def decisive_settings(settings: Settings, recipe: Recipe) -> dict[str, Any]:
    """The settings that a recipe's rows follow from, as manifests tell them."""
    registry = settings.model_registry
    models = {"model_registry_sha256": file_sha256(registry) if registry.exists() else None}
    return {
        "attribution_window_days": settings.attribution_window_days,
        "early_tolerance_minutes": settings.early_tolerance_minutes,
        "future_tolerance_days": settings.future_tolerance_days,
        "rules_sha256": file_sha256(settings.rules),
        **(models if "feature_attributions" in SOURCES[recipe.source].also_reads else {}),
    }


def _ledger_files(settings: Settings, day: date) -> list[dict[str, Any]]:
    """The ledger files that a snapshot as of a day rests on; empty days have files, too."""
    ledger = Store(settings.ledger_url)
    files = []
    for stream in STREAMS:
        told = ledger_metadata_by_key(settings, stream, ("schema_version", "ledger_version"))
        for folder in ledger.folders(stream.name):
            received = date.fromisoformat(folder.removeprefix("received_date="))
            if received <= day:
                files += [
                    {
                        "path": f"ledger/{f.path}",
                        "bytes": f.bytes,
                        "schema_version": int(told["schema_version"][received]),
                        "ledger_version": told["ledger_version"][received],
                    }
                    for f in ledger.files(f"{stream.name}/{folder}")
                    if f.name == LEDGER_FILE
                ]
    return files
