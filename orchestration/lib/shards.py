"""The files that a version's rows are in, and which of them a version shares with its parent.

A large dataset is cut by when its rows became known: a file a day of the partition's month, and one a month before.
Most days change few of these, and a file that is what it was is a hard link to the parent's: ten snapshots of the same
rows cost little more space than one.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib.recipe import DEFAULT_SPLIT, Recipe
from orchestration.lib.snapshot import HASHES, PARQUET, ROWS, SPLIT, column_types
from orchestration.lib.store import file_sha256

ROWS_PER_FILE = 1_000_000
# A smaller one is a file a split: hundreds of little files are a burden to who reads them.
CUT_FROM_ROWS = 50_000


@dataclass(frozen=True)
class Shard:
    """Rows of a split that belong together; `content` is the sha256 of what is in them and how it is written."""

    split: str
    period: str
    rows: int
    content: str


def shards(connection: duckdb.DuckDBPyConnection, recipe: Recipe, day: date, *, rows: int) -> list[Shard]:
    """The shards of the snapshot on the connection, which has so many rows: splits in the recipe's order, and the
    oldest first. One without rows has an empty shard, so that its columns are known.
    """
    found = connection.execute(
        f"""
        select
            split_, {_period(day, rows)} as period, count(*),
            sha256(string_agg(row_hash, '' order by row_hash))
        from {HASHES} group by all order by all
        """
    ).fetchall()
    written_as = f"{PARQUET}\n{column_types(connection, f'from {ROWS}')}"
    made = [
        Shard(split, period, n, hashlib.sha256(f"{content}\n{written_as}".encode()).hexdigest())
        for split, period, n, content in found or [(DEFAULT_SPLIT, "", 0, "")]
    ]
    order = list(recipe.split.shares) if recipe.split else []
    return sorted(made, key=lambda shard: order.index(shard.split) if order else 0)


def _period(day: date, rows: int) -> str:
    """SQL for the period of a row; the same for all rows of a small dataset."""
    if rows < CUT_FROM_ROWS:
        return "''"
    return f"left(known_date::varchar, case when left(known_date::varchar, 7) = '{day:%Y-%m}' then 10 else 7 end)"


def write_shards(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    recipe: Recipe,
    *,
    found: list[Shard],
    parent: Mapping[str, tuple[Path, Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Writes `data/<split>-00000-of-0000N.parquet`, sorted; returns path, bytes and sha256 of each.

    `parent` is the content of the parent's shards to their files, and to what its manifest tells of them. A shard with
    more rows than a file may have is cut.
    """
    files: list[dict[str, Any]] = []
    for split in dict.fromkeys(shard.split for shard in found):
        of_split = [shard for shard in found if shard.split == split]
        parts = [(shard, n) for shard in of_split for n in range(max(1, -(-shard.rows // ROWS_PER_FILE)))]
        for number, (shard, n) in enumerate(parts):
            path = f"data/{split}-{number:05d}-of-{len(parts):05d}.parquet"
            is_whole = shard.rows <= ROWS_PER_FILE
            source, told = parent.get(shard.content, (None, {})) if is_whole else (None, {})
            if source is not None and _linked(source, folder / path):
                files.append({**told, "path": path})
                continue
            _write(connection, recipe, shard, n, folder / path)
            size, digest = (folder / path).stat().st_size, file_sha256(folder / path)
            own = {"content_sha256": shard.content} if is_whole else {}
            files.append({"path": path, "bytes": size, "sha256": digest, **own})
    return files


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # on another file system, or withdrawn since
        return False
    return True


def _write(connection: duckdb.DuckDBPyConnection, recipe: Recipe, shard: Shard, part: int, target: Path) -> None:
    columns = f"* exclude ({SPLIT})" if recipe.split else "*"
    where = [f"{SPLIT} = '{shard.split}'"] if recipe.split else []
    if shard.period:
        where.append(f"left(attributed_date::varchar, {len(shard.period)}) = '{shard.period}'")
    query = f"select {columns} from {ROWS} where {' and '.join(where) or 'true'}"
    cut = f"limit {ROWS_PER_FILE} offset {part * ROWS_PER_FILE}" if shard.rows > ROWS_PER_FILE else ""
    connection.execute(f"copy ({query} order by {', '.join(recipe.row_key)} {cut}) to '{target}' ({PARQUET})")
