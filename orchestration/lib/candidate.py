"""The snapshot of a partition before it is published: which version it is, read no further than has to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from orchestration.formats.column_types import parse
from orchestration.lib.card_statistics import length_measures
from orchestration.lib.catalog import Catalog
from orchestration.lib.encryption import copy_options
from orchestration.lib.fingerprints import Fingerprints
from orchestration.lib.parent_files import parent_files
from orchestration.lib.recipe import Recipe
from orchestration.lib.recipe.every import snapshot_day
from orchestration.lib.row_hashes import Base, Day, compare, content_hash, hash_all, hash_days
from orchestration.lib.settings import Settings
from orchestration.lib.shards import CUT_FROM_ROWS, shards, written_as
from orchestration.lib.snapshot import Snapshot, open_snapshot, partition_of, version_name


@dataclass(frozen=True)
class Candidate:
    """The snapshot of a partition, not yet published, as of `day`. `is_new` is false where no row has changed.

    `base` is what is kept of the version that it was compared with.
    """

    day: date
    version: str | None
    content: str
    rows: int
    parent: str | None
    is_new: bool
    snapshot: Snapshot
    days: Sequence[Day]
    base: Base | None

    @property
    def types(self) -> dict[str, str]:
        return self.snapshot.types


def candidate(
    connection: duckdb.DuckDBPyConnection, settings: Settings, recipe: Recipe, catalog: Catalog, day: date
) -> Candidate:
    """Reads the rows of a partition, and tells which version they are, new or not.

    The parent of a new version is the one that it replaces, if the partition had one, else the newest before it. What
    the parent has of the rows is not read again.
    """
    as_of = snapshot_day(recipe.every, day)
    snapshot = open_snapshot(connection, recipe, as_of)
    before, own = catalog.version_before(day), catalog.partitions().get(day)
    replaced = own.version if own else None
    known = replaced or before
    base = Fingerprints(settings, recipe.name).of(known, snapshot) if known else None
    days = _hash_rows(connection, settings, recipe, catalog, snapshot, as_of, known=known, base=base)
    content, rows = content_hash(snapshot.types, days), sum(one.rows for one in days)
    version: str | None = version_name(as_of, content)
    parent, is_new = None, False
    if before and before.endswith(f"-{content[:12]}"):
        version = before
    elif rows == 0 and before is None:
        version = None
    else:
        parent = replaced if replaced and replaced != version else before
        is_new = not catalog.has(str(version))
    if is_new and parent != (replaced or before):
        # The partition has a record of this version, and the version is not there.
        days = hash_all(connection, snapshot, measures_of(connection, snapshot))
    return Candidate(as_of, version, content, rows, parent, is_new, snapshot, days, base)


def _hash_rows(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    recipe: Recipe,
    catalog: Catalog,
    snapshot: Snapshot,
    day: date,
    *,
    known: str | None,
    base: Base | None,
) -> list[Day]:
    """The days of the snapshot. Read are those whose shards the version `known` does not have, or all."""
    measures = measures_of(connection, snapshot)
    shared = parent_files(catalog, known)
    if base is None or not shared:
        return hash_all(connection, snapshot, measures)
    days = compare(connection, snapshot, base)
    written = written_as(snapshot, measures, copy_options(settings))
    found = shards(days, recipe, day, written)
    to_read = {of_shard for shard in found if shard.content not in shared for of_shard in shard.days}
    known_days = {of_shard for of_shard in to_read if of_shard is not None}
    if len(known_days) < len(to_read):
        return hash_all(connection, snapshot, measures)
    before = shards(base.days, recipe, partition_of(str(known)), written)
    is_alike = any(shard.content in shared for shard in before)
    rows_files = [files.folder / files.rows["path"] for files in shared.values()] if is_alike else []
    read = hash_days(connection, snapshot, measures, known_days, base, rows_files)
    return [one for one in days if one.known_date not in to_read] + read


def keep_fingerprints(
    connection: duckdb.DuckDBPyConnection, settings: Settings, recipe: Recipe, made: Candidate
) -> None:
    """Keeps those of a published version, so that the next one reads only what has changed. A small one is read."""
    if made.version and made.rows >= CUT_FROM_ROWS:
        kept = Fingerprints(settings, recipe.name)
        kept.keep(connection, made.version, made.snapshot, made.days, made.base, with_facts=made.is_new)


def measures_of(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> dict[str, str]:
    return length_measures({column: parse(connection, kind) for column, kind in snapshot.types.items()})
