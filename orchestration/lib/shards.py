"""The files that a version's rows are in, and which of them a version shares with its parent.

A large dataset is cut by when its rows became known: a file a day of the partition's month and of the month before,
and one a month for what is older. Most days change few of these, and a file that is what it was is a hard link to the
parent's: ten snapshots of the same rows cost little more space than one.

Each file has one of the same name in `rows/`: the rows' keys, hashes and lengths, so that who compares or counts
versions reads no text.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib.parent_files import DATA, ROWS, ParentFiles
from orchestration.lib.recipe import DEFAULT_SPLIT, Recipe
from orchestration.lib.row_hash import identifier
from orchestration.lib.row_hashes import HASHES, Day
from orchestration.lib.snapshot import PARQUET, Snapshot
from orchestration.lib.store import file_sha256
from orchestration.lib.warehouse import execute_beside

ROWS_PER_FILE = 1_000_000
# A smaller one is a file a split: hundreds of little files are a burden to who reads them.
CUT_FROM_ROWS = 50_000


@dataclass(frozen=True)
class Shard:
    """Rows of a split that belong together; `content` is the sha256 of what is in them and how it is written, and
    empty where a day among them is yet to be read.
    """

    split: str
    period: str
    rows: int
    days: tuple[date | None, ...]
    content: str


def shards(days: Sequence[Day], recipe: Recipe, day: date, written_as: str) -> list[Shard]:
    """The shards of a snapshot as of a partition: splits in the recipe's order, and the oldest first.

    One without rows has an empty shard, so that its columns are known.
    """
    is_cut = sum(one.rows for one in days) >= CUT_FROM_ROWS
    order = list(recipe.split.shares) if recipe.split else [DEFAULT_SPLIT]

    def place(one: Day) -> tuple[int, str]:
        return order.index(one.split), _period(one.known_date, day) if is_cut else ""

    ordered = sorted(days, key=lambda one: (*place(one), str(one.known_date)))
    made = [
        _shard(order[split], period, list(of_shard), written_as)
        for (split, period), of_shard in groupby(ordered, key=place)
    ]
    return made or [_shard(DEFAULT_SPLIT, "", [], written_as)]


def _period(known_date: date | None, day: date) -> str:
    """When a row of a large dataset became known, as exactly as files tell it.

    Feedback is mostly taken back or followed by other within weeks, which then changes days and not months.
    """
    if known_date is None:
        return ""
    month_before = (day.replace(day=1) - timedelta(days=1)).replace(day=1)
    return str(known_date) if known_date >= month_before else f"{known_date:%Y-%m}"


def _shard(split: str, period: str, days: Sequence[Day], written_as: str) -> Shard:
    content = ""
    if all(day.digest for day in days):
        lines = [split, *(f"{day.known_date} {day.rows} {day.digest}" for day in days), written_as]
        content = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Shard(split, period, sum(day.rows for day in days), tuple(day.known_date for day in days), content)


def written_as(snapshot: Snapshot, measures: Mapping[str, str], options: str) -> str:
    """What the bytes of a shard's files follow from beside its rows; `options` are further ones of COPY."""
    return f"{PARQUET}{options}\n{snapshot.types}\n{snapshot.key}\n{dict(measures)}"


def write_shards(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    snapshot: Snapshot,
    measures: Collection[str],
    *,
    found: Sequence[Shard],
    parent: Mapping[str, ParentFiles],
    options: str,
) -> list[dict[str, Any]]:
    """Writes `data/<split>-00000-of-0000N.parquet`, sorted, and `rows/` of the same names; returns path, bytes and
    sha256 of each.

    `parent` is the content of the parent's shards to their files, `options` are further ones of COPY. A shard with more
    rows than a file may have is cut.
    """
    files: list[dict[str, Any]] = []
    statements: list[str] = []
    written: list[dict[str, Any]] = []
    for shard, n, name in _parts(found):
        if shared := parent.get(shard.content):
            for kind, told in ((DATA, shared.data), (ROWS, shared.rows)):
                _link(shared.folder / told["path"], folder / kind / name)
                files.append({**told, "path": f"{kind}/{name}"})
            continue
        statements += [
            _copy(snapshot, _data_query(snapshot, shard), shard, n, folder / DATA / name, options),
            _copy(snapshot, _rows_query(snapshot, measures, shard), shard, n, folder / ROWS / name, options),
        ]
        own = {"content_sha256": shard.content} if shard.rows <= ROWS_PER_FILE else {}
        written += [{"path": f"{kind}/{name}", **own} for kind in (DATA, ROWS)]
    execute_beside(connection, statements)
    for told in written:
        path = folder / told["path"]
        files.append({"path": told.pop("path"), "bytes": path.stat().st_size, "sha256": file_sha256(path), **told})
    return files


def _parts(found: Sequence[Shard]) -> Iterator[tuple[Shard, int, str]]:
    """Each shard with the number and the name of each of its files."""
    for split, of_split in groupby(found, key=lambda shard: shard.split):
        parts = [(shard, n) for shard in of_split for n in range(max(1, -(-shard.rows // ROWS_PER_FILE)))]
        for number, (shard, n) in enumerate(parts):
            yield shard, n, f"{split}-{number:05d}-of-{len(parts):05d}.parquet"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system
        shutil.copy2(source, target)


def _data_query(snapshot: Snapshot, shard: Shard) -> str:
    columns = f"* exclude ({', '.join(snapshot.aside)})" if snapshot.aside else "*"
    return f"select {columns} from {snapshot.rows} where {_of_shard(shard, snapshot.split, 'attributed_date')}"


def _rows_query(snapshot: Snapshot, measures: Collection[str], shard: Shard) -> str:
    columns = ", ".join([*snapshot.key, "known_date", "row_sha256", *(identifier(name) for name in measures)])
    return f"select {columns} from {HASHES} where {_of_shard(shard, 'split_', 'known_date')}"


def of_shards(of: Sequence[Shard], split: str, known_date: str) -> str:
    """SQL for whether a row is in one of some shards; `split` and `known_date` are what a row has of these."""
    return " or ".join(_of_shard(shard, split, known_date) for shard in of) or "false"


def _of_shard(shard: Shard, split: str, known_date: str) -> str:
    known = [day for day in shard.days if day is not None]
    if not shard.days:
        return "true"
    # Between is what zone maps know how to skip by.
    of_period = f"{known_date} between '{min(known)}' and '{max(known)}'" if known else "false"
    if len(known) < len(shard.days):
        of_period = f"({of_period} or {known_date} is null)"
    return f"({split} = '{shard.split}' and {of_period})"


def _copy(snapshot: Snapshot, query: str, shard: Shard, part: int, target: Path, options: str) -> str:
    cut = f"limit {ROWS_PER_FILE} offset {part * ROWS_PER_FILE}" if shard.rows > ROWS_PER_FILE else ""
    return f"copy ({query} order by {', '.join(snapshot.key)} {cut}) to '{target}' ({PARQUET}{options})"
