"""Publishing a dataset's version for one partition: stage, gate, then make visible in one step."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import duckdb

from expectations.report import GateReport
from orchestration.contracts.json_schema import STREAMS
from orchestration.lib import label_noise, parquet_files
from orchestration.lib.candidate import Candidate, measures_of
from orchestration.lib.catalog import PASSED, Catalog
from orchestration.lib.clean_rows import held_out_files, left_out
from orchestration.lib.companions import write_companions
from orchestration.lib.delta import CHANGED, Changes, changes_query, hashed, write_delta
from orchestration.lib.encryption import ENCRYPTED, copy_options
from orchestration.lib.ledger_files import LedgerFiles
from orchestration.lib.made_with import made_with
from orchestration.lib.parent_files import DATA, ROWS, hashes_query, parent_files
from orchestration.lib.recipe import SOURCES, Recipe
from orchestration.lib.recipe.label_noise import ISSUE, QUALITY
from orchestration.lib.row_hashes import HASHES
from orchestration.lib.sample_weights import weight_facts
from orchestration.lib.sampling import stage_counts
from orchestration.lib.settings import Settings
from orchestration.lib.shards import Shard, of_shards, shards, write_shards, written_as
from orchestration.lib.snapshot import SPLIT, column_types
from orchestration.lib.store import file_sha256, json_text


class Staging:
    """A version being made, in a scratch folder that goes away unless it is published."""

    def __init__(
        self, settings: Settings, recipe: Recipe, catalog: Catalog, made: Candidate, ledger_files: LedgerFiles
    ) -> None:
        self._settings, self._recipe, self._catalog, self._made = settings, recipe, catalog, made
        self._ledger_files = ledger_files
        self.splits: dict[str, int] = {}
        self._shards: list[Shard] = []
        self._data_files: list[dict[str, Any]] = []
        self.folder = _staging_root(settings, catalog) / f"{recipe.name}-{made.day}-{uuid.uuid4().hex}"

    def __enter__(self) -> "Staging":
        for kind in (DATA, ROWS):
            (self.folder / kind).mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Writes the rows of each split as `data/<split>-00000-of-0000N.parquet`; a split of nothing is none."""
        made, measures = self._made, measures_of(connection, self._made.snapshot)
        options = copy_options(self._settings)
        self._shards = shards(made.days, self._recipe, made.day, written_as(made.snapshot, measures, options))
        self._data_files = write_shards(
            connection,
            self.folder,
            made.snapshot,
            measures,
            found=self._shards,
            parent=parent_files(self._catalog, made.parent),
            options=options,
        )
        for shard in self._shards:
            self.splits[shard.split] = self.splits.get(shard.split, 0) + shard.rows

    @property
    def rows_query(self) -> str:
        return f"select * from {parquet_files.read(sorted((self.folder / DATA).glob('*.parquet')))}"

    @property
    def _parent_query(self) -> str | None:
        if self._made.parent is None:
            return None
        return self._catalog.rows_query(self._made.parent)

    def _parent_with_splits(self, parent: str) -> str:
        return self._catalog.rows_query(parent, split_as=SPLIT)

    def _write_delta(self, connection: duckdb.DuckDBPyConnection) -> Changes:
        """What turns the parent into this version. Without a parent every row is new, and the snapshot has them.

        Rows of files that both have are alike, and not looked at.
        """
        made = self._made
        if made.parent is None:
            return Changes(made.rows, 0, 0)
        key, shared = made.snapshot.key, parent_files(self._catalog, made.parent).keys()
        own = [shard for shard in self._shards if shard.content not in shared]
        before = hashes_query(self._catalog, made.parent, key, without={s.content for s in self._shards} & shared)
        changes = write_delta(
            connection,
            self.folder,
            made.snapshot,
            before=before or hashed(connection, self._parent_with_splits(made.parent), key),
            after=f"select {', '.join(key)}, split_, known_date, row_sha256 from {HASHES} "
            f"where {of_shards(own, 'split_', 'known_date')}",
            where=of_shards(own, made.snapshot.split, "attributed_date"),
            options=copy_options(self._settings),
        )
        parent_rows = sum(self._catalog.manifest(made.parent)["rows"].values())
        assert parent_rows + changes.added - changes.removed == made.rows, "a snapshot is its parent and its delta"
        return changes

    def _label_noise(self, connection: duckdb.DuckDBPyConnection, changes: Changes) -> dict[str, Any]:
        """What is told of label noise, if the recipe asks for it, and how many rows changed by nothing else."""
        told, made = label_noise.told(connection, self._recipe), self._made
        if told and made.parent is not None:
            rows = (
                self._parent_with_splits(made.parent),
                f"from {made.snapshot.rows}"
                if made.snapshot.has_splits
                else f"select *, {made.snapshot.split} as {SPLIT} from {made.snapshot.rows}",
            )
            before, after = (hashed(connection, one, made.snapshot.key, aside=(QUALITY, ISSUE)) for one in rows)
            otherwise = changes_query(before=before, after=after, key=made.snapshot.key)
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
            "weights": weight_facts(connection, self._recipe, types, made.snapshot.rows),
            "privacy": self._recipe.privacy,
            "recipe": self._recipe.to_dict(),
            "schema_version": {stream.event: stream.version for stream in STREAMS},
            "schema_changes": self._schema_changes(connection, types),
            "settings": decisive_settings(self._settings, self._recipe),
            **held_out_files(self._recipe),
            "made_with": made_with(),
            **({"encryption": ENCRYPTED} if self._settings.encryption_key else {}),
            "ledger_files": self._ledger_files.until(made.day),
            **self._label_noise(connection, changes),
            "gate": {"result": PASSED, "reports": [gate.to_dict() for gate in gates]},
        }
        kept_facts = made.base.fingerprints.parent if made.base else None
        manifest = write_companions(
            connection, self.folder, self._recipe, manifest, types, known=self._data_files, kept_facts=kept_facts
        )
        (self.folder / "manifest.json").write_text(json_text(manifest), encoding="utf-8")
        assert made.version is not None
        self._catalog.add(made.version, self.folder)
        return manifest


def clear_staging(settings: Settings, recipe: Recipe, catalog: Catalog) -> None:
    """Removes what a run that was killed left of versions in the making. The caller holds the lock."""
    for left in _staging_root(settings, catalog).glob(f"{recipe.name}-????-??-??-*"):
        shutil.rmtree(left, ignore_errors=True)


def _staging_root(settings: Settings, catalog: Catalog) -> Path:
    """Beside the datasets where they are local: a rename is one step only within a file system."""
    return Path(catalog.store.root) / ".staging" if catalog.store.is_local else settings.data_dir / ".scratch"


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
